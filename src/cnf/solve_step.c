/* One group of rows on PETSc's TS.
 *
 * Traps of TSRK that this file is about (PETSc 3.18): a rejected step is undone by subtracting what was added, which
 * loses the state where a trial was huge, so the state at the start of a step is kept and put back; a rate that is not
 * finite would reach the error norm, where PETSc raises an error, so it never leaves here: the attempt is marked and
 * rejected; tolerances as vectors make PETSc ignore -ts_rtol and -ts_atol, so they are made of what the options say.
 */
#include "kernels/convert.h"
#include "scheme.h"
#include "solve_impl.h"
#include <math.h>

/* Rates beyond this count as not finite; below it nothing that a step computes overflows. */
static const double LIMIT = 1e100;
/* A rate that no controller accepts, and that cannot overflow either. */
static const double REFUSED = 1e50;

/* ---- The rate of change ---- */

static size_t Places(const SolveStepper *s)
{
  return (size_t)s->n * (size_t)s->solver->d;
}

static size_t LogDets(const SolveStepper *s)
{
  return s->parts & SOLVE_LOG_DET ? (size_t)s->n * (size_t)s->solver->k : 0;
}

static size_t RateInSingle(SolveStepper *s, double t, const double *y, double *f)
{
  const size_t n = Places(s), l = LogDets(s), e = s->size - n - l;
  float *in = s->in, *out = s->out;
  const float at = (float)t;
  convert_to_single(n, y, in);
  SolveFieldRun(s->solver, s->parts, s->n, &at, in, s->context, s->noise, out, out + n, out + n + l);
  return convert_from_single(n + l, s->direction, LIMIT, out, f) +
         convert_from_single(e, 1, LIMIT, out + n + l, f + n + l);
}

static size_t RateInDouble(SolveStepper *s, double t, const double *y, double *f)
{
  const size_t n = Places(s), l = LogDets(s), e = s->size - n - l;
  SolveFieldRun(s->solver, s->parts, s->n, &t, y, s->context, s->noise, f, f + n, f + n + l);
  return convert_in_place(n + l, s->direction, LIMIT, f) + convert_in_place(e, 1, LIMIT, f + n + l);
}

static int IsWrong(double rate)
{
  return !(fabs(rate) < LIMIT);
}

/* Takes what is not finite out of a rate. In the last stage of a step only its error estimate can refuse it. */
static void Mark(SolveStepper *s, double t, double *f)
{
  const size_t n = Places(s), d = (size_t)s->solver->d;
  const double instead = s->is_adaptive && s->stage == s->stages ? REFUSED : 0;
  s->wrong_row = s->n;
  for (size_t i = 0; i < s->size; i++) {
    if (!IsWrong(f[i])) continue;
    const int64_t row = (int64_t)(i < n ? i / d : (i - n) % (size_t)s->n);
    if (row < s->wrong_row) s->wrong_row = row;
    f[i] = instead;
  }
  s->wrong = s->cornered = PETSC_TRUE;
  s->wrong_t = t;
}

static void Rate(SolveStepper *s, double time, const double *y, double *f)
{
  const double t = s->t0 + s->direction * time;
  const PetscBool single = s->solver->config.precision == RHEO_SOLVE_SINGLE ? PETSC_TRUE : PETSC_FALSE;
  if (single ? RateInSingle(s, t, y, f) : RateInDouble(s, t, y, f)) Mark(s, t, f);
}

