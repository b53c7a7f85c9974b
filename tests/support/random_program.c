#include "random_program.h"
#include "base/random.h"
#include "program/program_impl.h"
#include <math.h>
#include <stdlib.h>

enum { MAX_POOL = 512, MAX_SIZE = 3000, MAX_NODES = 3000 };
static const double limit = 4.; /* of the size of values that are used further */

typedef struct {
  RheoVal x;
  double low, high;
} Item;

typedef struct {
  RandomProgram *r;
  RheoStream stream;
  int kind, n, n_name;
  Item pool[MAX_POOL];
} Maker;

static int choose(Maker *m, int n)
{
  return (int)RheoStreamInteger(&m->stream, (uint64_t)n);
}

static double uniform(Maker *m, double low, double high)
{
  return (float)(low + (high - low) * RheoStreamUniform(&m->stream));
}

/* Recent values are preferred, so that programs get deep. */
static Item pick(Maker *m)
{
  int recent = m->n < 8 ? m->n : 8;
  return m->pool[choose(m, 3) ? m->n - 1 - choose(m, recent) : choose(m, m->n)];
}

static void put(Maker *m, RheoVal x, double low, double high)
{
  double size = fmax(fabs(low), fabs(high));
  if (size > limit) {
    x = rx_scale(x, limit / size);
    low *= limit / size;
    high *= limit / size;
  }
  if (m->n < MAX_POOL) m->pool[m->n++] = (Item){x, low, high};
}

/* ---- Leaves ---- */

static const char *fresh_name(Maker *m, char name[16])
{
  snprintf(name, 16, "v%d", m->n_name++);
  return name;
}

static RheoVal make_param(Maker *m, RheoShape shape)
{
  char name[16];
  RheoInit init = {.kind = RHEO_INIT_UNIFORM, .a = 1.5, .frozen = choose(m, 6) == 0};
  return rx_param(m->r->program, m->r->params, fresh_name(m, name), shape, init);
}

static RheoVal make_literal(Maker *m, RheoShape shape, int whole, double low, double high)
{
  size_t n = RheoShapeSize(shape);
  double *values = malloc(n * sizeof *values);
  for (size_t j = 0; j < n; j++) values[j] = whole ? (double)choose(m, (int)high) : uniform(m, low, high);
  RheoVal x = rx_literal(m->r->program, shape, values);
  free(values);
  return x;
}

static RheoShape any_shape(Maker *m)
{
  RheoShape shape = {choose(m, RHEO_MAX_DIM + 1), {0}};
  for (int a = 0; a < shape.n; a++) shape.d[a] = choose(m, 4) ? 1 + choose(m, 6) : 1;
  if (shape.n && choose(m, 2)) shape.d[0] = RheoProgramRows(m->r->program);
  return shape;
}

static RheoVal make_leaf(Maker *m, RheoShape shape)
{
  char name[16];
  switch (choose(m, 5)) {
  case 0:
    return rx_input(m->r->program, fresh_name(m, name), shape);
  case 1:
    return rx_fill(m->r->program, shape, uniform(m, -1.5, 1.5));
  case 2:
    return make_literal(m, shape, 0, -1.5, 1.5);
  default:
    return make_param(m, shape);
  }
}

/* A value that broadcasts with x: from the pool where chance finds one. */
static Item partner(Maker *m, RheoShape shape)
{
  RheoShape both;
  for (int k = 0; k < 12; k++) {
    Item y = pick(m);
    if (rx_broadcast_shape(shape, rx_shape(y.x), &both) && RheoShapeSize(both) <= MAX_SIZE) return y;
  }
  int dropped = shape.n ? choose(m, shape.n + 1) : 0;
  RheoShape smaller = {shape.n - dropped, {0}};
  for (int a = 0; a < smaller.n; a++) smaller.d[a] = choose(m, 4) ? shape.d[a + dropped] : 1;
  return (Item){make_leaf(m, smaller), -2., 2.};
}

static Item same_shape(Maker *m, RheoShape shape)
{
  Item y = partner(m, shape);
  if (RheoShapeSame(rx_shape(y.x), shape)) return y;
  return (Item){make_leaf(m, shape), -2., 2.};
}

