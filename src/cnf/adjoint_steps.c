/* TS and TSAdjoint over the augmented state.
 *
 * TSAdjoint carries the costate back, stage by stage; the gradients of parameters and context are summed here, with the
 * weights of the scheme, in the product that TSAdjoint asks for anyway: one run of the plan gives both. PETSc's own
 * sum (TSSetRHSJacobianP) would cost a second product and is wrong in 3.16.5 to 3.21.3 where a weight of the scheme is
 * zero, as that of the midpoint rule is.
 *
 * The solver's time s runs from 0 to |t1 - t0|, since an adaptive TS that goes backward keeps no trajectory. */
#include "adjoint_impl.h"
#include <math.h>
#include <string.h>

/* What a rate at this stage counts in the integrals: the last stage of a scheme that starts the next step with it counts
 * for that one. */
static double ForwardWeight(RheoAdjoint adjoint)
{
  RheoAdjointStage *now = &adjoint->now;
  const PetscBool is_last = (PetscBool)(now->stage == adjoint->n_stages - 1);
  double weight = adjoint->weight[now->stage++];
  if (!is_last) return weight;
  now->steps--;
  now->stage = adjoint->first_same_as_last ? 1 : 0;
  return weight + (adjoint->first_same_as_last && now->steps > 0 ? adjoint->weight[0] : 0);
}

static void AddIntegrals(RheoAdjoint adjoint, double weight)
{
  const size_t n = (size_t)(adjoint->field.n_integrals * adjoint->field.rows);
  for (size_t i = 0; i < n; i++) adjoint->integrals[i] += weight * adjoint->rates[i];
}

/* A norm that is not a number would abort the run; the domain check stops the solve instead. */
static void Guard(RheoAdjoint adjoint, double *rate)
{
  double sum = 0;
  for (size_t i = 0; i < adjoint->n_state; i++) sum += fabs(rate[i]);
  if (!isfinite(sum)) adjoint->now.not_finite = PETSC_TRUE;
  if (adjoint->now.not_finite) memset(rate, 0, adjoint->n_state * sizeof *rate);
}

static PetscErrorCode Rate(TS ts, PetscReal s, Vec state, Vec rate, void *context)
{
  RheoAdjoint adjoint = context;
  RheoAdjointField *f = &adjoint->field;
  const double t = adjoint->now.t0 + adjoint->now.sign * s;
  const double *x;
  PetscReal h;
  double *y;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(state, &x));
  PetscCall(VecGetArrayWrite(rate, &y));
  if (adjoint->now.resume) {
    memcpy(y, adjoint->rate, adjoint->n_state * sizeof *y);
    adjoint->now.resume = PETSC_FALSE;
  } else if (adjoint->adaptive) {
    RheoAdjointFieldRate(f, adjoint->now.sign, t, x, y, y + f->n_z);
    Guard(adjoint, y);
  } else if (adjoint->now.sum) {
    RheoAdjointFieldRate(f, adjoint->now.sign, t, x, y, adjoint->rates);
    PetscCall(TSGetTimeStep(ts, &h));
    AddIntegrals(adjoint, h * ForwardWeight(adjoint));
  } else {
    RheoAdjointFieldRate(f, adjoint->now.sign, t, x, y, NULL);
  }
  if (adjoint->rate) memcpy(adjoint->rate, y, adjoint->n_state * sizeof *y);
  PetscCall(VecRestoreArrayWrite(rate, &y));
  PetscCall(VecRestoreArrayRead(state, &x));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode InDomain(TS ts, PetscReal s, Vec state, PetscBool *accept)
{
  RheoAdjoint adjoint;

  PetscFunctionBeginUser;
  (void)s;
  (void)state;
  PetscCall(TSGetApplicationContext(ts, &adjoint));
  *accept = (PetscBool)!adjoint->now.not_finite;
  PetscFunctionReturn(RHEO_OK);
}

