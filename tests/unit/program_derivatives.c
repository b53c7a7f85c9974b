/* Every operation of ops.def: VJP, JVP and second derivatives against central differences, in double. */
#include "base/random.h"
#include "check.h"
#include "differences.h"
#include <math.h>
#include <stdlib.h>

enum { MAX_X = 3 };
static const double tolerance = 1e-6;

typedef struct {
  RheoOp op;
  int n_x;
  RheoShape shape[MAX_X];
  double low, high; /* of the values of x */
  RheoVal (*build)(const RheoVal *x);
  int flat; /* the derivative is zero everywhere */
} Case;

/* ---- One function for each case, named after what it shows ---- */

static RheoVal Input(const RheoVal *x)
{
  return x[0];
}
static RheoVal Literal(const RheoVal *x)
{
  return rx_mul(x[0], rx_literal(x[0].program, RX_SHAPE(3), (double[]){2., -3., 0.5}));
}
static RheoVal Fill(const RheoVal *x)
{
  return rx_mul(rx_fill(x[0].program, RX_SHAPE(4, 1), 1.5), x[0]);
}
static RheoVal Neg(const RheoVal *x)
{
  return rx_neg(x[0]);
}
static RheoVal Abs(const RheoVal *x)
{
  return rx_abs(x[0]);
}
static RheoVal Sign(const RheoVal *x)
{
  return rx_sign(x[0]);
}
static RheoVal Floor(const RheoVal *x)
{
  return rx_floor(x[0]);
}
static RheoVal Square(const RheoVal *x)
{
  return rx_square(x[0]);
}
static RheoVal Sqrt(const RheoVal *x)
{
  return rx_sqrt(x[0]);
}
static RheoVal Recip(const RheoVal *x)
{
  return rx_recip(x[0]);
}
static RheoVal Exp(const RheoVal *x)
{
  return rx_exp(x[0]);
}
static RheoVal Expm1(const RheoVal *x)
{
  return rx_expm1(x[0]);
}
static RheoVal Log(const RheoVal *x)
{
  return rx_log(x[0]);
}
static RheoVal Log1p(const RheoVal *x)
{
  return rx_log1p(x[0]);
}
static RheoVal Tanh(const RheoVal *x)
{
  return rx_tanh(x[0]);
}
static RheoVal Sigmoid(const RheoVal *x)
{
  return rx_sigmoid(x[0]);
}
static RheoVal Softplus(const RheoVal *x)
{
  return rx_softplus(x[0]);
}
static RheoVal Sin(const RheoVal *x)
{
  return rx_sin(x[0]);
}
static RheoVal Cos(const RheoVal *x)
{
  return rx_cos(x[0]);
}
static RheoVal Erf(const RheoVal *x)
{
  return rx_erf(x[0]);
}
static RheoVal Add(const RheoVal *x)
{
  return rx_add(x[0], x[1]);
}
static RheoVal AddToItself(const RheoVal *x)
{
  return rx_add(x[0], x[0]);
}
static RheoVal Sub(const RheoVal *x)
{
  return rx_sub(x[0], x[1]);
}
static RheoVal Mul(const RheoVal *x)
{
  return rx_mul(x[0], x[1]);
}
static RheoVal Div(const RheoVal *x)
{
  return rx_div(x[0], x[1]);
}
static RheoVal Max(const RheoVal *x)
{
  return rx_max(x[0], rx_square(x[1]));
}
static RheoVal Min(const RheoVal *x)
{
  return rx_min(x[0], rx_square(x[1]));
}
static RheoVal Less(const RheoVal *x)
{
  return rx_less(x[0], x[1]);
}
static RheoVal LessEqual(const RheoVal *x)
{
  return rx_less_equal(x[0], x[1]);
}
static RheoVal Equal(const RheoVal *x)
{
  return rx_equal(x[0], x[1]);
}
static RheoVal Select(const RheoVal *x)
{
  return rx_select(rx_less(x[0], x[1]), rx_square(x[1]), rx_sin(x[2]));
}
static RheoVal Matmul(const RheoVal *x)
{
  return rx_matmul(x[0], x[1]);
}
static RheoVal MatmulTN(const RheoVal *x)
{
  return rx_matmul_t(x[0], 1, x[1], 0);
}
static RheoVal MatmulNT(const RheoVal *x)
{
  return rx_matmul_t(x[0], 0, x[1], 1);
}
static RheoVal MatmulTT(const RheoVal *x)
{
  return rx_matmul_t(x[0], 1, x[1], 1);
}
static RheoVal Sum(const RheoVal *x)
{
  return rx_sum(rx_square(x[0]), 1);
}
static RheoVal SumAll(const RheoVal *x)
{
  return rx_square(rx_sum_all(rx_sin(x[0])));
}
static RheoVal Mean(const RheoVal *x)
{
  return rx_exp(rx_mean_all(rx_sin(x[0])));
}
static RheoVal Amax(const RheoVal *x)
{
  return rx_square(rx_amax(x[0], -1));
}
static RheoVal LogSumExp(const RheoVal *x)
{
  return rx_log_sum_exp(x[0], 0);
}
static RheoVal Cumsum(const RheoVal *x)
{
  return rx_square(rx_cumsum(x[0], 1, 0));
}
static RheoVal CumsumReverse(const RheoVal *x)
{
  return rx_square(rx_cumsum(x[0], 0, 1));
}
static RheoVal Broadcast(const RheoVal *x)
{
  return rx_square(rx_broadcast(x[0], RX_SHAPE(2, 3, 4)));
}
static RheoVal Reshape(const RheoVal *x)
{
  return rx_square(rx_reshape(x[0], RX_SHAPE(2, -1)));
}
static RheoVal Permute(const RheoVal *x)
{
  return rx_square(rx_permute(x[0], 3, (int[]){2, 0, 1}));
}
static RheoVal Slice(const RheoVal *x)
{
  return rx_square(rx_slice(x[0], 1, 1, 3));
}
static RheoVal Pad(const RheoVal *x)
{
  return rx_exp(rx_pad(x[0], 0, 2, 1));
}
static RheoVal Concat(const RheoVal *x)
{
  return rx_square(rx_concat(1, 3, (RheoVal[]){x[0], x[1], x[0]}));
}
static RheoVal Gather(const RheoVal *x)
{
  RheoVal index = rx_literal(x[0].program, RX_SHAPE(5), (double[]){2., 0., 2., 3., 1.});
  return rx_square(rx_gather(x[0], index, 1));
}
static RheoVal GatherInOrder(const RheoVal *x)
{
  return rx_square(rx_gather_fixed(x[0], 4, (int[]){2, 0, 3, 1}, 1));
}
static RheoVal GatherByValue(const RheoVal *x)
{
  return rx_mul(rx_gather(x[0], rx_floor(x[1]), 0), x[1]);
}
static RheoVal ScatterAdd(const RheoVal *x)
{
  RheoVal index = rx_literal(x[0].program, RX_SHAPE(3), (double[]){4., 0., 4.});
  return rx_square(rx_scatter_add(x[0], index, 0, 5));
}
static RheoVal StopGradient(const RheoVal *x)
{
  return rx_stop_gradient(rx_exp(x[0]));
}
static RheoVal ManyUses(const RheoVal *x)
{
  RheoVal y = rx_tanh(rx_mul(x[0], x[1]));
  return rx_concat2(0, rx_add(y, rx_exp(y)), rx_mul(rx_sub(x[1], y), rx_slice(rx_pad(y, 1, 1, 0), 1, 0, 3)));
}

