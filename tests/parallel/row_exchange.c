/* Rows go to the places that ask for them, whoever holds them. ranks: 1 2 3 5; sanitize: yes */
#include "base/reduce.h"
#include "check.h"
#include "train/source_impl.h"
#include <stdlib.h>

enum { N = 50000, WIDTH = 3 }; /* several pieces of a list */

/* A record that tells the row. */
static float Value(int64_t row, int k)
{
  return (float)(3 * row + k);
}

static RheoRowSource Source(PetscBool whole, float **x)
{
  RheoRows rows = {.n = N, .n_columns = 1, .name = {"x"}, .width = {WIDTH}};
  RheoRowSource source;
  RheoRange(PETSC_COMM_WORLD, N, &rows.begin, &rows.end);
  int64_t begin = whole ? 0 : rows.begin, end = whole ? N : rows.end;
  if (whole) rows.begin = rows.end = 0;
  *x = malloc((size_t)(end - begin + 1) * WIDTH * sizeof **x);
  for (int64_t i = begin; i < end; i++)
    for (int k = 0; k < WIDTH; k++) (*x)[(i - begin) * WIDTH + k] = Value(i, k);
  rows.value[0] = *x;
  OK(RheoRowSourceCreateMemory(PETSC_COMM_WORLD, &rows, &source));
  return source;
}

/* The row at a place: all over the set, but from a later piece on only of its first rows, which one rank holds. */
static int64_t RowAt(int64_t place, int64_t of)
{
  return place * 7919 % (place < 40000 ? N : of);
}

static void Describe(const void *context, RheoRowSource source, int64_t first, int64_t n, uint64_t *scratch,
                     RheoRowItem *item)
{
  const int64_t of = *(const int64_t *)context;
  (void)scratch;
  for (int64_t i = 0; i < n; i++) {
    item[i].row = (uint64_t)RowAt(first + i, of);
    RheoRowLocate(source, n, i, &item[i]);
  }
}

/* Against a walk through all places. */
static void Compare(RheoRowSource source, int64_t begin, int64_t run, int64_t stride, int64_t end, int64_t of)
{
  const RheoRowList list = {begin, run, stride, end, Describe, &of};
  const int64_t n = RheoRowListCount(&list);
  float *record = malloc((size_t)(n + 1) * WIDTH * sizeof *record);
  uint64_t *index = malloc((size_t)(n + 1) * sizeof *index);
  int64_t at = 0;

  OK(RheoRowExchange(source, &list, NULL, record, index));
  for (int64_t place = begin; place < end; place++) {
    if (run == 0 || (place - begin) % stride >= run) continue;
    const int64_t row = RowAt(place, of);
    assert_true(at < n);
    assert_int_equal(index[at], row);
    for (int k = 0; k < WIDTH; k++) assert_true(record[at * WIDTH + k] == Value(row, k));
    at++;
  }
  assert_int_equal(at, n);
  free(record);
  free(index);
}

static void TestPlaces(void **state)
{
  (void)state;
  for (int whole = 0; whole < 2; whole++) {
    float *x;
    RheoRowSource source = Source((PetscBool)whole, &x);
    const int64_t size = source->size, rank = source->rank;
    for (int few = 0; few < 2; few++) {
      const int64_t of = few ? 10 : N;
      /* Parts of steps; runs longer than a piece, the last cut off; all for one; other shares on each; nothing. */
      Compare(source, rank * 17, 17, size * 17, 60000, of);
      Compare(source, rank * 40001, 40001, size * 40001, 3 * 60000 + 5, of);
      Compare(source, 0, rank == size - 1 ? 120000 : 0, 120000, 120000, of);
      Compare(source, rank * rank * 1000, 1 + rank, 3 + rank, 60000, of);
      Compare(source, 5, 3, 7, 5, of);
    }
    OK(RheoRowSourceDestroy(&source));
    free(x);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestPlaces)};
  return RUN_TESTS(argc, argv, tests);
}
