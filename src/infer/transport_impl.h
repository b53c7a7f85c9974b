/* Private to src/infer: what a transport holds. */
#pragma once
#include "density_impl.h"
#include "training.h"
#include "transport.h"

struct RheoTransport_ {
  MPI_Comm comm;
  RheoDeck deck;
  PetscBool owns_deck;
  uint64_t seed;
  RheoDataSet target, source; /* source NULL: noise, or a model */
  RheoTransport base;         /* the model whose samples stand at t = 0; NULL: none */
  PetscBool continuous;
  RheoDensity density;
  RheoSolveConfig solve;
  RheoTraining training;
  PetscBool guarded;
  RheoSafeguard guard;
  const char *series; /* path; NULL: none */
};

/* ---- transport_rows.c ---- */
/* The target's rows to train on; x and context, to be freed with PetscFree after it, are memory that it may need. Collective. */
PetscErrorCode TransportTargetRows(RheoTransport transport, float **x, float **context,
                                   RheoRowSource *source);

/* ---- transport_source.c: what samples start from ---- */

/* Reads section `source`, and says in the deck what follows for cnf.source. */
PetscErrorCode TransportOpenSource(RheoTransport transport);
/* This rank's share of the rows to train on, which are in x, to be freed with PetscFree; none at all where the source is noise.
 * Collective. */
PetscErrorCode TransportSourceRows(RheoTransport transport, RheoRows *rows, float **x);
/* Adds the source's log-density at source (n, D), where a model knows it, and to variance (n) or NULL its own. Collective. */
PetscErrorCode TransportAddSourceLogProb(RheoTransport transport, const RheoTransportRows *rows,
                                         const double *source, double *log_prob, double *variance);

/* (n, width) doubles as floats; to be freed with PetscFree. */
PetscErrorCode TransportFloats(int64_t n, const double *x, float **floats);