static const Case cases[] = {
    {RHEO_OP_INPUT, 1, {{2, {2, 3}}}, -1., 1., Input, 0},
    {RHEO_OP_LITERAL, 1, {{2, {2, 3}}}, -1., 1., Literal, 0},
    {RHEO_OP_FILL, 1, {{2, {1, 3}}}, -1., 1., Fill, 0},
    {RHEO_OP_NEG, 1, {{2, {2, 3}}}, -1., 1., Neg, 0},
    {RHEO_OP_ABS, 1, {{2, {2, 3}}}, -1., 1., Abs, 0},
    {RHEO_OP_SIGN, 1, {{2, {2, 3}}}, -1., 1., Sign, 1},
    {RHEO_OP_FLOOR, 1, {{2, {2, 3}}}, -1.9, 2.2, Floor, 1},
    {RHEO_OP_SQUARE, 1, {{2, {2, 3}}}, -1., 1., Square, 0},
    {RHEO_OP_SQRT, 1, {{2, {2, 3}}}, 0.3, 2., Sqrt, 0},
    {RHEO_OP_RECIP, 1, {{2, {2, 3}}}, 0.4, 2., Recip, 0},
    {RHEO_OP_EXP, 1, {{2, {2, 3}}}, -2., 2., Exp, 0},
    {RHEO_OP_EXPM1, 1, {{2, {2, 3}}}, -2., 2., Expm1, 0},
    {RHEO_OP_LOG, 1, {{2, {2, 3}}}, 0.3, 3., Log, 0},
    {RHEO_OP_LOG1P, 1, {{2, {2, 3}}}, -0.6, 3., Log1p, 0},
    {RHEO_OP_TANH, 1, {{2, {2, 3}}}, -2., 2., Tanh, 0},
    {RHEO_OP_SIGMOID, 1, {{2, {2, 3}}}, -3., 3., Sigmoid, 0},
    {RHEO_OP_SOFTPLUS, 1, {{2, {2, 3}}}, -3., 3., Softplus, 0},
    {RHEO_OP_SIN, 1, {{2, {2, 3}}}, -3., 3., Sin, 0},
    {RHEO_OP_COS, 1, {{2, {2, 3}}}, -3., 3., Cos, 0},
    {RHEO_OP_ERF, 1, {{2, {2, 3}}}, -2., 2., Erf, 0},
    {RHEO_OP_ADD, 2, {{2, {2, 3}}, {2, {2, 1}}}, -1., 1., Add, 0},
    {RHEO_OP_ADD, 1, {{2, {2, 3}}}, -1., 1., AddToItself, 0},
    {RHEO_OP_SUB, 2, {{1, {3}}, {3, {2, 2, 1}}}, -1., 1., Sub, 0},
    {RHEO_OP_MUL, 2, {{2, {4, 3}}, {1, {3}}}, -1., 1., Mul, 0},
    {RHEO_OP_MUL, 2, {{0, {0}}, {3, {2, 1, 3}}}, -1., 1., Mul, 0},
    {RHEO_OP_DIV, 2, {{2, {2, 3}}, {2, {1, 3}}}, 0.4, 2., Div, 0},
    {RHEO_OP_MAX, 2, {{2, {2, 3}}, {1, {3}}}, 0.2, 2., Max, 0},
    {RHEO_OP_MIN, 2, {{2, {2, 3}}, {1, {3}}}, 0.2, 2., Min, 0},
    {RHEO_OP_LESS, 2, {{2, {2, 3}}, {1, {3}}}, -1., 1., Less, 1},
    {RHEO_OP_LESS_EQUAL, 2, {{2, {2, 3}}, {1, {3}}}, -1., 1., LessEqual, 1},
    {RHEO_OP_EQUAL, 2, {{2, {2, 3}}, {1, {3}}}, -1., 1., Equal, 1},
    {RHEO_OP_SELECT, 3, {{2, {2, 3}}, {1, {3}}, {2, {2, 1}}}, -1., 1., Select, 0},
    {RHEO_OP_MATMUL, 2, {{2, {2, 3}}, {2, {3, 4}}}, -1., 1., Matmul, 0},
    {RHEO_OP_MATMUL, 2, {{2, {3, 2}}, {2, {3, 4}}}, -1., 1., MatmulTN, 0},
    {RHEO_OP_MATMUL, 2, {{2, {2, 3}}, {2, {4, 3}}}, -1., 1., MatmulNT, 0},
    {RHEO_OP_MATMUL, 2, {{2, {3, 2}}, {2, {4, 3}}}, -1., 1., MatmulTT, 0},
    {RHEO_OP_MATMUL, 2, {{3, {2, 2, 3}}, {3, {2, 3, 2}}}, -1., 1., Matmul, 0},
    {RHEO_OP_MATMUL, 2, {{3, {2, 3, 2}}, {3, {2, 2, 3}}}, -1., 1., MatmulTT, 0},
    {RHEO_OP_MATMUL, 2, {{3, {2, 2, 3}}, {2, {3, 2}}}, -1., 1., Matmul, 0},
    {RHEO_OP_MATMUL, 2, {{4, {2, 1, 2, 3}}, {2, {2, 3}}}, -1., 1., MatmulNT, 0},
    {RHEO_OP_MATMUL, 2, {{3, {2, 3, 2}}, {2, {3, 2}}}, -1., 1., MatmulTN, 0},
    {RHEO_OP_MATMUL, 2, {{3, {2, 3, 2}}, {2, {2, 3}}}, -1., 1., MatmulTT, 0},
    {RHEO_OP_SUM, 1, {{3, {2, 3, 2}}}, -1., 1., Sum, 0},
    {RHEO_OP_SUM, 1, {{2, {2, 3}}}, -1., 1., SumAll, 0},
    {RHEO_OP_SUM, 1, {{2, {2, 3}}}, -1., 1., Mean, 0},
    {RHEO_OP_AMAX, 1, {{2, {3, 4}}}, -1., 1., Amax, 0},
    {RHEO_OP_AMAX, 1, {{2, {3, 2}}}, -1., 1., LogSumExp, 0},
    {RHEO_OP_CUMSUM, 1, {{2, {2, 4}}}, -1., 1., Cumsum, 0},
    {RHEO_OP_CUMSUM, 1, {{3, {3, 1, 2}}}, -1., 1., CumsumReverse, 0},
    {RHEO_OP_BROADCAST, 1, {{2, {3, 1}}}, -1., 1., Broadcast, 0},
    {RHEO_OP_RESHAPE, 1, {{2, {3, 4}}}, -1., 1., Reshape, 0},
    {RHEO_OP_PERMUTE, 1, {{3, {2, 3, 2}}}, -1., 1., Permute, 0},
    {RHEO_OP_SLICE, 1, {{3, {2, 4, 2}}}, -1., 1., Slice, 0},
    {RHEO_OP_PAD, 1, {{2, {2, 3}}}, -1., 1., Pad, 0},
    {RHEO_OP_CONCAT, 2, {{2, {2, 3}}, {2, {2, 1}}}, -1., 1., Concat, 0},
    {RHEO_OP_GATHER, 1, {{3, {2, 4, 2}}}, -1., 1., Gather, 0},
    {RHEO_OP_GATHER, 1, {{3, {2, 4, 2}}}, -1., 1., GatherInOrder, 0},
    {RHEO_OP_GATHER, 2, {{1, {3}}, {1, {4}}}, 0.1, 2.9, GatherByValue, 0},
    {RHEO_OP_SCATTER_ADD, 1, {{2, {3, 2}}}, -1., 1., ScatterAdd, 0},
    {RHEO_OP_STOP_GRADIENT, 1, {{2, {2, 3}}}, -1., 1., StopGradient, 1},
    {RHEO_OP_MUL, 2, {{2, {2, 3}}, {2, {2, 3}}}, -1., 1., ManyUses, 0},
};

