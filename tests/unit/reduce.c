/* Ordered sums against the tree evaluated by one process, bit by bit.
 * ranks: 1 2 3 4 */
#include "base/reduce.h"
#include "base/random.h"
#include "base/shared.h"
#include "check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

/* Magnitudes over 40 binary orders and both signs: any other order of summation shows. */
static void ShardVector(int shard, size_t n, float *x)
{
  RheoStream stream = RheoStreamMake(11, RHEO_STREAM_TEST, (uint32_t)shard, n);
  for (size_t i = 0; i < n; ++i) {
    double magnitude = exp2(40 * RheoStreamUniform(&stream) - 20);
    x[i] = (float)(magnitude * RheoStreamNormal(&stream));
  }
}

static void TreeSum(int first, int end, size_t n, float *x)
{
  if (end - first == 1) {
    ShardVector(first, n, x);
    return;
  }
  int half = 1;
  while (half * 2 < end - first) half *= 2;
  float *right = malloc((n + 1) * sizeof *right);
  TreeSum(first, first + half, n, x);
  TreeSum(first + half, end, n, right);
  for (size_t i = 0; i < n; ++i) x[i] += right[i];
  free(right);
}

static void SumOnce(RheoReduce reduce, size_t n, const float *expected)
{
  int first, end;
  size_t begin, stop;
  float *full = malloc((n + 1) * sizeof *full), *slice;
  OK(RheoReduceGetShards(reduce, &first, &end));
  OK(RheoReduceGetSlice(reduce, &begin, &stop));
  for (int s = first; s < end; ++s) {
    float *buffer;
    OK(RheoReduceGetBuffer(reduce, s, &buffer));
    ShardVector(s, n, buffer);
    OK(RheoReduceAdd(reduce, s));
  }
  OK(RheoReduceFinish(reduce, &slice));
  if (stop > begin) assert_memory_equal(slice, expected + begin, (stop - begin) * sizeof *slice);
  memset(full, 0, n * sizeof *full);
  OK(RheoReduceAllgather(reduce, slice, full));
  assert_memory_equal(full, expected, n * sizeof *full);
  memset(full, 0, n * sizeof *full);
  memcpy(full + begin, slice, (stop - begin) * sizeof *full);
  OK(RheoReduceAllgather(reduce, full + begin, full));
  assert_memory_equal(full, expected, n * sizeof *full);
  free(full);
}

static void SumsAreThoseOfTheTree(void **state)
{
  (void)state;
  static const int shards[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 33, 64};
  static const size_t lengths[] = {1, 5, 1023, 1024, 1025, 3000, 10001};
  for (size_t i = 0; i < sizeof shards / sizeof *shards; ++i) {
    for (size_t j = 0; j < sizeof lengths / sizeof *lengths; ++j) {
      if (shards[i] < size) continue;
      RheoReduce reduce;
      float *expected = malloc(lengths[j] * sizeof *expected);
      TreeSum(0, shards[i], lengths[j], expected);
      OK(RheoReduceCreate(PETSC_COMM_WORLD, shards[i], lengths[j], &reduce));
      for (int repeat = 0; repeat < 2; ++repeat) SumOnce(reduce, lengths[j], expected);
      OK(RheoReduceDestroy(&reduce));
      free(expected);
    }
  }
}

static void MessagesDoWhatSharedMemoryDoes(void **state)
{
  RheoSharedAllow(PETSC_FALSE);
  SumsAreThoseOfTheTree(state);
  RheoSharedAllow(PETSC_TRUE);
}

/* What one rank writes to its slice all find in theirs of the vector, before and after further sums and gatherings. */
static void VectorIsGathered(void **state)
{
  (void)state;
  enum { N = 5000, SHARDS = 8 };
  for (int is_shared = 0; is_shared < 2; ++is_shared) {
    RheoReduce reduce;
    float *vector = malloc(N * sizeof *vector), expected[N];
    size_t begin, end;
    RheoSharedAllow(is_shared ? PETSC_TRUE : PETSC_FALSE);
    OK(RheoReduceCreate(PETSC_COMM_WORLD, SHARDS, N, &reduce));
    OK(RheoReduceGetSlice(reduce, &begin, &end));
    TreeSum(0, SHARDS, N, expected);
    for (int round = 1; round < 12; ++round) {
      if (round % 3 == 0) SumOnce(reduce, N, expected);
      for (size_t i = begin; i < end; ++i) vector[i] = (float)(round * N) + (float)i;
      OK(RheoReduceAllgather(reduce, vector + begin, vector));
      for (int i = 0; i < N; ++i) assert_true(vector[i] == (float)(round * N) + (float)i);
    }
    free(vector);
    OK(RheoReduceDestroy(&reduce));
  }
  RheoSharedAllow(PETSC_TRUE);
}

/* The data would show another order: the plain running sum differs from the tree. */
static void OrderMatters(void **state)
{
  (void)state;
  enum { N = 1000, SHARDS = 16 };
  static float tree[N], plain[N], x[N];
  TreeSum(0, SHARDS, N, tree);
  for (int s = 0; s < SHARDS; ++s) {
    ShardVector(s, N, x);
    for (int i = 0; i < N; ++i) plain[i] += x[i];
  }
  int differ = 0;
  for (int i = 0; i < N; ++i) differ += plain[i] != tree[i];
  assert_true(differ > N / 10);
}

