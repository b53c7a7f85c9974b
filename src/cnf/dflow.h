/* Differentiating through sampling: source points whose end points are cheap (D-Flow, Ben-Hamu et al. 2024).
 *
 * Minimises cost(x) + prior |source|^2/2 over the source, where x is what the flow makes of it, by PETSc's TAO (LMVM, or
 * BLMVM within bounds); gradients come through the solver by its discrete adjoint. Options -tao_* of PETSc work. The
 * steps of an adaptive solve are chosen at the start and kept, so that the line search sees a smooth function.
 *
 * All rows are optimised as one problem, so that a cost may couple them; where it does not and rows are to be
 * independent of each other, call once for each.
 */
#pragma once
#include "adjoint.h"

typedef struct {
  RheoSolveConfig solve; /* divergence, probes and group do not matter */
  int64_t checkpoints;   /* as in adjoint.h */
  double prior;          /* weight of |source|^2/2: keeps the source where samples come from */
  double bound;          /* of |source|, each coordinate; 0: none */
  int64_t iterations;    /* at most */
  double tolerance;      /* of the gradient's norm, relative to where it started */
} RheoDFlowConfig;

/* cost of x (n, D), in data coordinates, and dx (n, D), its derivative. */
typedef PetscErrorCode (*RheoDFlowCost)(void *data, int64_t n, const double *x, double *cost, double *dx);

typedef struct {
  double start, end; /* what is minimised, before and after */
  double gradient;   /* its norm at the end */
  int64_t iterations, solves;
  PetscBool converged;
  RheoSolveStatus status; /* not DONE: the flow could not be solved from the start */
} RheoDFlowReport;

/* source (n, D): in, where to begin; out, the best found. x (n, D): its end point, or NULL. context (n, C) or NULL.
 * Not collective. */
PetscErrorCode RheoDFlow(RheoCnf cnf, RheoParams params, const char *scope_name, const float *values,
                         const RheoDFlowConfig *config, int64_t n, const double *context, RheoDFlowCost cost,
                         void *data, double *source, double *x, RheoDFlowReport *report);