/* ---- The check ---- */

typedef struct {
  RheoProgram program;
  RheoVal x[MAX_X], v[MAX_X], dy, y;
  double *in[2 * MAX_X + 1]; /* x, v, dy */
} Bench;

/* Distinct values in a scrambled order, so that no two are close to a tie. */
static double *spread_values(RheoStream *stream, size_t n, double low, double high)
{
  double *values = malloc((n ? n : 1) * sizeof *values);
  for (size_t j = 0; j < n; j++)
    values[j] = low + (high - low) * ((double)j + 0.2 + 0.6 * RheoStreamUniform(stream)) / (double)n;
  for (size_t j = n; j > 1; j--) {
    size_t k = (size_t)RheoStreamInteger(stream, j);
    double swap = values[j - 1];
    values[j - 1] = values[k];
    values[k] = swap;
  }
  return values;
}

static Bench set_up(const Case *c, uint64_t seed)
{
  Bench b = {0};
  RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, 0);
  OK(RheoProgramCreate(2, &b.program));
  for (int i = 0; i < 2 * c->n_x; i++) {
    char name[16];
    RheoShape shape = c->shape[i % c->n_x];
    snprintf(name, sizeof name, "%c%d", i < c->n_x ? 'x' : 'v', i % c->n_x);
    RheoVal input = rx_input(b.program, name, shape);
    double low = i < c->n_x ? c->low : -1., high = i < c->n_x ? c->high : 1.;
    if (i < c->n_x)
      b.x[i] = input;
    else
      b.v[i - c->n_x] = input;
    b.in[i] = spread_values(&stream, RheoShapeSize(shape), low, high);
  }
  b.y = c->build(b.x);
  b.dy = rx_input(b.program, "dy", rx_shape(b.y));
  b.in[2 * c->n_x] = spread_values(&stream, RheoShapeSize(rx_shape(b.y)), -1., 1.);
  if (RheoProgramError(b.program)) fail_msg("%s", RheoProgramError(b.program));
  return b;
}

