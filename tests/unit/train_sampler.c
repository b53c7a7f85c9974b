/* Which rows go where: the split, the order of an epoch, shards. */
#include "check.h"
#include "train/train_impl.h"
#include <math.h>
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
  for (int64_t i = 0; i < few.n_train; i++) assert_int_equal(few.train[i], many.train[i]);
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
    RheoSamplerOrder(&sampler, epoch, 0, n, n, index[epoch]);
    for (int64_t i = 0; i < n; i++) assert_true(index[epoch][i] < N && !seen[index[epoch][i]]++);
    for (int64_t i = 0; i < sampler.n_validation; i++) assert_false(seen[sampler.validation[i]]);
  }
  for (int64_t i = 0; i < n; i++) n_same += index[0][i] == index[1][i];
  assert_true(n_same < 10);
  OK(RheoSamplerDestroy(&sampler));
}

static void TestPadding(void **state)
{
  RheoSampler sampler;
  uint64_t whole[20], part[6];
  (void)state;
  OK(RheoSamplerCreate(3, 20, 0, &sampler));
  RheoSamplerOrder(&sampler, 4, 0, 20, 20, whole);
  RheoSamplerOrder(&sampler, 4, 7, 10, 6, part);
  for (int i = 0; i < 6; i++) assert_int_equal(part[i], whole[i < 3 ? 7 + i : 9]);
  RheoSamplerOrder(&sampler, 4, 7, 7, 6, part); /* a shard without rows */
  for (int i = 0; i < 6; i++) assert_true(part[i] < 20);
  OK(RheoSamplerDestroy(&sampler));
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
                                     cmocka_unit_test(TestPadding), cmocka_unit_test(TestShards)};
  return RUN_TESTS(argc, argv, tests);
}
