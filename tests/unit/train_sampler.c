/* Which rows go where: the split, the order of an epoch, shards. */
#include "check.h"
#include "order.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void TestSplit(void **state)
{
  RheoSampler few, many, other;
  (void)state;
  OK(RheoSamplerCreate(7, 1000, 0.1, &few));
  OK(RheoSamplerCreate(7, 5000, 0.1, &many));
  OK(RheoSamplerCreate(8, 1000, 0.1, &other));
  assert_int_equal(few.n_train + few.n_validation, 1000);
  assert_true(fabs((double)few.n_validation - 100) < 5 * sqrt(90));
  /* Rows added later leave the others where they were. */
  uint64_t *training[2] = {SamplerTraining(&few), SamplerTraining(&many)};
  for (int64_t i = 0; i < few.n_train; i++) assert_int_equal(training[0][i], training[1][i]);
  for (int k = 0; k < 2; k++) free(training[k]);
  for (int64_t i = 0; i < few.n_validation; i++) assert_int_equal(few.validation[i], many.validation[i]);
  assert_true(few.n_validation != other.n_validation ||
              memcmp(few.validation, other.validation, (size_t)few.n_validation * sizeof *few.validation));
  OK(RheoSamplerDestroy(&few));
  OK(RheoSamplerDestroy(&many));
  OK(RheoSamplerDestroy(&other));
  OK(RheoSamplerCreate(7, 10, 0, &few));
  assert_int_equal(few.n_train, 10);
  OK(RheoSamplerDestroy(&few));
}

/* An epoch takes each training row once, in another order each time. */
static void TestOrder(void **state)
{
  enum { N = 777 };
  RheoSampler sampler;
  uint64_t index[2][N];
  char seen[N];
  int n_same = 0;
  (void)state;
  OK(RheoSamplerCreate(3, N, 0.2, &sampler));
  int64_t n = sampler.n_train;
  for (int epoch = 0; epoch < 2; epoch++) {
    memset(seen, 0, sizeof seen);
    SamplerOrder(&sampler, epoch, 0, n, index[epoch]);
    for (int64_t i = 0; i < n; i++) assert_true(index[epoch][i] < N && !seen[index[epoch][i]]++);
    for (int64_t i = 0; i < sampler.n_validation; i++) assert_false(seen[sampler.validation[i]]);
  }
  for (int64_t i = 0; i < n; i++) n_same += index[0][i] == index[1][i];
  assert_true(n_same < 10);
  OK(RheoSamplerDestroy(&sampler));
}

/* Windows take each training row once too; a window's rows come from as many chunks as it takes and stay in its places; the
 * order of chunks and that within windows change from epoch to epoch. */
static void TestWindows(void **state)
{
  enum { N = 1000, CHUNK = 30, WINDOW = 120 };
  RheoSampler sampler;
  uint64_t index[2][N];
  int seen[N], n_same = 0;
  (void)state;
  OK(RheoSamplerCreate(3, N, 0.2, &sampler));
  OK(RheoSamplerCut(&sampler, CHUNK, WINDOW));
  const int64_t n = sampler.n_train;
  assert_int_equal(sampler.n_windows, (n + WINDOW - 1) / WINDOW);
  for (int epoch = 0; epoch < 2; epoch++) {
    memset(seen, 0, sizeof seen);
    SamplerOrder(&sampler, epoch, 0, n, index[epoch]);
    for (int64_t i = 0; i < n; i++) assert_true(index[epoch][i] < N && !seen[index[epoch][i]]++);
    for (int64_t i = 0; i < sampler.n_validation; i++) assert_false(seen[sampler.validation[i]]);
    for (int64_t w = 0; w < sampler.n_windows; w++) {
      char chunk[N / CHUNK + 1] = {0};
      int n_chunks = 0, n_sorted = 0;
      for (int64_t i = w * WINDOW; i < PetscMin(n, (w + 1) * WINDOW); i++) {
        const uint64_t row = index[epoch][i];
        n_chunks += !chunk[row / CHUNK]++;
        if (i > w * WINDOW) n_sorted += row > index[epoch][i - 1];
      }
      assert_true(n_chunks <=
                  9); /* some 24 training rows each: five whole ones and two parts, or a few more */
      if (w + 1 < sampler.n_windows) assert_true(n_sorted > WINDOW / 4 && n_sorted < 3 * WINDOW / 4);
    }
  }
  for (int64_t i = 0; i < n; i++) n_same += index[0][i] == index[1][i];
  assert_true(n_same < 20);
  OK(RheoSamplerDestroy(&sampler));
}

/* Which rank a row of a range belongs to, against the ranges themselves. */
static void TestOwner(void **state)
{
  (void)state;
  for (int64_t n = 1; n < 40; n++)
    for (int size = 1; size < 12; size++)
      for (int r = 0; r < size; r++) {
        int64_t begin, end, place;
        RheoShardRange(n, size, r, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
          assert_int_equal(RheoRangeOwner(n, size, i, &place), r);
          assert_int_equal(place, i - begin);
        }
      }
}

static void TestShards(void **state)
{
  (void)state;
  for (int64_t n = 0; n < 40; n++) {
    for (int shards = 1; shards < 12; shards++) {
      int64_t begin, end, last = 0, most = 0, least = n;
      for (int s = 0; s < shards; s++) {
        RheoShardRange(n, shards, s, &begin, &end);
        assert_int_equal(begin, last);
        if (end - begin > most) most = end - begin;
        if (end - begin < least) least = end - begin;
        last = end;
      }
      assert_int_equal(last, n);
      assert_true(most - least <= 1);
      RheoShardRange(n, shards, 0, &begin, &end);
      assert_int_equal(end, most);
    }
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestSplit), cmocka_unit_test(TestOrder),
                                     cmocka_unit_test(TestWindows), cmocka_unit_test(TestOwner),
                                     cmocka_unit_test(TestShards)};
  return RUN_TESTS(argc, argv, tests);
}
