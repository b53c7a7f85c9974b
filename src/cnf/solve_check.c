/* What a deck and PETSc's options -ts_* ask of a solver, looked at before anything is solved.
 *
 * PETSc tells a wrong value by an error wherever it first meets it, the setting of options or the middle of a step, and does
 * not name the option. So an equation of one unknown is tried with the options of the run; where that fails each of them is
 * tried alone. The same equation shows whether steps are chosen by their error: nothing that looks at it would cross
 * y' = -30 y from 0 to 1 in one step.
 */
#include "scheme.h"
#include "solve_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of an option, "" where it has none. */
static PetscErrorCode Given(const char *name, size_t size, char *value, PetscBool *given)
{
  char option[128];

  PetscFunctionBeginUser;
  snprintf(option, sizeof option, "-%s", name);
  value[0] = 0;
  PetscCall(PetscOptionsHasName(NULL, NULL, option, given));
  if (*given) PetscCall(PetscOptionsGetString(NULL, NULL, option, value, size, NULL));
  PetscFunctionReturn(RHEO_OK);
}

/* The user's mistake in a key, or in an option `ts_...`. deck NULL: the caller has none. */
static PetscErrorCode Reject(RheoDeck deck, const char *key, const char *format, ...)
{
  const PetscBool option = (PetscBool)!strncmp(key, "ts_", 3);
  char text[1024], value[8];
  PetscBool given;
  va_list arguments;

  PetscFunctionBeginUser;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (option)
    PetscCall(Given(key, sizeof value, value, &given)); /* or the end of the program calls it unused */
  RheoInputCheck(deck, PETSC_COMM_SELF, "%s%s: %s", option ? "-" : "", key, text);
  if (option) PetscCall(RheoDeckRejectOption(deck, key, "%s", text));
  PetscCall(RheoDeckReject(deck, key, "%s", text));
  PetscFunctionReturn(RHEO_OK);
}

