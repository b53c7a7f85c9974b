/* What a deck and PETSc's options -ts_* ask of a solver, looked at before anything is solved.
 *
 * An equation of one unknown is tried with the options of the run. It shows too whether steps are chosen by their error:
 * nothing that looks at it would cross y' = -30 y from 0 to 1 in one step.
 */
#include "../base/option_trial.h"
#include "scheme.h"
#include "solve_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The first of the names that is given; NULL where none is. */
static PetscErrorCode FirstGiven(int n, const char *const *names, const char **name)
{
  char value[8];
  PetscBool given;

  PetscFunctionBeginUser;
  *name = NULL;
  for (int i = 0; i < n && !*name; i++) {
    PetscCall(RheoOptionGiven(names[i], sizeof value, value, &given));
    if (given) *name = names[i];
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Options that have no place here ---- */

static const char ends[] = "every solve ends where it has to, at t = 1 or, on the way back, at 0";
static const struct {
  const char *name, *but, *why; /* but: the one value that does no harm */
} refused[] = {
    {"ts_exact_final_time", "matchstep", "the last step has to end at t = 1: only matchstep can be"},
    {"ts_max_time", NULL, ends},
    {"ts_final_time", NULL, ends},
    {"ts_init_time", NULL, ends},
    {"ts_time_span", NULL, ends},
    {"ts_eval_times", NULL, ends},
    {"ts_run_steps", NULL, ends},
    {"ts_error_if_step_fails", "false", "samples that cannot be followed are counted"},
    {"ts_adapt_always_accept", "false",
     "no error of a step would be looked at; for fixed steps set cnf.solve.steps"},
    {"ts_convergence_estimate", "false", "of a flow no exact solution is known"},
    {"ts_rhs_jacobian_test_mult", "false", "a flow gives PETSc no Jacobian that could be tested"},
    {"ts_rhs_jacobian_test_mult_transpose", "false", "a flow gives PETSc no Jacobian that could be tested"},
};

/* The others want a problem of second order, of parts or of implicit form, some without a look at what they get; pseudo has no
 * time, and irk takes no dense Jacobian. */
static const char *const types[] = {TSRK,      TSSSP,  TSEULER, TSBEULER, TSCN,   TSTHETA,
                                    TSARKIMEX, TSROSW, TSBDF,   TSALPHA,  TSGLEE, TSGLLE};

static PetscErrorCode CheckRefused(RheoDeck deck)
{
  char value[128];
  PetscBool given;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    PetscCall(RheoOptionGiven(refused[i].name, sizeof value, value, &given));
    if (given && !(refused[i].but && !strcasecmp(value, refused[i].but)))
      PetscCall(
          RheoOptionReject(deck, PETSC_COMM_SELF, refused[i].name, "cannot be set: %s", refused[i].why));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* PETSc takes any number. */
static const struct {
  const char *name, *rule;
  double above, below;
} numbers[] = {
    {"ts_rtol", "(0, 1)", 0, 1},
    {"ts_atol", "(0, inf)", 0, INFINITY},
    {"ts_dt", "(0, inf)", 0, INFINITY},
    {"ts_max_steps", "[1, inf)", 0, INFINITY},
    {"ts_adapt_dt_min", "(0, 1)", 0, 1}, /* the way is as long as that */
    {"ts_adapt_dt_max", "(0, inf)", 0, INFINITY},
};

static PetscErrorCode CheckNumbers(RheoDeck deck)
{
  char value[128], *end;
  PetscBool given;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    PetscCall(RheoOptionGiven(numbers[i].name, sizeof value, value, &given));
    if (!given) continue;
    const double x = strtod(value, &end);
    if (end == value || *end || !(x > numbers[i].above && x < numbers[i].below))
      PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, numbers[i].name, "must be a number in %s, got '%s'",
                                 numbers[i].rule, value));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A trial ---- */

typedef struct {
  const RheoSolveConfig *config;
  char scheme[64]; /* what steps are made by */
  PetscBool adaptive, controlled;
  double atol, rtol;
} Trial;

static PetscErrorCode Decay(TS ts, PetscReal t, Vec y, Vec rate, void *context)
{
  PetscFunctionBeginUser;
  (void)ts;
  (void)t;
  (void)context;
  PetscCall(VecCopy(y, rate));
  PetscCall(VecScale(rate, -30));
  PetscFunctionReturn(RHEO_OK);
}

/* What the options make of the stepper. */
static PetscErrorCode Inspect(TS ts, Trial *trial, PetscBool *blind)
{
  const PetscReal *embedded = NULL;
  const char *type, *control;
  TSAdapt adapt;
  PetscBool is_none, is_rk;

  PetscFunctionBeginUser;
  PetscCall(TSGetTolerances(ts, &trial->atol, NULL, &trial->rtol, NULL));
  PetscCall(TSGetAdapt(ts, &adapt));
  PetscCall(TSAdaptGetType(adapt, &control));
  PetscCall(PetscStrcmp(control, TSADAPTNONE, &is_none));
  trial->adaptive = is_none ? PETSC_FALSE : PETSC_TRUE;
  PetscCall(TSGetType(ts, &type));
  PetscCall(PetscObjectTypeCompare((PetscObject)ts, TSRK, &is_rk));
  if (is_rk) {
    PetscCall(TSRKGetType(ts, &type));
    PetscCall(TSRKGetTableau(ts, NULL, NULL, NULL, NULL, &embedded, NULL, NULL, NULL));
  }
  snprintf(trial->scheme, sizeof trial->scheme, "%s", type);
  *blind = (PetscBool)(trial->adaptive && is_rk && !embedded); /* PETSc would raise an error */
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TryOn(TS ts, Vec y, Trial *trial)
{
  const RheoSolveConfig *config = trial->config;
  TSAdapt adapt;
  PetscBool blind = PETSC_FALSE;
  PetscReal time;

  PetscFunctionBeginUser;
  PetscCall(TSSetProblemType(ts, TS_NONLINEAR));
  PetscCall(RheoSchemeSet(ts, config->scheme, NULL));
  PetscCall(TSSetTolerances(ts, config->atol, NULL, config->rtol, NULL));
  PetscCall(TSGetAdapt(ts, &adapt));
  PetscCall(TSAdaptSetType(adapt, config->steps ? TSADAPTNONE : TSADAPTBASIC));
  PetscCall(TSSetErrorIfStepFails(ts, PETSC_FALSE));
  PetscCall(TSSetRHSFunction(ts, NULL, Decay, NULL));
  PetscCall(TSSetFromOptions(ts));
  PetscCall(Inspect(ts, trial, &blind));
  trial->controlled = PETSC_FALSE;
  if (blind) PetscFunctionReturn(RHEO_OK);
  PetscCall(TSSetTolerances(ts, 1e-8, NULL, 1e-8, NULL));
  PetscCall(TSGetAdapt(ts, &adapt));
  PetscCall(TSAdaptSetStepLimits(adapt, 1e-20, 1));
  PetscCall(TSSetTimeStep(ts, 1));
  PetscCall(TSSetMaxTime(ts, 1));
  PetscCall(TSSetMaxSteps(ts, 1));
  PetscCall(TSSetExactFinalTime(ts, TS_EXACTFINALTIME_MATCHSTEP));
  PetscCall(VecSet(y, 1));
  PetscCall(TSSolve(ts, y));
  PetscCall(TSGetTime(ts, &time));
  trial->controlled = (PetscBool)(time < 0.9);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TryOnce(void *data)
{
  Trial *trial = data;
  Vec y;
  TS ts;

  PetscFunctionBeginUser;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, 1, &y));
  PetscCall(TSCreate(PETSC_COMM_SELF, &ts));
  const PetscErrorCode code = TryOn(ts, y, trial);
  (void)TSDestroy(&ts);
  PetscCall(VecDestroy(&y));
  PetscFunctionReturn(code);
}

/* ---- All of it ---- */

static PetscErrorCode CheckSteps(RheoDeck deck, const RheoSolveConfig *config, const Trial *trial)
{
  static const char *const schemes[] = {"ts_type", "ts_rk_type"}, *const tolerances[] = {"ts_rtol",
                                                                                         "ts_atol"};
  const char *name;
  char value[8];
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(FirstGiven(2, schemes, &name));
  if (trial->adaptive && !trial->controlled)
    PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, name ? name : "cnf.solve.scheme",
                               "'%s' has no error estimate to choose steps by; set cnf.solve.steps",
                               trial->scheme));
  PetscCall(RheoOptionGiven("ts_dt", sizeof value, value, &given));
  if (given && config->steps)
    PetscCall(
        RheoOptionReject(deck, PETSC_COMM_SELF, "ts_dt",
                         "cannot be set beside cnf.solve.steps, here %lld, which says how long steps are",
                         (long long)config->steps));
  if (!trial->adaptive && !config->steps && !given)
    PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, "ts_adapt_type",
                               "chooses no steps; set cnf.solve.steps too"));
  PetscCall(FirstGiven(2, tolerances, &name));
  if (trial->adaptive && config->precision == RHEO_SOLVE_SINGLE && PetscMax(trial->rtol, trial->atol) < 1e-6)
    PetscCall(RheoOptionReject(
        deck, PETSC_COMM_SELF, name ? name : "cnf.solve.rtol",
        "rtol and atol of %g and %g are beyond single precision; set cnf.solve.precision: double",
        trial->rtol, trial->atol));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveCheck(RheoDeck deck, const RheoSolveConfig *config)
{
  static const char *const families[] = {"-ts_", "-snes_", "-ksp_", "-pc_", "-mat_", "-vec_", NULL};
  char text[1024];
  Trial trial = {.config = config};

  PetscFunctionBeginUser;
  if (!RheoSchemeIsKnown(config->scheme, sizeof text, text))
    PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, "cnf.solve.scheme", "%s", text));
  if (config->steps > config->most)
    PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, "cnf.solve.steps",
                               "must be at most cnf.solve.most, %lld, got %lld", (long long)config->most,
                               (long long)config->steps));
  PetscCall(CheckRefused(deck));
  PetscCall(RheoOptionOneOf(deck, PETSC_COMM_SELF, "ts_type", sizeof types / sizeof *types, types,
                            "follows a flow"));
  PetscCall(CheckNumbers(deck));
  PetscCall(RheoOptionsTry(deck, PETSC_COMM_SELF, families, TryOnce, &trial));
  PetscCall(CheckSteps(deck, config, &trial));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolveRead(RheoDeck deck, RheoSolveConfig *config)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "cnf.solve", RheoSolveKeys, config));
  PetscCall(SolveCheck(deck, config));
  PetscFunctionReturn(RHEO_OK);
}
