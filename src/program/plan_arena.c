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
}

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
  PetscCall(PetscMalloc1(plan->n_buffer, &order));
  PetscCall(PetscMalloc1(plan->n_buffer, &rivals));
  for (int k = 0; k < plan->n_buffer; k++)
    if (plan->buffer[k].kind == PLAN_ARENA && plan->buffer[k].last >= 0) order[n++] = &plan->buffer[k];
  qsort(order, (size_t)n, sizeof(PlanBuffer *), larger_first);
  for (int k = 0; k < n; k++) {
    place_buffer(order[k], k, order, rivals, plan->real);
    const size_t bytes = aligned(order[k]->size * plan->real);
    plan->info.arena_bytes_without_reuse += bytes;
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