/* Only notes where: what TSAdjoint needs is the transposed product, which comes next. */
static PetscErrorCode Linearise(TS ts, PetscReal s, Vec state, Mat jacobian, Mat same, void *context)
{
  RheoAdjoint adjoint = context;

  PetscFunctionBeginUser;
  (void)ts;
  (void)jacobian;
  (void)same;
  adjoint->now.state = state;
  adjoint->now.stage_t = adjoint->now.t0 + adjoint->now.sign * s;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode MultiplyTransposed(Mat jacobian, Vec costate, Vec pulled)
{
  const double *x, *y;
  RheoAdjoint adjoint;
  double *f;
  PetscReal h;

  PetscFunctionBeginUser;
  PetscCall(MatShellGetContext(jacobian, &adjoint));
  RheoAdjointStage *now = &adjoint->now;
  const size_t n_z = adjoint->field.n_z;
  /* Stages come last to first; the one that only starts the next step is left out. The step is negative here. Where
   * the weight is zero TSAdjoint hands over what the other stages pass down, already multiplied by theirs. */
  if (now->stage == 0) now->stage = adjoint->n_stages - adjoint->first_same_as_last;
  const double weight = adjoint->weight[--now->stage];
  PetscCall(TSGetTimeStep(adjoint->taped, &h));
  PetscCall(VecGetArrayRead(now->state, &x));
  PetscCall(VecGetArrayRead(costate, &y));
  PetscCall(VecGetArrayWrite(pulled, &f));
  const double *dintegrals = adjoint->adaptive ? y + n_z : weight != 0 ? adjoint->dintegrals : adjoint->none;
  RheoAdjointFieldPull(&adjoint->field, now->sign, now->stage_t, x, y, dintegrals, f,
                       weight != 0 ? -h * weight : -h, now->dvalues, now->dcontext, adjoint->rates);
  memset(f + n_z, 0, (adjoint->n_state - n_z) * sizeof *f);
  if (now->sum) AddIntegrals(adjoint, -h * weight);
  PetscCall(VecRestoreArrayWrite(pulled, &f));
  PetscCall(VecRestoreArrayRead(costate, &y));
  PetscCall(VecRestoreArrayRead(now->state, &x));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode KeepTime(TS ts, PetscInt step, PetscReal s, Vec state, void *context)
{
  RheoAdjoint adjoint = context;

  PetscFunctionBeginUser;
  (void)ts;
  (void)state;
  if (adjoint->frozen) PetscFunctionReturn(RHEO_OK);
  if (step >= adjoint->capacity) {
    const int64_t capacity = 2 * (int64_t)step + 64;
    PetscCall(PetscRealloc((size_t)capacity * sizeof(double), &adjoint->time));
    adjoint->capacity = capacity;
  }
  adjoint->time[step] = s;
  adjoint->n_times = step + 1;
  PetscFunctionReturn(RHEO_OK);
}

/* PETSc has no function for the norm, only the option; under a prefix of our own, so that what is said of sampling by
 * -ts_* does not change what is learned. */
static PetscErrorCode SetNorm(TS ts)
{
  PetscFunctionBeginUser;
  PetscCall(TSSetOptionsPrefix(ts, "rheo_adjoint_"));
  PetscCall(PetscOptionsSetValue(NULL, "-rheo_adjoint_ts_adapt_wnormtype", "INFINITY"));
  PetscCall(TSSetFromOptions(ts));
  PetscCall(PetscOptionsClearValue(NULL, "-rheo_adjoint_ts_adapt_wnormtype"));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode MakeTS(RheoAdjoint adjoint, PetscBool tape, TS *out)
{
  const RheoSolveConfig *config = &adjoint->config.solve;
  PetscBool embedded;
  TSTrajectory trajectory;
  TSAdapt adapt;
  TS ts;

  PetscFunctionBeginUser;
  PetscCall(TSCreate(PETSC_COMM_SELF, &ts));
  PetscCall(TSSetProblemType(ts, TS_NONLINEAR));
  PetscCall(RheoSchemeSet(ts, config->scheme, &embedded));
  RheoInputCheck(config->steps > 0 || embedded, PETSC_COMM_SELF,
                 "the scheme '%s' has no error estimate and cannot choose its steps: give steps above 0",
                 config->scheme);
  PetscCall(TSSetApplicationContext(ts, adjoint));
  PetscCall(TSSetRHSFunction(ts, NULL, Rate, adjoint));
  PetscCall(TSSetRHSJacobian(ts, adjoint->jacobian, adjoint->jacobian, Linearise, adjoint));
  PetscCall(TSSetErrorIfStepFails(ts, PETSC_FALSE));
  PetscCall(TSGetAdapt(ts, &adapt));
  if (adjoint->adaptive) {
    PetscCall(TSAdaptSetType(adapt, TSADAPTBASIC));
    PetscCall(TSSetTolerances(ts, config->atol, NULL, config->rtol, NULL));
    PetscCall(TSSetFunctionDomainError(ts, InDomain));
    PetscCall(TSMonitorSet(ts, KeepTime, adjoint, NULL));
    PetscCall(TSSetExactFinalTime(ts, TS_EXACTFINALTIME_MATCHSTEP));
    PetscCall(SetNorm(ts));
  } else {
    PetscCall(TSAdaptSetType(adapt, TSADAPTNONE));
    PetscCall(TSSetExactFinalTime(ts, TS_EXACTFINALTIME_STEPOVER));
  }
  if (tape) {
    PetscCall(TSSetSaveTrajectory(ts));
    PetscCall(TSGetTrajectory(ts, &trajectory));
    PetscCall(TSTrajectorySetType(trajectory, ts, TSTRAJECTORYMEMORY));
    PetscCall(TSTrajectorySetSolutionOnly(trajectory, PETSC_FALSE));
    PetscCall(TSSetCostGradients(ts, 1, &adjoint->costate, NULL));
  }
  *out = ts;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointStepsCreate(RheoAdjoint adjoint)
{
  const RheoAdjointField *f = &adjoint->field;
  const PetscReal *b;
  PetscInt stages;
  PetscBool fsal;

  PetscFunctionBeginUser;
  adjoint->adaptive = (PetscBool)(adjoint->config.solve.steps == 0);
  adjoint->n_state = f->n_z + (adjoint->adaptive ? (size_t)(f->n_integrals * f->rows) : 0);
  const PetscInt n = (PetscInt)adjoint->n_state;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, n, &adjoint->state));
  PetscCall(VecDuplicate(adjoint->state, &adjoint->costate));
  PetscCall(MatCreateShell(PETSC_COMM_SELF, n, n, n, n, adjoint, &adjoint->jacobian));
  PetscCall(
      MatShellSetOperation(adjoint->jacobian, MATOP_MULT_TRANSPOSE, (void (*)(void))MultiplyTransposed));
  PetscCall(MatSetUp(adjoint->jacobian));
  PetscCall(MakeTS(adjoint, PETSC_TRUE, &adjoint->taped));
  if (adjoint->config.checkpoints > 0) PetscCall(MakeTS(adjoint, PETSC_FALSE, &adjoint->plain));
  PetscCall(TSRKGetTableau(adjoint->taped, &stages, NULL, &b, NULL, NULL, NULL, NULL, &fsal));
  PetscCall(PetscMalloc1((size_t)stages, &adjoint->weight));
  memcpy(adjoint->weight, b, (size_t)stages * sizeof *b);
  adjoint->n_stages = (int)stages;
  adjoint->first_same_as_last = fsal;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointStepsDestroy(RheoAdjoint adjoint)
{
  PetscFunctionBeginUser;
  PetscCall(TSDestroy(&adjoint->taped));
  PetscCall(TSDestroy(&adjoint->plain));
  PetscCall(MatDestroy(&adjoint->jacobian));
  PetscCall(VecDestroy(&adjoint->state));
  PetscCall(VecDestroy(&adjoint->costate));
  PetscCall(PetscFree(adjoint->weight));
  PetscCall(PetscFree(adjoint->time));
  PetscFunctionReturn(RHEO_OK);
}

/* The controller: error estimates against the worst entry, or the times of the last solve. The way back is a new TS: the
 * controller that repeats times changes how the last steps before the end are matched, which nothing public undoes, and solves
 * would depend on whether there had been a search before. */
PetscErrorCode RheoAdjointStepsFreeze(RheoAdjoint adjoint, PetscBool frozen)
{
  TSAdapt adapt;

  PetscFunctionBeginUser;
  if (!frozen) {
    PetscCall(TSDestroy(&adjoint->taped));
    PetscCall(MakeTS(adjoint, PETSC_TRUE, &adjoint->taped));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(TSGetAdapt(adjoint->taped, &adapt));
  PetscCall(TSAdaptSetType(adapt, TSADAPTHISTORY));
  PetscCall(TSAdaptHistorySetHistory(adapt, (PetscInt)adjoint->n_times, adjoint->time, PETSC_FALSE));
  PetscFunctionReturn(RHEO_OK);
}

/* The first and last of `steps` steps that belong to segment i of n. */
static void Segment(int64_t steps, int64_t i, int64_t n, int64_t *begin, int64_t *end)
{
  *begin = i * steps / n;
  *end = (i + 1) * steps / n;
}

static PetscErrorCode SetSteps(RheoAdjoint adjoint, TS ts, int64_t i, int64_t n)
{
  const RheoSolveConfig *config = &adjoint->config.solve;

  PetscFunctionBeginUser;
  PetscCall(TSSetStepNumber(ts, 0));
  if (adjoint->adaptive) {
    PetscCall(TSSetTime(ts, 0));
    PetscCall(TSSetMaxTime(ts, adjoint->length));
    PetscCall(TSSetMaxSteps(ts, (PetscInt)config->most));
    PetscCall(TSSetTimeStep(ts, adjoint->frozen ? adjoint->time[1] : adjoint->length / 16));
  } else {
    const double h = adjoint->length / (double)config->steps;
    int64_t begin, end;
    Segment(config->steps, i, n, &begin, &end);
    adjoint->now.steps = config->steps - begin;
    PetscCall(TSSetTime(ts, adjoint->begin[i])); /* a sum of h, not a multiple: the rounding of one solve */
    PetscCall(TSSetMaxTime(ts, 2 * adjoint->length)); /* the number of steps ends it */
    PetscCall(TSSetMaxSteps(ts, (PetscInt)(end - begin)));
    PetscCall(TSSetTimeStep(ts, h));
  }
  PetscFunctionReturn(RHEO_OK);
}

static RheoSolveStatus Judge(RheoAdjoint adjoint, TSConvergedReason reason)
{
  if (adjoint->now.not_finite) return RHEO_SOLVE_NOT_FINITE;
  if (!adjoint->adaptive) return RHEO_SOLVE_DONE;
  if (reason < 0) return RHEO_SOLVE_TOLERANCE;
  return reason == TS_CONVERGED_ITS ? RHEO_SOLVE_STEPS : RHEO_SOLVE_DONE;
}

PetscErrorCode RheoAdjointStepsForward(RheoAdjoint adjoint, int64_t i, int64_t n, PetscBool tape,
                                       RheoSolveStatus *status)
{
  const TS ts = tape ? adjoint->taped : adjoint->plain;
  TSConvergedReason reason;
  TSTrajectory trajectory;

  PetscFunctionBeginUser;
  if (tape) { /* what a solve left there that nobody went back along */
    PetscCall(TSGetTrajectory(ts, &trajectory));
    PetscCall(TSTrajectoryReset(trajectory));
  }
  adjoint->now.not_finite = PETSC_FALSE;
  adjoint->now.resume = (PetscBool)(adjoint->rate && i > 0);
  adjoint->now.stage = adjoint->now.resume ? 1 : 0;
  PetscCall(SetSteps(adjoint, ts, i, n));
  PetscCall(TSSolve(ts, adjoint->state));
  PetscCall(TSGetTime(ts, &adjoint->begin[i + 1]));
  PetscCall(TSGetConvergedReason(ts, &reason));
  *status = Judge(adjoint, reason);
  PetscFunctionReturn(RHEO_OK);
}

/* PETSc goes back over the last step by its length and over those before by the difference of their times, which rounding
 * makes another number; with checkpoints each segment has a last step. */
static PetscErrorCode RoundLastStep(TS ts)
{
  PetscReal before, end;

  PetscFunctionBeginUser;
  PetscCall(TSGetPrevTime(ts, &before));
  PetscCall(TSGetTime(ts, &end));
  PetscCall(TSSetTimeStep(ts, end - before));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointStepsBackward(RheoAdjoint adjoint)
{
  PetscFunctionBeginUser;
  adjoint->now.stage = 0;
  if (!adjoint->adaptive) PetscCall(RoundLastStep(adjoint->taped));
  PetscCall(TSAdjointSolve(adjoint->taped));
  PetscFunctionReturn(RHEO_OK);
}