static PetscErrorCode RateOfVec(TS ts, PetscReal time, Vec y, Vec f, void *context)
{
  SolveStepper *s = context;
  const PetscScalar *from;
  PetscScalar *to;

  PetscFunctionBeginUser;
  (void)ts;
  PetscCall(VecGetArrayRead(y, &from));
  PetscCall(VecGetArrayWrite(f, &to));
  if (s->have_first)
    PetscCall(PetscArraycpy(to, s->first, s->size));
  else
    Rate(s, time, from, to);
  s->have_first = PETSC_FALSE;
  PetscCall(VecRestoreArrayWrite(f, &to));
  PetscCall(VecRestoreArrayRead(y, &from));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- What PETSc calls on the way ---- */

static PetscErrorCode StepperOf(TS ts, SolveStepper **stepper)
{
  PetscFunctionBeginUser;
  PetscCall(TSGetApplicationContext(ts, stepper));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode BeforeStep(TS ts)
{
  SolveStepper *s;
  Vec state;

  PetscFunctionBeginUser;
  PetscCall(StepperOf(ts, &s));
  PetscCall(TSGetSolution(ts, &state));
  PetscCall(VecCopy(state, s->begin));
  s->stage = 0;
  s->cornered = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

/* The first stage after a rejection starts from the state that was kept. */
static PetscErrorCode BeforeStage(TS ts, PetscReal time)
{
  SolveStepper *s;
  Vec state;

  PetscFunctionBeginUser;
  (void)time;
  PetscCall(StepperOf(ts, &s));
  if (s->stage == s->stages || s->rejected) {
    PetscCall(TSGetSolution(ts, &state));
    PetscCall(VecCopy(s->begin, state));
    s->stage = 0;
    s->wrong = s->rejected = PETSC_FALSE;
  }
  s->stage++;
  PetscFunctionReturn(RHEO_OK);
}

/* Asked before the rate of a stage is computed, hence about the rates of the stages before. Where steps are fixed, or the
 * rate is wrong at the very start, a smaller step cannot help. */
static PetscErrorCode IsInDomain(TS ts, PetscReal time, Vec y, PetscBool *accept)
{
  SolveStepper *s;

  PetscFunctionBeginUser;
  (void)time;
  (void)y;
  PetscCall(StepperOf(ts, &s));
  *accept = s->wrong ? PETSC_FALSE : PETSC_TRUE;
  s->rejected = s->wrong;
  if (s->wrong && (!s->is_adaptive || s->stage <= 2))
    PetscCall(TSSetConvergedReason(ts, TS_DIVERGED_STEP_REJECTED));
  PetscFunctionReturn(RHEO_OK);
}

/* The last step is cut to meet the end, so it is the longest that tells what steps are like. A wrong rate of the last stage
 * may have been accepted all the same; and steps that time cannot tell apart lead nowhere. */
static PetscErrorCode AfterStep(TS ts)
{
  SolveStepper *s;
  PetscReal time, before, end;

  PetscFunctionBeginUser;
  PetscCall(StepperOf(ts, &s));
  PetscCall(TSGetTime(ts, &time));
  PetscCall(TSGetPrevTime(ts, &before));
  PetscCall(TSGetMaxTime(ts, &end));
  s->longest = PetscMax(s->longest, time - before);
  if (s->wrong || (time < end && time - before < 8 * PETSC_MACHINE_EPSILON * end))
    PetscCall(TSSetConvergedReason(ts, TS_DIVERGED_STEP_REJECTED));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Life ---- */

/* PETSc has no function for the norm, only the option. */
static PetscErrorCode SetFromOptions(TS ts)
{
  static const char norm[] = "-ts_adapt_wnormtype";
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsHasName(NULL, NULL, norm, &given));
  if (!given) PetscCall(PetscOptionsSetValue(NULL, norm, "INFINITY"));
  PetscCall(TSSetFromOptions(ts));
  if (!given) PetscCall(PetscOptionsClearValue(NULL, norm));
  PetscFunctionReturn(RHEO_OK);
}

/* What the options made of the scheme. */
static PetscErrorCode Inspect(SolveStepper *s)
{
  TSAdapt adapt;
  TSAdaptType type;
  PetscBool is_none;

  PetscFunctionBeginUser;
  PetscCall(TSGetAdapt(s->ts, &adapt));
  PetscCall(TSAdaptGetType(adapt, &type));
  PetscCall(PetscStrcmp(type, TSADAPTNONE, &is_none));
  s->is_adaptive = is_none ? PETSC_FALSE : PETSC_TRUE;
  PetscCall(PetscObjectTypeCompare((PetscObject)s->ts, TSRK, &s->is_rk));
  s->stages = -1;
  if (s->is_rk) PetscCall(TSRKGetTableau(s->ts, &s->stages, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(RHEO_OK);
}

/* The places as asked; a log-density to the absolute error that the relative error of a density is, for each probe as
 * far as their mean needs; the energy like the places. */
static PetscErrorCode SetTolerances(SolveStepper *s)
{
  Vec atol, rtol;
  PetscScalar *a, *r;
  const size_t n = Places(s), l = LogDets(s);

  PetscFunctionBeginUser;
  PetscCall(TSGetTolerances(s->ts, &s->atol, NULL, &s->rtol, NULL));
  s->log_det_atol = (s->atol + s->rtol) * sqrt(s->solver->k);
  if (!l) PetscFunctionReturn(RHEO_OK);
  PetscCall(VecDuplicate(s->state, &atol));
  PetscCall(VecDuplicate(s->state, &rtol));
  PetscCall(VecSet(atol, s->atol));
  PetscCall(VecSet(rtol, s->rtol));
  PetscCall(VecGetArray(atol, &a));
  PetscCall(VecGetArray(rtol, &r));
  for (size_t i = n; i < n + l; i++) {
    a[i] = s->log_det_atol;
    r[i] = 0;
  }
  PetscCall(VecRestoreArray(rtol, &r));
  PetscCall(VecRestoreArray(atol, &a));
  PetscCall(TSSetTolerances(s->ts, s->atol, atol, s->rtol, rtol));
  PetscCall(VecDestroy(&atol));
  PetscCall(VecDestroy(&rtol));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Allocate(SolveStepper *s)
{
  const RheoSolver solver = s->solver;
  const size_t n = (size_t)s->n, real = solver->config.precision == RHEO_SOLVE_SINGLE ? 4 : 8;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(s->size, &s->first, 2 * s->size, &s->work));
  PetscCall(PetscMalloc1(n * (size_t)solver->c * real, (char **)&s->context));
  PetscCall(PetscMalloc1(n * (size_t)(solver->k * solver->d) * real, (char **)&s->noise));
  PetscCall(PetscMalloc1(n * (size_t)solver->d * real, (char **)&s->in));
  PetscCall(PetscMalloc1(s->size * real, (char **)&s->out));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Configure(SolveStepper *s)
{
  const RheoSolveConfig *config = &s->solver->config;
  TSAdapt adapt;

  PetscFunctionBeginUser;
  PetscCall(TSSetProblemType(s->ts, TS_NONLINEAR));
  PetscCall(RheoSchemeSet(s->ts, config->scheme, NULL));
  PetscCall(TSSetExactFinalTime(s->ts, TS_EXACTFINALTIME_MATCHSTEP));
  PetscCall(TSSetErrorIfStepFails(s->ts, PETSC_FALSE));
  PetscCall(TSSetMaxStepRejections(s->ts, 20));
  PetscCall(TSSetMaxSteps(s->ts, (PetscInt)PetscMin(config->most, (int64_t)PETSC_MAX_INT)));
  PetscCall(TSSetTolerances(s->ts, config->atol, NULL, config->rtol, NULL));
  PetscCall(TSGetAdapt(s->ts, &adapt));
  PetscCall(TSAdaptSetType(adapt, config->steps ? TSADAPTNONE : TSADAPTBASIC));
  PetscCall(TSSetApplicationContext(s->ts, s));
  PetscCall(TSSetRHSFunction(s->ts, NULL, RateOfVec, s));
  PetscCall(TSSetPreStep(s->ts, BeforeStep));
  PetscCall(TSSetPreStage(s->ts, BeforeStage));
  PetscCall(TSSetPostStep(s->ts, AfterStep));
  PetscCall(TSSetFunctionDomainError(s->ts, IsInDomain));
  PetscCall(SetFromOptions(s->ts));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveStepperCreate(RheoSolver solver, int64_t n, int parts, SolveStepper *s)
{
  PetscFunctionBeginUser;
  *s = (SolveStepper){.n = n, .parts = parts, .solver = solver};
  s->size = Places(s) + LogDets(s) + (parts & SOLVE_ENERGY ? (size_t)n : 0);
  PetscCheck(s->size < (size_t)PETSC_MAX_INT, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "A group of %lld rows is too large", (long long)n);
  PetscCall(Allocate(s));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, (PetscInt)s->size, &s->state));
  PetscCall(VecDuplicate(s->state, &s->begin));
  PetscCall(TSCreate(PETSC_COMM_SELF, &s->ts));
  PetscCall(Configure(s));
  PetscCall(Inspect(s));
  PetscCall(SetTolerances(s));
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-ts_dt", &s->dt_given, NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveStepperDestroy(SolveStepper *s)
{
  PetscFunctionBeginUser;
  if (!s->n) PetscFunctionReturn(RHEO_OK);
  PetscCall(TSDestroy(&s->ts));
  PetscCall(VecDestroy(&s->state));
  PetscCall(VecDestroy(&s->begin));
  PetscCall(PetscFree2(s->first, s->work));
  PetscCall(PetscFree(s->context));
  PetscCall(PetscFree(s->noise));
  PetscCall(PetscFree(s->in));
  PetscCall(PetscFree(s->out));
  s->n = 0;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A run ---- */

static double Size(const SolveStepper *s, const double *x, const double *y)
{
  const size_t n = Places(s), l = LogDets(s), e = s->size - n - l;
  const double a = weighted_maximum(n, s->atol, s->rtol, x, y);
  const double b = weighted_maximum(l, s->log_det_atol, 0, x + n, y + n);
  const double c = weighted_maximum(e, s->atol, s->rtol, x + n + l, y + n + l);
  return PetscMax(a, PetscMax(b, c));
}

/* Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.4, with the norm of the worst component. Keeps
 * the rate at the start, so that it costs one more. */
static PetscErrorCode FirstStep(SolveStepper *s, double length, double *dt)
{
  const PetscScalar *y;
  double *y1 = s->work, *f1 = s->work + s->size;
  PetscInt order = 1;

  PetscFunctionBeginUser;
  if (s->is_rk) PetscCall(TSRKGetOrder(s->ts, &order));
  PetscCall(VecGetArrayRead(s->state, &y));
  Rate(s, 0, y, s->first);
  s->have_first = PETSC_TRUE;
  if (!s->wrong) {
    const double d0 = weighted_maximum(Places(s), s->atol, s->rtol, y, y), d1 = Size(s, s->first, y);
    const double h0 = PetscMin(length, d0 < 1e-5 || d1 < 1e-5 ? 1e-6 * length : 0.01 * d0 / d1);
    for (size_t i = 0; i < s->size; i++) y1[i] = y[i] + h0 * s->first[i];
    Rate(s, h0, y1, f1);
    for (size_t i = 0; i < s->size; i++) f1[i] -= s->first[i];
    const double d2 = Size(s, f1, y) / h0, most = PetscMax(d1, d2);
    const double h1 = most <= 1e-15 ? PetscMax(1e-6 * length, 1e-3 * h0) : pow(0.01 / most, 1. / (order + 1));
    *dt = s->wrong ? h0 : PetscMin(length, PetscMin(100 * h0, h1));
    s->wrong = PETSC_FALSE; /* at h0 only: there the steps will find out */
  }
  PetscCall(VecRestoreArrayRead(s->state, &y));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ChooseStep(SolveStepper *s, double length, double *dt)
{
  const int64_t steps = s->solver->config.steps;

  PetscFunctionBeginUser;
  if (s->dt_given > 0)
    *dt = s->dt_given;
  else if (steps)
    *dt = length / PetscMax(1, ceil(length * (double)steps - 1e-9));
  else if (*dt <= 0)
    PetscCall(FirstStep(s, length, dt));
  *dt = PetscMin(*dt, length);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Judge(SolveStepper *s, double length, RheoSolveStatus *status, RheoSolveReport *report)
{
  TSConvergedReason reason;
  PetscInt steps, rejected;
  PetscReal time, dt;

  PetscFunctionBeginUser;
  PetscCall(TSGetConvergedReason(s->ts, &reason));
  PetscCall(TSGetStepNumber(s->ts, &steps));
  PetscCall(TSGetStepRejections(s->ts, &rejected));
  PetscCall(TSGetTime(s->ts, &time));
  PetscCall(TSGetTimeStep(s->ts, &dt));
  report->steps += steps;
  report->rejected += rejected;
  report->t = reason < 0 && s->cornered ? s->wrong_t : s->t0 + s->direction * time;
  report->dt = dt;
  *status = RHEO_SOLVE_DONE;
  if (reason < 0)
    *status = s->cornered ? RHEO_SOLVE_NOT_FINITE : RHEO_SOLVE_TOLERANCE;
  else if (time < length * (1 - 1e-12))
    *status = RHEO_SOLVE_STEPS;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveStepperRun(SolveStepper *s, double t0, double t1, double *dt, RheoSolveStatus *status,
                               RheoSolveReport *report)
{
  const double length = fabs(t1 - t0);
  double first = *dt;

  PetscFunctionBeginUser;
  *status = RHEO_SOLVE_DONE;
  if (length == 0) PetscFunctionReturn(RHEO_OK);
  s->t0 = t0;
  s->direction = t1 > t0 ? 1 : -1;
  s->stage = 0;
  s->longest = 0;
  s->wrong = s->cornered = s->rejected = s->have_first = PETSC_FALSE;
  PetscCall(ChooseStep(s, length, &first));
  if (s->wrong) {
    *status = RHEO_SOLVE_NOT_FINITE;
    report->t = t0;
    report->dt = 0;
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(TSSetTime(s->ts, 0));
  PetscCall(TSSetMaxTime(s->ts, length));
  PetscCall(TSSetStepNumber(s->ts, 0));
  PetscCall(TSSetTimeStep(s->ts, first));
  PetscCall(TSSolve(s->ts, s->state));
  PetscCall(Judge(s, length, status, report));
  *dt = s->longest;
  PetscFunctionReturn(RHEO_OK);
}
