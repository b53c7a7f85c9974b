/* A plan for reading: one line a step. */
#include "plan_impl.h"

static const char *const kind_name[PLAN_STEP_COUNT] = {
    [PLAN_STEP_GROUP] = "group",   [PLAN_STEP_COPY] = "copy",
    [PLAN_STEP_GEMM] = "gemm",     [PLAN_STEP_SUM] = "sum",
    [PLAN_STEP_AMAX] = "amax",     [PLAN_STEP_CUMSUM] = "cumsum",
    [PLAN_STEP_GATHER] = "gather", [PLAN_STEP_SCATTER_ADD] = "scatter_add",
    [PLAN_STEP_FUSED] = "fused",
};

static void view_operand(const RheoPlan plan, const PlanOperand *operand, FILE *file)
{
  const PlanBuffer *buffer = &plan->buffer[operand->buffer];
  switch (buffer->kind) {
  case PLAN_ARENA:
    fprintf(file, " @%zu", operand->bytes);
    break;
  case PLAN_PARAMS:
    fprintf(file, " params+%lld", (long long)operand->offset);
    break;
  case PLAN_CONSTANTS:
    fprintf(file, " constant+%lld", (long long)operand->offset);
    break;
  case PLAN_IN:
    fprintf(file, " in%d+%lld", buffer->index, (long long)operand->offset);
    break;
  case PLAN_OUT:
    fprintf(file, " out%d+%lld", buffer->index, (long long)operand->offset);
    break;
  }
}

static const char *op_name(const RheoNode *node)
{
  return node->op == RHEO_OP_FUSED ? node->fused->name : RheoOps[node->op].name;
}

static void view_shape(RheoShape shape, FILE *file)
{
  fprintf(file, " (");
  for (int k = 0; k < shape.n; k++) fprintf(file, k ? ", %d" : "%d", shape.d[k]);
  fprintf(file, ")");
}

static void view_group(const PlanGroup *group, FILE *file)
{
  static const char walk_name[] = {'=', '.', '-', '#'};
  for (int k = 0; k < group->n_instruction; k++) {
    const PlanInstruction *it = &group->instruction[k];
    const int n_arg = it->node->n_arg;
    fprintf(file, "%s r%d=%s(", k ? ";" : " :", it->out, op_name(it->node));
    for (int j = 0; j < n_arg; j++) {
      fprintf(file, j ? ",r%d" : "r%d", it->arg[j]);
      if (it->arg[j] < group->n_in) fputc(walk_name[group->walk[it->arg[j]].kind], file);
    }
    fputc(')', file);
  }
}

PetscErrorCode RheoPlanView(RheoPlan plan, FILE *file)
{
  PetscFunctionBeginUser;
  fprintf(
      file,
      "# %s, %d nodes, %d steps, %d groups, arena %zu bytes (%zu without reuse), %.4g flops in products\n",
      plan->precision == RHEO_SINGLE ? "single" : "double", plan->graph.n, plan->n_step, plan->info.n_groups,
      plan->info.arena_bytes, plan->info.arena_bytes_without_reuse, plan->info.flops);
  fprintf(file, "# in a group, operands are r= whole, r. scalar, r- a row again and again, r# by strides\n");
  for (int s = 0; s < plan->n_step; s++) {
    const PlanStep *step = &plan->step[s];
    fprintf(file, "%4d %-11s", s, kind_name[step->kind]);
    if (step->kind != PLAN_STEP_GROUP) fprintf(file, " %s", op_name(&plan->graph.node[step->node]));
    view_shape(plan->graph.node[step->node].shape, file);
    if (step->kind == PLAN_STEP_GEMM)
      fprintf(file, " %lld x %lld x %lld %c%c", (long long)step->d[1], (long long)step->d[2],
              (long long)step->d[3], step->i[0] ? 't' : 'n', step->i[1] ? 't' : 'n');
    for (int k = 0; k < step->n_in; k++) view_operand(plan, &step->operand[k], file);
    fprintf(file, " ->");
    for (int k = 0; k < step->n_out; k++) view_operand(plan, &step->operand[step->n_in + k], file);
    if (step->group) view_group(step->group, file);
    fputc('\n', file);
  }
  PetscFunctionReturn(RHEO_OK);
}
