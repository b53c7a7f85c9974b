/* Rows cut over ranks and put together again. ranks: 1 2 4 */
#include "base/reduce.h"
#include "check.h"
#include <stdlib.h>
#include <string.h>

static double Number(int64_t row, int k)
{
  return (double)(row * 10 + k) + 0.25;
}

static void CheckAll(int64_t n, int width, const double *all)
{
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < width; k++) assert_true(all[i * width + k] == Number(i, k));
}

static void TestRanges(void **state)
{
  static const int64_t sizes[] = {0, 1, 3, 1000};
  (void)state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (int width = 1; width < 4; width++) {
      const int64_t n = sizes[s];
      int64_t begin, end;
      RheoRange(PETSC_COMM_WORLD, n, &begin, &end);
      double *mine = calloc((size_t)(n * width) + 1, sizeof *mine);
      double *all = calloc((size_t)(n * width) + 1, sizeof *all);
      double *placed = calloc((size_t)(n * width) + 1, sizeof *placed);
      for (int64_t i = begin; i < end; i++)
        for (int k = 0; k < width; k++) mine[(i - begin) * width + k] = placed[i * width + k] = Number(i, k);
      OK(RheoGatherRows(PETSC_COMM_WORLD, end - begin, width, mine, all));
      OK(RheoGatherRows(PETSC_COMM_WORLD, end - begin, width, placed + begin * width, placed));
      CheckAll(n, width, all);
      CheckAll(n, width, placed);
      free(mine);
      free(all);
      free(placed);
    }
  }
}

/* As many rows as each rank likes; more than one message from the last one. */
static void TestUneven(void **state)
{
  const int64_t most = (INT64_C(1) << 20) + 5;
  int rank, size;
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  const int last = rank == size - 1;
  const int64_t before = rank * (rank + 1) / 2, n = last ? most : rank + 1;
  const int64_t total = (int64_t)(size - 1) * size / 2 + most;
  double *mine = malloc((size_t)n * sizeof *mine), *all = calloc((size_t)total, sizeof *all);
  for (int64_t i = 0; i < n; i++) mine[i] = Number(before + i, 0);
  OK(RheoGatherRows(PETSC_COMM_WORLD, n, 1, mine, all));
  CheckAll(total, 1, all);
  free(mine);
  free(all);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestRanges), cmocka_unit_test(TestUneven)};
  return RUN_TESTS(argc, argv, tests);
}