/* ---- Element-wise ---- */

static Item positive(Maker *m, Item x)
{
  if (x.low >= 0.25) return x;
  switch (choose(m, 3)) {
  case 0:
    return (Item){rx_offset(rx_square(x.x), 0.25), 0.25, 0.25 + limit * limit};
  case 1:
    return (Item){rx_offset(rx_softplus(x.x), 0.25), 0.25, 0.95 + limit};
  default:
    return (Item){rx_offset(rx_scale(x.x, 0.2), 1.5), 1.5 + 0.2 * x.low, 1.5 + 0.2 * x.high};
  }
}

static void put_unary(Maker *m)
{
  Item x = pick(m), positive_x = {RHEO_NONE, 0., 0.};
  int smooth = m->kind & RANDOM_SMOOTH;
  int which = choose(m, smooth ? 14 : 18);
  if (which < 5) positive_x = positive(m, x);
  double low = positive_x.low, high = positive_x.high, size = fmax(fabs(x.low), fabs(x.high));
  switch (which) {
  case 0:
    put(m, rx_sqrt(positive_x.x), sqrt(low), sqrt(high));
    break;
  case 1:
    put(m, rx_recip(positive_x.x), 1. / high, 1. / low);
    break;
  case 2:
    put(m, rx_log(positive_x.x), log(low), log(high));
    break;
  case 3:
    put(m, rx_log1p(positive_x.x), log1p(low), log1p(high));
    break;
  case 4:
    put(m, rx_recip(rx_neg(positive_x.x)), -1. / low, -1. / high);
    break;
  case 5:
    put(m, rx_exp(x.x), exp(x.low), exp(x.high));
    break;
  case 6:
    put(m, rx_expm1(x.x), expm1(x.low), expm1(x.high));
    break;
  case 7:
    put(m, rx_tanh(x.x), -1., 1.);
    break;
  case 8:
    put(m, rx_sigmoid(x.x), 0., 1.);
    break;
  case 9:
    put(m, rx_softplus(x.x), 0., x.high < 0. ? 0.7 : x.high + 0.7);
    break;
  case 10:
    put(m, rx_sin(x.x), -1., 1.);
    break;
  case 11:
    put(m, rx_cos(x.x), -1., 1.);
    break;
  case 12:
    put(m, rx_erf(x.x), -1., 1.);
    break;
  case 13:
    put(m, rx_square(x.x), 0., size * size);
    break;
  case 14:
    put(m, rx_stop_gradient(rx_neg(x.x)), -x.high, -x.low);
    break;
  case 15:
    put(m, rx_abs(x.x), 0., size);
    break;
  case 16:
    put(m, rx_sign(x.x), -1., 1.);
    break;
  case 17:
    put(m, rx_floor(x.x), floor(x.low), floor(x.high));
    break;
  }
}

static void put_binary(Maker *m)
{
  Item x = pick(m), y = partner(m, rx_shape(x.x));
  if (choose(m, 2)) {
    Item swap = x;
    x = y;
    y = swap;
  }
  double product = fmax(fabs(x.low), fabs(x.high)) * fmax(fabs(y.low), fabs(y.high));
  switch (choose(m, m->kind & RANDOM_SMOOTH ? 6 : 11)) {
  case 0:
    put(m, rx_add(x.x, y.x), x.low + y.low, x.high + y.high);
    break;
  case 1:
    put(m, rx_sub(x.x, y.x), x.low - y.high, x.high - y.low);
    break;
  case 2:
  case 3:
    put(m, rx_mul(x.x, y.x), -product, product);
    break;
  case 4:
    y = positive(m, y);
    put(m, rx_div(x.x, y.x), fmin(x.low, 0.) / y.low, fmax(x.high, 0.) / y.low);
    break;
  case 5:
    put(m, rx_scale(rx_offset(x.x, 0.5), -0.75), -0.75 * (x.high + 0.5), -0.75 * (x.low + 0.5));
    break;
  case 6:
    put(m, rx_max(x.x, y.x), fmax(x.low, y.low), fmax(x.high, y.high));
    break;
  case 7:
    put(m, rx_min(x.x, y.x), fmin(x.low, y.low), fmin(x.high, y.high));
    break;
  case 8:
    put(m, rx_less(x.x, y.x), 0., 1.);
    break;
  case 9:
    put(m, rx_less_equal(x.x, y.x), 0., 1.);
    break;
  case 10:
    put(m, rx_equal(x.x, choose(m, 2) ? x.x : y.x), 0., 1.);
    break;
  }
}

