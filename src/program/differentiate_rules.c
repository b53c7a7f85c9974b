/* The rule of every operation: its vector-Jacobian product in terms of the operations. What is appended has
 * to be differentiated and compiled again, so rules reuse results and leave out factors of one. */
#define RHEO_NO_HERE
#include "differentiate_impl.h"
#include <math.h>

static const RheoNode *node_of(RheoVal x)
{
  return &x.program->node[x.id];
}

static int filled(RheoVal x)
{
  return rx_exists(x) && node_of(x)->op == RHEO_OP_FILL;
}

static int is_fill(RheoVal x, double value)
{
  return filled(x) && node_of(x)->r[0] == value;
}

/* Slices next to each other come back as pads whose sum is a concatenation; RHEO_NONE where they do not fit. */
static RheoVal joined(RheoVal x, RheoVal y)
{
  const RheoNode *a = node_of(x), *b = node_of(y);
  if (a->op != RHEO_OP_PAD || b->op != RHEO_OP_PAD || a->i[0] != b->i[0]) return RHEO_NONE;
  int axis = a->i[0], size = a->shape.d[axis], begin_a = a->i[1], end_a = size - a->i[2];
  int begin_b = b->i[1], end_b = size - b->i[2];
  RheoVal part_a = {x.program, a->arg[0]}, part_b = {x.program, b->arg[0]};
  if (end_a == begin_b) return rx_pad(rx_concat2(axis, part_a, part_b), axis, begin_a, size - end_b);
  if (end_b == begin_a) return rx_pad(rx_concat2(axis, part_b, part_a), axis, begin_b, size - end_a);
  return RHEO_NONE;
}

RheoVal rx_accumulate(RheoVal x, RheoVal y)
{
  if (!x.program || is_fill(x, 0.)) return y.program ? y : x;
  if (!y.program || is_fill(y, 0.)) return x;
  RheoVal both = rx_exists(x) && rx_exists(y) ? joined(x, y) : RHEO_NONE;
  return rx_exists(both) ? both : rx_add(x, y);
}

/* dy f, of dy's shape; f broadcasts. A filled dy is kept as a number as long as possible. */
static RheoVal times(RheoVal dy, RheoVal f)
{
  if (!rx_exists(dy) || !rx_exists(f)) return rx_mul(dy, f);
  if (!filled(dy)) return rx_mul(dy, f);
  double a = node_of(dy)->r[0];
  RheoShape shape = rx_shape(dy);
  if (filled(f)) return rx_fill(dy.program, shape, a * node_of(f)->r[0]);
  return rx_broadcast(a == -1. ? rx_neg(f) : rx_scale(f, a), shape);
}

static RheoVal spread(RheoVal x, RheoShape shape)
{
  if (filled(x)) return rx_fill(x.program, shape, node_of(x)->r[0]);
  return rx_broadcast(x, shape);
}

static RheoVal reshaped(RheoVal x, RheoShape shape)
{
  if (filled(x)) return rx_fill(x.program, shape, node_of(x)->r[0]);
  return rx_reshape(x, shape);
}

/* The transpose of broadcasting. */
static RheoVal gathered(RheoVal dy, RheoShape shape)
{
  RheoShape from = rx_shape(dy);
  int reduced[RHEO_MAX_DIM] = {0}, any = 0;
  if (!rx_exists(dy)) return dy;
  for (int i = 0; i < from.n; i++) {
    int size = i < from.n - shape.n ? 1 : shape.d[i - (from.n - shape.n)];
    reduced[i] = size != from.d[i];
    any |= reduced[i];
  }
  if (any && filled(dy))
    return rx_fill(dy.program, shape,
                   node_of(dy)->r[0] * ((double)RheoShapeSize(from) / (double)RheoShapeSize(shape)));
  return reshaped(any ? rx_reduce(RHEO_OP_SUM, dy, reduced) : dy, shape);
}

/* ---- Element-wise ---- */

