/* Where values lie. Views cost nothing: reshape, broadcast, permute and slice are other strides over the same
 * memory; what an output or a concatenation needs is written where it will be read. */
#include "plan_impl.h"

PetscErrorCode PlanBufferAdd(RheoPlan plan, PlanBufferKind kind, int index, size_t size, int *id)
{
  PetscFunctionBeginUser;
  if (plan->n_buffer == plan->buffer_capacity) {
    plan->buffer_capacity = plan->buffer_capacity ? 2 * plan->buffer_capacity : 256;
    PetscCall(PetscRealloc((size_t)plan->buffer_capacity * sizeof *plan->buffer, &plan->buffer));
  }
  plan->buffer[plan->n_buffer] =
      (PlanBuffer){.kind = kind, .index = index, .size = size, .first = INT32_MAX, .last = -1};
  *id = plan->n_buffer++;
  PetscFunctionReturn(RHEO_OK);
}

void PlanDenseStrides(RheoShape shape, int64_t stride[RHEO_MAX_DIM])
{
  int64_t step = 1;
  for (int k = shape.n - 1; k >= 0; k--) {
    stride[k] = step;
    step *= shape.d[k];
  }
  for (int k = shape.n; k < RHEO_MAX_DIM; k++) stride[k] = 0;
}

int PlanPlaceIsDense(RheoShape shape, const PlanPlace *place)
{
  int64_t step = 1;
  for (int k = shape.n - 1; k >= 0; k--) {
    if (shape.d[k] > 1 && place->stride[k] != step) return 0;
    step *= shape.d[k];
  }
  return 1;
}

/* New strides for a reshape of what may not be dense: runs of old axes that merge are split into the new
 * axes. */
static int reshape_strides(RheoShape from, const int64_t *stride, RheoShape to, int64_t *new_stride)
{
  int a = 0, b = 0;
  for (int k = 0; k < to.n; k++) new_stride[k] = 0;
  while (b < to.n) {
    int64_t size_b = to.d[b], size_a = 1;
    int begin_a = a, begin_b = b;
    while (a < from.n && size_a < size_b) size_a *= from.d[a++];
    while (size_a != size_b) {
      if (size_a < size_b) {
        if (a == from.n) return 0;
        size_a *= from.d[a++];
      } else {
        if (++b == to.n) return 0;
        size_b *= to.d[b];
      }
    }
    int64_t step = 0, length = 0; /* of the merged run, from its end */
    for (int k = a - 1; k >= begin_a; k--) {
      if (from.d[k] == 1) continue;
      if (length && stride[k] != step * length) return 0;
      if (!length) step = stride[k], length = 1;
      length *= from.d[k];
    }
    for (int k = b; k >= begin_b; k--) {
      new_stride[k] = step;
      step *= to.d[k];
    }
    b++;
  }
  return 1;
}

int PlanPlaceView(const RheoPlan plan, int node, const PlanPlace *from, PlanPlace *place)
{
  const RheoNode *x = &plan->graph.node[node];
  const RheoShape own = plan->graph.node[x->arg[0]].shape;
  *place = *from;
  for (int k = 0; k < RHEO_MAX_DIM; k++) place->stride[k] = 0;
  switch (x->op) {
  case RHEO_OP_RESHAPE:
    return reshape_strides(own, from->stride, x->shape, place->stride);
  case RHEO_OP_BROADCAST:
    for (int k = 0; k < own.n; k++)
      if (own.d[k] > 1) place->stride[x->shape.n - own.n + k] = from->stride[k];
    return 1;
  case RHEO_OP_PERMUTE:
    for (int k = 0; k < own.n; k++) place->stride[k] = from->stride[x->i[k]];
    return 1;
  case RHEO_OP_SLICE:
    for (int k = 0; k < own.n; k++) place->stride[k] = from->stride[k];
    place->offset += x->i[1] * from->stride[x->i[0]];
    return 1;
  default:
    return 0;
  }
}

static int is_view(const RheoNode *node)
{
  return node->op == RHEO_OP_RESHAPE || node->op == RHEO_OP_BROADCAST || node->op == RHEO_OP_PERMUTE ||
         node->op == RHEO_OP_SLICE;
}

