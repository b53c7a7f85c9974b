/* Summaries and p-values of inference against closed forms and against their own distribution. */
#include "check.h"
#include <math.h>
#include <rheo.h>
#include <stdlib.h>

static void Moments(void **state)
{
  (void)state;
  const double rows[10] = {4, 40, 1, 10, 3, 30, 2, 20, 5, 50};
  const RheoSummary s = RheoSummarize(5, 2, rows, 1);
  assert_true(fabs(s.mean - 30) < 1e-12);
  assert_true(fabs(s.sd - sqrt(250)) < 1e-12);
  assert_true(s.median == 30);
  assert_true(fabs(s.q025 - 11) < 1e-12); /* type 7: 10 + 0.1 (20 - 10) */
  assert_true(s.n == 5);
  assert_true(isnan(RheoSummarize(0, 2, rows, 0).mean));
}

/* Rows that were lost are as if they had not been asked for; infinite ones are values. */
static void Lost(void **state)
{
  (void)state;
  const double all[8] = {NAN, 3, 1, NAN, NAN, 2, NAN, NAN}, left[3] = {3, 1, 2}, none[2] = {NAN, NAN};
  const double far[3] = {1, -INFINITY, NAN};
  const RheoSummary s = RheoSummarize(8, 1, all, 0), t = RheoSummarize(3, 1, left, 0);
  assert_true(s.n == 3);
  assert_true(s.mean == t.mean && s.sd == t.sd && s.q025 == t.q025 && s.q16 == t.q16 &&
              s.median == t.median && s.q84 == t.q84 && s.q975 == t.q975);
  assert_true(RheoSummarize(2, 1, none, 0).n == 0);
  assert_true(isnan(RheoSummarize(2, 1, none, 0).mean));
  assert_true(RheoSummarize(3, 1, far, 0).mean == -INFINITY);
}

/* p-values of true hypotheses are uniform: over many repetitions their share below 0.05 is 0.05, and their mean 1/2. */
static void Uniform(void **state)
{
  (void)state;
  enum { REPEATS = 2000, N = 200, BINS = 10 };
  int small_ks = 0, small_chi2 = 0;
  double mean_ks = 0, mean_chi2 = 0;
  for (int r = 0; r < REPEATS; r++) {
    double u[N], counts[BINS] = {0};
    RheoStream stream = RheoStreamMake(5, RHEO_STREAM_TEST, 0, (uint64_t)r);
    for (int i = 0; i < N; i++) {
      u[i] = RheoStreamUniform(&stream);
      counts[(int)(u[i] * BINS)] += 1;
      for (int j = i; j > 0 && u[j] < u[j - 1]; j--) {
        const double swap = u[j];
        u[j] = u[j - 1];
        u[j - 1] = swap;
      }
    }
    const double ks = RheoKolmogorovSmirnov(N, u), chi2 = RheoChiSquareUniform(BINS, counts);
    small_ks += ks < 0.05;
    small_chi2 += chi2 < 0.05;
    mean_ks += ks / REPEATS;
    mean_chi2 += chi2 / REPEATS;
  }
  /* Four standard deviations of a binomial share and of a mean of uniforms. */
  const double band = 4 * sqrt(0.05 * 0.95 / REPEATS), mean_band = 4 * sqrt(1.0 / 12 / REPEATS);
  assert_true(fabs((double)small_ks / REPEATS - 0.05) < band);
  assert_true(fabs((double)small_chi2 / REPEATS - 0.05) < band + 0.005); /* counts are discrete */
  assert_true(fabs(mean_ks - 0.5) < mean_band + 0.01);
  assert_true(fabs(mean_chi2 - 0.5) < mean_band + 0.01);
}

static void Detects(void **state)
{
  (void)state;
  enum { N = 400 };
  double u[N];
  for (int i = 0; i < N; i++) u[i] = pow((i + 0.5) / N, 1.3);
  assert_true(RheoKolmogorovSmirnov(N, u) < 0.01);
  assert_true(RheoChiSquareUniform(4, (const double[]){140, 90, 85, 85}) < 0.001);
  /* Known value: D = 0.1 at n = 100 has p = 0.26 (two-sided). */
  for (int i = 0; i < 100; i++) u[i] = (i + 1) / 100.0 * 0.9;
  assert_true(fabs(RheoKolmogorovSmirnov(100, u) - 0.26) < 0.02);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Moments), cmocka_unit_test(Lost),
                                     cmocka_unit_test(Uniform), cmocka_unit_test(Detects)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