static RheoVal unary(RheoOp op, RheoVal x, RheoVal y, RheoVal dy)
{
  RheoProgram p = y.program;
  switch (op) {
  case RHEO_OP_NEG:
    return filled(dy) ? times(dy, rx_const(p, -1.)) : rx_neg(dy);
  case RHEO_OP_ABS:
    return times(dy, rx_sign(x));
  case RHEO_OP_SQUARE:
    return filled(dy) ? rx_scale(x, 2. * node_of(dy)->r[0]) : times(dy, rx_scale(x, 2.));
  case RHEO_OP_SQRT:
    return times(dy, rx_div(rx_const(p, 0.5), y));
  case RHEO_OP_RECIP:
    return times(dy, rx_neg(rx_square(y)));
  case RHEO_OP_EXP:
    return times(dy, y);
  case RHEO_OP_EXPM1:
    return times(dy, rx_offset(y, 1.));
  case RHEO_OP_LOG:
    return is_fill(dy, 1.) ? rx_recip(x) : rx_div(dy, x);
  case RHEO_OP_LOG1P:
    return is_fill(dy, 1.) ? rx_recip(rx_offset(x, 1.)) : rx_div(dy, rx_offset(x, 1.));
  case RHEO_OP_TANH:
    return times(dy, rx_sub(rx_const(p, 1.), rx_square(y)));
  case RHEO_OP_SIGMOID:
    return times(dy, rx_mul(y, rx_sub(rx_const(p, 1.), y)));
  case RHEO_OP_SOFTPLUS:
    return times(dy, rx_sigmoid(x));
  case RHEO_OP_SIN:
    return times(dy, rx_cos(x));
  case RHEO_OP_COS:
    return times(dy, rx_neg(rx_sin(x)));
  case RHEO_OP_ERF:
    return times(dy, rx_scale(rx_exp(rx_neg(rx_square(x))), 2. / sqrt(acos(-1.))));
  default:
    return rx_fail(p, "vjp: no rule for %s", RheoOps[op].name);
  }
}

static void binary(RheoOp op, RheoVal x[2], RheoVal y, RheoVal dy, const int *need, RheoVal *darg)
{
  RheoVal zero, quotient;
  switch (op) {
  case RHEO_OP_ADD:
    darg[0] = darg[1] = dy;
    break;
  case RHEO_OP_SUB:
    darg[0] = dy;
    if (need[1]) darg[1] = unary(RHEO_OP_NEG, x[1], y, dy);
    break;
  case RHEO_OP_MUL:
    if (need[0]) darg[0] = times(dy, x[1]);
    if (need[1]) darg[1] = times(dy, x[0]);
    break;
  case RHEO_OP_DIV:
    quotient = is_fill(dy, 1.) ? spread(rx_recip(x[1]), rx_shape(dy)) : rx_div(dy, x[1]);
    darg[0] = quotient;
    if (need[1]) darg[1] = rx_neg(rx_mul(quotient, y));
    break;
  default: /* MAX, MIN */
    zero = rx_const(dy.program, 0.);
    RheoVal first = op == RHEO_OP_MAX ? rx_less_equal(x[1], x[0]) : rx_less_equal(x[0], x[1]);
    if (need[0]) darg[0] = rx_select(first, dy, zero);
    if (need[1]) darg[1] = rx_select(first, zero, dy);
  }
  for (int k = 0; k < 2; k++) darg[k] = need[k] ? gathered(darg[k], rx_shape(x[k])) : RHEO_NONE;
}

static void choice(RheoVal x[3], RheoVal dy, const int *need, RheoVal *darg)
{
  RheoVal zero = rx_const(dy.program, 0.);
  if (need[1]) darg[1] = gathered(rx_select(x[0], dy, zero), rx_shape(x[1]));
  if (need[2]) darg[2] = gathered(rx_select(x[0], zero, dy), rx_shape(x[2]));
}

/* ---- Matrix products ---- */

/* x as (rows, columns of the factor): transposed where the product takes it transposed. */
static RheoVal flattened(RheoVal x, int transpose)
{
  if (transpose) x = rx_transpose(x);
  return rx_reshape(x, RX_SHAPE(-1, rx_dim(x, -1)));
}

static void matmul(const RheoNode *node, RheoVal x[2], RheoVal dy, const int *need, RheoVal *darg)
{
  int t_x = node->i[0], t_y = node->i[1], shared = rx_shape(x[0]).n > rx_shape(x[1]).n;
  if (need[0]) {
    if (!t_x)
      darg[0] = rx_matmul_t(dy, 0, x[1], !t_y);
    else if (shared) /* a product has its only matrix on the right */
      darg[0] = rx_transpose(rx_matmul_t(dy, 0, x[1], !t_y));
    else
      darg[0] = rx_matmul_t(x[1], t_y, dy, 1);
  }
  if (!need[1]) return;
  if (shared) { /* one product over all leading axes */
    x[0] = flattened(x[0], t_x);
    dy = flattened(dy, 0);
    t_x = 0;
  }
  darg[1] = t_y ? rx_matmul_t(dy, 1, x[0], t_x) : rx_matmul_t(x[0], !t_x, dy, 0);
}

