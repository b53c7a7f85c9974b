/* From units to steps: each node, or group of nodes, becomes the step that computes it, preceded by the
 * copies its operands need to lie as the step wants them. */
#include "gemm.h"
#include "plan_impl.h"

PetscErrorCode PlanStepAdd(RheoPlan plan, PlanStepKind kind, int node, int n_in, int n_out, PlanStep **step)
{
  PetscFunctionBeginUser;
  if (plan->n_step == plan->step_capacity) {
    plan->step_capacity = plan->step_capacity ? 2 * plan->step_capacity : 256;
    PetscCall(PetscRealloc((size_t)plan->step_capacity * sizeof *plan->step, &plan->step));
  }
  *step = &plan->step[plan->n_step++];
  **step = (PlanStep){.kind = kind, .node = node, .n_in = n_in, .n_out = n_out};
  PetscCall(PetscCalloc1(n_in + n_out, &(*step)->operand));
  PetscFunctionReturn(RHEO_OK);
}

PlanOperand PlanOperandOf(const PlanPlace *place)
{
  return (PlanOperand){.buffer = place->buffer, .offset = place->offset};
}

PlanWalk PlanWalkOf(RheoShape shape, RheoShape own, const PlanPlace *place)
{
  PlanWalk walk = {.kind = PLAN_WALK_GENERAL};
  for (int k = 0; k < shape.n; k++) {
    const int j = k - (shape.n - own.n);
    const int64_t d = shape.d[k], stride = j >= 0 && own.d[j] > 1 ? place->stride[j] : 0;
    if (d == 1) continue;
    if (walk.n && walk.stride[walk.n - 1] == d * stride) { /* goes on where the axis before left off */
      walk.d[walk.n - 1] *= d;
      walk.stride[walk.n - 1] = stride;
    } else {
      walk.d[walk.n] = d;
      walk.stride[walk.n++] = stride;
    }
  }
  if (!walk.n) walk.d[walk.n] = 1, walk.stride[walk.n++] = 1;
  const int64_t *stride = walk.stride;
  if (walk.n == 1 && stride[0] == 1) walk.kind = PLAN_WALK_DENSE;
  if (walk.n == 1 && stride[0] == 0) walk.kind = PLAN_WALK_SCALAR;
  if (walk.n == 2 && stride[0] == 0 && stride[1] == 1 && walk.d[1] <= 8192) {
    walk.kind = PLAN_WALK_PERIODIC;
    walk.period = walk.d[1];
  }
  return walk;
}

/* ---- Copies ---- */

static PetscErrorCode copy(RheoPlan plan, int node, RheoShape shape, RheoShape own, const PlanPlace *from,
                           const PlanPlace *to)
{
  PlanStep *step;
  PetscFunctionBeginUser;
  PetscCall(PlanStepAdd(plan, PLAN_STEP_COPY, node, 1, 1, &step));
  step->operand[0] = PlanOperandOf(from);
  step->operand[1] = PlanOperandOf(to);
  step->walk[0] = PlanWalkOf(shape, own, from);
  step->walk[1] = PlanWalkOf(shape, shape, to);
  step->d[0] = (int64_t)RheoShapeSize(shape);
  PetscFunctionReturn(RHEO_OK);
}