static void tear_down(Bench *b)
{
  for (int i = 0; i < 2 * MAX_X + 1; i++) free(b->in[i]);
  OK(RheoProgramDestroy(&b->program));
}

static int contains(RheoProgram p, RheoOp op)
{
  for (int id = 0; id < p->n; id++)
    if (p->node[id].op == op) return 1;
  return 0;
}

static void check_zero(const Bench *b, RheoVal x)
{
  Interpretation result = interpret(b->program, INTERPRET_KERNELS, NULL, (const double *const *)b->in, 1, &x);
  for (size_t j = 0; j < RheoShapeSize(rx_shape(x)); j++) assert_true(interpreted(result, x)[j] == 0.);
  interpretation_free(result);
}

static void check_error(const Case *c, int number, const char *what, int i, double error)
{
  if (!(error <= tolerance))
    fail_msg("%s (case %d), %s, argument %d: relative error %.2e", RheoOps[c->op].name, number, what, i,
             error);
}

/* The second derivatives are those of <dx, v>, with respect to x and to dy. */
static void check_second(const Case *c, int number, Bench *b, const RheoVal *dx)
{
  const double *const *in = (const double *const *)b->in;
  RheoVal along = rx_const(b->program, 0.), all[MAX_X + 1], second[MAX_X + 1];
  for (int i = 0; i < c->n_x; i++) {
    along = rx_add(along, rx_sum_all(rx_mul(dx[i], b->v[i])));
    all[i] = b->x[i];
  }
  all[c->n_x] = b->dy;
  rx_vjp(along, RHEO_NONE, c->n_x + 1, all, second);
  for (int i = 0; i <= c->n_x; i++) {
    double *at = b->in[i < c->n_x ? i : 2 * c->n_x];
    check_error(c, number, "second derivative", i,
                difference_error(along, NULL, all[i], at, second[i], INTERPRET_KERNELS, NULL, in));
  }
}

