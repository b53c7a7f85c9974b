/* Private to solve*.c.
 *
 *   solve.c        life cycle, what the deck says, samples, densities and ways in data coordinates
 *   solve_check.c  mistakes in the deck and in PETSc's options
 *   solve_rows.c   rows -> groups that share their steps; what to do where a group fails
 *   solve_step.c   one group on PETSc's TS
 *   solve_field.c  programs: the field, and the two ends of the way
 */
#pragma once
#include "../program/plan.h"
#include "solve.h"
#include <petscts.h>

/* What is integrated besides the place. */
typedef enum { SOLVE_LOG_DET = 1, SOLVE_ENERGY = 2, SOLVE_PARTS = 4 } SolveParts;

typedef struct {
  RheoPlan plan; /* NULL until it is needed */
  RheoWork work;
} SolvePlan;

/* The ends of the way: source -> z(0) and back, z(1) -> x and back, the density of the source. */
typedef enum { SOLVE_START, SOLVE_FINISH, SOLVE_ENTER, SOLVE_LEAVE, SOLVE_DENSITY, SOLVE_ENDS } SolveEnd;

/* The rows of one group on their way. The state is [z (n, D)] [log_det (n, K)] [energy (n)]; time s runs from 0 upwards,
 * t = t0 + direction s, because PETSc's controllers want positive steps. */
typedef struct {
  int64_t n; /* what it was made for; 0: nothing */
  int parts;
  RheoSolver solver;
  TS ts;
  Vec state, begin; /* begin: the state at the start of a step */
  size_t size;      /* of the state */
  double atol, rtol, log_det_atol;
  PetscBool is_adaptive, is_rk;
  PetscInt stages;
  double dt_given; /* by -ts_dt; 0: not */
  void *context, *noise, *in, *out;
  double *first, *work; /* the rate at the start; (2, size) */
  /* of a run */
  double t0, direction;
  PetscInt stage;       /* of this step, to come */
  PetscBool have_first; /* the rate at the start is known already */
  double longest;       /* step so far */
  PetscBool wrong;      /* a rate of this attempt was not finite */
  PetscBool rejected;   /* for that reason */
  PetscBool cornered;   /* a rate of this step was not finite */
  int64_t wrong_row;
  double wrong_t;
} SolveStepper;

struct RheoSolver_ {
  RheoCnf cnf;
  RheoParams params;
  const char *scope;
  RheoSolveConfig config;
  int d, c, k; /* features, context, columns of log_det: a probe each */
  int block;   /* rows of a compiled program */
  const float *values;
  double *exact; /* (P) values in double */
  SolvePlan field[SOLVE_PARTS], end[SOLVE_ENDS];
  SolveStepper full, other; /* for whole groups, and for all else */
  int64_t evaluations;
};

/* One call: rows of begin (n, D) at times[0] go to times[1], ... [n_times - 1]; path (n_times - 1, n, D). */
typedef struct {
  const RheoSolveRows *rows;
  int n_times;
  const double *times;
  const double *begin;
  double *path;
  double *log_det; /* (n, K) or NULL */
  double *energy;  /* (n) or NULL */
} SolveCall;

/* solve_field.c */
PetscErrorCode SolveFieldCompile(RheoSolver solver, int parts);
/* in: t (1), z (n, D), context (n, C), noise (n, K D); out: v (n, D), log_det (n, K), energy (n); all of the field's
 * precision. */
void SolveFieldRun(RheoSolver solver, int parts, int64_t n, const void *t, const void *z, const void *context,
                   const void *noise, void *v, void *log_det, void *energy);
/* y (n, D) of x; density (n) of SOLVE_DENSITY: log p(source) and the change of scale, at the x of source; else NULL. */
PetscErrorCode SolveEndRun(RheoSolver solver, SolveEnd end, int64_t n, const double *x, const double *context,
                           double *y, double *density);
PetscErrorCode SolvePlansDestroy(RheoSolver solver);

/* solve_check.c */
/* What is wrong with config or with the options -ts_*: RHEO_ERR_INPUT, with the place in the deck where there is one (else
 * deck is NULL). Collective on the deck. */
PetscErrorCode SolveCheck(RheoDeck deck, const RheoSolveConfig *config);

/* solve_step.c */
PetscErrorCode SolveStepperCreate(RheoSolver solver, int64_t n, int parts, SolveStepper *stepper);
PetscErrorCode SolveStepperDestroy(SolveStepper *stepper);
/* The state from t0 to t1. dt: in, the first step to try, 0 to find one; out, the step to go on with. Where status is not
 * DONE the state is of no use, and report's t and dt say where it ended. Counts into report. */
PetscErrorCode SolveStepperRun(SolveStepper *stepper, double t0, double t1, double *dt,
                               RheoSolveStatus *status, RheoSolveReport *report);

/* solve_rows.c */
PetscErrorCode SolveRowsRun(RheoSolver solver, const SolveCall *call, RheoSolveReport *report);