/* The first of the names that is given; NULL where none is. */
static PetscErrorCode FirstGiven(int n, const char *const *names, const char **name)
{
  char value[8];
  PetscBool given;

  PetscFunctionBeginUser;
  *name = NULL;
  for (int i = 0; i < n && !*name; i++) {
    PetscCall(Given(names[i], sizeof value, value, &given));
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

static PetscErrorCode CheckType(RheoDeck deck)
{
  enum { TYPES = sizeof types / sizeof *types };
  char value[128], list[256] = "";
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(Given("ts_type", sizeof value, value, &given));
  for (int i = 0; given && i < TYPES; i++) {
    if (!strcmp(value, types[i])) PetscFunctionReturn(RHEO_OK);
    strcat(strcat(list, i ? ", " : ""), types[i]);
  }
  const char *nearest = RheoNearest(value, TYPES, types);
  if (given)
    PetscCall(Reject(deck, "ts_type", "PETSc has nothing of this name that follows a flow%s%s%s (it has: %s)",
                     nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "", list));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckRefused(RheoDeck deck)
{
  char value[128];
  PetscBool given;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    PetscCall(Given(refused[i].name, sizeof value, value, &given));
    if (given && !(refused[i].but && !strcasecmp(value, refused[i].but)))
      PetscCall(Reject(deck, refused[i].name, "cannot be set: %s", refused[i].why));
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
};

static PetscErrorCode CheckNumbers(RheoDeck deck)
{
  char value[128], *end;
  PetscBool given;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    PetscCall(Given(numbers[i].name, sizeof value, value, &given));
    if (!given) continue;
    const double x = strtod(value, &end);
    if (end == value || *end || !(x > numbers[i].above && x < numbers[i].below))
      PetscCall(Reject(deck, numbers[i].name, "must be a number in %s, got '%s'", numbers[i].rule, value));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A trial ---- */

typedef struct {
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

static PetscErrorCode TryOn(TS ts, Vec y, const RheoSolveConfig *config, Trial *trial)
{
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

/* Keeps the first line of what is complained about, and prints nothing. */
static PetscErrorCode Listen(MPI_Comm comm, int line, const char *function, const char *file,
                             PetscErrorCode code, PetscErrorType type, const char *message, void *context)
{
  char *complaint = context;
  (void)comm;
  (void)line;
  (void)function;
  (void)file;
  if (type == PETSC_ERROR_INITIAL && message) {
    snprintf(complaint, 256, "%s", message);
    complaint[strcspn(complaint, "\n")] = 0;
  }
  return code;
}

/* With the options of one data base; complaint (256) is empty where PETSc takes them. */
static PetscErrorCode Try(PetscOptions options, const RheoSolveConfig *config, Trial *trial, char *complaint)
{
  PetscErrorCode code;
  Vec y;
  TS ts;

  PetscFunctionBeginUser;
  complaint[0] = 0;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, 1, &y));
  PetscCall(TSCreate(PETSC_COMM_SELF, &ts));
  PetscCall(PetscOptionsPush(options));
  PetscCall(PetscPushErrorHandler(Listen, complaint));
  code = TryOn(ts, y, config, trial);
  if (code && !complaint[0]) snprintf(complaint, 256, "error %d", (int)code);
  (void)TSDestroy(&ts);
  PetscCall(PetscPopErrorHandler());
  PetscCall(PetscOptionsPop());
  PetscCall(VecDestroy(&y));
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool IsOption(const char *text)
{
  return (PetscBool)(text[0] == '-' && isalpha((unsigned char)text[1]));
}

/* Options that print or keep, which a trial need not. */
static PetscBool IsIdle(const char *name)
{
  return (PetscBool)(strstr(name, "_monitor") || strstr(name, "_view") || strstr(name, "trajectory"));
}

/* Options of PETSc that bear on steps, as "-name value" each; the caller frees text. */
typedef struct {
  char *text, **name, **value;
  int n;
} Options;

/* Options are parted by blanks, and so are the parts of their values. */
static PetscErrorCode OptionsTake(Options *options)
{
  static const char *const families[] = {"-ts_", "-snes_", "-ksp_", "-pc_", "-mat_", "-vec_"};
  int all = 0;

  PetscFunctionBeginUser;
  *options = (Options){0};
  PetscCall(PetscOptionsGetAll(NULL, &options->text));
  for (const char *c = options->text; *c; c++) all += *c == '-';
  PetscCall(PetscCalloc2(all + 1, &options->name, all + 1, &options->value));
  PetscBool taken = PETSC_FALSE;
  char *rest = options->text, *word;
  while ((word = strsep(&rest, " "))) {
    if (IsOption(word)) {
      taken = PETSC_FALSE;
      for (size_t k = 0; k < sizeof families / sizeof *families && !IsIdle(word); k++)
        if (!strncmp(word, families[k], strlen(families[k]))) taken = PETSC_TRUE;
      if (taken) options->name[options->n++] = word;
    } else if (taken && *word) {
      options->value[options->n - 1] = word;
      taken = PETSC_FALSE;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OptionsFree(Options *options)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(options->name, options->value));
  PetscCall(PetscFree(options->text));
  PetscFunctionReturn(RHEO_OK);
}

/* With options begin .. end - 1. */
static PetscErrorCode TrySome(const Options *options, int begin, int end, const RheoSolveConfig *config,
                              Trial *trial, char *complaint)
{
  PetscOptions some;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsCreate(&some));
  for (int i = begin; i < end; i++)
    PetscCall(PetscOptionsSetValue(some, options->name[i], options->value[i]));
  PetscCall(Try(some, config, trial, complaint));
  PetscCall(PetscOptionsDestroy(&some));
  PetscFunctionReturn(RHEO_OK);
}

/* The one that PETSc does not take by itself, or else the first of -ts_*: they do not go together. */
static PetscErrorCode RejectOptions(RheoDeck deck, Options *options, const RheoSolveConfig *config,
                                    const char *complaint)
{
  char alone[256] = "", name[128] = "";
  Trial trial = {0};

  PetscFunctionBeginUser;
  for (int i = 0; i < options->n && !alone[0]; i++) {
    PetscCall(TrySome(options, i, i + 1, config, &trial, alone));
    if (alone[0] || (!name[0] && !strncmp(options->name[i], "-ts_", 4)))
      snprintf(name, sizeof name, "%s", options->name[i] + 1);
  }
  PetscCall(OptionsFree(options));
  PetscCall(Reject(deck, name, "PETSc does not take this%s (%s)", alone[0] ? "" : " beside the other options",
                   alone[0] ? alone : complaint));
  PetscFunctionReturn(RHEO_OK);
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
    PetscCall(Reject(deck, name ? name : "cnf.solve.scheme",
                     "'%s' has no error estimate to choose steps by; set cnf.solve.steps", trial->scheme));
  PetscCall(Given("ts_dt", sizeof value, value, &given));
  if (!trial->adaptive && !config->steps && !given)
    PetscCall(Reject(deck, "ts_adapt_type", "chooses no steps; set cnf.solve.steps too"));
  PetscCall(FirstGiven(2, tolerances, &name));
  if (trial->adaptive && config->precision == RHEO_SOLVE_SINGLE && PetscMax(trial->rtol, trial->atol) < 1e-6)
    PetscCall(
        Reject(deck, name ? name : "cnf.solve.rtol",
               "rtol and atol of %g and %g are beyond single precision; set cnf.solve.precision: double",
               trial->rtol, trial->atol));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveCheck(RheoDeck deck, const RheoSolveConfig *config)
{
  char text[1024];
  Options options;
  Trial trial = {0};

  PetscFunctionBeginUser;
  if (!RheoSchemeIsKnown(config->scheme, sizeof text, text))
    PetscCall(Reject(deck, "cnf.solve.scheme", "%s", text));
  if (config->steps > config->most)
    PetscCall(Reject(deck, "cnf.solve.steps", "must be at most cnf.solve.most, %lld, got %lld",
                     (long long)config->most, (long long)config->steps));
  PetscCall(CheckRefused(deck));
  PetscCall(CheckType(deck));
  PetscCall(CheckNumbers(deck));
  PetscCall(OptionsTake(&options));
  PetscCall(TrySome(&options, 0, options.n, config, &trial, text));
  if (text[0]) PetscCall(RejectOptions(deck, &options, config, text));
  PetscCall(OptionsFree(&options));
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
