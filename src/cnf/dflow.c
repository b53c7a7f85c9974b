#include "dflow.h"
#include "../program/plan.h"
#include <math.h>
#include <petsctao.h>
#include <string.h>

/* An end of the way: its map and the product with its derivative. Both are affine. */
typedef struct {
  RheoPlan map, pull;
  RheoWork map_work, pull_work;
} End;

struct RheoDFlow_ {
  RheoDFlowConfig config;
  RheoAdjoint adjoint;
  End start, finish;
  int64_t n;
  size_t size, n_context; /* n D, n C */
  const float *values;
  double *exact; /* (P) */
  const double *context, *centre;
  RheoDFlowCost cost;
  void *data;
  double *z, *x, *dz, *dx; /* (n, D) */
  double *gradient;        /* (n, D), at the start */
  int64_t solves;
  double first, cost_last; /* what is minimised, at the start; the cost alone, of the last evaluation */
  double scale; /* of what TAO sees: its first step is as long as the gradient, which knows no such measure */
  RheoSolveStatus status; /* of the last solve */
  PetscErrorCode error;   /* ours or the cost's, on its way through TAO */
};

/* ---- The ends ---- */

typedef RheoVal (*Map)(RheoCnf cnf, RheoScope scope, RheoVal x, RheoVal context);

