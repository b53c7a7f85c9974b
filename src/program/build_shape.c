/* Shapes: the same elements elsewhere. What changes nothing appends nothing. */
#define RHEO_NO_HERE
#include "program_impl.h"

static RheoVal append(RheoOp op, RheoVal x, RheoShape shape, int i0, int i1, int i2)
{
  return rx_append(x.program,
                   &(RheoNode){.op = op, .shape = shape, .n_arg = 1, .arg = &x.id, .i = {i0, i1, i2}});
}

/* Whether x exists and has the axis, which is then counted from 0; otherwise the mistake is noted. */
static int check_axis(const char *op, RheoVal x, int *axis)
{
  char text[RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of(op, 1, &x);
  if (!p) return 0;
  int a = rx_axis(rx_shape(x), *axis);
  if (a < 0) rx_fail(p, "%s: %s has no axis %d", op, RheoShapeText(rx_shape(x), text), *axis);
  *axis = a;
  return a >= 0;
}

RheoVal(rx_broadcast)(RheoVal x, RheoShape shape)
{
  RheoShape both;
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("broadcast", 1, &x);
  if (!p) return rx_failed(1, &x);
  if (RheoShapeSame(rx_shape(x), shape)) return x;
  if (!rx_broadcast_shape(rx_shape(x), shape, &both) || !RheoShapeSame(both, shape))
    return rx_fail(p, "broadcast: %s does not broadcast to %s", RheoShapeText(rx_shape(x), text[0]),
                   RheoShapeText(shape, text[1]));
  return append(RHEO_OP_BROADCAST, x, shape, 0, 0, 0);
}

RheoVal(rx_reshape)(RheoVal x, RheoShape shape)
{
  RheoShape found = shape;
  size_t known = 1;
  int open = -1, sound = shape.n >= 0 && shape.n <= RHEO_MAX_DIM;
  char text[2][RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("reshape", 1, &x);
  if (!p) return rx_failed(1, &x);
  size_t size = RheoShapeSize(rx_shape(x));
  for (int i = 0; sound && i < shape.n; i++) {
    if (shape.d[i] == -1 && open < 0)
      open = i;
    else if (shape.d[i] < 1)
      sound = 0;
    else
      known *= (size_t)shape.d[i];
  }
  if (sound && open >= 0) {
    found.d[open] = (int)(size / known);
    known *= size / known;
  }
  if (!sound || known != size)
    return rx_fail(p, "reshape: %s has %zu elements and cannot become %s",
                   RheoShapeText(rx_shape(x), text[0]), size, RheoShapeText(shape, text[1]));
  if (RheoShapeSame(rx_shape(x), found)) return x;
  return append(RHEO_OP_RESHAPE, x, found, 0, 0, 0);
}

RheoVal(rx_permute)(RheoVal x, int n, const int *axes)
{
  RheoNode node = {.op = RHEO_OP_PERMUTE, .n_arg = 1, .arg = &x.id};
  int seen[RHEO_MAX_DIM] = {0}, sound, moved = 0;
  char text[RHEO_SHAPE_TEXT];
  RheoProgram p = rx_program_of("permute", 1, &x);
  if (!p) return rx_failed(1, &x);
  RheoShape shape = node.shape = rx_shape(x);
  sound = n == shape.n;
  for (int i = 0; sound && i < n; i++) {
    int a = rx_axis(shape, axes[i]);
    sound = a >= 0 && !seen[a];
    if (!sound) break;
    seen[a] = 1;
    node.i[i] = a;
    node.shape.d[i] = shape.d[a];
    moved |= a != i;
  }
  if (!sound) return rx_fail(p, "permute: %s: each axis once is needed", RheoShapeText(shape, text));
  return moved ? rx_append(p, &node) : x;
}

RheoVal(rx_transpose)(RheoVal x)
{
  int axes[RHEO_MAX_DIM] = {0, 1, 2, 3}, n = rx_shape(x).n;
  if (x.id >= 0 && n < 2) return rx_fail(x.program, "transpose: fewer than two axes");
  if (n >= 2) {
    axes[n - 1] = n - 2;
    axes[n - 2] = n - 1;
  }
  return rx_permute(x, n, axes);
}

RheoVal(rx_slice)(RheoVal x, int axis, int begin, int end)
{
  char text[RHEO_SHAPE_TEXT];
  if (!check_axis("slice", x, &axis)) return rx_failed(1, &x);
  RheoShape shape = rx_shape(x);
  if (begin < 0 || begin >= end || end > shape.d[axis])
    return rx_fail(x.program, "slice: %s: [%d, %d) is not within axis %d", RheoShapeText(shape, text), begin,
                   end, axis);
  if (end - begin == shape.d[axis]) return x;
  shape.d[axis] = end - begin;
  return append(RHEO_OP_SLICE, x, shape, axis, begin, end);
}

RheoVal(rx_pad)(RheoVal x, int axis, int before, int after)
{
  char text[RHEO_SHAPE_TEXT];
  if (!check_axis("pad", x, &axis)) return rx_failed(1, &x);
  RheoShape shape = rx_shape(x);
  if (before < 0 || after < 0)
    return rx_fail(x.program, "pad: %s: by %d and %d zeros", RheoShapeText(shape, text), before, after);
  if (before + after == 0) return x;
  shape.d[axis] += before + after;
  return append(RHEO_OP_PAD, x, shape, axis, before, after);
}

/* ---- Concatenation ---- */

static int same_but_for(RheoShape a, RheoShape b, int axis)
{
  if (a.n != b.n) return 0;
  b.d[axis] = a.d[axis];
  return RheoShapeSame(a, b);
}

RheoVal(rx_concat)(int axis, int n, const RheoVal *x)
{
  RheoNode node = {.op = RHEO_OP_CONCAT, .n_arg = n};
  char text[2][RHEO_SHAPE_TEXT];
  if (n < 1) return RHEO_NONE;
  RheoProgram p = rx_program_of("concat", n, x);
  if (!p || !check_axis("concat", x[0], &axis)) return rx_failed(n, x);
  if (n == 1) return x[0];
  node.shape = rx_shape(x[0]);
  for (int k = 1; k < n; k++) {
    if (!same_but_for(rx_shape(x[0]), rx_shape(x[k]), axis))
      return rx_fail(p, "concat: %s and %s differ beside axis %d", RheoShapeText(rx_shape(x[0]), text[0]),
                     RheoShapeText(rx_shape(x[k]), text[1]), axis);
    node.shape.d[axis] += rx_shape(x[k]).d[axis];
  }
  node.i[0] = axis;
  if (PetscMalloc1(n, &node.arg)) return rx_fail(p, "concat: out of memory");
  for (int k = 0; k < n; k++) node.arg[k] = x[k].id;
  RheoVal y = rx_append(p, &node);
  (void)PetscFree(node.arg);
  return y;
}

/* A failed value is no value left out: it has a program. */
RheoVal(rx_concat2)(int axis, RheoVal x, RheoVal y)
{
  if (!x.program) return y;
  if (!y.program) return x;
  return rx_concat(axis, 2, (RheoVal[]){x, y});
}

/* ---- Indices ---- */

static int check_index(const char *op, RheoVal x, RheoVal index, int *axis)
{
  char text[RHEO_SHAPE_TEXT];
  RheoVal arg[] = {x, index};
  if (!rx_program_of(op, 2, arg) || !check_axis(op, x, axis)) return 0;
  if (rx_shape(index).n == 1) return 1;
  rx_fail(x.program, "%s: the index is %s, not one axis", op, RheoShapeText(rx_shape(index), text));
  return 0;
}

RheoVal(rx_gather)(RheoVal x, RheoVal index, int axis)
{
  RheoNode node = {.op = RHEO_OP_GATHER, .n_arg = 2, .arg = (int[]){x.id, index.id}};
  if (!check_index("gather", x, index, &axis)) return rx_failed(2, (RheoVal[]){x, index});
  node.shape = rx_shape(x);
  node.shape.d[axis] = rx_dim(index, 0);
  node.i[0] = axis;
  return rx_append(x.program, &node);
}

RheoVal(rx_gather_fixed)(RheoVal x, int n, const int *index, int axis)
{
  double *place;
  char text[RHEO_SHAPE_TEXT];
  if (!check_axis("gather", x, &axis)) return rx_failed(1, &x);
  for (int k = 0; k < n; k++)
    if (index[k] < 0 || index[k] >= rx_dim(x, axis))
      return rx_fail(x.program, "gather: %s has no place %d along axis %d", RheoShapeText(rx_shape(x), text),
                     index[k], axis);
  if (n < 1 || PetscMalloc1(n, &place)) return rx_fail(x.program, "gather: no index");
  for (int k = 0; k < n; k++) place[k] = index[k];
  RheoVal literal = rx_literal(x.program, RX_SHAPE(n), place);
  (void)PetscFree(place);
  return rx_gather(x, literal, axis);
}

RheoVal(rx_scatter_add)(RheoVal x, RheoVal index, int axis, int size)
{
  RheoNode node = {.op = RHEO_OP_SCATTER_ADD, .n_arg = 2, .arg = (int[]){x.id, index.id}};
  char text[2][RHEO_SHAPE_TEXT];
  if (!check_index("scatter_add", x, index, &axis)) return rx_failed(2, (RheoVal[]){x, index});
  node.shape = rx_shape(x);
  if (node.shape.d[axis] != rx_dim(index, 0) || size < 1)
    return rx_fail(x.program, "scatter_add: %s by index %s along axis %d into %d places",
                   RheoShapeText(node.shape, text[0]), RheoShapeText(rx_shape(index), text[1]), axis, size);
  node.shape.d[axis] = size;
  node.i[0] = axis;
  node.i[1] = size;
  return rx_append(x.program, &node);
}
