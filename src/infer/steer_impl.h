/* Private to src/infer: searches for sources, row by row. */
#pragma once
#include "../cnf/dflow.h"
#include "density_impl.h"
#include "steer.h"

/* ---- steer_fix.c: what config->fix asks for ---- */
typedef struct {
  int n, d;
  double *factor;     /* (n, D) */
  double *value, *sd; /* (n) */
  PetscBool drawn;    /* values are drawn with their sd, keyed by seed and row */
  uint64_t seed, first;
} SteerFix;
/* name (D); scale (D): the features' spread, for the default of sd. Mistakes are rejected as the deck's. Collective. */
PetscErrorCode SteerFixCreate(RheoDeck deck, const RheoSteerConfig *config, int d, const char *const *name,
                              const double *scale, SteerFix *fix);
PetscErrorCode SteerFixDestroy(SteerFix *fix);
/* One line where samples 0 .. n - 1 miss what they should fulfil by far more than sd; cost (n) as SteerFixCost says, on every rank. */
void SteerFixWarn(MPI_Comm comm, const SteerFix *fix, int64_t n, const double *cost);
PetscErrorCode SteerFixCost(void *fix, int64_t row, const double *x, double *cost, double *dx);

/* ---- steer.c ---- */
/* For one row of a continuous density. Collective on the deck's communicator. */
PetscErrorCode SteerCreate(RheoDeck deck, RheoDensity density, const RheoSolveConfig *solve,
                           const RheoSteerConfig *config, RheoDFlow *dflow);

typedef struct {
  int64_t n;
  int d, c;
  const double *context; /* (n, C), or (C) where shared */
  PetscBool shared;
  int around;
  RheoSteerCost cost; /* in the coordinates of the density */
  void *data;
} SteerProblem;
/* source (n, D) in place; x (n, D), cost_after (n) or NULL. Collective. */
PetscErrorCode SteerRun(MPI_Comm comm, RheoDFlow dflow, const SteerProblem *problem, double *source,
                        double *x, double *cost_after, RheoSteerReport *report);