static PetscErrorCode EndCreate(RheoCnf cnf, RheoParams params, const char *scope_name, int n, Map map,
                                End *end)
{
  const int d = RheoCnfFeatures(cnf), c = RheoCnfContext(cnf);
  RheoProgram program;
  RheoVal dx;

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(n, &program));
  const RheoScope scope = rx_enter(RheoScopeRoot(program, params, 0), "%s", scope_name);
  RheoVal context = c ? rx_rows(program, "context", c) : RHEO_NONE, x = rx_rows(program, "x", d);
  RheoVal y = map(cnf, scope, x, context);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 1, &y, &end->map));
  rx_vjp(y, rx_rows(program, "dy", d), 1, &x, &dx);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 1, &dx, &end->pull));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(end->map, &end->map_work));
  PetscCall(RheoWorkCreate(end->pull, &end->pull_work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode EndDestroy(End *end)
{
  PetscFunctionBeginUser;
  PetscCall(RheoWorkDestroy(&end->map_work));
  PetscCall(RheoWorkDestroy(&end->pull_work));
  PetscCall(RheoPlanDestroy(&end->map));
  PetscCall(RheoPlanDestroy(&end->pull));
  PetscFunctionReturn(RHEO_OK);
}

/* y of x, or with dy the product dx = (dy/dx)^T dy. */
static void EndRun(RheoDFlow p, const End *end, const double *x, const double *dy, double *out)
{
  const void *in[3];
  int n = 0;
  if (p->n_context) in[n++] = p->context;
  in[n++] = x;
  in[n] = dy;
  RheoPlanRun(dy ? end->pull : end->map, dy ? end->pull_work : end->map_work, p->exact, in,
              (void *const[]){out});
}

/* ---- What TAO minimises ---- */

static PetscErrorCode Forward(RheoDFlow p, const double *source)
{
  PetscFunctionBeginUser;
  EndRun(p, &p->start, source, NULL, p->z);
  PetscCall(
      RheoAdjointForward(p->adjoint, p->values, p->n, 0, 1, p->z, p->context, NULL, NULL, NULL, &p->status));
  p->solves++;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Evaluate(RheoDFlow p, const double *source, double *value, double *gradient)
{
  PetscFunctionBeginUser;
  EndRun(p, &p->finish, p->z, NULL, p->x);
  PetscCall(p->cost(p->data, p->n, p->x, value, p->dx));
  p->cost_last = *value;
  EndRun(p, &p->finish, p->z, p->dx, p->dz);
  PetscCall(RheoAdjointBackward(p->adjoint, p->dz, NULL, NULL, NULL, NULL));
  EndRun(p, &p->start, source, p->dz, gradient);
  for (size_t i = 0; i < p->size; i++) {
    const double off = source[i] - (p->centre ? p->centre[i] : 0);
    *value += 0.5 * p->config.prior * off * off;
    gradient[i] += p->config.prior * off;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Whether value and gradient (n, D) are such as TAO, which ends the run otherwise, takes. */
static PetscBool IsFinite(RheoDFlow p, double value, const double *gradient)
{
  for (size_t i = 0; i < p->size; i++) value += 0 * gradient[i];
  return (PetscBool)isfinite(value);
}

static PetscErrorCode Objective(Tao tao, Vec at, PetscReal *value, Vec gradient, void *context)
{
  RheoDFlow p = context;
  const double *source;
  double *g;

  PetscFunctionBeginUser;
  (void)tao;
  PetscCall(VecGetArrayRead(at, &source));
  PetscCall(VecGetArrayWrite(gradient, &g));
  p->error = Forward(p, source);
  if (!p->error && p->status == RHEO_SOLVE_DONE) p->error = Evaluate(p, source, value, g);
  PetscCall(p->error);
  if (p->status != RHEO_SOLVE_DONE || !IsFinite(p, *value, g)) {
    /* Too far out for the flow or the cost: a wall for the line search, above all that it has accepted, but not so high that what it
     * interpolates would be no step at all. */
    *value = 10 * (1 + fabs(p->first));
    memset(g, 0, p->size * sizeof *g);
  }
  *value *= p->scale;
  for (size_t i = 0; i < p->size; i++) g[i] *= p->scale;
  PetscCall(VecRestoreArrayWrite(gradient, &g));
  PetscCall(VecRestoreArrayRead(at, &source));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetBounds(Tao tao, Vec solution, double bound)
{
  Vec lower, upper;

  PetscFunctionBeginUser;
  PetscCall(VecDuplicate(solution, &lower));
  PetscCall(VecDuplicate(solution, &upper));
  PetscCall(VecSet(lower, -bound));
  PetscCall(VecSet(upper, bound));
  PetscCall(TaoSetVariableBounds(tao, lower, upper));
  PetscCall(VecDestroy(&lower));
  PetscCall(VecDestroy(&upper));
  PetscFunctionReturn(RHEO_OK);
}

/* TAO's line searches end in assertions where numbers are too large to tell a step's direction: then nothing was found, which is no
 * error of the run. */
static PetscErrorCode Solve(RheoDFlow p, Tao tao, PetscBool *found)
{
  const PetscBool quiet = RheoErrorIsQuiet();

  PetscFunctionBeginUser;
  p->error = RHEO_OK;
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = TaoSolve(tao);
  RheoErrorSetQuiet(quiet);
  PetscCall(p->error);
  *found = (PetscBool)!code;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Minimise(RheoDFlow p, double *source, PetscBool *found, RheoDFlowReport *report)
{
  TaoConvergedReason reason;
  PetscInt iterations;
  PetscReal value, gradient;
  Vec solution;
  Tao tao;

  PetscFunctionBeginUser;
  PetscCall(VecCreateSeqWithArray(PETSC_COMM_SELF, 1, (PetscInt)p->size, source, &solution));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, p->config.bound > 0 ? TAOBLMVM : TAOLMVM));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, p));
  PetscCall(TaoSetSolution(tao, solution));
  if (p->config.bound > 0) PetscCall(SetBounds(tao, solution, p->config.bound));
  PetscCall(TaoSetMaximumIterations(tao, (PetscInt)p->config.iterations));
  /* Not below the rounding of the first gradient, whose scaled length is 1 or less. */
  PetscCall(TaoSetTolerances(tao, PetscMax(1e-14, p->config.absolute * p->scale), 0, p->config.tolerance));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(Solve(p, tao, found));
  PetscCall(TaoGetSolutionStatus(tao, &iterations, &value, &gradient, NULL, NULL, &reason));
  report->iterations = iterations;
  report->end = value / p->scale;
  report->gradient = gradient / p->scale;
  report->converged = (PetscBool)(reason > 0);
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&solution));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- The object ---- */

PetscErrorCode RheoDFlowCreate(RheoCnf cnf, RheoParams params, const char *scope_name, const float *values,
                               const RheoDFlowConfig *config, int64_t n, RheoDFlow *dflow)
{
  const size_t n_values = RheoParamsSize(params);
  const RheoAdjointConfig adjoint = {
      .solve = config->solve, .checkpoints = config->checkpoints, .fixed = PETSC_TRUE};
  RheoDFlow p;

  PetscFunctionBeginUser;
  *dflow = NULL;
  RheoInputCheck(n > 0 && config->prior >= 0 && config->bound >= 0 && config->iterations > 0, PETSC_COMM_SELF,
                 "D-Flow: needs rows, iterations and a prior and a bound that are not negative");
  PetscCall(PetscNew(&p));
  *dflow = p;
  p->config = *config;
  p->n = n;
  p->values = values;
  p->size = (size_t)n * (size_t)RheoCnfFeatures(cnf);
  p->n_context = (size_t)n * (size_t)RheoCnfContext(cnf);
  PetscCall(EndCreate(cnf, params, scope_name, (int)n, rx_cnf_start, &p->start));
  PetscCall(EndCreate(cnf, params, scope_name, (int)n, rx_cnf_finish, &p->finish));
  PetscCall(RheoAdjointCreate(cnf, params, scope_name, (int)n, &adjoint, &p->adjoint));
  PetscCall(PetscMalloc6(n_values, &p->exact, p->size, &p->z, p->size, &p->x, p->size, &p->dz, p->size,
                         &p->dx, p->size, &p->gradient));
  for (size_t i = 0; i < n_values; i++) p->exact[i] = (double)values[i];
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDFlowDestroy(RheoDFlow *dflow)
{
  RheoDFlow p = *dflow;

  PetscFunctionBeginUser;
  if (!p) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoAdjointDestroy(&p->adjoint));
  PetscCall(EndDestroy(&p->start));
  PetscCall(EndDestroy(&p->finish));
  PetscCall(PetscFree6(p->exact, p->z, p->x, p->dz, p->dx, p->gradient));
  PetscCall(PetscFree(*dflow));
  PetscFunctionReturn(RHEO_OK);
}

/* The first step then is at most 1 long, as far as sources lie apart. */
static double Scale(size_t n, const double *gradient)
{
  double length = 0;
  for (size_t i = 0; i < n; i++) length = hypot(length, gradient[i]);
  return isfinite(length) && length > 1 ? 1 / length : 1;
}

PetscErrorCode RheoDFlowMinimise(RheoDFlow p, const double *context, const double *centre, RheoDFlowCost cost,
                                 void *data, double *source, double *x, RheoDFlowReport *report)
{
  PetscBool found = PETSC_FALSE;

  PetscFunctionBeginUser;
  *report = (RheoDFlowReport){0};
  p->context = context;
  p->centre = centre;
  p->cost = cost;
  p->data = data;
  PetscCall(Forward(p, source)); /* from here on these are the steps */
  report->status = p->status;
  p->solves = 0;
  if (p->status != RHEO_SOLVE_DONE) PetscFunctionReturn(RHEO_OK);
  PetscCall(Evaluate(p, source, &p->first, p->gradient));
  report->start = p->first;
  report->cost_start = p->cost_last;
  if (!IsFinite(p, p->first, p->gradient)) {
    report->status = RHEO_SOLVE_NOT_FINITE;
    PetscFunctionReturn(RHEO_OK);
  }
  p->scale = Scale(p->size, p->gradient);
  PetscCall(RheoAdjointFreeze(p->adjoint, PETSC_TRUE));
  const PetscErrorCode code = Minimise(p, source, &found, report);
  PetscCall(RheoAdjointFreeze(p->adjoint, PETSC_FALSE));
  PetscCall(code);
  report->solves = p->solves;
  if (!found) {
    report->status = RHEO_SOLVE_NOT_FINITE;
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(Forward(p, source));
  report->status = p->status;
  EndRun(p, &p->finish, p->z, NULL, p->x);
  PetscCall(p->cost(p->data, p->n, p->x, &report->cost_end, p->dx));
  if (x) memcpy(x, p->x, p->size * sizeof *x);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDFlowScale(RheoDFlow p, double *scale)
{
  double *context;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(p->n_context, &context)); /* slopes do not depend on it, nor on x */
  p->context = context;
  memset(p->x, 0, p->size * sizeof *p->x);
  for (size_t i = 0; i < p->size; i++) p->dx[i] = 1;
  EndRun(p, &p->finish, p->x, p->dx, p->dz);
  memcpy(scale, p->dz, p->size / (size_t)p->n * sizeof *scale);
  PetscCall(PetscFree(context));
  PetscFunctionReturn(RHEO_OK);
}
