/* One arena for all values: a buffer lives from the first step that writes it to the last that reads it, and
 * buffers that never live together share memory. First fit, the largest first. */
#include "plan_impl.h"
#include <stdlib.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes)
{
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void life_times(RheoPlan plan)
{
  for (int s = 0; s < plan->n_step; s++) {
    const PlanStep *step = &plan->step[s];
    for (int k = 0; k < step->n_in + step->n_out; k++) {
      PlanBuffer *buffer = &plan->buffer[step->operand[k].buffer];
      if (s < buffer->first) buffer->first = s;
      if (s > buffer->last) buffer->last = s;
    }
  }
  /* What later runs read of the first steps' results has to outlive each of them. */
  for (int k = 0; k < plan->n_buffer && plan->is_fixed; k++) {
    PlanBuffer *buffer = &plan->buffer[k];
    if (buffer->first < plan->n_fixed && buffer->last >= plan->n_fixed) buffer->last = plan->n_step;
  }
}

/* ---- Results in the place of arguments ---- */

/* Whether the group's output o may overwrite its operand k tile by tile: nothing reads the operand after the result is
 * written, and fused operations, which may not write over what they read, do not read it when it is. */
static int can_overwrite(const PlanStep *step, int k, int o)
{
  const PlanGroup *group = step->group;
  int written = -1;
  for (int j = 0; j < step->n_in + step->n_out; j++)
    if (j != k && step->operand[j].buffer == step->operand[k].buffer) return 0;
  for (int j = 0; j < group->n_instruction; j++) {
    const PlanInstruction *it = &group->instruction[j];
    int reads = 0;
    for (int a = 0; a < it->node->n_arg; a++) reads |= it->arg[a] == k;
    if (reads && written >= 0) return 0;
    if (it->out == o) written = j;
    if (reads && it->out == o && it->node->op == RHEO_OP_FUSED) return 0;
  }
  return 1;
}

static int is_whole(const RheoPlan plan, const PlanStep *step, int k)
{
  const PlanBuffer *buffer = &plan->buffer[step->operand[k].buffer];
  return buffer->kind == PLAN_ARENA && step->group->walk[k].kind == PLAN_WALK_DENSE &&
         step->operand[k].offset == 0 && buffer->size == step->group->size;
}

/* Outputs of groups take over the buffers of operands that die there: less memory to go through. */
static PetscErrorCode overwrite(RheoPlan plan)
{
  int *now;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(plan->n_buffer, &now));
  for (int b = 0; b < plan->n_buffer; b++) now[b] = b;
  for (int s = 0; s < plan->n_step; s++) {
    PlanStep *step = &plan->step[s];
    for (int k = 0; k < step->n_in + step->n_out; k++) step->operand[k].buffer = now[step->operand[k].buffer];
    if (step->kind != PLAN_STEP_GROUP) continue;
    for (int o = step->n_in; o < step->n_in + step->n_out; o++) {
      PlanBuffer *result = &plan->buffer[step->operand[o].buffer];
      if (!is_whole(plan, step, o) || result->first != s) continue;
      for (int k = 0; k < step->n_in; k++) {
        PlanBuffer *operand = &plan->buffer[step->operand[k].buffer];
        if (operand->last != s || !is_whole(plan, step, k) || !can_overwrite(step, k, o)) continue;
        now[step->operand[o].buffer] = step->operand[k].buffer;
        step->operand[o].buffer = step->operand[k].buffer;
        operand->last = result->last;
        result->last = -1;
        break;
      }
    }
  }
  PetscCall(PetscFree(now));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Offsets ---- */

static int larger_first(const void *x, const void *y)
{
  const PlanBuffer *a = *(PlanBuffer *const *)x, *b = *(PlanBuffer *const *)y;
  if (a->size != b->size) return a->size < b->size ? 1 : -1;
  return a->first < b->first ? -1 : a->first > b->first;
}

static int by_offset(const void *x, const void *y)
{
  const PlanBuffer *a = *(PlanBuffer *const *)x, *b = *(PlanBuffer *const *)y;
  return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The lowest gap that fits among those that live at the same time. */
static void place_buffer(PlanBuffer *buffer, int n_placed, PlanBuffer **placed, PlanBuffer **rivals,
                         size_t real)
{
  const size_t bytes = aligned(buffer->size * real);
  int n = 0;
  for (int k = 0; k < n_placed; k++)
    if (placed[k]->first <= buffer->last && buffer->first <= placed[k]->last) rivals[n++] = placed[k];
  qsort(rivals, (size_t)n, sizeof *rivals, by_offset);
  size_t offset = 0;
  for (int k = 0; k < n; k++) {
    if (offset + bytes <= rivals[k]->offset) break;
    const size_t end = rivals[k]->offset + aligned(rivals[k]->size * real);
    if (end > offset) offset = end;
  }
  buffer->offset = offset;
}

static void resolve(RheoPlan plan)
{
  for (int s = 0; s < plan->n_step; s++)
    for (int k = 0; k < plan->step[s].n_in + plan->step[s].n_out; k++) {
      PlanOperand *operand = &plan->step[s].operand[k];
      const PlanBuffer *buffer = &plan->buffer[operand->buffer];
      operand->bytes = (size_t)operand->offset * plan->real;
      switch (buffer->kind) {
      case PLAN_ARENA:
        operand->base = PLAN_BASE_ARENA, operand->bytes += buffer->offset;
        break;
      case PLAN_PARAMS:
        operand->base = PLAN_BASE_PARAMS;
        break;
      case PLAN_CONSTANTS:
        operand->base = PLAN_BASE_CONSTANTS;
        break;
      case PLAN_IN:
        operand->base = PLAN_BASE_IN + buffer->index;
        break;
      case PLAN_OUT:
        operand->base = PLAN_BASE_IN + plan->n_in + buffer->index;
        break;
      }
    }
}

PetscErrorCode PlanArena(RheoPlan plan)
{
  PlanBuffer **order, **rivals;
  int n = 0;
  PetscFunctionBeginUser;
  life_times(plan);
  for (int k = 0; k < plan->n_buffer; k++)
    if (plan->buffer[k].kind == PLAN_ARENA && plan->buffer[k].last >= 0)
      plan->info.arena_bytes_without_reuse += aligned(plan->buffer[k].size * plan->real);
  PetscCall(overwrite(plan));
  PetscCall(PetscMalloc1(plan->n_buffer, &order));
  PetscCall(PetscMalloc1(plan->n_buffer, &rivals));
  for (int k = 0; k < plan->n_buffer; k++)
    if (plan->buffer[k].kind == PLAN_ARENA && plan->buffer[k].last >= 0) order[n++] = &plan->buffer[k];
  qsort(order, (size_t)n, sizeof(PlanBuffer *), larger_first);
  for (int k = 0; k < n; k++) {
    place_buffer(order[k], k, order, rivals, plan->real);
    const size_t bytes = aligned(order[k]->size * plan->real);
    if (order[k]->offset + bytes > plan->arena_bytes) plan->arena_bytes = order[k]->offset + bytes;
  }
  plan->info.arena_bytes = plan->arena_bytes;
  for (int s = 0; s < plan->n_step; s++) {
    const size_t bytes = aligned(plan->step[s].scratch * plan->real);
    if (bytes > plan->scratch_bytes) plan->scratch_bytes = bytes;
  }
  resolve(plan);
  PetscCall(PetscFree(order));
  PetscCall(PetscFree(rivals));
  PetscFunctionReturn(RHEO_OK);
}