/* Cotangents that are one number in every place are kept as a number. */
static void check_filled(const Case *c, int number, Bench *b)
{
  const double *const *in = (const double *const *)b->in;
  static const double factor[] = {1., -1., 0.5};
  for (int k = 0; k < 3; k++) {
    RheoVal loss = rx_scale(rx_sum_all(b->y), factor[k]), dx[MAX_X];
    rx_vjp(loss, RHEO_NONE, c->n_x, b->x, dx);
    for (int i = 0; i < c->n_x; i++)
      check_error(c, number, "gradient of a sum", i,
                  difference_error(loss, NULL, b->x[i], b->in[i], dx[i], INTERPRET_KERNELS, NULL, in));
  }
}

static void check_case(const Case *c, int number)
{
  Bench b = set_up(c, (uint64_t)number);
  const double *const *in = (const double *const *)b.in;
  RheoVal dx[MAX_X];
  if (!contains(b.program, c->op)) fail_msg("case %d does not contain %s", number, RheoOps[c->op].name);
  rx_vjp(b.y, b.dy, c->n_x, b.x, dx);
  for (int i = 0; i < c->n_x; i++) {
    assert_true(RheoShapeSame(rx_shape(dx[i]), rx_shape(b.x[i])));
    RheoVal tangent = rx_jvp(b.y, b.x[i], b.v[i]);
    if (c->flat) {
      check_zero(&b, dx[i]);
      check_zero(&b, tangent);
      continue;
    }
    check_error(c, number, "VJP", i,
                difference_error(b.y, b.in[2 * c->n_x], b.x[i], b.in[i], dx[i], INTERPRET_KERNELS, NULL, in));
    check_error(c, number, "JVP", i,
                tangent_error(b.y, b.x[i], b.in[i], b.in[c->n_x + i], tangent, INTERPRET_KERNELS, NULL, in));
  }
  if (!c->flat) check_second(c, number, &b, dx);
  if (!c->flat) check_filled(c, number, &b);
  if (RheoProgramError(b.program)) fail_msg("%s", RheoProgramError(b.program));
  tear_down(&b);
}

