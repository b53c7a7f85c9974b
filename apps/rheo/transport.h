/* What the verbs for a study of a data set share. */
#pragma once
#include "verb.h"

/* DIR/samples.h5 and the summary on yaml. Collective. */
PetscErrorCode TransportDraw(Run *run, RheoTransport model, RheoYaml *yaml);

/* A table of points x (n, D) with what belongs to them, on every rank: blocks parameters (x), log_prob, standard_error, source,
 * condition and misfit; each but the first two may be NULL. Collective. */
PetscErrorCode TransportWrite(Run *run, RheoTransport model, const char *verb, int64_t n, double *x,
                              double *log_prob, double *error, double *source, double *condition,
                              double *misfit, const char *path);
