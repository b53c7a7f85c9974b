/* Forward solves that remember their way, and the way back.
 *
 * Checkpointing: N fixed steps are cut into as many segments as there may be checkpoints, and only the state at each
 * one's start is kept. The last is solved on tape at once; going back, each earlier one is solved a second time, on
 * tape, from its start. The steps are the same numbers both times, so that the gradient is the same too. With K
 * checkpoints of N steps of s stages K + (s + 1) N/K states (2 K where a step starts with the last rate of the one before) are in memory rather than (s + 1) N, for at most one more
 * forward solve. */
#include "adjoint_impl.h"
#include <math.h>
#include <string.h>

static PetscErrorCode CheckConfig(RheoCnf cnf, const RheoAdjointConfig *config, int rows)
{
  PetscFunctionBeginUser;
  PetscCheck(rows > 0 && RheoCnfFeatures(cnf) > 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "No rows or no features");
  RheoInputCheck(
      config->checkpoints == 0 || config->solve.steps > 0, PETSC_COMM_SELF,
      "checkpoints need fixed steps: the adjoint of adaptive steps keeps every stage (got checkpoints "
      "%lld, steps 0)",
      (long long)config->checkpoints);
  RheoInputCheck(config->kinetic >= 0 && config->l1 >= 0 && config->jacobian >= 0 &&
                     config->jacobian_diagonal >= 0 && config->jacobian_off_diagonal >= 0 &&
                     config->acceleration >= 0 && config->hjb >= 0,
                 PETSC_COMM_SELF, "weights of regularisers must not be negative");
  RheoInputCheck(config->hjb == 0 || RheoCnfHasPotential(cnf), PETSC_COMM_SELF,
                 "the regulariser hjb is of fields that have a potential");
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int rows,
                                 const RheoAdjointConfig *config, RheoAdjoint *out)
{
  RheoAdjoint adjoint;

  PetscFunctionBeginUser;
  *out = NULL;
  PetscCall(CheckConfig(cnf, config, rows));
  PetscCall(PetscNew(&adjoint));
  *out = adjoint;
  adjoint->config = *config;
  PetscCall(RheoAdjointFieldCreate(cnf, params, scope_name, rows, config, &adjoint->field));
  PetscCall(RheoAdjointStepsCreate(adjoint));
  const size_t n = (size_t)(adjoint->field.n_integrals * adjoint->field.rows);
  PetscCall(PetscMalloc1((size_t)adjoint->field.rows * (size_t)adjoint->field.c, &adjoint->dcontext));
  PetscCall(PetscCalloc4(n + 1, &adjoint->integrals, n + 1, &adjoint->dintegrals, n + 1, &adjoint->rates,
                         n + 1, &adjoint->none));
  if (config->checkpoints > 0) {
    adjoint->n_segments = PetscMin(config->checkpoints, config->solve.steps);
    PetscCall(PetscMalloc1((size_t)adjoint->n_segments * adjoint->n_state, &adjoint->checkpoint));
    if (adjoint->first_same_as_last)
      PetscCall(PetscMalloc2((size_t)adjoint->n_segments * adjoint->n_state, &adjoint->checkpoint_rate,
                             adjoint->n_state, &adjoint->rate));
  } else {
    adjoint->n_segments = 1;
  }
  PetscCall(PetscCalloc1((size_t)adjoint->n_segments + 1, &adjoint->begin));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointDestroy(RheoAdjoint *adjoint)
{
  PetscFunctionBeginUser;
  if (!*adjoint) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoAdjointStepsDestroy(*adjoint));
  PetscCall(RheoAdjointFieldDestroy(&(*adjoint)->field));
  PetscCall(PetscFree((*adjoint)->checkpoint));
  PetscCall(PetscFree2((*adjoint)->checkpoint_rate, (*adjoint)->rate));
  PetscCall(PetscFree((*adjoint)->begin));
  PetscCall(PetscFree((*adjoint)->dcontext));
  PetscCall(PetscFree4((*adjoint)->integrals, (*adjoint)->dintegrals, (*adjoint)->rates, (*adjoint)->none));
  PetscCall(PetscFree(*adjoint));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointFreeze(RheoAdjoint adjoint, PetscBool frozen)
{
  PetscFunctionBeginUser;
  PetscCheck(!frozen || !adjoint->adaptive || adjoint->n_times > 1, PETSC_COMM_SELF, PETSC_ERR_ORDER,
             "There is no solve yet whose steps could be repeated");
  if (adjoint->adaptive && frozen != adjoint->frozen) {
    PetscCall(RheoAdjointStepsFreeze(adjoint, frozen));
    adjoint->n = 0;
  }
  adjoint->frozen = frozen;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Rows of the caller and blocks of the state ---- */

/* x (rows, width) takes given (n, width), NULL for zeros; rows from n on copy row n - 1, or are zero. */
static void Spread(int rows, int64_t n, int width, const double *given, PetscBool copy, double *x)
{
  const size_t known = (size_t)n * (size_t)width, all = (size_t)rows * (size_t)width;
  if (given) memcpy(x, given, known * sizeof *x);
  for (size_t i = given ? known : 0; i < all; i++) x[i] = given && copy ? x[i - (size_t)width] : 0;
}

static PetscBool IsFinite(const double *x, size_t n)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += fabs(x[i]);
  return (PetscBool)isfinite(sum);
}

/* ---- Forward ---- */

static PetscErrorCode KeepState(RheoAdjoint adjoint, int64_t i)
{
  const double *x;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(adjoint->state, &x));
  memcpy(adjoint->checkpoint + (size_t)i * adjoint->n_state, x, adjoint->n_state * sizeof *x);
  PetscCall(VecRestoreArrayRead(adjoint->state, &x));
  if (adjoint->rate && i > 0)
    memcpy(adjoint->checkpoint_rate + (size_t)i * adjoint->n_state, adjoint->rate,
           adjoint->n_state * sizeof *x);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ReturnState(RheoAdjoint adjoint, int64_t i)
{
  double *x;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(adjoint->state, &x));
  memcpy(x, adjoint->checkpoint + (size_t)i * adjoint->n_state, adjoint->n_state * sizeof *x);
  PetscCall(VecRestoreArrayWrite(adjoint->state, &x));
  if (adjoint->rate && i > 0)
    memcpy(adjoint->rate, adjoint->checkpoint_rate + (size_t)i * adjoint->n_state,
           adjoint->n_state * sizeof *x);
  PetscFunctionReturn(RHEO_OK);
}

