/* Counter-based streams: the published vector, distributions, independence, permutations, rows of noise.
 * ranks: 1 */
#include "base/random.h"
#include "check.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 200000 };
static const char *self;
static double x[N], y[N];

/* Kolmogorov and Smirnov: sqrt(n) sup |F_n - F| exceeds 1.95 with probability 1e-3. */
static double KolmogorovSmirnov(double *v, size_t n, double (*cdf)(double))
{
  double worst = 0;
  gsl_sort(v, 1, n);
  for (size_t i = 0; i < n; ++i) {
    double f = cdf(v[i]);
    worst = fmax(worst, fmax(f - (double)i / (double)n, (double)(i + 1) / (double)n - f));
  }
  return sqrt((double)n) * worst;
}
static double Unit(double u)
{
  return fmin(1, fmax(0, u));
}
static double Gauss(double u)
{
  return gsl_cdf_ugaussian_P(u);
}

/* Random123's kat_vectors, philox4x32 with 10 rounds. */
static void KnownAnswers(void **state)
{
  (void)state;
  static const uint32_t answers[][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                         {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                          0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822,
                                          0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (int i = 0; i < 3; ++i) {
    RheoStream s = {.key = {answers[i][4], answers[i][5]}, .used = 4};
    memcpy(s.counter, answers[i], sizeof s.counter);
    for (int j = 0; j < 4; ++j) assert_int_equal(RheoStreamBits(&s), answers[i][6 + j]);
  }
}

static void UniformAndNormalFollowTheirLaws(void **state)
{
  (void)state;
  RheoStream s = RheoStreamMake(1, RHEO_STREAM_TEST, 0, 0);
  for (int i = 0; i < N; ++i) {
    x[i] = RheoStreamUniform(&s);
    assert_true(x[i] > 0 && x[i] < 1);
  }
  assert_true(fabs(gsl_stats_lag1_autocorrelation(x, 1, N)) < 4 / sqrt(N));
  assert_true(KolmogorovSmirnov(x, N, Unit) < 1.95);
  for (int i = 0; i < N; ++i) y[i] = RheoStreamNormal(&s);
  assert_true(fabs(gsl_stats_lag1_autocorrelation(y, 1, N)) < 4 / sqrt(N));
  assert_true(fabs(gsl_stats_mean(y, 1, N)) < 4 / sqrt(N));
  assert_true(fabs(gsl_stats_variance(y, 1, N) - 1) < 4 * sqrt(2. / N));
  assert_true(fabs(gsl_stats_kurtosis(y, 1, N)) < 4 * sqrt(24. / N));
  assert_true(KolmogorovSmirnov(y, N, Gauss) < 1.95);
}

/* First numbers of streams that differ in one part of their name look like independent draws. */
static void StreamsAreIndependent(void **state)
{
  (void)state;
  for (int part = 0; part < 5; ++part) {
    for (int i = 0; i < N; ++i) {
      uint64_t k = (uint64_t)i;
      RheoStream s = RheoStreamMake(part == 0 ? k : 7, part == 1 ? (uint32_t)k : 10,
                                    part == 2 ? (uint32_t)k : 3, part == 3 ? k : (part == 4 ? k << 40 : 5));
      x[i] = RheoStreamUniform(&s);
      y[i] = RheoStreamUniform(&s);
    }
    assert_true(fabs(gsl_stats_correlation(x, 1, y, 1, N)) < 4 / sqrt(N));
    assert_true(fabs(gsl_stats_lag1_autocorrelation(x, 1, N)) < 4 / sqrt(N));
    assert_true(KolmogorovSmirnov(x, N, Unit) < 1.95);
  }
}

static void IntegersAreUnbiased(void **state)
{
  (void)state;
  RheoStream s = RheoStreamMake(2, RHEO_STREAM_TEST, 0, 0);
  for (uint64_t n = 1; n <= 12; ++n) {
    double count[12] = {0}, chi2 = 0;
    for (int i = 0; i < N / 4; ++i) {
      uint64_t k = RheoStreamInteger(&s, n);
      assert_true(k < n);
      ++count[k];
    }
    for (uint64_t k = 0; k < n; ++k) chi2 += pow(count[k] - N / 4. / (double)n, 2) / (N / 4. / (double)n);
    if (n > 1) assert_true(gsl_cdf_chisq_Q(chi2, (double)n - 1) > 1e-4);
  }
  /* n = 3 2^62: taking the remainder of 64 bits would put half of the draws below 2^62 */
  int low = 0;
  for (int i = 0; i < N; ++i) low += RheoStreamInteger(&s, UINT64_C(3) << 62) < UINT64_C(1) << 62;
  assert_true(fabs((double)low / N - 1. / 3) < 4 * sqrt(2. / 9 / N));
}

static void GslDrawsFromAStream(void **state)
{
  (void)state;
  RheoStream s = RheoStreamMake(3, RHEO_STREAM_TEST, 0, 0), same = s;
  gsl_rng *rng = RheoStreamGsl(&s);
  for (int i = 0; i < N; ++i) x[i] = gsl_ran_gamma(rng, 2.5, 0.8);
  assert_true(fabs(gsl_stats_mean(x, 1, N) - 2) < 4 * sqrt(1.6 / N));
  assert_true(fabs(gsl_stats_variance(x, 1, N) / 1.6 - 1) < 4 * sqrt((2 + 6 / 2.5) / N));
  RheoStreamGslSet(rng, &same);
  assert_true(gsl_ran_gamma(rng, 2.5, 0.8) == x[0]);
  gsl_rng_free(rng);
}

static void PermutationIsABijection(void **state)
{
  (void)state;
  char seen[2000];
  for (uint64_t n = 1; n <= 2000; ++n) {
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < n; ++i) {
      uint64_t k = RheoPermute(4, RHEO_STREAM_EPOCH, 1, n, i);
      assert_true(k < n && !seen[k]);
      seen[k] = 1;
    }
  }
}

static void RangesAgreeWithSinglePositions(void **state)
{
  enum { TOTAL = 1003, FIRST = 17, COUNT = 600 };
  uint64_t range[COUNT];
  (void)state;
  RheoPermuteRange(4, RHEO_STREAM_EPOCH, 1, TOTAL, FIRST, COUNT, range);
  for (uint64_t i = 0; i < COUNT; ++i)
    assert_int_equal(range[i], RheoPermute(4, RHEO_STREAM_EPOCH, 1, TOTAL, FIRST + i));
}

/* It used to search for ever. */
static void PositionsOutsideEndTheJob(void **state)
{
  char *err;
  (void)state;
  for (int k = 0; k < 3; ++k) {
    const char *argv[] = {self, "permute", (const char *[]){"one", "rows", "range"}[k], NULL};
    assert_int_not_equal(RunProgram(argv, 20, &err), 0);
    if (!strstr(err, "of a permutation of 1000")) fail_msg("%s: %s", argv[2], err);
    free(err);
  }
}

static int Outside(int argc, char **argv)
{
  uint64_t rows[40] = {[33] = 1000}, range[40];
  if (RheoInitialize(&argc, &argv)) return 1;
  if (!strcmp(argv[2], "one")) RheoPermute(4, RHEO_STREAM_EPOCH, 1, 1000, 1 << 20);
  if (!strcmp(argv[2], "rows")) RheoPermuteRows(4, RHEO_STREAM_EPOCH, 1, 1000, 40, rows);
  if (!strcmp(argv[2], "range")) RheoPermuteRange(4, RHEO_STREAM_EPOCH, 1, 1000, 961, 40, range);
  return 0;
}

/* Over many keys every position receives every index equally often, and neighbours part. */
static void PermutationLooksUniform(void **state)
{
  (void)state;
  static const uint64_t sizes[] = {2, 3, 5, 8, 13, 64, 100};
  enum { KEYS = 4000 };
  for (size_t c = 0; c < sizeof sizes / sizeof *sizes; ++c) {
    uint64_t n = sizes[c];
    double expected = (double)KEYS / (double)n, chi2 = 0, pairs = 0;
    int *count = calloc(n * n, sizeof *count), follow = 0;
    for (uint32_t key = 0; key < KEYS; ++key) {
      for (uint64_t i = 0; i < n; ++i) ++count[i * n + RheoPermute(5, RHEO_STREAM_EPOCH, key, n, i)];
      follow +=
          RheoPermute(5, RHEO_STREAM_EPOCH, key, n, 1) == RheoPermute(5, RHEO_STREAM_EPOCH, key, n, 0) + 1;
    }
    for (uint64_t i = 0; i < n * n; ++i) chi2 += (count[i] - expected) * (count[i] - expected) / expected;
    double freedom = ((double)n - 1) * ((double)n - 1), scale = (double)n / ((double)n - 1);
    assert_true(gsl_cdf_chisq_Q(chi2 / scale, freedom) > 1e-4);
    assert_true(gsl_cdf_chisq_P(chi2 / scale, freedom) > 1e-4);
    pairs = (double)KEYS / (double)n;
    assert_true(fabs(follow - pairs) < 5 * sqrt(pairs));
    free(count);
  }
}

static void PermutationOfABillion(void **state)
{
  (void)state;
  uint64_t n = 1000000007;
  for (int i = 0; i < N; ++i)
    x[i] = ((double)RheoPermute(6, RHEO_STREAM_EPOCH, 0, n, (uint64_t)i) + 0.5) / (double)n;
  assert_true(fabs(gsl_stats_lag1_autocorrelation(x, 1, N)) < 4 / sqrt(N));
  assert_true(KolmogorovSmirnov(x, N, Unit) < 1.95);
}

typedef void Fill(uint64_t, uint32_t, uint32_t, size_t, const uint64_t *, uint64_t, size_t, float *);

/* A row is the same whatever batch it stands in. */
static void RowsDoNotDependOnTheBatch(void **state)
{
  (void)state;
  Fill *const fills[] = {RheoStreamFillUniform, RheoStreamFillNormal};
  for (int f = 0; f < 2; ++f) {
    for (size_t width = 1; width <= 70; width += width < 9 ? 1 : 13) {
      enum { ROWS = 41 };
      float *all = malloc(ROWS * width * sizeof *all), *part = malloc(ROWS * width * sizeof *part);
      uint64_t index[ROWS];
      fills[f](8, 6, 2, ROWS, NULL, 100, width, all);
      for (size_t begin = 0; begin < ROWS; begin += 7) {
        size_t n = ROWS - begin < 7 ? ROWS - begin : 7;
        fills[f](8, 6, 2, n, NULL, 100 + begin, width, part);
        assert_memory_equal(part, all + begin * width, n * width * sizeof *part);
      }
      for (size_t r = 0; r < ROWS; ++r) index[r] = 100 + (r * 17) % ROWS;
      fills[f](8, 6, 2, ROWS, index, 0, width, part);
      for (size_t r = 0; r < ROWS; ++r)
        assert_memory_equal(part + r * width, all + (index[r] - 100) * width, width * sizeof *part);
      free(all);
      free(part);
    }
  }
}

static void RowsFollowTheirLaws(void **state)
{
  (void)state;
  static float noise[N];
  RheoStreamFillUniform(9, 6, 0, N / 5, NULL, 0, 5, noise);
  for (int i = 0; i < N; ++i) {
    assert_true(noise[i] > 0 && noise[i] < 1);
    x[i] = noise[i];
  }
  assert_true(KolmogorovSmirnov(x, N, Unit) < 1.95);
  RheoStreamFillNormal(9, 6, 0, N / 8, NULL, 0, 8, noise);
  for (int i = 0; i < N; ++i) x[i] = noise[i];
  assert_true(fabs(gsl_stats_lag1_autocorrelation(x, 1, N)) < 4 / sqrt(N));
  assert_true(fabs(gsl_stats_variance(x, 1, N) - 1) < 4 * sqrt(2. / N));
  assert_true(fabs(gsl_stats_kurtosis(x, 1, N)) < 4 * sqrt(24. / N));
  for (int i = 0; i < N - 1; ++i)
    y[i] = x[i] * x[i]; /* pairs of Box and Muller: squares do not hang together either */
  assert_true(fabs(gsl_stats_lag1_autocorrelation(y, 1, N - 1)) < 4 / sqrt(N));
  assert_true(KolmogorovSmirnov(x, N, Gauss) < 1.95);
}

/* Against the C library in double, word by word. */
static void NormalsMatchBoxAndMuller(void **state)
{
  (void)state;
  float z[4];
  for (uint64_t i = 0; i < 20000; ++i) {
    RheoStream s = RheoStreamMake(10, 6, 0, i);
    RheoStreamFillNormal(10, 6, 0, 1, NULL, i, 4, z);
    for (int j = 0; j < 4; j += 2) {
      uint32_t u = RheoStreamBits(&s), v = RheoStreamBits(&s);
      double radius = sqrt(-2 * log((u + 0.5) * 0x1p-32)), quarter = (v >> 30 & 1) + 2 * (double)(v >> 31);
      double angle = M_PI / 2 * (quarter + ((v << 2 >> 9) + 0.5) * 0x1p-23 - 0.5);
      assert_true(fabs(z[j] - radius * cos(angle)) < 2e-6);
      assert_true(fabs(z[j + 1] - radius * sin(angle)) < 2e-6);
    }
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(KnownAnswers),
      cmocka_unit_test(UniformAndNormalFollowTheirLaws),
      cmocka_unit_test(StreamsAreIndependent),
      cmocka_unit_test(IntegersAreUnbiased),
      cmocka_unit_test(GslDrawsFromAStream),
      cmocka_unit_test(PermutationIsABijection),
      cmocka_unit_test(PositionsOutsideEndTheJob),
      cmocka_unit_test(PermutationLooksUniform),
      cmocka_unit_test(PermutationOfABillion),
      cmocka_unit_test(RangesAgreeWithSinglePositions),
      cmocka_unit_test(RowsDoNotDependOnTheBatch),
      cmocka_unit_test(RowsFollowTheirLaws),
      cmocka_unit_test(NormalsMatchBoxAndMuller),
  };
  self = argv[0];
  if (argc > 1 && !strcmp(argv[1], "permute")) return Outside(argc, argv);
  return RUN_TESTS(argc, argv, tests);
}