/* Smooth programs choose by a fixed mask. */
static void put_select(Maker *m)
{
  Item x = pick(m), y = partner(m, rx_shape(x.x));
  RheoShape both;
  rx_broadcast_shape(rx_shape(x.x), rx_shape(y.x), &both);
  Item z = partner(m, both);
  RheoVal condition = m->kind & RANDOM_SMOOTH ? make_literal(m, both, 1, 0., 2.) : rx_less(x.x, y.x);
  put(m, rx_select(condition, z.x, choose(m, 2) ? x.x : y.x), fmin(z.low, fmin(x.low, y.low)),
      fmax(z.high, fmax(x.high, y.high)));
}

/* ---- Contractions, reductions, scans ---- */

static void put_matmul(Maker *m)
{
  Item x = pick(m), y = {RHEO_NONE, -1.5, 1.5};
  RheoShape shape = rx_shape(x.x), other;
  int t_x = choose(m, 3) == 0, t_y = choose(m, 2), width = 1 + choose(m, 6);
  if (shape.n < 2) {
    x.x = rx_reshape(x.x, RX_SHAPE(1, -1));
    shape = rx_shape(x.x);
  }
  int inner = shape.d[shape.n - (t_x ? 2 : 1)];
  other = shape;
  if (choose(m, 2)) other.n = 2;
  other.d[other.n - 2] = t_y ? width : inner;
  other.d[other.n - 1] = t_y ? inner : width;
  if (RheoShapeSize(other) > MAX_SIZE || RheoShapeSize(shape) / (size_t)inner * (size_t)width > MAX_SIZE)
    return;
  y = same_shape(m, other);
  double bound = inner * fmax(fabs(x.low), fabs(x.high)) * fmax(fabs(y.low), fabs(y.high));
  put(m, rx_matmul_t(x.x, t_x, y.x, t_y), -bound, bound);
}

static void put_reduction(Maker *m)
{
  Item x = pick(m);
  RheoShape shape = rx_shape(x.x);
  double n = (double)RheoShapeSize(shape);
  if (shape.n == 0) return;
  int axis = choose(m, shape.n) - (choose(m, 2) ? shape.n : 0), reduced[RHEO_MAX_DIM];
  for (int a = 0; a < RHEO_MAX_DIM; a++) reduced[a] = choose(m, 2);
  switch (choose(m, m->kind & RANDOM_SMOOTH ? 7 : 10)) {
  case 0:
    put(m, rx_sum(x.x, axis), -n * limit, n * limit);
    break;
  case 1:
    put(m, rx_sum_keep(x.x, axis), -n * limit, n * limit);
    break;
  case 2:
    put(m, rx_sum_all(x.x), -n * limit, n * limit);
    break;
  case 3:
    put(m, rx_mean_all(x.x), x.low, x.high);
    break;
  case 4:
    put(m, rx_reduce(RHEO_OP_SUM, x.x, reduced), -n * limit, n * limit);
    break;
  case 5:
    put(m, rx_cumsum(x.x, axis, choose(m, 2)), -n * limit, n * limit);
    break;
  case 6:
    put(m, rx_log_sum_exp(x.x, axis), x.low, x.high + log(n));
    break;
  case 7:
    put(m, rx_amax(x.x, axis), x.low, x.high);
    break;
  case 8:
    put(m, rx_amax_keep(x.x, axis), x.low, x.high);
    break;
  case 9:
    put(m, rx_reduce(RHEO_OP_AMAX, x.x, reduced), x.low, x.high);
    break;
  }
}

/* ---- Shapes and indices ---- */

