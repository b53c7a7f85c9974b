/* Compiling a program: the passes in their order, and what a plan owns. */
#include "../base/memory.h"
#include "plan_impl.h"
#include <stdlib.h>
#include <string.h>

static PetscErrorCode check(RheoProgram program, int n_out, const RheoVal *out)
{
  PetscFunctionBeginUser;
  const char *error = RheoProgramError(program);
  PetscCheck(!error, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "%s", error);
  for (int i = 0; i < n_out; i++)
    PetscCheck(out[i].program == program && out[i].id >= 0 && out[i].id < program->n, PETSC_COMM_SELF,
               PETSC_ERR_ARG_WRONG, "output %d is not a value of this program", i);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode note_interface(RheoPlan plan, RheoProgram program, int n_out, const RheoVal *out)
{
  PetscFunctionBeginUser;
  plan->rows = program->rows;
  plan->n_in = program->n_input;
  plan->n_out = n_out;
  PetscCall(PetscMalloc1(plan->n_in, &plan->in_is_rows));
  PetscCall(PetscMalloc1(plan->n_in, &plan->in_size));
  PetscCall(PetscMalloc1(n_out, &plan->out_size));
  PetscCall(PetscMalloc1(n_out, &plan->out_first));
  for (int i = 0; i < plan->n_in; i++) {
    plan->in_is_rows[i] = program->input[i].is_rows;
    plan->in_size[i] = RheoShapeSize(program->node[program->input[i].node].shape);
  }
  for (int i = 0; i < n_out; i++) {
    const RheoShape shape = program->node[out[i].id].shape;
    plan->out_size[i] = RheoShapeSize(shape);
    plan->out_first[i] = shape.n ? shape.d[0] : 0;
  }
  PetscFunctionReturn(RHEO_OK);
}

static void put_constant(RheoPlan plan, size_t at, double value)
{
  if (plan->precision == RHEO_SINGLE)
    ((float *)plan->constants)[at] = (float)value;
  else
    ((double *)plan->constants)[at] = value;
}

static PetscErrorCode aligned_memory(size_t bytes, char **memory)
{
  PetscFunctionBeginUser;
  *memory = RheoAligned(bytes + 64);
  PetscCheck(*memory, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %zu bytes", bytes);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode fill_constants(RheoPlan plan)
{
  PetscFunctionBeginUser;
  PetscCall(aligned_memory(plan->constants_size * plan->real, &plan->constants));
  memset(plan->constants, 0, plan->constants_size * plan->real);
  for (int id = 0; id < plan->graph.n; id++) {
    RheoNode *node = &plan->graph.node[id];
    const size_t at = plan->constant_offset[id];
    if (node->op == RHEO_OP_FILL) put_constant(plan, at, node->r[0]);
    if (node->op != RHEO_OP_LITERAL) continue;
    const size_t size = RheoShapeSize(node->shape);
    for (size_t k = 0; k < size; k++) put_constant(plan, at + k, node->data[k]);
    PetscCall(PetscFree(node->data));
  }
  PetscFunctionReturn(RHEO_OK);
}

static void take_stock(RheoPlan plan, int n_live_before)
{
  plan->info.n_steps = plan->n_step;
  plan->info.n_nodes = plan->graph.n;
  plan->info.n_removed = n_live_before - plan->graph.n;
  for (int s = 0; s < plan->n_step; s++)
    if (plan->step[s].kind == PLAN_STEP_GROUP) plan->info.n_groups++;
  for (int i = 0; i < plan->n_in; i++)
    if (plan->in_is_rows[i]) plan->padding_bytes += (plan->in_size[i] * plan->real + 63) / 64 * 64;
  for (int i = 0; i < plan->n_out; i++)
    plan->padding_bytes += (plan->out_size[i] * plan->real + 63) / 64 * 64;
}

PetscErrorCode PlanCreate(RheoProgram program, RheoPrecision precision, int without, int n_out,
                          const RheoVal *out, RheoPlan *result)
{
  RheoPlan plan;
  PlanUnit *unit;
  int n_unit, *id;
  PetscFunctionBeginUser;
  PetscCall(check(program, n_out, out));
  PetscCall(PetscNew(&plan));
  *result = plan;
  plan->precision = precision;
  plan->real = precision == RHEO_SINGLE ? sizeof(float) : sizeof(double);
  plan->function = precision == RHEO_SINGLE ? PlanSteps_single : PlanSteps_double;
  plan->is_fixed = (without & PLAN_FIXED) != 0;
  PetscCall(note_interface(plan, program, n_out, out));
  PetscCall(PetscMalloc1(n_out, &id));
  PetscCall(PlanSimplify(program, without, n_out, out, &plan->graph, id));
  const int n = plan->graph.n;
  PetscCall(PetscCalloc1(n, &plan->place));
  PetscCall(PetscMalloc1(n, &plan->dense));
  PetscCall(PetscCalloc1(n, &plan->constant_offset));
  for (int k = 0; k < n; k++) plan->dense[k].buffer = -1;
  plan->constants_size = 16; /* the first constant is zero, for margins */
  PetscCall(PlanPlaceLeaves(plan));
  PetscCall(PlanGroups(&plan->graph, without, &n_unit, &unit));
  PetscCall(PlanPlaceTargets(plan, id));
  PetscCall(PlanSteps(plan, n_unit, unit, id));
  if (plan->is_fixed) PetscCall(PlanFixed(plan));
  PetscCall(PlanArena(plan));
  PetscCall(fill_constants(plan));
  take_stock(plan, program->n);
  PetscCall(PlanUnitsDestroy(n_unit, &unit));
  PetscCall(PetscFree(id));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlanCreate(RheoProgram program, RheoPrecision precision, int n_out, const RheoVal *out,
                              RheoPlan *plan)
{
  PetscFunctionBeginUser;
  PetscCall(PlanCreate(program, precision, 0, n_out, out, plan));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlanCreateFixed(RheoProgram program, RheoPrecision precision, int n_out,
                                   const RheoVal *out, RheoPlan *plan)
{
  PetscFunctionBeginUser;
  PetscCall(PlanCreate(program, precision, PLAN_FIXED, n_out, out, plan));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlanDestroy(RheoPlan *plan)
{
  PetscFunctionBeginUser;
  RheoPlan p = *plan;
  if (!p) PetscFunctionReturn(RHEO_OK);
  for (int s = 0; s < p->n_step; s++) {
    PlanStep *step = &p->step[s];
    if (step->group) {
      PetscCall(PetscFree(step->group->walk));
      PetscCall(PetscFree(step->group->instruction));
    }
    PetscCall(PetscFree(step->group));
    PetscCall(PetscFree(step->operand));
    PetscCall(PetscFree(step->shape));
  }
  PetscCall(PetscFree(p->step));
  PetscCall(PetscFree(p->buffer));
  PetscCall(PetscFree(p->place));
  PetscCall(PetscFree(p->dense));
  PetscCall(PetscFree(p->constant_offset));
  PetscCall(PetscFree(p->in_is_rows));
  PetscCall(PetscFree(p->in_size));
  PetscCall(PetscFree(p->out_size));
  PetscCall(PetscFree(p->out_first));
  free(p->constants);
  PetscCall(PlanGraphDestroy(&p->graph));
  PetscCall(PetscFree(*plan));
  PetscFunctionReturn(RHEO_OK);
}

RheoPlanInfo RheoPlanGetInfo(RheoPlan plan)
{
  return plan->info;
}

PetscErrorCode RheoWorkCreate(RheoPlan plan, RheoWork *work)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(work));
  (*work)->plan = plan;
  const size_t bytes = plan->arena_bytes + plan->scratch_bytes + plan->padding_bytes;
  PetscCall(aligned_memory(bytes, &(*work)->memory));
  memset((*work)->memory, 0, bytes); /* so that memory is there before the first run */
  PetscCall(PetscMalloc1(PLAN_BASE_IN + plan->n_in + plan->n_out, &(*work)->base));
  PetscCall(PetscMalloc1(plan->n_in, &(*work)->rows_in));
  PetscCall(PetscMalloc1(plan->n_out, &(*work)->rows_out));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoWorkDestroy(RheoWork *work)
{
  PetscFunctionBeginUser;
  if (!*work) PetscFunctionReturn(RHEO_OK);
  free((*work)->memory);
  PetscCall(PetscFree((*work)->base));
  PetscCall(PetscFree((*work)->rows_in));
  PetscCall(PetscFree((*work)->rows_out));
  PetscCall(PetscFree(*work));
  PetscFunctionReturn(RHEO_OK);
}