static void EveryCase(void **state)
{
  (void)state;
  for (int number = 0; number < (int)(sizeof cases / sizeof *cases); number++)
    check_case(&cases[number], number);
}

/* PARAM has its test in program_params.c, FUSED and PART in program_fused.c. */
static void EveryOperationHasACase(void **state)
{
  (void)state;
  for (int op = 0; op < RHEO_OP_COUNT; op++) {
    int n = op == RHEO_OP_PARAM || op == RHEO_OP_FUSED || op == RHEO_OP_PART;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) n += cases[k].op == (RheoOp)op;
    if (!n) fail_msg("%s has no case", RheoOps[op].name);
  }
}

/* ---- Particular points ---- */

static void check_values(RheoVal x, const double *const *in, const double *expected)
{
  Interpretation result = interpret(x.program, INTERPRET_KERNELS, NULL, in, 1, &x);
  for (size_t j = 0; j < RheoShapeSize(rx_shape(x)); j++)
    if (!(fabs(interpreted(result, x)[j] - expected[j]) < 1e-12))
      fail_msg("element %zu is %g, not %g", j, interpreted(result, x)[j], expected[j]);
  interpretation_free(result);
}

static void TiesGoToTheFirstOrAreShared(void **state)
{
  RheoProgram p;
  const double values[] = {1., 2., 2., 0.}, other[] = {1., 3., 2., -1.};
  const double *const in[] = {values, other};
  (void)state;
  OK(RheoProgramCreate(1, &p));
  RheoVal x[] = {rx_input(p, "x", RX_SHAPE(4)), rx_input(p, "y", RX_SHAPE(4))}, dx[2];
  rx_vjp(rx_sum_all(rx_max(x[0], x[1])), RHEO_NONE, 2, x, dx);
  check_values(dx[0], in, (double[]){1., 0., 1., 1.});
  check_values(dx[1], in, (double[]){0., 1., 0., 0.});
  rx_vjp(rx_sum_all(rx_min(x[0], x[1])), RHEO_NONE, 2, x, dx);
  check_values(dx[0], in, (double[]){1., 1., 1., 0.});
  check_values(dx[1], in, (double[]){0., 0., 0., 1.});
  check_values(rx_grad(rx_amax(x[0], 0), x[0]), in, (double[]){0., 0.5, 0.5, 0.});
  assert_null(RheoProgramError(p));
  OK(RheoProgramDestroy(&p));
}

static void DerivativesOfHigherOrder(void **state)
{
  RheoProgram p;
  const double values[] = {0.7};
  const double *const in[] = {values};
  (void)state;
  OK(RheoProgramCreate(1, &p));
  RheoVal x = rx_input(p, "x", RX_SCALAR), y = rx_exp(rx_scale(x, 2.)),
          z = rx_mul(rx_square(x), rx_square(x));
  for (int order = 1; order <= 6; order++) {
    y = rx_grad(y, x);
    z = rx_grad(z, x);
    static const double factor[] = {0., 4., 12., 24., 24., 0., 0.};
    check_values(y, in, (double[]){pow(2., order) * exp(1.4)});
    check_values(z, in, (double[]){factor[order] * pow(0.7, order < 4 ? 4 - order : 0)});
  }
  OK(RheoProgramDestroy(&p));
}

/* x[1] depends on x[0]; both get the total derivative. */
static void IntermediateValuesCanBeAskedFor(void **state)
{
  RheoProgram p;
  const double values[] = {3.};
  const double *const in[] = {values};
  (void)state;
  OK(RheoProgramCreate(1, &p));
  RheoVal x = rx_input(p, "x", RX_SCALAR), y = rx_square(x), z = rx_mul(x, y), unrelated = rx_const(p, 2.);
  RheoVal all[] = {x, y, z, unrelated, x}, d[5];
  rx_vjp(z, RHEO_NONE, 5, all, d);
  check_values(d[0], in, (double[]){27.});
  check_values(d[1], in, (double[]){3.});
  check_values(d[2], in, (double[]){1.});
  check_values(d[3], in, (double[]){0.});
  check_values(d[4], in, (double[]){27.});
  OK(RheoProgramDestroy(&p));
}

