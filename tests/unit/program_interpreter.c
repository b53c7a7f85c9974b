/* What the operations mean, by numbers worked out by hand. The interpreter is the twin that compiled programs
 * are compared with, so it is compared with these. */
#include "check.h"
#include "interpreter.h"
#include <math.h>
#include <stdlib.h>

static RheoProgram p;

static int SetUp(void **state)
{
  (void)state;
  return RheoProgramCreate(2, &p);
}

static int TearDown(void **state)
{
  (void)state;
  return RheoProgramDestroy(&p);
}

static void check(RheoVal y, RheoShape shape, const double *expected)
{
  if (RheoProgramError(p)) fail_msg("%s", RheoProgramError(p));
  assert_true(RheoShapeSame(rx_shape(y), shape));
  Interpretation result = interpret(p, INTERPRET_KERNELS, NULL, NULL, 1, &y);
  for (size_t j = 0; j < RheoShapeSize(shape); j++) {
    double value = interpreted(result, y)[j];
    if (!(fabs(value - expected[j]) < 1e-12) && !(isnan(value) && isnan(expected[j])) && value != expected[j])
      fail_msg("element %zu is %.15g, not %.15g", j, value, expected[j]);
  }
  interpretation_free(result);
}

#define IS(y, shape, ...) check(y, shape, (double[]){__VA_ARGS__})

static RheoVal counted(RheoShape shape)
{
  double values[64];
  for (int j = 0; j < 64; j++) values[j] = j + 1.;
  return rx_literal(p, shape, values);
}

static void Unary(void **state)
{
  (void)state;
  RheoVal x = rx_literal(p, RX_SHAPE(4), (double[]){-1.5, 0., 0.5, 2.}), half = rx_const(p, 0.5);
  IS(rx_neg(x), RX_SHAPE(4), 1.5, 0., -0.5, -2.);
  IS(rx_abs(x), RX_SHAPE(4), 1.5, 0., 0.5, 2.);
  IS(rx_sign(x), RX_SHAPE(4), -1., 0., 1., 1.);
  IS(rx_floor(x), RX_SHAPE(4), -2., 0., 0., 2.);
  IS(rx_square(x), RX_SHAPE(4), 2.25, 0., 0.25, 4.);
  IS(rx_sqrt(x), RX_SHAPE(4), NAN, 0., 0.70710678118654752, 1.4142135623730950);
  IS(rx_recip(x), RX_SHAPE(4), -2. / 3., INFINITY, 2., 0.5);
  IS(rx_stop_gradient(x), RX_SHAPE(4), -1.5, 0., 0.5, 2.);
  IS(rx_exp(half), RX_SCALAR, 1.6487212707001281);
  IS(rx_expm1(half), RX_SCALAR, 0.6487212707001281);
  IS(rx_log(half), RX_SCALAR, -0.6931471805599453);
  IS(rx_log1p(half), RX_SCALAR, 0.4054651081081644);
  IS(rx_tanh(half), RX_SCALAR, 0.4621171572600098);
  IS(rx_sigmoid(half), RX_SCALAR, 0.6224593312018546);
  IS(rx_softplus(half), RX_SCALAR, 0.9740769841801067);
  IS(rx_sin(half), RX_SCALAR, 0.4794255386042030);
  IS(rx_cos(half), RX_SCALAR, 0.8775825618903728);
  IS(rx_erf(half), RX_SCALAR, 0.5204998778130465);
  RheoVal far = rx_literal(p, RX_SHAPE(2), (double[]){-800., 800.});
  IS(rx_softplus(far), RX_SHAPE(2), 0., 800.);
  IS(rx_sigmoid(far), RX_SHAPE(2), 0., 1.);
}