static RheoVal permuted(Maker *m, RheoVal x)
{
  int n = rx_shape(x).n, axes[RHEO_MAX_DIM] = {0, 1, 2, 3};
  for (int a = n - 1; a > 0; a--) {
    int b = choose(m, a + 1), swap = axes[a];
    axes[a] = axes[b];
    axes[b] = swap;
  }
  return rx_permute(x, n, axes);
}

/* The same number of elements, split differently. */
static RheoVal reshaped(Maker *m, RheoVal x)
{
  RheoShape shape = rx_shape(x);
  switch (choose(m, 3)) {
  case 0:
    return rx_reshape(x, RX_SHAPE(-1));
  case 1:
    return shape.n < RHEO_MAX_DIM ? rx_reshape(x, RX_SHAPE(1, -1, 1))
                                  : rx_reshape(x, RX_SHAPE(-1, shape.d[3]));
  default:
    return shape.n >= 2 ? rx_reshape(x, RX_SHAPE(shape.d[1], -1)) : rx_reshape(x, RX_SHAPE(-1, 1));
  }
}

static RheoShape widened(Maker *m, RheoShape shape)
{
  for (int a = 0; a < shape.n; a++)
    if (shape.d[a] == 1) shape.d[a] = 1 + choose(m, 4);
  if (shape.n == RHEO_MAX_DIM || choose(m, 2)) return shape;
  for (int a = shape.n++; a > 0; a--) shape.d[a] = shape.d[a - 1];
  shape.d[0] = 1 + choose(m, 4);
  return shape;
}

static void put_shape(Maker *m)
{
  Item x = pick(m), y;
  RheoShape shape = rx_shape(x.x);
  int axis = shape.n ? choose(m, shape.n) : 0, size = shape.n ? shape.d[axis] : 0, begin;
  switch (choose(m, shape.n ? 6 : 2)) {
  case 0:
    shape = widened(m, shape);
    if (RheoShapeSize(shape) <= MAX_SIZE) put(m, rx_broadcast(x.x, shape), x.low, x.high);
    break;
  case 1:
    put(m, reshaped(m, x.x), x.low, x.high);
    break;
  case 2:
    put(m, permuted(m, x.x), x.low, x.high);
    break;
  case 3:
    begin = choose(m, size);
    put(m, rx_slice(x.x, axis, begin, begin + 1 + choose(m, size - begin)), x.low, x.high);
    break;
  case 4:
    put(m, rx_pad(x.x, axis - shape.n, choose(m, 3), choose(m, 3)), fmin(x.low, 0.), fmax(x.high, 0.));
    break;
  case 5:
    shape.d[axis] = choose(m, 2) ? size : 1 + choose(m, 4);
    y = same_shape(m, shape);
    put(m, rx_concat(axis, 3, (RheoVal[]){x.x, y.x, x.x}), fmin(x.low, y.low), fmax(x.high, y.high));
    break;
  }
}

static void put_index(Maker *m)
{
  Item x = pick(m);
  RheoShape shape = rx_shape(x.x);
  if (shape.n == 0) return;
  int axis = choose(m, shape.n), size = shape.d[axis], places = 1 + choose(m, 6), scatter = choose(m, 2);
  int n = scatter ? size : places, fixed[8];
  RheoVal index = make_literal(m, RX_SHAPE(n), 1, 0., scatter ? places : size);
  if (!(m->kind & RANDOM_SMOOTH) && choose(m, 3) == 0) { /* computed, and running out of the axis at times */
    Item y = same_shape(m, RX_SHAPE(n));
    index = rx_floor(rx_offset(rx_scale(y.x, 1.5), 1.));
  }
  if (scatter) {
    double bound = size * limit;
    put(m, rx_scatter_add(x.x, index, axis, places), -bound, bound);
  } else if (choose(m, 3) == 0) {
    for (int k = 0; k < places; k++) fixed[k] = choose(m, size);
    put(m, rx_gather_fixed(x.x, places, fixed, axis), x.low, x.high);
  } else
    put(m, rx_gather(x.x, index, axis), x.low, x.high);
}

/* ---- Derivatives ---- */

