/* Gradients through an ODE solve, by TSAdjoint: exact for the steps that were taken (discrete adjoint).
 *
 * State of a row: z (D), and with log_det the integral of the divergence, and one integral for each regulariser that is
 * on. Fixed steps keep the state at checkpoints only and recompute between them (own, since Debian's PETSc has no
 * Revolve); adaptive steps keep every stage in memory.
 */
#pragma once
#include "cnf.h"
#include "solve.h"

typedef struct {
  RheoSolveConfig solve;
  int64_t checkpoints; /* states kept of a solve with fixed steps; 0: all stages of all steps */
  PetscBool log_det;   /* integrate the divergence (solve.divergence, probes) */
  double kinetic;      /* weight of the integral of |v|^2 (Finlay et al. 2020, RNODE) */
  double jacobian;     /* of |e^T dv/dz|^2 (RNODE) */
  double acceleration; /* of |dv/dt along the path|^2 */
} RheoAdjointConfig;

typedef struct RheoAdjoint_ *RheoAdjoint;

/* Compiled for at most `rows` rows at once. A scheme whose gradients this PETSc gets wrong is RHEO_ERR_INPUT. Not collective. */
PetscErrorCode RheoAdjointCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int rows,
                                 const RheoAdjointConfig *config, RheoAdjoint *adjoint);
PetscErrorCode RheoAdjointDestroy(RheoAdjoint *adjoint);

/* Solves z (n, D) from t0 to t1 in place, n at most rows, and remembers the way. log_det (n) and penalty (n) (the weighted
 * sum of regularisers) or NULL. noise (n, probes, D) for Hutchinson and the Jacobian's penalty, or NULL. Returns with
 * *status not RHEO_SOLVE_DONE where the solve failed; nothing then may be differentiated. */
PetscErrorCode RheoAdjointForward(RheoAdjoint adjoint, const float *values, int64_t n, double t0, double t1,
                                  double *z, const double *context, const double *noise, double *log_det,
                                  double *penalty, RheoSolveStatus *status);
/* dz (n, D): in, the derivative of a loss with respect to z(t1); out, with respect to z(t0). dlog_det, dpenalty (n) or
 * NULL; dcontext (n, C) or NULL is set; dvalues (P) or NULL is added to. */
PetscErrorCode RheoAdjointBackward(RheoAdjoint adjoint, double *dz, const double *dlog_det,
                                   const double *dpenalty, double *dcontext, double *dvalues);
