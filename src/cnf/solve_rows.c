/* From rows to groups that share their steps, and what to do where a group fails. */
#include "../base/log.h"
#include "../base/random.h"
#include "solve_impl.h"
#include <math.h>

/* Where a group fails it is cut in two until only the rows that cannot be followed are left. So many of them that use up their
 * steps, one after the other, and the rest of their group is given up: they would all fail, slowly. */
enum { PATIENCE = 16 };

const char *RheoSolveReason(RheoSolveStatus status)
{
  static const char *const reasons[] = {"", "the velocity is not finite", "no step meets the tolerance",
                                        "there are more steps than"};
  return reasons[status];
}

typedef struct {
  RheoSolver solver;
  const SolveCall *call;
  RheoSolveReport *report;
  RheoSolveStatus status; /* of the last attempt that failed */
  double t, dt;
  int lost;        /* rows that used up their steps one after the other */
  int64_t untried; /* that were given up after these */
} Group;

/* ---- What the field needs to know of a group ---- */

static void ToPrecision(const RheoSolver solver, size_t n, const double *from, void *to)
{
  double *exact = to;
  float *single = to;
  if (solver->config.precision == RHEO_SOLVE_SINGLE)
    for (size_t i = 0; i < n; i++) single[i] = (float)from[i];
  else
    for (size_t i = 0; i < n; i++) exact[i] = from[i];
}

/* Hutchinson's vectors, the same for a row whoever its mates are. */
static PetscErrorCode FillNoise(const SolveStepper *s, const RheoSolveRows *rows, int64_t a)
{
  const RheoSolver solver = s->solver;
  const PetscBool normal = solver->config.divergence == RHEO_DIVERGENCE_NORMAL ? PETSC_TRUE : PETSC_FALSE;
  const size_t n = (size_t)s->n, width = (size_t)(solver->k * solver->d);
  const uint64_t *index = rows->index ? rows->index + a : NULL;
  double *exact = s->noise;
  float *draws, *single = s->noise;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n * width, &draws));
  (normal ? RheoStreamFillNormal : RheoStreamFillUniform)(rows->seed, RHEO_STREAM_SAMPLE, 1, n, index,
                                                          (uint64_t)a, width, draws);
  if (!normal)
    for (size_t i = 0; i < n * width; i++) draws[i] = draws[i] < 0.5f ? -1 : 1;
  for (size_t i = 0; i < n * width; i++)
    if (solver->config.precision == RHEO_SOLVE_SINGLE)
      single[i] = draws[i];
    else
      exact[i] = draws[i];
  PetscCall(PetscFree(draws));
  PetscFunctionReturn(RHEO_OK);
}

