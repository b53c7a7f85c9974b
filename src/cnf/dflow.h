/* Differentiating through sampling: source points whose end points are cheap (D-Flow, Ben-Hamu et al. 2024).
 *
 * Minimises cost(x) + prior |source - centre|^2/2 over the source, where x is what the flow makes of it, by PETSc's TAO (LMVM,
 * or BLMVM within bounds); gradients come through the solver by its discrete adjoint. Options -tao_* of PETSc work. The
 * steps of an adaptive solve are chosen at the start and kept, so that the line search sees a smooth function.
 *
 * All rows are optimised as one problem, so that a cost may couple them; where it does not and rows are to be
 * independent of each other, create for one row and minimise once for each.
 */
#pragma once
#include "adjoint.h"

typedef struct {
  RheoSolveConfig solve; /* divergence, probes and group do not matter */
  int64_t checkpoints;   /* as in adjoint.h */
  double prior;          /* weight of |source - centre|^2/2: keeps the source where samples come from */
  double bound;          /* of |source|, each coordinate; 0: none */
  int64_t iterations;    /* at most */
  double tolerance;      /* of the gradient's norm, relative to where it started */
  double absolute;       /* of the gradient's norm; either will do */
} RheoDFlowConfig;

/* cost of x (n, D), in data coordinates, and dx (n, D), its derivative. */
typedef PetscErrorCode (*RheoDFlowCost)(void *data, int64_t n, const double *x, double *cost, double *dx);

typedef struct {
  double start, end;           /* what is minimised, before and after */
  double cost_start, cost_end; /* the cost alone */
  double gradient;             /* its norm at the end */
  int64_t iterations, solves;
  PetscBool converged;
  RheoSolveStatus
      status; /* not DONE: the flow could not be solved from the start, or its cost or slope is no number there */
} RheoDFlowReport;

typedef struct RheoDFlow_ *RheoDFlow;

/* Compiles, for n rows. values (P) must stay as they are. No rows, no iterations, a negative prior or bound are RHEO_ERR_INPUT,
 * beside what adjoint.h says. Not collective. */
PetscErrorCode RheoDFlowCreate(RheoCnf cnf, RheoParams params, const char *scope_name, const float *values,
                               const RheoDFlowConfig *config, int64_t n, RheoDFlow *dflow);
PetscErrorCode RheoDFlowDestroy(RheoDFlow *dflow);

/* source (n, D): in, where to begin; out, the best found. x (n, D): its end point, or NULL. context (n, C), NULL where there is
 * none; centre (n, D), NULL for zeros. A call remembers nothing of those before it. Not collective. */
PetscErrorCode RheoDFlowMinimise(RheoDFlow dflow, const double *context, const double *centre,
                                 RheoDFlowCost cost, void *data, double *source, double *x,
                                 RheoDFlowReport *report);

/* scale (D): how far an end point moves in data coordinates for one unit in the field's: the standard deviations of the data
 * with cnf.standardize, 1 without. Not collective. */
PetscErrorCode RheoDFlowScale(RheoDFlow dflow, double *scale);