static void BinaryBroadcasts(void **state)
{
  (void)state;
  RheoVal row = rx_literal(p, RX_SHAPE(2), (double[]){2., 4.}), column = counted(RX_SHAPE(2, 1));
  IS(rx_add(row, column), RX_SHAPE(2, 2), 3., 5., 4., 6.);
  IS(rx_sub(row, column), RX_SHAPE(2, 2), 1., 3., 0., 2.);
  IS(rx_mul(column, row), RX_SHAPE(2, 2), 2., 4., 4., 8.);
  IS(rx_div(row, column), RX_SHAPE(2, 2), 2., 4., 1., 2.);
  IS(rx_max(row, rx_const(p, 3.)), RX_SHAPE(2), 3., 4.);
  IS(rx_min(row, rx_const(p, 3.)), RX_SHAPE(2), 2., 3.);
  IS(rx_less(column, row), RX_SHAPE(2, 2), 1., 1., 0., 1.);
  IS(rx_less_equal(column, row), RX_SHAPE(2, 2), 1., 1., 1., 1.);
  IS(rx_equal(column, row), RX_SHAPE(2, 2), 0., 0., 1., 0.);
  IS(rx_select(rx_less(row, rx_const(p, 3.)), column, rx_neg(row)), RX_SHAPE(2, 2), 1., -4., 2., -4.);
  IS(rx_clamp(row, 2.5, 3.5), RX_SHAPE(2), 2.5, 3.5);
  IS(rx_scale(rx_offset(row, 1.), -2.), RX_SHAPE(2), -6., -10.);
}

static void MatrixProducts(void **state)
{
  (void)state;
  RheoVal a = counted(RX_SHAPE(2, 3)), b = counted(RX_SHAPE(3, 2)), c = counted(RX_SHAPE(2, 2, 1));
  IS(rx_matmul(a, b), RX_SHAPE(2, 2), 22., 28., 49., 64.);
  IS(rx_matmul_t(a, 1, b, 1), RX_SHAPE(3, 3), 9., 19., 29., 12., 26., 40., 15., 33., 51.);
  IS(rx_matmul_t(a, 0, a, 1), RX_SHAPE(2, 2), 14., 32., 32., 77.);
  IS(rx_matmul_t(a, 1, a, 0), RX_SHAPE(3, 3), 17., 22., 27., 22., 29., 36., 27., 36., 45.);
  IS(rx_matmul_t(c, 1, c, 0), RX_SHAPE(2, 1, 1), 5., 25.);
  IS(rx_matmul(c, rx_literal(p, RX_SHAPE(1, 2), (double[]){1., -1.})), RX_SHAPE(2, 2, 2), 1., -1., 2., -2.,
     3., -3., 4., -4.);
  IS(rx_matmul_t(c, 1, counted(RX_SHAPE(2, 1)), 0), RX_SHAPE(2, 1, 1), 5., 11.);
}

static void Reductions(void **state)
{
  (void)state;
  RheoVal x = counted(RX_SHAPE(2, 3)), y = counted(RX_SHAPE(2, 2, 2));
  IS(rx_sum(x, 0), RX_SHAPE(3), 5., 7., 9.);
  IS(rx_sum(x, -1), RX_SHAPE(2), 6., 15.);
  IS(rx_sum_keep(y, 1), RX_SHAPE(2, 1, 2), 4., 6., 12., 14.);
  IS(rx_sum_all(y), RX_SCALAR, 36.);
  IS(rx_mean_all(y), RX_SCALAR, 4.5);
  IS(rx_reduce(RHEO_OP_SUM, y, (int[]){1, 0, 1, 0}), RX_SHAPE(1, 2, 1), 14., 22.);
  IS(rx_amax(rx_neg(x), 1), RX_SHAPE(2), -1., -4.);
  IS(rx_amax_keep(x, 0), RX_SHAPE(1, 3), 4., 5., 6.);
  IS(rx_cumsum(x, 1, 0), RX_SHAPE(2, 3), 1., 3., 6., 4., 9., 15.);
  IS(rx_cumsum(x, 1, 1), RX_SHAPE(2, 3), 6., 5., 3., 15., 11., 6.);
  IS(rx_cumsum(x, 0, 0), RX_SHAPE(2, 3), 1., 2., 3., 5., 7., 9.);
  IS(rx_log_sum_exp(rx_literal(p, RX_SHAPE(2), (double[]){1000., 1000.}), 0), RX_SCALAR,
     1000. + 0.6931471805599453);
  IS(rx_log_sum_exp(rx_fill(p, RX_SHAPE(3), -INFINITY), 0), RX_SCALAR, -INFINITY);
}

