/* Rules of algebra, applied to a node when it is added to the graph; its arguments are simple already. A rule keeps
 * what is not finite: x * 0 stays. Products of constants are taken where no precision is lost to the ends of its range.
 */
#include "kernels/kernels.h"
#include "kernels/vmath.h"
#include "plan_impl.h"

typedef struct {
  PlanGraph *graph;
  const RheoNode *node;
  RheoShape shape;
  const int *arg;
} Rule;

static const RheoNode *at(const Rule *r, int id)
{
  return &r->graph->node[id];
}

static int is_fill(const Rule *r, int id)
{
  return at(r, id)->op == RHEO_OP_FILL;
}

static int is_number(const Rule *r, int id, double value)
{
  return is_fill(r, id) && at(r, id)->r[0] == value;
}

static int is_op(const Rule *r, int id, RheoOp op)
{
  return at(r, id)->op == op;
}

/* ---- What a rule can make of its node: another node, simplified in its turn ---- */

static PetscErrorCode make(Rule *r, RheoOp op, RheoShape shape, int n_arg, const int *arg, int *id)
{
  RheoNode node = {.op = op, .shape = shape, .n_arg = n_arg, .arg = (int *)arg};
  PetscFunctionBeginUser;
  PetscCall(PlanSimplifyNode(r->graph, &node, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode make_fill(Rule *r, RheoShape shape, double value, int *id)
{
  RheoNode node = {.op = RHEO_OP_FILL, .shape = shape, .r = {value}};
  PetscFunctionBeginUser;
  PetscCall(PlanGraphAdd(r->graph, &node, id));
  PetscFunctionReturn(RHEO_OK);
}

/* An argument instead of the node, in the node's shape. */
static PetscErrorCode take(Rule *r, int from, int *id)
{
  PetscFunctionBeginUser;
  if (RheoShapeSame(at(r, from)->shape, r->shape))
    *id = from;
  else if (is_fill(r, from))
    PetscCall(make_fill(r, r->shape, at(r, from)->r[0], id));
  else
    PetscCall(make(r, RHEO_OP_BROADCAST, r->shape, 1, &from, id));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Element-wise operations ---- */

static double evaluate(RheoOp op, double x, double y, double z)
{
  static const tile_function_double function[RHEO_OP_COUNT] = {
#define TILE(symbol, expression) [RHEO_OP_##symbol] = tile_##symbol##_double,
#include "kernels/tile.def"
#undef TILE
  };
  double a[RHEO_LANES], b[RHEO_LANES], c[RHEO_LANES], out[RHEO_LANES];
  for (int i = 0; i < RHEO_LANES; i++) a[i] = x, b[i] = y, c[i] = z;
  function[op](RHEO_LANES, a, b, c, out);
  return out[0];
}

static int is_moderate(double x)
{
  return fabs(x) >= 1e-15 && fabs(x) <= 1e15;
}

static PetscErrorCode simplify_unary(Rule *r, int *id)
{
  const int x = r->arg[0];
  const RheoOp op = r->node->op;
  PetscFunctionBeginUser;
  if (is_fill(r, x))
    PetscCall(make_fill(r, r->shape, evaluate(op, at(r, x)->r[0], 0, 0), id));
  else if (op == RHEO_OP_NEG && is_op(r, x, RHEO_OP_NEG))
    *id = at(r, x)->arg[0];
  else if (op == RHEO_OP_NEG && is_op(r, x, RHEO_OP_SUB))
    PetscCall(make(r, RHEO_OP_SUB, r->shape, 2, (int[]){at(r, x)->arg[1], at(r, x)->arg[0]}, id));
  else if ((op == RHEO_OP_SQUARE || op == RHEO_OP_ABS) && is_op(r, x, RHEO_OP_NEG))
    PetscCall(make(r, op, r->shape, 1, (int[]){at(r, x)->arg[0]}, id));
  else if (is_op(r, x, RHEO_OP_BROADCAST)) { /* less work before than after */
    int small = at(r, x)->arg[0];
    PetscCall(make(r, op, at(r, small)->shape, 1, &small, &small));
    PetscCall(take(r, small, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_product(Rule *r, int x, int y, int *id)
{
  PetscFunctionBeginUser;
  if (is_number(r, y, 1)) {
    PetscCall(take(r, x, id));
  } else if (is_number(r, y, -1)) {
    PetscCall(make(r, RHEO_OP_NEG, at(r, x)->shape, 1, &x, id));
    PetscCall(take(r, *id, id));
  } else if (is_fill(r, y) && is_op(r, x, RHEO_OP_NEG)) {
    int number;
    PetscCall(make_fill(r, RX_SCALAR, -at(r, y)->r[0], &number));
    PetscCall(make(r, RHEO_OP_MUL, r->shape, 2, (int[]){at(r, x)->arg[0], number}, id));
  } else if (is_fill(r, y) && is_op(r, x, RHEO_OP_MUL) && is_fill(r, at(r, x)->arg[1])) {
    const double a = at(r, at(r, x)->arg[1])->r[0], b = at(r, y)->r[0];
    int number;
    if (is_moderate(a) && is_moderate(b) && is_moderate(a * b)) {
      PetscCall(make_fill(r, RX_SCALAR, a * b, &number));
      PetscCall(make(r, RHEO_OP_MUL, r->shape, 2, (int[]){at(r, x)->arg[0], number}, id));
    }
  } else if (x == y) {
    PetscCall(make(r, RHEO_OP_SQUARE, r->shape, 1, &x, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Margins that fit into one another: each is zero where the other is not, so their sum is both side by side. */
static PetscErrorCode simplify_sum_of_pads(Rule *r, int x, int y, int *id)
{
  PetscFunctionBeginUser;
  if (!is_op(r, x, RHEO_OP_PAD) || !is_op(r, y, RHEO_OP_PAD)) PetscFunctionReturn(RHEO_OK);
  const int *a = at(r, x)->i, *b = at(r, y)->i, first = at(r, x)->arg[0], second = at(r, y)->arg[0];
  if (a[0] != b[0]) PetscFunctionReturn(RHEO_OK);
  const int axis = a[0], size_x = at(r, first)->shape.d[axis], size_y = at(r, second)->shape.d[axis];
  const int x_first = !a[1] && b[1] == size_x && !b[2], y_first = !b[1] && a[1] == size_y && !a[2];
  if (x_first || y_first) {
    int order[] = {x_first ? first : second, x_first ? second : first};
    const RheoNode both = {.op = RHEO_OP_CONCAT, .shape = r->shape, .n_arg = 2, .arg = order, .i = {axis}};
    PetscCall(PlanSimplifyNode(r->graph, &both, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_addition(Rule *r, int x, int y, int *id)
{
  PetscFunctionBeginUser;
  if (is_number(r, y, 0))
    PetscCall(take(r, x, id));
  else if (is_op(r, y, RHEO_OP_NEG))
    PetscCall(make(r, RHEO_OP_SUB, r->shape, 2, (int[]){x, at(r, y)->arg[0]}, id));
  else if (is_op(r, x, RHEO_OP_NEG))
    PetscCall(make(r, RHEO_OP_SUB, r->shape, 2, (int[]){y, at(r, x)->arg[0]}, id));
  else
    PetscCall(simplify_sum_of_pads(r, x, y, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_difference(Rule *r, int x, int y, int *id)
{
  PetscFunctionBeginUser;
  if (is_number(r, y, 0)) {
    PetscCall(take(r, x, id));
  } else if (is_number(r, x, 0)) {
    PetscCall(make(r, RHEO_OP_NEG, at(r, y)->shape, 1, &y, id));
    PetscCall(take(r, *id, id));
  } else if (is_op(r, y, RHEO_OP_NEG)) {
    PetscCall(make(r, RHEO_OP_ADD, r->shape, 2, (int[]){x, at(r, y)->arg[0]}, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Where all arguments are numbers or tensors repeated from one small shape, the work is done on the small ones. */
static PetscErrorCode simplify_repeated(Rule *r, int *id)
{
  int arg[3];
  RheoShape small = {-1, {0}};
  PetscFunctionBeginUser;
  for (int k = 0; k < r->node->n_arg; k++) {
    arg[k] = r->arg[k];
    if (is_fill(r, arg[k])) continue;
    if (!is_op(r, arg[k], RHEO_OP_BROADCAST)) PetscFunctionReturn(RHEO_OK);
    arg[k] = at(r, arg[k])->arg[0];
    if (small.n >= 0 && !RheoShapeSame(small, at(r, arg[k])->shape)) PetscFunctionReturn(RHEO_OK);
    small = at(r, arg[k])->shape;
  }
  if (small.n < 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(make(r, r->node->op, small, r->node->n_arg, arg, id));
  PetscCall(take(r, *id, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_binary(Rule *r, int *id)
{
  const int x = r->arg[0], y = r->arg[1];
  PetscFunctionBeginUser;
  if (is_fill(r, x) && is_fill(r, y)) {
    PetscCall(make_fill(r, r->shape, evaluate(r->node->op, at(r, x)->r[0], at(r, y)->r[0], 0), id));
    PetscFunctionReturn(RHEO_OK);
  }
  switch (r->node->op) {
  case RHEO_OP_ADD:
    PetscCall(simplify_addition(r, x, y, id));
    break;
  case RHEO_OP_SUB:
    PetscCall(simplify_difference(r, x, y, id));
    break;
  case RHEO_OP_MUL:
    PetscCall(simplify_product(r, x, y, id));
    break;
  case RHEO_OP_DIV:
    if (is_fill(r, y) && is_moderate(at(r, y)->r[0])) {
      int number;
      PetscCall(make_fill(r, RX_SCALAR, 1 / at(r, y)->r[0], &number));
      PetscCall(make(r, RHEO_OP_MUL, r->shape, 2, (int[]){x, number}, id));
    }
    break;
  default:
    break;
  }
  if (*id < 0) PetscCall(simplify_repeated(r, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_select(Rule *r, int *id)
{
  PetscFunctionBeginUser;
  if (is_fill(r, r->arg[0]))
    PetscCall(take(r, at(r, r->arg[0])->r[0] != 0 ? r->arg[1] : r->arg[2], id));
  else if (r->arg[1] == r->arg[2])
    PetscCall(take(r, r->arg[1], id));
  else
    PetscCall(simplify_repeated(r, id));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Shapes ---- */

static PetscErrorCode simplify_permute(Rule *r, int *id)
{
  const RheoNode *inner = at(r, r->arg[0]);
  RheoNode both = *r->node;
  int identity = 1;
  PetscFunctionBeginUser;
  for (int k = 0; k < r->shape.n; k++) identity &= r->node->i[k] == k;
  if (identity) {
    *id = r->arg[0];
  } else if (inner->op == RHEO_OP_PERMUTE) {
    for (int k = 0; k < r->shape.n; k++) both.i[k] = inner->i[r->node->i[k]];
    both.arg = (int[]){inner->arg[0]};
    PetscCall(PlanSimplifyNode(r->graph, &both, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode slice_of(Rule *r, int from, int begin, int end, int *id)
{
  RheoNode slice = *r->node;
  PetscFunctionBeginUser;
  slice.i[1] = begin;
  slice.i[2] = end;
  slice.arg = &from;
  PetscCall(PlanSimplifyNode(r->graph, &slice, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_slice(Rule *r, int *id)
{
  const RheoNode *inner = at(r, r->arg[0]);
  const int axis = r->node->i[0], begin = r->node->i[1], end = r->node->i[2];
  PetscFunctionBeginUser;
  if (RheoShapeSame(inner->shape, r->shape)) {
    *id = r->arg[0];
  } else if (inner->op == RHEO_OP_SLICE && inner->i[0] == axis) {
    PetscCall(slice_of(r, inner->arg[0], begin + inner->i[1], end + inner->i[1], id));
  } else if (inner->op == RHEO_OP_CONCAT && inner->i[0] == axis) {
    int part = 0, at_part = 0;
    while (at_part + at(r, inner->arg[part])->shape.d[axis] <= begin)
      at_part += at(r, inner->arg[part++])->shape.d[axis];
    if (end <= at_part + at(r, inner->arg[part])->shape.d[axis])
      PetscCall(slice_of(r, inner->arg[part], begin - at_part, end - at_part, id));
  } else if (inner->op == RHEO_OP_PAD && inner->i[0] == axis) {
    const int before = inner->i[1], inside = at(r, inner->arg[0])->shape.d[axis];
    if (begin >= before && end <= before + inside)
      PetscCall(slice_of(r, inner->arg[0], begin - before, end - before, id));
    else if (end <= before || begin >= before + inside)
      PetscCall(make_fill(r, r->shape, 0, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_shape(Rule *r, int *id)
{
  const int x = r->arg[0];
  const RheoOp op = r->node->op;
  PetscFunctionBeginUser;
  int filled = 1;
  for (int k = 0; k < r->node->n_arg; k++)
    filled &= is_fill(r, r->arg[k]) && at(r, r->arg[k])->r[0] == at(r, x)->r[0];
  if (filled && (op != RHEO_OP_PAD || at(r, x)->r[0] == 0)) {
    PetscCall(make_fill(r, r->shape, at(r, x)->r[0], id));
    PetscFunctionReturn(RHEO_OK);
  }
  switch (op) {
  case RHEO_OP_RESHAPE:
  case RHEO_OP_BROADCAST:
    if (RheoShapeSame(at(r, x)->shape, r->shape))
      *id = x;
    else if (is_op(r, x, op))
      PetscCall(make(r, op, r->shape, 1, (int[]){at(r, x)->arg[0]}, id));
    break;
  case RHEO_OP_PERMUTE:
    PetscCall(simplify_permute(r, id));
    break;
  case RHEO_OP_SLICE:
    PetscCall(simplify_slice(r, id));
    break;
  case RHEO_OP_CONCAT:
    if (r->node->n_arg == 1) *id = x;
    break;
  case RHEO_OP_PAD:
    if (RheoShapeSame(at(r, x)->shape, r->shape)) *id = x;
    break;
  default:
    break;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Sums ---- */

static PetscErrorCode sum_of(Rule *r, int from, int *id)
{
  RheoNode sum = *r->node;
  PetscFunctionBeginUser;
  sum.arg = &from;
  PetscCall(PlanSimplifyNode(r->graph, &sum, id));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode simplify_reduce(Rule *r, int *id)
{
  const RheoNode *inner = at(r, r->arg[0]);
  const int is_sum = r->node->op == RHEO_OP_SUM;
  PetscFunctionBeginUser;
  if (RheoShapeSame(inner->shape, r->shape)) {
    *id = r->arg[0];
  } else if (inner->op == RHEO_OP_FILL) {
    const double n = (double)RheoShapeSize(inner->shape) / (double)RheoShapeSize(r->shape);
    PetscCall(make_fill(r, r->shape, inner->r[0] * (is_sum ? n : 1), id));
  } else if (inner->op == r->node->op) {
    RheoNode both = *r->node;
    for (int k = 0; k < RHEO_MAX_DIM; k++) both.i[k] |= inner->i[k];
    both.arg = (int[]){inner->arg[0]};
    PetscCall(PlanSimplifyNode(r->graph, &both, id));
  } else if (is_sum && inner->op == RHEO_OP_NEG) {
    PetscCall(sum_of(r, inner->arg[0], id));
    PetscCall(make(r, RHEO_OP_NEG, r->shape, 1, id, id));
  } else if (is_sum && inner->op == RHEO_OP_MUL && is_fill(r, inner->arg[1]) &&
             RheoShapeSame(at(r, inner->arg[0])->shape, inner->shape)) {
    const int number = inner->arg[1];
    PetscCall(sum_of(r, inner->arg[0], id));
    PetscCall(make(r, RHEO_OP_MUL, r->shape, 2, (int[]){*id, number}, id));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- All of them ---- */

/* Numbers second, as scalars, and other arguments that may change places in the order in which they were made. */
static PetscErrorCode order_arguments(Rule *r, int *arg)
{
  const RheoOp op = r->node->op;
  PetscFunctionBeginUser;
  for (int k = 0; k < r->node->n_arg; k++) {
    arg[k] = r->arg[k];
    if (is_fill(r, arg[k])) PetscCall(make_fill(r, RX_SCALAR, at(r, arg[k])->r[0], &arg[k]));
  }
  if (op == RHEO_OP_ADD || op == RHEO_OP_MUL || op == RHEO_OP_EQUAL) {
    const int fills = is_fill(r, arg[0]) - is_fill(r, arg[1]);
    if (fills > 0 || (!fills && arg[0] > arg[1])) {
      const int x = arg[0];
      arg[0] = arg[1];
      arg[1] = x;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlanSimplifyNode(PlanGraph *graph, const RheoNode *original, int *result)
{
  RheoNode node = *original;
  int arg[3], id = -1; /* result may be an argument */
  Rule r = {.graph = graph, .node = &node, .shape = node.shape, .arg = node.arg};
  PetscFunctionBeginUser;
  const RheoOpClass class = RheoOps[node.op].class;
  if ((class == RHEO_CLASS_UNARY && node.op != RHEO_OP_STOP_GRADIENT) || class == RHEO_CLASS_BINARY ||
      class == RHEO_CLASS_COMPARE || class == RHEO_CLASS_SELECT) {
    PetscCall(order_arguments(&r, arg));
    r.arg = node.arg = arg;
  }
  switch (class) {
  case RHEO_CLASS_UNARY:
    if (node.op == RHEO_OP_STOP_GRADIENT)
      id = node.arg[0];
    else
      PetscCall(simplify_unary(&r, &id));
    break;
  case RHEO_CLASS_BINARY:
  case RHEO_CLASS_COMPARE:
    PetscCall(simplify_binary(&r, &id));
    break;
  case RHEO_CLASS_SELECT:
    PetscCall(simplify_select(&r, &id));
    break;
  case RHEO_CLASS_SHAPE:
    PetscCall(simplify_shape(&r, &id));
    break;
  case RHEO_CLASS_REDUCE:
    PetscCall(simplify_reduce(&r, &id));
    break;
  case RHEO_CLASS_CONTRACT:
    PetscCall(PlanSimplifyMatmul(graph, &node, &id));
    break;
  case RHEO_CLASS_PART: /* the first result of a fused operation goes by the number of the operation itself */
    if (node.i[0] == 0) id = node.arg[0];
    break;
  default:
    break;
  }
  if (id < 0) PetscCall(PlanFold(graph, &node, &id));
  if (id < 0) PetscCall(PlanGraphAdd(graph, &node, &id));
  *result = id;
  PetscFunctionReturn(RHEO_OK);
}