static double Scalar(int shard, int i)
{
  RheoStream stream = RheoStreamMake(12, RHEO_STREAM_TEST, (uint32_t)i, (uint64_t)shard);
  return exp2(80 * RheoStreamUniform(&stream) - 40) * RheoStreamNormal(&stream);
}

static double ScalarTree(int first, int end, int i)
{
  if (end - first == 1) return Scalar(first, i);
  int half = 1;
  while (half * 2 < end - first) half *= 2;
  return ScalarTree(first, first + half, i) + ScalarTree(first + half, end, i);
}

static void ScalarsFollowTheTree(void **state)
{
  (void)state;
  for (int shards = size; shards < 40; shards += 3) {
    RheoReduce reduce;
    double values[40 * 3], sums[3];
    int first, end;
    OK(RheoReduceCreate(PETSC_COMM_WORLD, shards, 10, &reduce));
    OK(RheoReduceGetShards(reduce, &first, &end));
    for (int s = first; s < end; ++s) {
      for (int i = 0; i < 3; ++i) values[3 * (s - first) + i] = Scalar(s, i);
    }
    OK(RheoReduceScalars(reduce, 3, values, sums));
    for (int i = 0; i < 3; ++i) assert_true(sums[i] == ScalarTree(0, shards, i));
    OK(RheoReduceDestroy(&reduce));
  }
}

static void BlocksAreSummedInOrder(void **state)
{
  (void)state;
  static const size_t lengths[] = {1, 1024, 1025, 20000};
  for (size_t j = 0; j < sizeof lengths / sizeof *lengths; ++j) {
    RheoReduce reduce;
    size_t begin, end;
    double partial[32], sum, most, expected = 0;
    int n_blocks = (int)((lengths[j] + RHEO_REDUCE_BLOCK - 1) / RHEO_REDUCE_BLOCK);
    OK(RheoReduceCreate(PETSC_COMM_WORLD, 16, lengths[j], &reduce));
    OK(RheoReduceGetSlice(reduce, &begin, &end));
    assert_int_equal(begin % RHEO_REDUCE_BLOCK && begin != lengths[j], 0);
    for (size_t b = begin, k = 0; b < end; b += RHEO_REDUCE_BLOCK)
      partial[k++] = Scalar((int)(b / RHEO_REDUCE_BLOCK), 7);
    /* An optimiser of no numbers has no sums either. */
    OK(RheoReduceBlocks(reduce, end > begin ? partial : NULL, rank == size - 1 ? 3 : -1, &sum, &most));
    assert_true(most == 3);
    for (int b = 0; b < n_blocks; ++b) expected += Scalar(b, 7);
    assert_true(sum == expected);
    OK(RheoReduceDestroy(&reduce));
  }
}

static void MisuseIsNoticed(void **state)
{
  (void)state;
  RheoReduce reduce;
  float *buffer;
  int first, end;
  if (size > 1) REJECTS(RheoReduceCreate(PETSC_COMM_WORLD, size - 1, 10, &reduce), "ranks for");
  OK(RheoReduceCreate(PETSC_COMM_WORLD, 2 * size, 10, &reduce));
  OK(RheoReduceGetShards(reduce, &first, &end));
  RheoErrorSetQuiet(PETSC_TRUE);
  assert_int_equal(RheoReduceGetBuffer(reduce, first + 1, &buffer), PETSC_ERR_ARG_WRONGSTATE);
  assert_int_equal(RheoReduceAdd(reduce, first), PETSC_ERR_ARG_WRONGSTATE);
  RheoErrorSetQuiet(PETSC_FALSE);
  OK(RheoReduceDestroy(&reduce));
}

static void RangesCoverAllRowsOnce(void **state)
{
  (void)state;
  for (int64_t n = 0; n < 30; ++n) {
    int64_t range[2], all[2 * 64], next = 0;
    RheoRange(PETSC_COMM_WORLD, n, &range[0], &range[1]);
    MPI_Allgather(range, 2, MPI_INT64_T, all, 2, MPI_INT64_T, PETSC_COMM_WORLD);
    for (int r = 0; r < size; ++r) {
      assert_int_equal(all[2 * r], next);
      assert_true(all[2 * r + 1] - all[2 * r] <= n / size + 1 && all[2 * r + 1] - all[2 * r] >= n / size);
      next = all[2 * r + 1];
    }
    assert_int_equal(next, n);
  }
  PetscBool all = PETSC_TRUE;
  OK(RheoAgree(PETSC_COMM_WORLD, PETSC_TRUE, &all));
  assert_true(all);
  OK(RheoAgree(PETSC_COMM_WORLD, rank == size - 1 ? PETSC_FALSE : PETSC_TRUE, &all));
  assert_false(all);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(SumsAreThoseOfTheTree),
      cmocka_unit_test(OrderMatters),
      cmocka_unit_test(ScalarsFollowTheTree),
      cmocka_unit_test(BlocksAreSummedInOrder),
      cmocka_unit_test(MisuseIsNoticed),
      cmocka_unit_test(RangesCoverAllRowsOnce),
      cmocka_unit_test(MessagesDoWhatSharedMemoryDoes),
      cmocka_unit_test(VectorIsGathered),
  };
  if (RheoInitialize(&argc, &argv)) return 1;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  int status = RUN_TESTS(argc, argv, tests);
  return RheoFinalize() ? 1 : status;
}