PetscErrorCode PlanPlaceLeaves(RheoPlan plan)
{
  int params, constants, *in;
  PetscFunctionBeginUser;
  PetscCall(PlanBufferAdd(plan, PLAN_PARAMS, 0, 0, &params));
  PetscCall(PlanBufferAdd(plan, PLAN_CONSTANTS, 0, 0, &constants));
  PetscCall(PetscMalloc1(plan->n_in, &in));
  for (int i = 0; i < plan->n_in; i++) PetscCall(PlanBufferAdd(plan, PLAN_IN, i, plan->in_size[i], &in[i]));
  for (int id = 0; id < plan->graph.n; id++) {
    const RheoNode *node = &plan->graph.node[id];
    PlanPlace *place = &plan->place[id];
    *place = (PlanPlace){.buffer = -1};
    PlanDenseStrides(node->shape, place->stride);
    if (node->op == RHEO_OP_INPUT) place->buffer = in[node->i[0]];
    if (node->op == RHEO_OP_PARAM) place->buffer = params, place->offset = (int64_t)node->offset;
    if (node->op == RHEO_OP_LITERAL || node->op == RHEO_OP_FILL) {
      place->buffer = constants;
      place->offset = (int64_t)plan->constants_size;
      plan->constant_offset[id] = plan->constants_size;
      plan->constants_size += node->op == RHEO_OP_FILL ? 1 : (RheoShapeSize(node->shape) + 15) / 16 * 16;
    }
    if (node->op == RHEO_OP_FILL)
      for (int k = 0; k < RHEO_MAX_DIM; k++) place->stride[k] = 0;
  }
  PetscCall(PetscFree(in));
  PetscFunctionReturn(RHEO_OK);
}

/* Whether what makes the node can leave gaps between its rows. */
static int writes_strided(const RheoNode *node)
{
  return PlanIsElementWise(node) || node->op == RHEO_OP_CONCAT || node->op == RHEO_OP_PAD ||
         (node->op == RHEO_OP_MATMUL && node->shape.n == 2);
}

/* Has the value of `id` written at `place`, if nothing stands against it. */
static void aim(RheoPlan plan, int id, PlanPlace place)
{
  const RheoNode *node = &plan->graph.node[id];
  while (node->op == RHEO_OP_RESHAPE) {
    if (!PlanPlaceIsDense(node->shape, &place)) return;
    id = node->arg[0];
    node = &plan->graph.node[id];
    PlanDenseStrides(node->shape, place.stride);
  }
  if (is_view(node) || RheoOps[node->op].class == RHEO_CLASS_LEAF || plan->place[id].buffer >= 0) return;
  if (PlanPlaceIsDense(node->shape, &place) || writes_strided(node)) plan->place[id] = place;
}

PetscErrorCode PlanPlaceOwn(RheoPlan plan, int id)
{
  PetscFunctionBeginUser;
  if (plan->place[id].buffer >= 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(
      PlanBufferAdd(plan, PLAN_ARENA, 0, RheoShapeSize(plan->graph.node[id].shape), &plan->place[id].buffer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanPlaceTargets(RheoPlan plan, const int *out)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < plan->n_out; i++) {
    PlanPlace place = {0};
    PetscCall(PlanBufferAdd(plan, PLAN_OUT, i, plan->out_size[i], &place.buffer));
    PlanDenseStrides(plan->graph.node[out[i]].shape, place.stride);
    aim(plan, out[i], place);
  }
  for (int id = plan->graph.n - 1; id >= 0; id--) {
    const RheoNode *node = &plan->graph.node[id];
    if (node->op != RHEO_OP_CONCAT && node->op != RHEO_OP_PAD) continue;
    PetscCall(PlanPlaceOwn(plan, id));
    PlanPlace place = plan->place[id];
    const int axis = node->i[0];
    if (node->op == RHEO_OP_PAD) place.offset += node->i[1] * place.stride[axis];
    for (int k = 0; k < node->n_arg; k++) {
      aim(plan, node->arg[k], place);
      place.offset += plan->graph.node[node->arg[k]].shape.d[axis] * place.stride[axis];
    }
  }
  PetscFunctionReturn(RHEO_OK);
}