/* Whole groups are of one size and keep their TS; what is left over, and pieces of a group that failed, share another. */
static PetscErrorCode GetStepper(RheoSolver solver, int64_t n, int parts, SolveStepper **stepper)
{
  SolveStepper *s = n == solver->config.group ? &solver->full : &solver->other;

  PetscFunctionBeginUser;
  if (s->n != n || s->parts != parts) {
    PetscCall(SolveStepperDestroy(s));
    PetscCall(SolveStepperCreate(solver, n, parts, s));
  }
  *stepper = s;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Load(const SolveStepper *s, const SolveCall *call, int64_t a)
{
  const RheoSolver solver = s->solver;
  const size_t places = (size_t)s->n * (size_t)solver->d;
  PetscScalar *y;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(s->state, &y));
  PetscCall(PetscArraycpy(y, call->begin + a * solver->d, places));
  PetscCall(PetscArrayzero(y + places, s->size - places));
  PetscCall(VecRestoreArrayWrite(s->state, &y));
  if (solver->c)
    ToPrecision(solver, (size_t)s->n * (size_t)solver->c, call->rows->context + a * solver->c, s->context);
  if (call->log_det && solver->config.divergence != RHEO_DIVERGENCE_EXACT)
    PetscCall(FillNoise(s, call->rows, a));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Store(const SolveStepper *s, const SolveCall *call, int64_t a, int leg)
{
  const RheoSolver solver = s->solver;
  const int64_t d = solver->d, k = solver->k;
  const PetscScalar *y, *more;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(s->state, &y));
  PetscCall(PetscArraycpy(call->path + (leg * call->rows->n + a) * d, y, s->n * d));
  more = y + s->n * d;
  if (call->log_det) {
    PetscCall(PetscArraycpy(call->log_det + a * k, more, s->n * k));
    more += s->n * k;
  }
  if (call->energy) PetscCall(PetscArraycpy(call->energy + a, more, s->n));
  PetscCall(VecRestoreArrayRead(s->state, &y));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Groups ---- */

static PetscErrorCode Attempt(Group *group, int64_t a, int64_t b, RheoSolveStatus *status)
{
  const SolveCall *call = group->call;
  const int parts = (call->log_det ? SOLVE_LOG_DET : 0) | (call->energy ? SOLVE_ENERGY : 0);
  SolveStepper *s = NULL;
  double dt = 0;

  PetscFunctionBeginUser;
  PetscCall(GetStepper(group->solver, b - a, parts, &s));
  PetscCall(Load(s, call, a));
  *status = RHEO_SOLVE_DONE;
  for (int leg = 0; leg + 1 < call->n_times && *status == RHEO_SOLVE_DONE; leg++) {
    RheoSolveReport run = {0};
    PetscCall(SolveStepperRun(s, call->times[leg], call->times[leg + 1], &dt, status, &run));
    group->report->steps += run.steps;
    group->report->rejected += run.rejected;
    group->t = run.t;
    group->dt = run.dt;
    if (*status == RHEO_SOLVE_DONE) PetscCall(Store(s, call, a, leg));
  }
  if (*status != RHEO_SOLVE_DONE) group->status = *status;
  PetscFunctionReturn(RHEO_OK);
}

static void Lose(const Group *group, int64_t row)
{
  const SolveCall *call = group->call;
  const RheoSolver solver = group->solver;
  RheoSolveReport *report = group->report;
  if (!report->n_failed++) {
    report->failed = row;
    report->status = group->status;
    report->t = group->t;
    report->dt = group->dt;
  }
  for (int leg = 0; leg + 1 < call->n_times; leg++)
    for (int j = 0; j < solver->d; j++) call->path[(leg * call->rows->n + row) * solver->d + j] = NAN;
  for (int j = 0; j < solver->k && call->log_det; j++) call->log_det[row * solver->k + j] = NAN;
  if (call->energy) call->energy[row] = NAN;
}

static PetscErrorCode Follow(Group *group, int64_t a, int64_t b)
{
  RheoSolveStatus status;

  PetscFunctionBeginUser;
  if (group->lost >= PATIENCE) {
    for (int64_t row = a; row < b; row++) Lose(group, row);
    group->untried += b - a;
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(Attempt(group, a, b, &status));
  if (status == RHEO_SOLVE_DONE) {
    group->lost = 0;
  } else if (b - a == 1) {
    Lose(group, a);
    if (status == RHEO_SOLVE_STEPS) group->lost++;
  } else {
    PetscCall(Follow(group, a, (a + b) / 2));
    PetscCall(Follow(group, (a + b) / 2, b));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Warn(const SolveCall *call, const RheoSolveReport *report, int64_t n_untried)
{
  const uint64_t row = call->rows->index ? call->rows->index[report->failed] : (uint64_t)report->failed;
  const uint64_t number = row & ((UINT64_C(1) << 40) - 1); /* rows of tests count from multiples of this */
  const char *limit = "";
  char untried[96] = "";
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsHasName(NULL, NULL, "-ts_max_steps", &given));
  if (report->status == RHEO_SOLVE_STEPS) limit = given ? " -ts_max_steps" : " cnf.solve.most";
  if (n_untried)
    snprintf(untried, sizeof untried, "; %lld were not tried, after %d in a row had failed",
             (long long)n_untried, PATIENCE);
  RheoLog(PETSC_COMM_SELF, RHEO_LOG_WARNING,
          "%lld of %lld samples could not be followed; the first is number %llu, where at t = %.6g (step "
          "%.2g) %s%s%s",
          (long long)report->n_failed, (long long)call->rows->n, (unsigned long long)number, report->t,
          report->dt, RheoSolveReason(report->status), limit, untried);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveRowsRun(RheoSolver solver, const SolveCall *call, RheoSolveReport *report)
{
  const int parts = (call->log_det ? SOLVE_LOG_DET : 0) | (call->energy ? SOLVE_ENERGY : 0);
  const int64_t n = call->rows->n, group_size = solver->config.group;
  RheoSolveReport mine = {.failed = -1};
  int64_t untried = 0;

  PetscFunctionBeginUser;
  PetscCall(SolveFieldCompile(solver, parts));
  solver->evaluations = 0;
  for (int64_t a = 0; a < n; a += group_size) {
    Group group = {.solver = solver, .call = call, .report = &mine};
    PetscCall(Follow(&group, a, PetscMin(n, a + group_size)));
    untried += group.untried;
  }
  mine.evaluations = solver->evaluations;
  if (mine.n_failed) PetscCall(Warn(call, &mine, untried));
  if (report) *report = mine;
  PetscFunctionReturn(RHEO_OK);
}