/* ---- What is appended ---- */

static int count(RheoProgram p, int first, RheoOp op)
{
  int n = 0;
  for (int id = first; id < p->n; id++) n += p->node[id].op == op;
  return n;
}

static int n_dead(RheoProgram p, int first, RheoVal out)
{
  char *used = calloc((size_t)p->n, 1);
  int n = 0;
  used[out.id] = 1;
  for (int id = p->n - 1; id >= 0; id--)
    for (int k = 0; used[id] && k < p->node[id].n_arg; k++) used[p->node[id].arg[k]] = 1;
  for (int id = first; id < p->n; id++) n += !used[id];
  free(used);
  return n;
}

static void RulesAreEconomical(void **state)
{
  RheoProgram p;
  (void)state;
  OK(RheoProgramCreate(4, &p));
  RheoVal x = rx_input(p, "x", RX_SHAPE(4, 5, 3)), w = rx_input(p, "w", RX_SHAPE(3, 2));
  RheoVal loss = rx_sum_all(rx_square(rx_tanh(rx_matmul(x, w))));
  int first = p->n;
  RheoVal dw = rx_grad(loss, w);
  assert_int_equal(count(p, first, RHEO_OP_MATMUL), 1);
  assert_int_equal(count(p, first, RHEO_OP_PERMUTE), 0);
  assert_int_equal(count(p, first, RHEO_OP_BROADCAST), 0);
  assert_int_equal(count(p, first, RHEO_OP_TANH), 0);
  assert_int_equal(count(p, first, RHEO_OP_MUL), 2); /* 2 y, times 1 - y^2 */
  assert_int_equal(rx_shape(p->node[dw.id].op == RHEO_OP_MATMUL ? dw : RHEO_NONE).n, 2);
  assert_true(n_dead(p, first, dw) <= 4); /* filled seeds */
  OK(RheoProgramDestroy(&p));
}

/* A split into parts that are all used, and a permutation: each pulls back in one pass. */
static void SlicesAndPermutationsPullBackInOnePass(void **state)
{
  RheoProgram p;
  double values[12];
  const double *const in[] = {values};
  (void)state;
  OK(RheoProgramCreate(2, &p));
  for (int j = 0; j < 12; j++) values[j] = 0.3 * j - 1.;
  RheoVal x = rx_rows(p, "x", 6), parts[3];
  RheoVal y = rx_gather_fixed(x, 6, (int[]){3, 0, 5, 1, 4, 2}, 1);
  for (int k = 0; k < 3; k++) parts[k] = rx_slice(y, 1, 2 * k, 2 * k + 2);
  RheoVal loss = rx_sum_all(rx_mul(rx_exp(parts[1]), rx_mul(rx_sin(parts[2]), parts[0])));
  int first = p->n;
  RheoVal dx = rx_grad(loss, x);
  assert_true(difference_error(loss, NULL, x, values, dx, INTERPRET_KERNELS, NULL, in) < 1e-6);
  assert_int_equal(count(p, first, RHEO_OP_ADD), 0);
  assert_int_equal(count(p, first, RHEO_OP_SCATTER_ADD), 0);
  assert_int_equal(count(p, first, RHEO_OP_GATHER), 1);
  assert_int_equal(count(p, first, RHEO_OP_CONCAT), 2);
  OK(RheoProgramDestroy(&p));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(EveryCase),
      cmocka_unit_test(EveryOperationHasACase),
      cmocka_unit_test(TiesGoToTheFirstOrAreShared),
      cmocka_unit_test(DerivativesOfHigherOrder),
      cmocka_unit_test(IntermediateValuesCanBeAskedFor),
      cmocka_unit_test(RulesAreEconomical),
      cmocka_unit_test(SlicesAndPermutationsPullBackInOnePass),
  };
  return RUN_TESTS(argc, argv, tests);
}
