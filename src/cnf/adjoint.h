/* Gradients through an ODE solve, by TSAdjoint: exact for the steps that were taken (discrete adjoint).
 *
 * State of a row: z (D), with log_det the integral of the divergence, and with regularisers that of their weighted sum.
 * With checkpoints, fixed steps keep the state at checkpoints only and recompute between them (own, since Debian's PETSc
 * has no Revolve); adaptive steps keep every stage in memory. An adaptive solve is differentiated with the lengths of its
 * steps held fixed; the worst sample decides on them.
 *
 * Every scheme of scheme.h gives right gradients: TSAdjoint brings the costate, and the sums over parameters, which PETSc
 * 3.16.5 to 3.21.3 get wrong where a weight of the scheme is zero (2b, 5dp, midpoint, ...), are our own. Cost: one
 * evaluation of the field a stage forward, one with its vector-Jacobian product backward. With fixed steps the integrals
 * can be left for the way back, where they cost nothing more.
 */
#pragma once
#include "cnf.h"
#include "solve.h"

typedef struct {
  RheoSolveConfig solve;
  int64_t checkpoints; /* states kept of a solve with fixed steps; 0: all stages of all steps */
  PetscBool log_det;   /* integrate the divergence (solve.divergence, probes) */
  PetscBool fixed;     /* the parameters stay: dvalues is always NULL, which makes the way back cheaper */
  /* Weights of regularisers: integrals over |dt| of */
  double kinetic;  /* |v|^2 (Finlay et al. 2020, RNODE) */
  double l1;       /* |v_1| + ... + |v_D| */
  double jacobian; /* |e^T dv/dz|^2 over the probes (RNODE), or |dv/dz|^2 where the divergence is exact */
  double jacobian_diagonal; /* the sum of (dv_i/dz_i)^2, exactly, whatever the divergence is: D products */
  double jacobian_off_diagonal; /* of (dv_i/dz_j)^2 with i != j, likewise */
  double acceleration;          /* |dv/dt + (dv/dz) v|^2, along the path */
  double hjb; /* |dPhi/dt - |grad Phi|^2 / 2| of a field -grad Phi (Onken et al. 2021, OT-Flow) */
} RheoAdjointConfig;

typedef struct RheoAdjoint_ *RheoAdjoint;

/* Compiled for at most `rows` rows at once. Checkpoints without fixed steps, adaptive steps by a scheme that has no error
 * estimate, and hjb of a field that has no potential are RHEO_ERR_INPUT. Not collective. */
PetscErrorCode RheoAdjointCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int rows,
                                 const RheoAdjointConfig *config, RheoAdjoint *adjoint);
PetscErrorCode RheoAdjointDestroy(RheoAdjoint *adjoint);

/* Solves z (n, D) from t0 to t1 in place, n at most rows, and remembers the way. log_det (n) and penalty (n) (the weighted
 * sum of regularisers) or NULL; both NULL: with fixed steps they are left for the way back. noise (n, probes, D) where the divergence is estimated, for it and for the Jacobian's
 * penalty; NULL otherwise. Returns with *status not RHEO_SOLVE_DONE where the solve failed; nothing then may be
 * differentiated. After fixed steps rows that are not finite spoil no others, which are delivered. */
PetscErrorCode RheoAdjointForward(RheoAdjoint adjoint, const float *values, int64_t n, double t0, double t1,
                                  double *z, const double *context, const double *noise, double *log_det,
                                  double *penalty, RheoSolveStatus *status);
/* t where the last solve that failed ended. */
double RheoAdjointFailedAt(RheoAdjoint adjoint);
/* Once after each forward solve. dz (n, D): in, the derivative of a loss with respect to z(t1); out, with respect to z(t0). dlog_det, dpenalty (n) or
 * NULL; dcontext (n, C) or NULL is set; dvalues (P) or NULL is added to. */
PetscErrorCode RheoAdjointBackward(RheoAdjoint adjoint, double *dz, const double *dlog_det,
                                   const double *dpenalty, double *dcontext, double *dvalues);

/* log_det (n), penalty (n) of the last solve, after the way back where they were left for it; either may be NULL. */
PetscErrorCode RheoAdjointGetIntegrals(RheoAdjoint adjoint, double *log_det, double *penalty);

/* Repeat the steps of the last solve rather than choose them anew, so that what is differentiated is a smooth function (line
 * searches, difference quotients). Ends what could be gone back along. No effect on fixed steps. Not collective. */
PetscErrorCode RheoAdjointFreeze(RheoAdjoint adjoint, PetscBool frozen);
