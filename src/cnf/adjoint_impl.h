/* Private to src/cnf/adjoint*.c: the field with its derivatives, and the time-stepping round it. */
#pragma once
#include "../program/plan.h"
#include "adjoint.h"
#include "scheme.h"

/* ---- adjoint_terms.c: what is integrated beside z, as expressions ---- */

typedef struct {
  RheoVal t, z, context, noise,
      v;            /* (B, 1), (B, D), (B, C), (B, probes D), (B, D); context and noise may be none */
  RheoVal div, pen; /* (B) or none */
} RheoAdjointRates;

/* The trace of dv/dz (B), estimated where there is noise. */
RheoVal rx_adjoint_divergence(const RheoAdjointRates *rates, int probes);
/* The weighted sum of regularisers (B), of which there must be one. */
RheoVal rx_adjoint_penalty(RheoCnf cnf, RheoScope scope, const RheoAdjointConfig *config,
                           const RheoAdjointRates *rates);
PetscBool RheoAdjointHasPenalty(const RheoAdjointConfig *config);

/* ---- adjoint_field.c: rates of the augmented state and their vector-Jacobian products ---- */

/* Integrals of the divergence and of the weighted penalties, in this order, each where it is asked for; arrays of them are
 * (n_integrals, rows). */
typedef struct {
  int rows, block, n_blocks; /* rows is a multiple of block: what plans are compiled for */
  int d, c, noise;           /* widths; noise: probes times D, 0 where nothing is drawn */
  PetscBool log_det, penalty, single, fixed;
  int n_integrals;
  size_t n_params, n_z;      /* n_z: rows D */
  RheoPlan rate, full, pull; /* of z alone; of z and integrals; products with derivatives */
  RheoWork rate_work, full_work, pull_work;
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
/* rate (rows, D) of z at time t, with time running in direction sign, and those of the integrals, or NULL. */
void RheoAdjointFieldRate(RheoAdjointField *field, double sign, double t, const double *z, double *rate,
                          double *integrals);
/* pulled (rows, D) = (d rates / d z)^T (dz, dintegrals). Adds weight times the products with d rates / d values to dvalues
 * (P) and with d rates / d context to dcontext (rows, C); either may be NULL. Sets the rates of the integrals. */
void RheoAdjointFieldPull(RheoAdjointField *field, double sign, double t, const double *z, const double *dz,
                          const double *dintegrals, double *pulled, double weight, double *dvalues,
                          double *dcontext, double *integrals);

/* ---- adjoint_steps.c: PETSc's TS over the field ----
 *
 * Where steps are adaptive the state is z and the integrals, so that errors of both count; where they are fixed it is z
 * alone, and the integrals are summed beside it with the weights of the scheme, on the way there or on the way back. */
typedef struct {
  double sign, t0;  /* t = t0 + sign s for the solver's own time s, which always grows */
  int stage;        /* of a step: which comes next, on the way there; how many are left, on the way back */
  int64_t steps;    /* on the way there: left to go, of fixed ones */
  PetscBool resume; /* the next rate is known: the last one of the segment before */
  PetscBool sum;    /* whether integrals are being summed; fixed steps */
  Vec state;        /* of the stage that TSAdjoint looks at; borrowed between its two callbacks */
  double stage_t;
  double *dvalues, *dcontext;
  PetscBool not_finite; /* some rate was not; adaptive steps */
} RheoAdjointStage;

struct RheoAdjoint_ {
  RheoAdjointConfig config;
  RheoAdjointField field;
  TS taped, plain; /* with and without a trajectory; plain only for checkpoints */
  Mat jacobian;    /* a shell that can only multiply transposed */
  Vec state, costate;
  size_t n_state;
  PetscBool adaptive, first_same_as_last, frozen;
  int n_stages;
  double *weight; /* (stages) of the scheme's quadrature */
  RheoAdjointStage now;
  int64_t n;        /* rows of the last forward solve; 0: none to go back along */
  int64_t n_rows;   /* of the last forward solve, whatever became of it */
  PetscBool known;  /* whether integrals are those of the last solve */
  double length;    /* |t1 - t0| */
  double *dcontext; /* (rows, C) */
  double *integrals, *dintegrals, *rates, *none; /* (n_integrals, rows); none: zeros */
  int64_t n_segments;                            /* 1 without checkpoints */
  double *checkpoint;                            /* (segments, n_state): state where each began */
  double *checkpoint_rate,
      *rate;     /* (segments, n_state), (n_state): the last rate before; NULL unless a step starts with it */
  double *begin; /* (segments + 1): the solver's time there */
  double failed_at;
  double *time; /* of the steps of an adaptive solve */
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