/* The value of a node as one dense block; a copy is made once. */
static PetscErrorCode dense(RheoPlan plan, int id, PlanPlace *place)
{
  const RheoShape shape = plan->graph.node[id].shape;
  PetscFunctionBeginUser;
  if (PlanPlaceIsDense(shape, &plan->place[id])) {
    *place = plan->place[id];
    PetscFunctionReturn(RHEO_OK);
  }
  if (plan->dense[id].buffer < 0) {
    PlanPlace own = {0};
    PetscCall(PlanBufferAdd(plan, PLAN_ARENA, 0, RheoShapeSize(shape), &own.buffer));
    PlanDenseStrides(shape, own.stride);
    PetscCall(copy(plan, id, shape, shape, &plan->place[id], &own));
    plan->dense[id] = own;
  }
  *place = plan->dense[id];
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode step_view(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  PlanPlace from;
  PetscFunctionBeginUser;
  if (!PlanPlaceView(plan, id, &plan->place[node->arg[0]], &plan->place[id])) {
    PetscCall(dense(plan, node->arg[0], &from));
    (void)PlanPlaceView(plan, id, &from, &plan->place[id]);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Whether the value of `id` was written at `to` when it was made. */
static int lies_at(const RheoPlan plan, int id, RheoShape shape, const PlanPlace *to)
{
  const PlanPlace *from = &plan->place[id];
  if (from->buffer != to->buffer || from->offset != to->offset) return 0;
  for (int k = 0; k < shape.n; k++)
    if (shape.d[k] > 1 && from->stride[k] != to->stride[k]) return 0;
  return 1;
}

static PetscErrorCode step_concat(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  const int axis = node->i[0];
  PlanPlace to = plan->place[id];
  PetscFunctionBeginUser;
  for (int k = 0; k < node->n_arg; k++) {
    const RheoShape shape = plan->graph.node[node->arg[k]].shape;
    if (!lies_at(plan, node->arg[k], shape, &to))
      PetscCall(copy(plan, id, shape, shape, &plan->place[node->arg[k]], &to));
    to.offset += shape.d[axis] * to.stride[axis];
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode step_pad(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  const int axis = node->i[0], inside = plan->graph.node[node->arg[0]].shape.d[axis];
  const RheoShape shape = plan->graph.node[node->arg[0]].shape;
  const PlanPlace zero = {.buffer = 1, .offset = 0}; /* the first constant */
  const int begin[] = {0, node->i[1] + inside}, width[] = {node->i[1], node->i[2]};
  PlanPlace to = plan->place[id];
  PetscFunctionBeginUser;
  for (int k = 0; k < 2; k++) {
    if (!width[k]) continue;
    RheoShape margin = node->shape;
    margin.d[axis] = width[k];
    to.offset = plan->place[id].offset + begin[k] * to.stride[axis];
    PetscCall(copy(plan, id, margin, RX_SCALAR, &zero, &to));
  }
  to.offset = plan->place[id].offset + node->i[1] * to.stride[axis];
  if (!lies_at(plan, node->arg[0], shape, &to))
    PetscCall(copy(plan, id, shape, shape, &plan->place[node->arg[0]], &to));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Matrix products ---- */

typedef struct {
  int transposed;
  int64_t rows, ld, batch_stride;
} Factor;

/* How the last two axes, and those before as one batch, lie for a BLAS; returns whether they can be used as
 * they are. merge: the leading axes join the rows. */
static int as_factor(RheoShape shape, const PlanPlace *place, int merge, Factor *factor)
{
  const int n = shape.n, r = n - 2, c = n - 1;
  int64_t stride_r = place->stride[r], stride_c = place->stride[c], batch = 0, length = 1;
  *factor = (Factor){.rows = shape.d[r]};
  if (shape.d[c] == 1) stride_c = 1;
  for (int k = r - 1; k >= 0; k--) {
    if (shape.d[k] == 1) continue;
    if (length > 1 && place->stride[k] != batch * length) return 0;
    if (length == 1) batch = place->stride[k];
    length *= shape.d[k];
  }
  if (merge && length > 1) {
    if (shape.d[r] == 1)
      stride_r = batch;
    else if (batch != stride_r * shape.d[r])
      return 0;
    factor->rows *= length;
  }
  factor->batch_stride = batch;
  const int64_t rows = factor->rows, columns = shape.d[c];
  if (stride_c == 1 && (rows == 1 || stride_r >= columns)) {
    factor->ld = rows == 1 ? columns : stride_r;
    return 1;
  }
  if ((stride_r == 1 || rows == 1) && stride_c >= rows) {
    factor->transposed = 1;
    factor->ld = stride_c;
    return 1;
  }
  return 0;
}

static PetscErrorCode factor_of(RheoPlan plan, int id, int merge, PlanPlace *place, Factor *factor)
{
  const RheoShape shape = plan->graph.node[id].shape;
  PetscFunctionBeginUser;
  *place = plan->place[id];
  if (!as_factor(shape, place, merge, factor)) {
    PetscCall(dense(plan, id, place));
    (void)as_factor(shape, place, merge, factor);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode step_matmul(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  const RheoShape y = plan->graph.node[node->arg[1]].shape;
  const int n = node->shape.n, merge = y.n == 2 && !node->i[0];
  PlanPlace place[3];
  Factor factor[3];
  PlanStep *step;
  int64_t batch = 1;
  PetscFunctionBeginUser;
  const RheoShape x = plan->graph.node[node->arg[0]].shape;
  PetscCall(factor_of(plan, node->arg[0], merge, &place[0], &factor[0]));
  PetscCall(factor_of(plan, node->arg[1], 0, &place[1], &factor[1]));
  place[2] = plan->place[id];
  (void)as_factor(node->shape, &place[2], merge, &factor[2]);
  PetscCall(PlanStepAdd(plan, PLAN_STEP_GEMM, id, 2, 1, &step));
  for (int k = 0; k < 3; k++) {
    step->operand[k] = PlanOperandOf(&place[k]);
    step->ld[k] = factor[k].ld;
    step->batch_stride[k] = factor[k].batch_stride;
  }
  if (y.n == 2) step->batch_stride[1] = 0;
  for (int k = 0; k < n - 2; k++) batch *= node->shape.d[k];
  step->i[0] = node->i[0] ^ factor[0].transposed;
  step->i[1] = node->i[1] ^ factor[1].transposed;
  step->d[0] = merge ? 1 : batch;
  step->d[1] = node->shape.d[n - 2] * (merge ? batch : 1);
  step->d[2] = node->shape.d[n - 1];
  step->d[3] = x.d[x.n - (node->i[0] ? 2 : 1)];
  step->scratch = gemm_scratch((int)step->d[2], (int)step->d[3]);
  plan->info.flops += 2. * (double)batch * node->shape.d[n - 2] * (double)step->d[2] * (double)step->d[3];
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Along an axis ---- */

static void split(RheoShape shape, int axis, int64_t d[3])
{
  d[0] = d[2] = 1;
  for (int k = 0; k < axis; k++) d[0] *= shape.d[k];
  d[1] = shape.d[axis];
  for (int k = axis + 1; k < shape.n; k++) d[2] *= shape.d[k];
}

/* One run of reduced axes at a time, the last first; between two of them a buffer. */
static PetscErrorCode step_reduce(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  const PlanStepKind kind = node->op == RHEO_OP_SUM ? PLAN_STEP_SUM : PLAN_STEP_AMAX;
  RheoShape shape = plan->graph.node[node->arg[0]].shape;
  PlanPlace from, to = plan->place[id];
  PetscFunctionBeginUser;
  PetscCall(dense(plan, node->arg[0], &from));
  int end = shape.n;
  while (end > 0 && (!node->i[end - 1] || shape.d[end - 1] == 1)) end--;
  if (!end) PetscCall(copy(plan, id, shape, shape, &from, &to)); /* axes of length one only */
  while (end > 0) {
    int begin = end - 1, next;
    while (begin > 0 && (node->i[begin - 1] || shape.d[begin - 1] == 1)) begin--;
    for (next = begin; next > 0 && !(node->i[next - 1] && shape.d[next - 1] > 1);) next--;
    int64_t d[3] = {1, 1, 1};
    for (int k = 0; k < shape.n; k++) d[k < begin ? 0 : k < end ? 1 : 2] *= shape.d[k];
    PlanPlace part = to;
    if (next > 0) {
      part = (PlanPlace){0};
      PetscCall(PlanBufferAdd(plan, PLAN_ARENA, 0, (size_t)(d[0] * d[2]), &part.buffer));
    }
    PlanStep *step;
    PetscCall(PlanStepAdd(plan, kind, id, 1, 1, &step));
    PetscCall(PetscArraycpy(step->d, d, 3));
    step->operand[0] = PlanOperandOf(&from);
    step->operand[1] = PlanOperandOf(&part);
    for (int k = begin; k < end; k++) shape.d[k] = 1;
    from = part;
    end = next;
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode step_along(RheoPlan plan, int id, PlanStepKind kind)
{
  const RheoNode *node = &plan->graph.node[id];
  const RheoShape *own = kind == PLAN_STEP_SCATTER_ADD ? &node->shape : &plan->graph.node[node->arg[0]].shape;
  PlanPlace place[2];
  PlanStep *step;
  PetscFunctionBeginUser;
  for (int k = 0; k < node->n_arg; k++) PetscCall(dense(plan, node->arg[k], &place[k]));
  PetscCall(PlanStepAdd(plan, kind, id, node->n_arg, 1, &step));
  for (int k = 0; k < node->n_arg; k++) step->operand[k] = PlanOperandOf(&place[k]);
  step->operand[node->n_arg] = PlanOperandOf(&plan->place[id]);
  split(*own, node->i[0], step->d);
  if (kind == PLAN_STEP_CUMSUM)
    step->i[0] = node->i[1];
  else
    step->d[3] = (int64_t)RheoShapeSize(plan->graph.node[node->arg[1]].shape);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Fused operations, run whole ---- */

static PetscErrorCode step_fused(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  PlanPlace *place;
  PlanStep *step;
  PetscFunctionBeginUser;
  PetscCheck(node->n_arg <= PLAN_MAX_FUSED_ARGUMENTS, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "%s: at most %d arguments", node->fused->name, (int)PLAN_MAX_FUSED_ARGUMENTS);
  PetscCall(PetscMalloc1(node->n_arg, &place));
  for (int k = 0; k < node->n_arg; k++) PetscCall(dense(plan, node->arg[k], &place[k]));
  PetscCall(PlanStepAdd(plan, PLAN_STEP_FUSED, id, node->n_arg, node->n_part, &step));
  PetscCall(PetscMalloc1(node->n_arg, &step->shape));
  for (int k = 0; k < node->n_arg; k++) {
    step->operand[k] = PlanOperandOf(&place[k]);
    step->shape[k] = plan->graph.node[node->arg[k]].shape;
  }
  step->operand[node->n_arg] = PlanOperandOf(&plan->place[id]);
  for (int k = 1; k < node->n_part; k++) {
    PlanPlace part = {.buffer = -1};
    for (int j = id + 1; j < plan->graph.n; j++) {
      const RheoNode *reader = &plan->graph.node[j];
      if (reader->op != RHEO_OP_PART || reader->arg[0] != id || reader->i[0] != k) continue;
      PetscCall(PlanPlaceOwn(plan, j));
      part = plan->place[j];
    }
    if (part.buffer < 0)
      PetscCall(PlanBufferAdd(plan, PLAN_ARENA, 0, RheoShapeSize(node->part[k]), &part.buffer));
    step->operand[node->n_arg + k] = PlanOperandOf(&part);
  }
  if (node->fused->scratch) step->scratch = node->fused->scratch(node, step->shape);
  PetscCall(PetscFree(place));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- All of them ---- */

static PetscErrorCode step_node(RheoPlan plan, int id)
{
  const RheoNode *node = &plan->graph.node[id];
  PetscFunctionBeginUser;
  switch (node->op) {
  case RHEO_OP_RESHAPE:
  case RHEO_OP_BROADCAST:
  case RHEO_OP_PERMUTE:
  case RHEO_OP_SLICE:
    PetscCall(step_view(plan, id));
    PetscFunctionReturn(RHEO_OK);
  case RHEO_OP_INPUT:
  case RHEO_OP_PARAM:
  case RHEO_OP_LITERAL:
  case RHEO_OP_FILL:
  case RHEO_OP_PART: /* has its place since the fused operation was reached */
    PetscFunctionReturn(RHEO_OK);
  default:
    break;
  }
  PetscCall(PlanPlaceOwn(plan, id));
  switch (node->op) {
  case RHEO_OP_MATMUL:
    PetscCall(step_matmul(plan, id));
    break;
  case RHEO_OP_SUM:
  case RHEO_OP_AMAX:
    PetscCall(step_reduce(plan, id));
    break;
  case RHEO_OP_CUMSUM:
    PetscCall(step_along(plan, id, PLAN_STEP_CUMSUM));
    break;
  case RHEO_OP_GATHER:
    PetscCall(step_along(plan, id, PLAN_STEP_GATHER));
    break;
  case RHEO_OP_SCATTER_ADD:
    PetscCall(step_along(plan, id, PLAN_STEP_SCATTER_ADD));
    break;
  case RHEO_OP_CONCAT:
    PetscCall(step_concat(plan, id));
    break;
  case RHEO_OP_PAD:
    PetscCall(step_pad(plan, id));
    break;
  case RHEO_OP_FUSED:
    PetscCall(step_fused(plan, id));
    break;
  default:
    SETERRQ(PETSC_COMM_SELF, PETSC_ERR_PLIB, "no step for %s", RheoOps[node->op].name);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* A member of a group is stored when somebody outside reads it. */
static PetscErrorCode mark_stored(RheoPlan plan, int n_unit, const PlanUnit *unit, const int *out,
                                  int **is_stored)
{
  int *unit_of;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(plan->graph.n, &unit_of));
  PetscCall(PetscCalloc1(plan->graph.n, is_stored));
  for (int u = 0; u < n_unit; u++)
    for (int k = 0; k < unit[u].n; k++) unit_of[unit[u].node[k]] = u;
  for (int id = 0; id < plan->graph.n; id++) {
    const RheoNode *node = &plan->graph.node[id];
    for (int k = 0; k < node->n_arg; k++)
      if (unit_of[node->arg[k]] != unit_of[id]) (*is_stored)[node->arg[k]] = 1;
  }
  for (int i = 0; i < plan->n_out; i++) (*is_stored)[out[i]] = 1;
  PetscCall(PetscFree(unit_of));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanSteps(RheoPlan plan, int n_unit, const PlanUnit *unit, const int *out)
{
  int *is_stored;
  PetscFunctionBeginUser;
  PetscCall(mark_stored(plan, n_unit, unit, out, &is_stored));
  for (int u = 0; u < n_unit; u++) {
    if (PlanIsElementWise(&plan->graph.node[unit[u].node[0]]))
      PetscCall(PlanStepGroup(plan, &unit[u], is_stored));
    else
      PetscCall(step_node(plan, unit[u].node[0]));
  }
  for (int i = 0; i < plan->n_out; i++) {
    const RheoShape shape = plan->graph.node[out[i]].shape;
    PlanPlace to = {0};
    for (int b = 0; b < plan->n_buffer; b++)
      if (plan->buffer[b].kind == PLAN_OUT && plan->buffer[b].index == i) to.buffer = b;
    PlanDenseStrides(shape, to.stride);
    if (!lies_at(plan, out[i], shape, &to))
      PetscCall(copy(plan, out[i], shape, shape, &plan->place[out[i]], &to));
  }
  PetscCall(PetscFree(is_stored));
  PetscFunctionReturn(RHEO_OK);
}
