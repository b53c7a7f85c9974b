/* Matrix products, reductions and scans. */
#define RHEO_NO_HERE
#include "program_impl.h"

RheoVal(rx_matmul)(RheoVal x, RheoVal y)
{
  return rx_matmul_t(x, 0, y, 0);
}

static const char *matmul_shape(RheoShape x, int transpose_x, RheoShape y, int transpose_y, RheoShape *shape)
{
  if (x.n < 2 || y.n < 2) return "both need at least two axes";
  if (y.n != 2) {
    if (x.n != y.n) return "leading axes differ";
    for (int i = 0; i < x.n - 2; i++)
      if (x.d[i] != y.d[i]) return "leading sizes differ";
  }
  int k_x = x.d[x.n - (transpose_x ? 2 : 1)], k_y = y.d[y.n - (transpose_y ? 1 : 2)];
  if (k_x != k_y) return "inner sizes differ";
  *shape = x;
  shape->d[x.n - 2] = x.d[x.n - (transpose_x ? 1 : 2)];
  shape->d[x.n - 1] = y.d[y.n - (transpose_y ? 2 : 1)];
  return NULL;
}

RheoVal(rx_matmul_t)(RheoVal x, int transpose_x, RheoVal y, int transpose_y)
{
  RheoVal arg[] = {x, y};
  RheoNode node = {
      .op = RHEO_OP_MATMUL, .n_arg = 2, .arg = (int[]){x.id, y.id}, .i = {!!transpose_x, !!transpose_y}};
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("matmul", 2, arg);
  if (!p) return rx_failed(2, arg);
  const char *what = matmul_shape(rx_shape(x), transpose_x, rx_shape(y), transpose_y, &node.shape);
  if (what)
    return rx_fail(p, "matmul: %s%s x %s%s: %s", RheoShapeText(rx_shape(x), text[0]), transpose_x ? "^T" : "",
                   RheoShapeText(rx_shape(y), text[1]), transpose_y ? "^T" : "", what);
  return rx_append(p, &node);
}

/* ---- Reductions ---- */

RheoVal rx_reduce(RheoOp op, RheoVal x, const int reduced[RHEO_MAX_DIM])
{
  RheoNode node = {.op = op, .n_arg = 1, .arg = &x.id};
  if (!rx_program_of(RheoOps[op].name, 1, &x)) return rx_failed(1, &x);
  node.shape = rx_shape(x);
  for (int i = 0; i < node.shape.n; i++) {
    node.i[i] = !!reduced[i];
    if (reduced[i]) node.shape.d[i] = 1;
  }
  return rx_append(x.program, &node);
}

static RheoVal reduce_axis(RheoOp op, RheoVal x, int axis)
{
  int reduced[RHEO_MAX_DIM] = {0};
  char text[RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of(RheoOps[op].name, 1, &x);
  if (!p) return rx_failed(1, &x);
  int a = rx_axis(rx_shape(x), axis);
  if (a < 0)
    return rx_fail(p, "%s: %s has no axis %d", RheoOps[op].name, RheoShapeText(rx_shape(x), text), axis);
  reduced[a] = 1;
  return rx_reduce(op, x, reduced);
}

static RheoVal drop_axis(RheoVal x, int axis)
{
  if (x.id < 0) return x;
  RheoShape shape = rx_shape(x);
  for (int i = rx_axis(shape, axis); i < shape.n - 1; i++) shape.d[i] = shape.d[i + 1];
  shape.n--;
  return rx_reshape(x, shape);
}

RheoVal(rx_sum)(RheoVal x, int axis)
{
  return drop_axis(reduce_axis(RHEO_OP_SUM, x, axis), axis);
}

RheoVal(rx_sum_keep)(RheoVal x, int axis)
{
  return reduce_axis(RHEO_OP_SUM, x, axis);
}

RheoVal(rx_amax)(RheoVal x, int axis)
{
  return drop_axis(reduce_axis(RHEO_OP_AMAX, x, axis), axis);
}

RheoVal(rx_amax_keep)(RheoVal x, int axis)
{
  return reduce_axis(RHEO_OP_AMAX, x, axis);
}

RheoVal(rx_sum_all)(RheoVal x)
{
  if (x.id >= 0 && rx_shape(x).n == 0) return x;
  return rx_reshape(rx_reduce(RHEO_OP_SUM, x, (int[RHEO_MAX_DIM]){1, 1, 1, 1}), RX_SCALAR);
}

RheoVal(rx_mean_all)(RheoVal x)
{
  return rx_scale(rx_sum_all(x), 1. / (double)RheoShapeSize(rx_shape(x)));
}

/* The shift drops out of value and derivatives; where all of x is -inf it must stay finite. */
RheoVal(rx_log_sum_exp)(RheoVal x, int axis)
{
  RheoVal largest = reduce_axis(RHEO_OP_AMAX, x, axis);
  RheoVal shift = rx_stop_gradient(rx_max(largest, rx_const(x.program, -1e30)));
  RheoVal sum = reduce_axis(RHEO_OP_SUM, rx_exp(rx_sub(x, shift)), axis);
  return drop_axis(rx_add(rx_log(sum), shift), axis);
}

/* ---- Scans ---- */

RheoVal(rx_cumsum)(RheoVal x, int axis, int reverse)
{
  char text[RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("cumsum", 1, &x);
  if (!p) return rx_failed(1, &x);
  int a = rx_axis(rx_shape(x), axis);
  if (a < 0) return rx_fail(p, "cumsum: %s has no axis %d", RheoShapeText(rx_shape(x), text), axis);
  return rx_append(
      p,
      &(RheoNode){.op = RHEO_OP_CUMSUM, .shape = rx_shape(x), .n_arg = 1, .arg = &x.id, .i = {a, !!reverse}});
}