static void Shapes(void **state)
{
  (void)state;
  RheoVal x = counted(RX_SHAPE(2, 3)), y = counted(RX_SHAPE(2, 1, 3));
  IS(rx_broadcast(counted(RX_SHAPE(2, 1)), RX_SHAPE(2, 2, 2)), RX_SHAPE(2, 2, 2), 1., 1., 2., 2., 1., 1., 2.,
     2.);
  IS(rx_reshape(x, RX_SHAPE(3, -1)), RX_SHAPE(3, 2), 1., 2., 3., 4., 5., 6.);
  IS(rx_transpose(x), RX_SHAPE(3, 2), 1., 4., 2., 5., 3., 6.);
  IS(rx_permute(y, 3, (int[]){2, 0, 1}), RX_SHAPE(3, 2, 1), 1., 4., 2., 5., 3., 6.);
  IS(rx_permute(counted(RX_SHAPE(1, 2, 3)), 3, (int[]){1, 2, 0}), RX_SHAPE(2, 3, 1), 1., 2., 3., 4., 5., 6.);
  IS(rx_slice(x, 1, 1, 3), RX_SHAPE(2, 2), 2., 3., 5., 6.);
  IS(rx_slice(x, 0, 1, 2), RX_SHAPE(1, 3), 4., 5., 6.);
  IS(rx_pad(x, -1, 1, 0), RX_SHAPE(2, 4), 0., 1., 2., 3., 0., 4., 5., 6.);
  IS(rx_concat(1, 2, (RheoVal[]){x, counted(RX_SHAPE(2, 1))}), RX_SHAPE(2, 4), 1., 2., 3., 1., 4., 5., 6.,
     2.);
  IS(rx_concat2(0, x, rx_slice(x, 0, 0, 1)), RX_SHAPE(3, 3), 1., 2., 3., 4., 5., 6., 1., 2., 3.);
}

/* An index outside goes to the nearest place, what is no number to the first. */
static void Indices(void **state)
{
  (void)state;
  RheoVal x = counted(RX_SHAPE(2, 3));
  RheoVal index = rx_literal(p, RX_SHAPE(4), (double[]){2., -7., 1e30, NAN});
  IS(rx_gather(x, index, 1), RX_SHAPE(2, 4), 3., 1., 3., 1., 6., 4., 6., 4.);
  IS(rx_gather_fixed(x, 3, (int[]){1, 1, 0}, 0), RX_SHAPE(3, 3), 4., 5., 6., 4., 5., 6., 1., 2., 3.);
  RheoVal to = rx_literal(p, RX_SHAPE(3), (double[]){3., 0., 9.});
  IS(rx_scatter_add(x, to, 1, 4), RX_SHAPE(2, 4), 2., 0., 0., 4., 5., 0., 0., 10.);
  IS(rx_scatter_add(x, rx_fill(p, RX_SHAPE(2), 1.), 0, 2), RX_SHAPE(2, 3), 0., 0., 0., 5., 7., 9.);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(Unary, SetUp, TearDown),
      cmocka_unit_test_setup_teardown(BinaryBroadcasts, SetUp, TearDown),
      cmocka_unit_test_setup_teardown(MatrixProducts, SetUp, TearDown),
      cmocka_unit_test_setup_teardown(Reductions, SetUp, TearDown),
      cmocka_unit_test_setup_teardown(Shapes, SetUp, TearDown),
      cmocka_unit_test_setup_teardown(Indices, SetUp, TearDown),
  };
  return RUN_TESTS(argc, argv, tests);
}