static void put_out(Maker *m, RheoVal x)
{
  if (m->r->n_out < RANDOM_MAX_OUT - 2) m->r->out[m->r->n_out++] = x;
}

/* Derivatives are an output as they are, and go on squashed. */
static void put_derivative(Maker *m)
{
  Item y = pick(m), x[2] = {pick(m), m->pool[choose(m, m->n)]};
  RheoVal dx[2], at[2] = {x[0].x, x[1].x};
  if (m->r->program->n > MAX_NODES) return;
  switch (choose(m, 4)) {
  case 0:
    rx_vjp(y.x, same_shape(m, rx_shape(y.x)).x, 2, at, dx);
    put_out(m, dx[0]);
    put(m, rx_tanh(dx[0]), -1., 1.);
    put(m, rx_sin(rx_tanh(dx[1])), -1., 1.);
    break;
  case 1:
    dx[0] = rx_grad(rx_sum_all(y.x), at[1]);
    put_out(m, dx[0]);
    put(m, rx_tanh(rx_scale(dx[0], 0.3)), -1., 1.);
    break;
  case 2:
    dx[0] = rx_jvp(y.x, at[1], same_shape(m, rx_shape(at[1])).x);
    put_out(m, dx[0]);
    put(m, rx_tanh(dx[0]), -1., 1.);
    break;
  default:
    put_out(m, rx_grad_params(rx_mean_all(y.x), m->r->params));
  }
}

/* ---- Fused operations ---- */

static RheoActivation any_activation(Maker *m)
{
  static const RheoActivation smooth[] = {RHEO_ACT_NONE, RHEO_ACT_TANH,     RHEO_ACT_SILU,
                                          RHEO_ACT_GELU, RHEO_ACT_SOFTPLUS, RHEO_ACT_SIGMOID};
  if (m->kind & RANDOM_SMOOTH) return smooth[choose(m, 6)];
  return (RheoActivation)choose(m, RHEO_ACT_SELU + 1);
}

static void put_linear(Maker *m, Item x)
{
  RheoShape shape = rx_shape(x.x);
  int width = 1 + choose(m, 7), inner = shape.n ? shape.d[shape.n - 1] : 1;
  if (shape.n < 1 || RheoShapeSize(shape) / (size_t)inner * (size_t)width > MAX_SIZE) return;
  if (shape.n < 2) x.x = rx_reshape(x.x, RX_SHAPE(1, -1));
  RheoVal weight = same_shape(m, RX_SHAPE(inner, width)).x;
  RheoVal bias = choose(m, 3) ? same_shape(m, RX_SHAPE(width)).x : RHEO_NONE;
  double bound = limit * limit * inner + limit;
  put(m, rx_linear(x.x, weight, bias, any_activation(m)), -bound, bound);
}

static void put_rqs(Maker *m, Item x)
{
  RheoShape shape = rx_shape(x.x);
  if (shape.n < 1 || shape.n == RHEO_MAX_DIM) return;
  int n_bin = 2 + choose(m, 4);
  shape.d[shape.n++] = 3 * n_bin - 1;
  if (RheoShapeSize(shape) > MAX_SIZE) return;
  RheoVal raw = choose(m, 2) ? make_param(m, shape) : same_shape(m, shape).x, log_det;
  RheoVal y = rx_rqs(x.x, raw, 1. + choose(m, 3), choose(m, 2), &log_det);
  put(m, y, -limit, limit);
  put(m, log_det, -2. * limit, 2. * limit);
}

/* A spline's second derivative jumps at its knots. */
static void put_fused(Maker *m)
{
  Item x = pick(m);
  int n = rx_shape(x.x).n, width = rx_dim(x.x, -1);
  switch (choose(m, m->kind & RANDOM_SMOOTH ? 6 : 8)) {
  case 0:
    put(m, rx_activate(any_activation(m), x.x), -1., limit + 1.);
    break;
  case 1:
    if (n) put(m, rx_softmax(x.x), 0., 1.);
    break;
  case 2:
    if (n) put(m, rx_log_softmax(x.x), -2. * limit - log(width), 0.);
    break;
  case 3: /* of values that differ, so that their spread is not zero */
    if (n && width > 1) {
      double apart[8] = {-9., 8., 3., -5., 7., -6., 4., 0.};
      if (width > 8) break;
      RheoVal y = rx_add(x.x, rx_literal(m->r->program, RX_SHAPE(width), apart));
      RheoVal gain = same_shape(m, RX_SHAPE(width)).x, bias = same_shape(m, RX_SHAPE(width)).x;
      put(m, rx_layer_norm(y, gain, bias), -4. * limit, 4. * limit);
    }
    break;
  case 4:
  case 5:
    put_linear(m, x);
    break;
  default:
    put_rqs(m, x);
  }
}

