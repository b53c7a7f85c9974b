/* The programs of a solver: the field with what is integrated along, and the two ends of the way. */
#include "solve_impl.h"

static PetscBool IsSingle(RheoSolver solver)
{
  return solver->config.precision == RHEO_SOLVE_SINGLE ? PETSC_TRUE : PETSC_FALSE;
}

static PetscErrorCode Begin(RheoSolver solver, RheoProgram *program, RheoScope *scope)
{
  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(solver->block, program));
  *scope = rx_enter(RheoScopeRoot(*program, solver->params, 0), "%s", solver->scope);
  PetscFunctionReturn(RHEO_OK);
}

/* A program that names a parameter which the layout lacked would read beyond the values. */
static PetscErrorCode Compile(RheoSolver solver, RheoProgram program, RheoPrecision precision, int n_out,
                              const RheoVal *out, size_t before, SolvePlan *plan)
{
  PetscFunctionBeginUser;
  PetscCheck(RheoParamsSize(solver->params) == before, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "The layout of parameters does not hold all of the field '%s'", solver->scope);
  PetscCall(RheoPlanCreate(program, precision, n_out, out, &plan->plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(plan->plan, &plan->work));
  PetscFunctionReturn(RHEO_OK);
}

/* (B, K): exact, or the estimate of each probe. */
static RheoVal Divergence(RheoSolver solver, RheoProgram program, RheoVal v, RheoVal z)
{
  RheoVal all = RHEO_NONE;
  if (solver->config.divergence == RHEO_DIVERGENCE_EXACT) return rx_cnf_divergence(v, z);
  RheoVal noise = rx_rows(program, "noise", solver->k * solver->d);
  for (int k = 0; k < solver->k; k++) {
    RheoVal e = rx_slice(noise, 1, k * solver->d, (k + 1) * solver->d);
    all = rx_concat2(1, all, rx_reshape(rx_cnf_divergence_estimate(v, z, e), RX_SHAPE(-1, 1)));
  }
  return all;
}

PetscErrorCode SolveFieldCompile(RheoSolver solver, int parts)
{
  const size_t before = RheoParamsSize(solver->params);
  SolvePlan *plan = &solver->field[parts];
  RheoProgram program;
  RheoScope scope;
  RheoVal out[3];
  int n = 0;

  PetscFunctionBeginUser;
  if (plan->plan) PetscFunctionReturn(RHEO_OK);
  PetscCall(Begin(solver, &program, &scope));
  RheoVal t = rx_broadcast(rx_input(program, "t", RX_SHAPE(1, 1)), RX_SHAPE(solver->block, 1));
  RheoVal z = rx_rows(program, "z", solver->d);
  RheoVal context = solver->c ? rx_rows(program, "context", solver->c) : RHEO_NONE;
  out[n++] = rx_cnf_velocity(solver->cnf, scope, t, z, context, RHEO_NONE);
  if (parts & SOLVE_LOG_DET) out[n++] = Divergence(solver, program, out[0], z);
  if (parts & SOLVE_ENERGY) out[n++] = rx_sum(rx_square(out[0]), 1);
  PetscCall(Compile(solver, program, IsSingle(solver) ? RHEO_SINGLE : RHEO_DOUBLE, n, out, before, plan));
  PetscFunctionReturn(RHEO_OK);
}

void SolveFieldRun(RheoSolver solver, int parts, int64_t n, const void *t, const void *z, const void *context,
                   const void *noise, void *v, void *log_det, void *energy)
{
  const SolvePlan *plan = &solver->field[parts];
  const void *values = IsSingle(solver) ? (const void *)solver->values : solver->exact;
  const void *in[4] = {t, z};
  void *out[3] = {v};
  int n_in = 2, n_out = 1;
  if (solver->c) in[n_in++] = context;
  in[n_in] = noise;
  if (parts & SOLVE_LOG_DET) out[n_out++] = log_det;
  if (parts & SOLVE_ENERGY) out[n_out] = energy;
  solver->evaluations += n;
  RheoPlanRunRows(plan->plan, plan->work, values, n, in, out);
}

/* ---- The ends, always in double: there is little to do and nothing to lose ---- */

static RheoVal EndOf(RheoCnf cnf, SolveEnd end, RheoScope scope, RheoVal x, RheoVal context)
{
  switch (end) {
  case SOLVE_START:
    return rx_cnf_start(cnf, scope, x, context);
  case SOLVE_FINISH:
    return rx_cnf_finish(cnf, scope, x, context);
  case SOLVE_ENTER:
    return rx_cnf_enter(cnf, scope, x, context);
  default:
    return rx_cnf_leave(cnf, scope, x, context);
  }
}

static PetscErrorCode CompileEnd(RheoSolver solver, SolveEnd end)
{
  const size_t before = RheoParamsSize(solver->params);
  RheoProgram program;
  RheoScope scope;
  RheoVal out[2];

  PetscFunctionBeginUser;
  PetscCall(Begin(solver, &program, &scope));
  RheoVal x = rx_rows(program, "x", solver->d);
  RheoVal context = solver->c ? rx_rows(program, "context", solver->c) : RHEO_NONE;
  out[0] = EndOf(solver->cnf, end, scope, x, context);
  if (end == SOLVE_DENSITY) {
    RheoVal scale = rx_broadcast(rx_cnf_log_scale(solver->cnf, scope), RX_SHAPE(solver->block));
    out[1] = RheoCnfGetConfig(solver->cnf)->source == RHEO_SOURCE_DATA
                 ? scale
                 : rx_add(rx_cnf_source_log_prob(solver->cnf, out[0]), scale);
  }
  PetscCall(
      Compile(solver, program, RHEO_DOUBLE, end == SOLVE_DENSITY ? 2 : 1, out, before, &solver->end[end]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolveEndRun(RheoSolver solver, SolveEnd end, int64_t n, const double *x, const double *context,
                           double *y, double *density)
{
  const SolvePlan *plan = &solver->end[end];

  PetscFunctionBeginUser;
  if (!plan->plan) PetscCall(CompileEnd(solver, end));
  RheoPlanRunRows(plan->plan, plan->work, solver->exact, n, (const void *const[]){x, context},
                  (void *const[]){y, density});
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PlanDestroy(SolvePlan *plan)
{
  PetscFunctionBeginUser;
  PetscCall(RheoWorkDestroy(&plan->work));
  PetscCall(RheoPlanDestroy(&plan->plan));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SolvePlansDestroy(RheoSolver solver)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < SOLVE_PARTS; i++) PetscCall(PlanDestroy(&solver->field[i]));
  for (int i = 0; i < SOLVE_ENDS; i++) PetscCall(PlanDestroy(&solver->end[i]));
  PetscFunctionReturn(RHEO_OK);
}