/* ---- Reductions and shapes ---- */

static RheoVal amax(const RheoNode *node, RheoVal x, RheoVal y, RheoVal dy)
{
  RheoVal largest = rx_equal(x, y);
  return rx_mul(largest, rx_div(dy, rx_reduce(RHEO_OP_SUM, largest, node->i)));
}

static RheoVal one_argument(const RheoNode *node, RheoVal x, RheoVal y, RheoVal dy)
{
  RheoShape shape = rx_shape(x);
  const int *i = node->i;
  int inverse[RHEO_MAX_DIM] = {0};
  switch (node->op) {
  case RHEO_OP_SUM:
    return spread(dy, shape);
  case RHEO_OP_AMAX:
    return amax(node, x, y, dy);
  case RHEO_OP_CUMSUM:
    return rx_cumsum(dy, i[0], !i[1]);
  case RHEO_OP_BROADCAST:
    return gathered(dy, shape);
  case RHEO_OP_RESHAPE:
    return reshaped(dy, shape);
  case RHEO_OP_PERMUTE:
    for (int a = 0; a < shape.n; a++) inverse[i[a]] = a;
    return filled(dy) ? reshaped(dy, shape) : rx_permute(dy, shape.n, inverse);
  case RHEO_OP_SLICE:
    return rx_pad(dy, i[0], i[1], shape.d[i[0]] - i[2]);
  case RHEO_OP_PAD:
    return filled(dy) ? rx_fill(x.program, shape, node_of(dy)->r[0])
                      : rx_slice(dy, i[0], i[1], i[1] + shape.d[i[0]]);
  default:
    return unary(node->op, x, y, dy);
  }
}

/* The transpose of a gather that only reorders (a fixed permutation) is the gather that orders back. */
static RheoVal gather(RheoVal index, int axis, int size, RheoVal dy)
{
  enum { MAX_FIXED = 4096 };
  int back[MAX_FIXED], n = rx_dim(index, 0);
  const double *place = node_of(index)->op == RHEO_OP_LITERAL ? node_of(index)->data : NULL;
  if (!place || n != size || n > MAX_FIXED) return rx_scatter_add(dy, index, axis, size);
  for (int k = 0; k < n; k++) back[k] = -1;
  for (int k = 0; k < n; k++) {
    if (!(place[k] >= 0. && place[k] < n) || back[(int)place[k]] >= 0)
      return rx_scatter_add(dy, index, axis, size);
    back[(int)place[k]] = k;
  }
  return rx_gather_fixed(dy, n, back, axis);
}

static void concat(RheoProgram p, const RheoNode *node, RheoVal dy, const int *need, RheoVal *darg)
{
  int begin = 0, axis = node->i[0];
  for (int k = 0; k < node->n_arg; k++) {
    RheoShape shape = p->node[node->arg[k]].shape;
    if (need[k])
      darg[k] = filled(dy) ? rx_fill(p, shape, node_of(dy)->r[0])
                           : rx_slice(dy, axis, begin, begin + shape.d[axis]);
    begin += shape.d[axis];
  }
}

void rx_vjp_rule(RheoProgram p, int id, RheoVal dy, const int *need, RheoVal *darg)
{
  RheoNode node = p->node[id]; /* a copy: the list moves when it grows */
  RheoVal x[3] = {RHEO_NONE, RHEO_NONE, RHEO_NONE}, y = {p, id};
  if (!rx_exists(dy)) return;
  for (int k = 0; k < node.n_arg && k < 3; k++) x[k] = (RheoVal){p, node.arg[k]};
  switch (RheoOps[node.op].class) {
  case RHEO_CLASS_BINARY:
    binary(node.op, x, y, dy, need, darg);
    break;
  case RHEO_CLASS_SELECT:
    choice(x, dy, need, darg);
    break;
  case RHEO_CLASS_CONTRACT:
    matmul(&node, x, dy, need, darg);
    break;
  case RHEO_CLASS_INDEX:
    darg[0] = node.op == RHEO_OP_GATHER ? gather(x[1], node.i[0], rx_dim(x[0], node.i[0]), dy)
                                        : rx_gather(dy, x[1], node.i[0]);
    break;
  default:
    if (node.op == RHEO_OP_CONCAT)
      concat(p, &node, dy, need, darg);
    else
      darg[0] = one_argument(&node, x[0], y, dy);
  }
}
