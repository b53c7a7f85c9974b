/* Private to src/cnf/adjoint*.c: the field with its derivatives, and the time-stepping round it. */
#pragma once
#include "../program/plan.h"
#include "adjoint.h"
#include "scheme.h"

/* ---- adjoint_field.c: rates of the augmented state and their vector-Jacobian products ---- */

/* The state of n rows is three blocks: z (n, D), the integral of the divergence (n) and of the penalties (n); the last
 * two only where they are asked for. */
typedef struct {
  int rows, block, n_blocks; /* rows is a multiple of block: what plans are compiled for */
  int d, c, noise;           /* widths; noise: probes times D, 0 where nothing is drawn */
  PetscBool log_det, penalty, single;
  size_t n_params, n_state;
  RheoPlan rate, pull;
  RheoWork rate_work, pull_work;
  void *params, *context, *directions;        /* of the plans' precision, set for a solve */
  void *z, *v, *div, *pen;                    /* (block, .), of the plans' precision; singles only */
  void *dv, *ddiv, *dpen, *dz, *dc, *dparams; /* likewise; dparams in either precision */
} RheoAdjointField;

PetscErrorCode RheoAdjointFieldCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int rows,
                                      const RheoAdjointConfig *config, RheoAdjointField *field);
PetscErrorCode RheoAdjointFieldDestroy(RheoAdjointField *field);
/* Takes values (P), context (n, C) and noise (n, probes, D) for what follows; rows from n on are copies of row n - 1. */
void RheoAdjointFieldSet(RheoAdjointField *field, const float *values, int64_t n, const double *context,
                         const double *noise);
/* rate (n_state) at time t of the state, with time running in direction sign. */
void RheoAdjointFieldRate(RheoAdjointField *field, double sign, double t, const double *state, double *rate);
/* pulled (n_state) = (d rate / d state)^T costate; adds weight times the products with d rate / d values to dvalues (P)
 * and with d rate / d context to dcontext (rows, C); either may be NULL. */
void RheoAdjointFieldPull(RheoAdjointField *field, double sign, double t, const double *state,
                          const double *costate, double *pulled, double weight, double *dvalues,
                          double *dcontext);

/* ---- adjoint_steps.c: PETSc's TS over the field ---- */
typedef struct {
  double sign, t0; /* t = t0 + sign s for the solver's own time s, which always grows */
  Vec state;       /* of the stage that TSAdjoint looks at; borrowed between its two callbacks */
  double stage_t;
  int stage; /* which one comes next in the adjoint of a step */
  double *dvalues, *dcontext;
  PetscBool not_finite; /* some rate was not */
} RheoAdjointStage;

struct RheoAdjoint_ {
  RheoAdjointConfig config;
  RheoAdjointField field;
  TS taped, plain; /* with and without a trajectory; plain only for checkpoints */
  Mat jacobian;    /* a shell that can only multiply transposed */
  Vec state, costate;
  PetscBool adaptive, first_same_as_last, frozen;
  int n_stages;
  double *weight; /* (stages) of the scheme's quadrature */
  RheoAdjointStage now;
  int64_t n;          /* rows of the last forward solve; 0: none to go back along */
  double length;      /* |t1 - t0| */
  double *dcontext;   /* (rows, C) */
  int64_t n_segments; /* of the last solve; 1 without checkpoints */
  double *checkpoint; /* (segments, n_state): state where each began */
  double *time;       /* of the steps of an adaptive solve */
  int64_t n_times, capacity;
};

PetscErrorCode RheoAdjointStepsCreate(RheoAdjoint adjoint);
PetscErrorCode RheoAdjointStepsDestroy(RheoAdjoint adjoint);
/* Whether steps are those of the last solve or chosen anew. */
PetscErrorCode RheoAdjointStepsFreeze(RheoAdjoint adjoint, PetscBool frozen);
/* Moves adjoint->state over segment i of n; on tape where it will be gone back along next. */
PetscErrorCode RheoAdjointStepsForward(RheoAdjoint adjoint, int64_t i, int64_t n, PetscBool tape,
                                       RheoSolveStatus *status);
/* Moves adjoint->costate back over the segment that is on tape. */
PetscErrorCode RheoAdjointStepsBackward(RheoAdjoint adjoint);