/* ---- The whole ---- */

static void put_step(Maker *m)
{
  int derivatives = m->kind & RANDOM_DERIVATIVES ? 2 : 0, fused = m->kind & RANDOM_FUSED ? 5 : 0;
  int which = choose(m, 18 + derivatives + fused);
  if (which < 5)
    put_unary(m);
  else if (which < 10)
    put_binary(m);
  else if (which < 11)
    put_select(m);
  else if (which < 13)
    put_matmul(m);
  else if (which < 15)
    put_reduction(m);
  else if (which < 17)
    put_shape(m);
  else if (which < 18)
    put_index(m);
  else if (which < 18 + derivatives)
    put_derivative(m);
  else
    put_fused(m);
}

static void put_leaves(Maker *m)
{
  RheoProgram p = m->r->program;
  int kind = choose(m, 2) ? RHEO_INPUT_NOISE_NORMAL : RHEO_INPUT_NOISE_UNIFORM;
  put(m, rx_rows(p, "x", 1 + choose(m, 5)), -2., 2.);
  put(m, rx_noise(p, (RheoInputKind)kind, "noise", 1 + choose(m, 5)), -2., 2.);
  put(m, make_param(m, RX_SHAPE(1 + choose(m, 5), 1 + choose(m, 5))), -1.5, 1.5);
  for (int k = 0; k < 4; k++) put(m, make_leaf(m, any_shape(m)), -2., 2.);
}

static void fill_values(Maker *m)
{
  RandomProgram *r = m->r;
  size_t n = RheoParamsSize(r->params);
  float *single = calloc(n + 1, sizeof *single);
  r->param = calloc(n + 1, sizeof *r->param);
  if (RheoParamsInit(r->params, (uint64_t)choose(m, 1 << 20), single)) abort();
  for (size_t j = 0; j < n; j++) r->param[j] = single[j];
  free(single);
  r->n_in = RheoProgramInputCount(r->program);
  r->in = calloc((size_t)r->n_in, sizeof *r->in);
  for (int i = 0; i < r->n_in; i++) {
    size_t size = RheoShapeSize(RheoProgramInputShape(r->program, i));
    r->in[i] = calloc(size, sizeof(double));
    for (size_t j = 0; j < size; j++) r->in[i][j] = uniform(m, -2., 2.);
  }
}

RandomProgram random_program_make(uint64_t seed, int kind, int n_steps)
{
  static const int rows[] = {1, 2, 3, 5, 8, 17, 33};
  RandomProgram r = {0};
  Maker *m = calloc(1, sizeof *m);
  m->r = &r;
  m->kind = kind;
  m->stream = RheoStreamMake(seed, RHEO_STREAM_TEST, (uint32_t)kind, (uint64_t)n_steps);
  if (RheoProgramCreate(rows[choose(m, 7)], &r.program) || RheoParamsCreate(&r.params)) abort();
  put_leaves(m);
  for (int step = 0; step < n_steps; step++) put_step(m);
  r.out[r.n_out++] = m->pool[m->n - 1].x;
  for (int k = choose(m, 2); k >= 0; k--)
    if (r.n_out < RANDOM_MAX_OUT) r.out[r.n_out++] = pick(m).x;
  fill_values(m);
  free(m);
  return r;
}

void random_program_free(RandomProgram *r)
{
  for (int i = 0; i < r->n_in; i++) free(r->in[i]);
  free(r->in);
  free(r->param);
  if (RheoProgramDestroy(&r->program) || RheoParamsDestroy(&r->params)) abort();
}
