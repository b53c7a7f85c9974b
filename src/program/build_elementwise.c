/* Element-wise operations, with NumPy's broadcasting. */
#define RHEO_NO_HERE
#include "program_impl.h"

int rx_broadcast_shape(RheoShape a, RheoShape b, RheoShape *shape)
{
  *shape = a.n >= b.n ? a : b;
  for (int i = 0; i < shape->n; i++) { /* from the last axis on */
    int size_a = i < a.n ? a.d[a.n - 1 - i] : 1, size_b = i < b.n ? b.d[b.n - 1 - i] : 1;
    if (size_a != size_b && size_a != 1 && size_b != 1) return 0;
    shape->d[shape->n - 1 - i] = size_a > size_b ? size_a : size_b;
  }
  return 1;
}

static RheoVal unary(RheoOp op, RheoVal x)
{
  if (!rx_program_of(RheoOps[op].name, 1, &x)) return rx_failed(1, &x);
  return rx_append_op(op, rx_shape(x), 1, &x);
}

static RheoVal binary(RheoOp op, RheoVal x, RheoVal y)
{
  RheoVal arg[] = {x, y};
  RheoShape shape;
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of(RheoOps[op].name, 2, arg);
  if (!p) return rx_failed(2, arg);
  if (!rx_broadcast_shape(rx_shape(x), rx_shape(y), &shape))
    return rx_fail(p, "%s: %s and %s do not broadcast", RheoOps[op].name, RheoShapeText(rx_shape(x), text[0]),
                   RheoShapeText(rx_shape(y), text[1]));
  return rx_append_op(op, shape, 2, arg);
}

RheoVal(rx_neg)(RheoVal x)
{
  return unary(RHEO_OP_NEG, x);
}

RheoVal(rx_abs)(RheoVal x)
{
  return unary(RHEO_OP_ABS, x);
}

RheoVal(rx_sign)(RheoVal x)
{
  return unary(RHEO_OP_SIGN, x);
}

RheoVal(rx_floor)(RheoVal x)
{
  return unary(RHEO_OP_FLOOR, x);
}

RheoVal(rx_square)(RheoVal x)
{
  return unary(RHEO_OP_SQUARE, x);
}

RheoVal(rx_sqrt)(RheoVal x)
{
  return unary(RHEO_OP_SQRT, x);
}

RheoVal(rx_recip)(RheoVal x)
{
  return unary(RHEO_OP_RECIP, x);
}

RheoVal(rx_exp)(RheoVal x)
{
  return unary(RHEO_OP_EXP, x);
}

RheoVal(rx_expm1)(RheoVal x)
{
  return unary(RHEO_OP_EXPM1, x);
}

RheoVal(rx_log)(RheoVal x)
{
  return unary(RHEO_OP_LOG, x);
}

RheoVal(rx_log1p)(RheoVal x)
{
  return unary(RHEO_OP_LOG1P, x);
}

RheoVal(rx_tanh)(RheoVal x)
{
  return unary(RHEO_OP_TANH, x);
}

RheoVal(rx_sigmoid)(RheoVal x)
{
  return unary(RHEO_OP_SIGMOID, x);
}

RheoVal(rx_softplus)(RheoVal x)
{
  return unary(RHEO_OP_SOFTPLUS, x);
}

RheoVal(rx_sin)(RheoVal x)
{
  return unary(RHEO_OP_SIN, x);
}

RheoVal(rx_cos)(RheoVal x)
{
  return unary(RHEO_OP_COS, x);
}

RheoVal(rx_erf)(RheoVal x)
{
  return unary(RHEO_OP_ERF, x);
}

RheoVal(rx_stop_gradient)(RheoVal x)
{
  return unary(RHEO_OP_STOP_GRADIENT, x);
}

RheoVal(rx_add)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_ADD, x, y);
}

RheoVal(rx_sub)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_SUB, x, y);
}

RheoVal(rx_mul)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_MUL, x, y);
}

RheoVal(rx_div)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_DIV, x, y);
}

RheoVal(rx_max)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_MAX, x, y);
}

RheoVal(rx_min)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_MIN, x, y);
}

RheoVal(rx_less)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_LESS, x, y);
}

RheoVal(rx_less_equal)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_LESS_EQUAL, x, y);
}

RheoVal(rx_equal)(RheoVal x, RheoVal y)
{
  return binary(RHEO_OP_EQUAL, x, y);
}

RheoVal(rx_select)(RheoVal condition, RheoVal y, RheoVal z)
{
  RheoVal arg[] = {condition, y, z};
  RheoShape shape;
  char text[3][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("select", 3, arg);
  if (!p) return rx_failed(3, arg);
  if (!rx_broadcast_shape(rx_shape(condition), rx_shape(y), &shape) ||
      !rx_broadcast_shape(shape, rx_shape(z), &shape))
    return rx_fail(p, "select: %s, %s and %s do not broadcast", RheoShapeText(rx_shape(condition), text[0]),
                   RheoShapeText(rx_shape(y), text[1]), RheoShapeText(rx_shape(z), text[2]));
  return rx_append_op(RHEO_OP_SELECT, shape, 3, arg);
}

RheoVal(rx_scale)(RheoVal x, double a)
{
  return a == 1. ? x : rx_mul(x, rx_const(x.program, a));
}

RheoVal(rx_offset)(RheoVal x, double a)
{
  return a == 0. ? x : rx_add(x, rx_const(x.program, a));
}

RheoVal(rx_clamp)(RheoVal x, double lower, double upper)
{
  return rx_min(rx_max(x, rx_const(x.program, lower)), rx_const(x.program, upper));
}
