/* The classifier test against the exact answer: for N(0, I) against N(delta e1, I) no classifier is right more often than
 * Phi(delta / 2), and a good one comes close. ranks: 1 2
 * timeout: 200 */
#include "check.h"
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <rheo.h>

enum { D = 2, N = 2000 };

static double Shifted(double delta, double stretch)
{
  double x[N * D], y[N * D], c2st = 0;
  for (int i = 0; i < N; i++) {
    RheoStream a = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i),
               b = RheoStreamMake(1, RHEO_STREAM_TEST, 1, (uint64_t)i);
    for (int k = 0; k < D; k++) {
      x[i * D + k] = RheoStreamNormal(&a);
      y[i * D + k] = stretch * RheoStreamNormal(&b) + (k ? 0 : delta);
    }
  }
  assert_int_equal(RheoC2st(PETSC_COMM_WORLD, D, N, x, N, y, 1, &c2st), 0);
  return c2st;
}

static void Same(void **state)
{
  (void)state;
  assert_true(fabs(Shifted(0, 1) - 0.5) < 0.02);
}

static void Mean(void **state)
{
  (void)state;
  /* The share of right answers among 4000 has a standard deviation of 0.007. */
  for (int i = 1; i <= 3; i++) assert_true(fabs(Shifted(i, 1) - gsl_cdf_ugaussian_P(0.5 * i)) < 0.025);
}

/* N(0, I) against N(0, s^2 I): the best classifier asks for the radius; in two dimensions r^2/2 is exponential, and the best
 * accuracy is 1/2 + (exp(-t / s^2) - exp(-t)) / 2 at t = 2 ln s / (1 - 1/s^2), the radius where both densities are equal. */
static void Width(void **state)
{
  (void)state;
  const double s = 2, t = 2 * log(s) / (1 - 1 / (s * s));
  const double best = 0.5 + 0.5 * (exp(-t / (s * s)) - exp(-t));
  assert_true(fabs(Shifted(0, s) - best) < 0.025);
}

/* A larger set of the same distribution is no difference. */
static void Sizes(void **state)
{
  (void)state;
  double x[N * D], c2st = 0;
  for (int i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 2, (uint64_t)i);
    for (int k = 0; k < D; k++) x[i * D + k] = RheoStreamNormal(&stream);
  }
  assert_int_equal(RheoC2st(PETSC_COMM_WORLD, D, N / 3, x, N - N / 3, x + N / 3 * D, 1, &c2st), 0);
  assert_true(fabs(c2st - 0.5) < 0.04);
}

/* The same on every number of ranks, to the bit. */
static void Ranks(void **state)
{
  (void)state;
  double x[200 * D], alone, together;
  for (int i = 0; i < 200 * D; i++) x[i] = sin(i * 12.9898) * (i % D ? 1 : 2);
  assert_int_equal(RheoC2st(PETSC_COMM_SELF, D, 100, x, 100, x + 100 * D, 3, &alone), 0);
  assert_int_equal(RheoC2st(PETSC_COMM_WORLD, D, 100, x, 100, x + 100 * D, 3, &together), 0);
  assert_true(alone == together);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Same), cmocka_unit_test(Mean), cmocka_unit_test(Width),
                                     cmocka_unit_test(Sizes), cmocka_unit_test(Ranks)};
  if (RheoInitialize(&argc, &argv)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return RheoFinalize() || failed;
}
