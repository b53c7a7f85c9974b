/* Noise by place: strata and antithetic pairs of a batch, however it is cut into shards. */
#include "base/random.h"
#include "check.h"
#include "sim_deck.h"
#include "train/train_impl.h"
#include <math.h>
#include <string.h>

enum { MOST = 1000 };
static const uint64_t zeros[MOST] = {0};

/* u (n): places [place, place + n) of a batch, in a feed that is `more` rows longer. */
static void Draw(RheoInputKind kind, int64_t step, int64_t batch, int64_t place, int64_t n, int64_t more,
                 float *u)
{
  RheoRowLayout layout = {0};
  RheoProgram program;
  RheoFeed feed;
  OK(RheoProgramCreate(4, &program));
  rx_noise(program, RHEO_INPUT_NOISE_NORMAL, "other", 2);
  rx_noise(program, kind, "time", 1);
  assert_null(RheoProgramError(program));
  OK(RheoFeedCreate(program, &layout, n + more, &feed));
  RheoRowLayoutSet(&layout, PETSC_FALSE);
  RheoFeedFill(&feed, &(RheoFeedSource){.layout = &layout,
                                        .seed = 3,
                                        .step = step,
                                        .n = n + more,
                                        .n_real = n,
                                        .place = place,
                                        .batch = batch,
                                        .index = zeros});
  memcpy(u, feed.input[1].value, (size_t)n * sizeof *u);
  for (int64_t i = 0; i < more; i++) assert_true(feed.input[1].value[n + i] == u[n - 1]);
  OK(RheoFeedDestroy(&feed));
  OK(RheoProgramDestroy(&program));
}

static void TestStrata(void **state)
{
  static const int64_t sizes[] = {1, 2, 3, 64, 999};
  float u[MOST];
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const int64_t n = sizes[s];
    for (int64_t step = 0; step < 50; step++) {
      Draw(RHEO_INPUT_NOISE_STRATIFIED, step, n, 0, n, 0, u);
      for (int64_t i = 0; i < n; i++) {
        assert_true(u[i] > 0 && u[i] < 1);
        assert_true(fabs((double)u[i] * (double)n - (double)i - 0.5) <= 0.5 + 1e-4);
      }
    }
  }
}

static void TestPairs(void **state)
{
  static const int64_t sizes[] = {1, 2, 7, 64};
  float u[MOST], next[MOST];
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const int64_t n = sizes[s], half = n / 2;
    Draw(RHEO_INPUT_NOISE_ANTITHETIC, 5, n, 0, n, 0, u);
    for (int64_t i = 0; i < half; i++) assert_true(u[i] + u[half + i] == 1);
    for (int64_t i = 0; i < n; i++) assert_true(u[i] > 0 && u[i] < 1);
    for (int64_t i = 1; i < half; i++) assert_true(u[i] != u[i - 1]);
    Draw(RHEO_INPUT_NOISE_ANTITHETIC, 6, n, 0, n, 0, next);
    assert_true(u[0] != next[0]);
  }
}

/* A shard's numbers are a piece of the batch's. */
static void TestShards(void **state)
{
  static const RheoInputKind kinds[] = {RHEO_INPUT_NOISE_STRATIFIED, RHEO_INPUT_NOISE_ANTITHETIC};
  enum { N = 101, SHARDS = 7 };
  float whole[N], pieces[N];
  (void)state;
  for (int k = 0; k < 2; k++) {
    Draw(kinds[k], 9, N, 0, N, 3, whole);
    for (int shard = 0; shard < SHARDS; shard++) {
      int64_t begin, end;
      RheoShardRange(N, SHARDS, shard, &begin, &end);
      Draw(kinds[k], 9, N, begin, end - begin, shard % 2, pieces + begin);
    }
    assert_memory_equal(whole, pieces, sizeof whole);
  }
}

/* Both are uniform; the mean of a batch scatters far less than that of independent numbers, as it should: its variance is
 * 1/(12 n^3) in strata; of pairs it is nothing. */
static void TestDistribution(void **state)
{
  static const RheoInputKind kinds[] = {RHEO_INPUT_NOISE_STRATIFIED, RHEO_INPUT_NOISE_ANTITHETIC};
  enum { N = 8, STEPS = 500 };
  static double all[N * STEPS], one[STEPS];
  float u[N];
  (void)state;
  for (int k = 0; k < 2; k++) {
    double square = 0;
    for (int step = 0; step < STEPS; step++) {
      double mean = 0;
      Draw(kinds[k], step, N, 0, N, 0, u);
      for (int i = 0; i < N; i++) {
        all[step * N + i] = (double)u[i];
        mean += (double)u[i] / N;
      }
      one[step] = k ? (double)u[3] : (double)u[3] * N - 3;
      square += (mean - 0.5) * (mean - 0.5) / STEPS;
    }
    assert_true(KsDistance(STEPS, one) < 1.95);
    assert_true(KsDistance((size_t)N * STEPS, all) < 1.95 * sqrt(2)); /* pairs count once */
    if (k)
      assert_true(square < 1e-12);
    else
      assert_true(fabs(square * 12 * N * N * N - 1) < 5 * sqrt(2. / STEPS));
  }
}

static void TestWidth(void **state)
{
  RheoProgram program;
  (void)state;
  OK(RheoProgramCreate(4, &program));
  rx_noise(program, RHEO_INPUT_NOISE_STRATIFIED, "time", 2);
  assert_non_null(strstr(RheoProgramError(program), "one number a row"));
  OK(RheoProgramDestroy(&program));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestStrata), cmocka_unit_test(TestPairs),
                                     cmocka_unit_test(TestShards), cmocka_unit_test(TestDistribution),
                                     cmocka_unit_test(TestWidth)};
  return RUN_TESTS(argc, argv, tests);
}
