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

typedef struct {
  RheoAdjoint adjoint;
  End start, finish;
  int64_t n;
  size_t size; /* n D */
  int with_context;
  const float *values;
  double *exact; /* (P) */
  const double *context;
  const RheoDFlowConfig *config;
  RheoDFlowCost cost;
  void *data;
  double *z, *x, *dz, *dx; /* (n, D) */
  int64_t solves;
  double first;
  RheoSolveStatus status; /* of the last solve */
} Problem;

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
static void EndRun(const Problem *p, const End *end, const double *x, const double *dy, double *out)
{
  const void *in[3];
  int n = 0;
  if (p->with_context) in[n++] = p->context;
  in[n++] = x;
  in[n] = dy;
  RheoPlanRun(dy ? end->pull : end->map, dy ? end->pull_work : end->map_work, p->exact, in,
              (void *const[]){out});
}

/* ---- What TAO minimises ---- */

static PetscErrorCode Forward(Problem *p, const double *source)
{
  PetscFunctionBeginUser;
  EndRun(p, &p->start, source, NULL, p->z);
  PetscCall(
      RheoAdjointForward(p->adjoint, p->values, p->n, 0, 1, p->z, p->context, NULL, NULL, NULL, &p->status));
  p->solves++;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Evaluate(Problem *p, const double *source, double *value, double *gradient)
{
  PetscFunctionBeginUser;
  EndRun(p, &p->finish, p->z, NULL, p->x);
  PetscCall(p->cost(p->data, p->n, p->x, value, p->dx));
  EndRun(p, &p->finish, p->z, p->dx, p->dz);
  PetscCall(RheoAdjointBackward(p->adjoint, p->dz, NULL, NULL, NULL, NULL));
  EndRun(p, &p->start, source, p->dz, gradient);
  for (size_t i = 0; i < p->size; i++) {
    *value += 0.5 * p->config->prior * source[i] * source[i];
    gradient[i] += p->config->prior * source[i];
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Objective(Tao tao, Vec at, PetscReal *value, Vec gradient, void *context)
{
  Problem *p = context;
  const double *source;
  double *g;

  PetscFunctionBeginUser;
  (void)tao;
  PetscCall(VecGetArrayRead(at, &source));
  PetscCall(VecGetArrayWrite(gradient, &g));
  PetscCall(Forward(p, source));
  if (p->status == RHEO_SOLVE_DONE) {
    PetscCall(Evaluate(p, source, value, g));
  } else { /* too far out for the flow: a wall for the line search, which must not see infinity */
    *value = 1e100;
    memset(g, 0, p->size * sizeof *g);
  }
  if (p->solves == 1) p->first = *value;
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

static PetscErrorCode Minimise(Problem *p, double *source, RheoDFlowReport *report)
{
  TaoConvergedReason reason;
  PetscInt iterations;
  PetscReal value, gradient;
  Vec solution;
  Tao tao;

  PetscFunctionBeginUser;
  PetscCall(VecCreateSeqWithArray(PETSC_COMM_SELF, 1, (PetscInt)p->size, source, &solution));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  PetscCall(TaoSetType(tao, p->config->bound > 0 ? TAOBLMVM : TAOLMVM));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Objective, p));
  PetscCall(TaoSetSolution(tao, solution));
  if (p->config->bound > 0) PetscCall(SetBounds(tao, solution, p->config->bound));
  PetscCall(TaoSetMaximumIterations(tao, (PetscInt)p->config->iterations));
  PetscCall(TaoSetTolerances(tao, 1e-14, 0, p->config->tolerance));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(TaoSolve(tao));
  PetscCall(TaoGetSolutionStatus(tao, &iterations, &value, &gradient, NULL, NULL, &reason));
  report->iterations = iterations;
  report->end = value;
  report->gradient = gradient;
  report->converged = (PetscBool)(reason > 0);
  PetscCall(TaoDestroy(&tao));
  PetscCall(VecDestroy(&solution));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- One call ---- */

static PetscErrorCode ProblemCreate(RheoCnf cnf, RheoParams params, const char *scope_name, Problem *p)
{
  const size_t n_values = RheoParamsSize(params);
  const RheoAdjointConfig config = {.solve = p->config->solve, .checkpoints = p->config->checkpoints};

  PetscFunctionBeginUser;
  RheoInputCheck(p->n > 0 && p->config->prior >= 0 && p->config->bound >= 0 && p->config->iterations > 0,
                 PETSC_COMM_SELF,
                 "D-Flow: needs rows, iterations and a prior and a bound that are not negative");
  p->size = (size_t)p->n * (size_t)RheoCnfFeatures(cnf);
  p->with_context = RheoCnfContext(cnf) > 0;
  PetscCall(EndCreate(cnf, params, scope_name, (int)p->n, rx_cnf_start, &p->start));
  PetscCall(EndCreate(cnf, params, scope_name, (int)p->n, rx_cnf_finish, &p->finish));
  PetscCall(RheoAdjointCreate(cnf, params, scope_name, (int)p->n, &config, &p->adjoint));
  PetscCall(
      PetscMalloc5(n_values, &p->exact, p->size, &p->z, p->size, &p->x, p->size, &p->dz, p->size, &p->dx));
  for (size_t i = 0; i < n_values; i++) p->exact[i] = (double)p->values[i];
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ProblemDestroy(Problem *p)
{
  PetscFunctionBeginUser;
  PetscCall(RheoAdjointDestroy(&p->adjoint));
  PetscCall(EndDestroy(&p->start));
  PetscCall(EndDestroy(&p->finish));
  PetscCall(PetscFree5(p->exact, p->z, p->x, p->dz, p->dx));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDFlow(RheoCnf cnf, RheoParams params, const char *scope_name, const float *values,
                         const RheoDFlowConfig *config, int64_t n, const double *context, RheoDFlowCost cost,
                         void *data, double *source, double *x, RheoDFlowReport *report)
{
  Problem p = {.n = n, .values = values, .context = context, .config = config, .cost = cost, .data = data};

  PetscFunctionBeginUser;
  *report = (RheoDFlowReport){0};
  PetscCall(ProblemCreate(cnf, params, scope_name, &p));
  PetscCall(Forward(&p, source)); /* from here on these are the steps */
  report->status = p.status;
  p.solves = 0;
  if (p.status == RHEO_SOLVE_DONE) {
    PetscCall(RheoAdjointFreeze(p.adjoint, PETSC_TRUE));
    PetscCall(Minimise(&p, source, report));
    PetscCall(RheoAdjointFreeze(p.adjoint, PETSC_FALSE));
    report->start = p.first;
    report->solves = p.solves;
    PetscCall(Forward(&p, source));
    report->status = p.status;
    EndRun(&p, &p.finish, p.z, NULL, p.x);
    if (x) memcpy(x, p.x, p.size * sizeof *x);
  }
  PetscCall(ProblemDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}
