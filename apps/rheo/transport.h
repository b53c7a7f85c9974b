/* What the verbs for a study of a data set share. */
#pragma once
#include "verb.h"

/* Section `sample`; a condition that the model's target cannot have is the user's mistake. Collective. */
PetscErrorCode TransportSampleRead(Run *run, RheoTransport model, TransportSampleConfig *config);

/* DIR/samples.h5 and the summary on yaml. Collective. */
PetscErrorCode TransportDraw(Run *run, RheoTransport model, RheoYaml *yaml);

/* Points of a model and what belongs to them. x (n, D), log_prob (n) and condition (n, conditions of the target) are there, the
 * others may be NULL: standard errors of log_prob (n), what the points started from (n, D), misfits of steered ones (n). */
typedef struct {
  int64_t n;
  double *x, *log_prob, *error, *source, *condition, *misfit;
} TransportPoints;

/* A table of them, the same on every rank, one block each. Collective. */
PetscErrorCode TransportWrite(Run *run, RheoTransport model, const char *verb, const TransportPoints *points,
                              const char *path);