/* Everything from t0 to t1, segment by segment. */
static PetscErrorCode Solve(RheoAdjoint adjoint, RheoSolveStatus *status)
{
  const int64_t m = adjoint->n_segments;

  PetscFunctionBeginUser;
  *status = RHEO_SOLVE_DONE;
  for (int64_t i = 0; i < m && *status == RHEO_SOLVE_DONE; i++) {
    if (m > 1) PetscCall(KeepState(adjoint, i));
    PetscCall(RheoAdjointStepsForward(adjoint, i, m, (PetscBool)(i == m - 1), status));
    adjoint->failed_at = adjoint->now.t0 + adjoint->now.sign * adjoint->begin[i + 1];
  }
  PetscFunctionReturn(RHEO_OK);
}

double RheoAdjointFailedAt(RheoAdjoint adjoint)
{
  return adjoint->failed_at;
}

PetscErrorCode RheoAdjointForward(RheoAdjoint adjoint, const float *values, int64_t n, double t0, double t1,
                                  double *z, const double *context, const double *noise, double *log_det,
                                  double *penalty, RheoSolveStatus *status)
{
  RheoAdjointField *f = &adjoint->field;
  const size_t n_integrals = (size_t)(f->n_integrals * f->rows);
  double *x;

  PetscFunctionBeginUser;
  PetscCheck(n > 0 && n <= f->rows && t0 != t1, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "%lld rows for at most %d, from t = %g to %g", (long long)n, f->rows, t0, t1);
  PetscCheck((context || !f->c) && (noise || !f->noise) && (f->log_det || !log_det), PETSC_COMM_SELF,
             PETSC_ERR_ARG_NULL, "The context or the noise is missing, or log_det was not configured");
  RheoAdjointFieldSet(f, values, n, context, noise);
  adjoint->n = adjoint->n_rows = n;
  adjoint->length = fabs(t1 - t0);
  adjoint->now = (RheoAdjointStage){.sign = t1 > t0 ? 1 : -1, .t0 = t0};
  adjoint->now.sum = (PetscBool)(!adjoint->adaptive && f->n_integrals && (log_det || penalty));
  memset(adjoint->integrals, 0, n_integrals * sizeof *x);
  PetscCall(VecGetArrayWrite(adjoint->state, &x));
  Spread(f->rows, n, f->d, z, PETSC_TRUE, x);
  memset(x + f->n_z, 0, (adjoint->n_state - f->n_z) * sizeof *x);
  PetscCall(VecRestoreArrayWrite(adjoint->state, &x));
  PetscCall(Solve(adjoint, status));
  PetscCall(VecGetArray(adjoint->state, &x));
  memcpy(z, x, (size_t)n * (size_t)f->d * sizeof *z);
  if (adjoint->adaptive) memcpy(adjoint->integrals, x + f->n_z, n_integrals * sizeof *x);
  if (!IsFinite(x, adjoint->n_state) || !IsFinite(adjoint->integrals, n_integrals))
    *status = *status == RHEO_SOLVE_DONE ? RHEO_SOLVE_NOT_FINITE : *status;
  PetscCall(VecRestoreArray(adjoint->state, &x));
  adjoint->known = (PetscBool)(adjoint->adaptive || adjoint->now.sum || !f->n_integrals);
  if (adjoint->known) PetscCall(RheoAdjointGetIntegrals(adjoint, log_det, penalty));
  if (*status != RHEO_SOLVE_DONE) adjoint->n = 0;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointGetIntegrals(RheoAdjoint adjoint, double *log_det, double *penalty)
{
  const RheoAdjointField *f = &adjoint->field;
  const size_t n = (size_t)adjoint->n_rows;
  const double *const pen = adjoint->integrals + (f->log_det ? f->rows : 0);

  PetscFunctionBeginUser;
  PetscCheck(adjoint->known, PETSC_COMM_SELF, PETSC_ERR_ORDER,
             "Integrals that were not asked for on the way there are known after the way back");
  if (log_det && f->log_det) memcpy(log_det, adjoint->integrals, n * sizeof *log_det);
  if (log_det && !f->log_det) memset(log_det, 0, n * sizeof *log_det);
  if (penalty && f->penalty) memcpy(penalty, pen, n * sizeof *penalty);
  if (penalty && !f->penalty) memset(penalty, 0, n * sizeof *penalty);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Backward ---- */

static PetscErrorCode StartCostate(RheoAdjoint adjoint, const double *dz, const double *dlog_det,
                                   const double *dpenalty)
{
  const RheoAdjointField *f = &adjoint->field;
  double *x, *const y = adjoint->dintegrals;

  PetscFunctionBeginUser;
  if (f->log_det) Spread(f->rows, adjoint->n, 1, dlog_det, PETSC_FALSE, y);
  if (f->penalty) Spread(f->rows, adjoint->n, 1, dpenalty, PETSC_FALSE, y + (f->log_det ? f->rows : 0));
  PetscCall(VecGetArrayWrite(adjoint->costate, &x));
  Spread(f->rows, adjoint->n, f->d, dz, PETSC_FALSE, x);
  memcpy(x + f->n_z, y, (adjoint->n_state - f->n_z) * sizeof *x);
  PetscCall(VecRestoreArrayWrite(adjoint->costate, &x));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAdjointBackward(RheoAdjoint adjoint, double *dz, const double *dlog_det,
                                   const double *dpenalty, double *dcontext, double *dvalues)
{
  const RheoAdjointField *f = &adjoint->field;
  const size_t n_context = (size_t)f->rows * (size_t)f->c;
  RheoSolveStatus status;
  const double *x;

  PetscFunctionBeginUser;
  PetscCheck(adjoint->n > 0, PETSC_COMM_SELF, PETSC_ERR_ORDER,
             "There is no forward solve to go back along, or it failed, or was gone back along before");
  PetscCheck(!dvalues || !f->fixed, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "This adjoint was made for parameters that stay");
  if (dcontext && f->c) {
    memset(adjoint->dcontext, 0, n_context * sizeof *dcontext);
    adjoint->now.dcontext = adjoint->dcontext;
  }
  adjoint->now.dvalues = dvalues;
  PetscCall(StartCostate(adjoint, dz, dlog_det, dpenalty));
  for (int64_t i = adjoint->n_segments - 1; i >= 0; i--) {
    adjoint->now.sum = PETSC_FALSE;
    if (i < adjoint->n_segments - 1) {
      PetscCall(ReturnState(adjoint, i));
      PetscCall(RheoAdjointStepsForward(adjoint, i, adjoint->n_segments, PETSC_TRUE, &status));
    }
    adjoint->now.sum = (PetscBool)!adjoint->known;
    PetscCall(RheoAdjointStepsBackward(adjoint));
  }
  adjoint->known = PETSC_TRUE;
  PetscCall(VecGetArrayRead(adjoint->costate, &x));
  memcpy(dz, x, (size_t)adjoint->n * (size_t)f->d * sizeof *dz);
  PetscCall(VecRestoreArrayRead(adjoint->costate, &x));
  if (dcontext && f->c)
    memcpy(dcontext, adjoint->dcontext, (size_t)adjoint->n * (size_t)f->c * sizeof *dcontext);
  adjoint->n = 0;
  PetscFunctionReturn(RHEO_OK);
}
