/* Data sets that many ranks read, each its part: text and HDF5 alike, whoever asks for which rows; rows of another file.
 * ranks: 1 2 4 */
#include "sim/dataset.h"
#include "base/reduce.h"
#include "check.h"
#include "io/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 20000, OTHER = 50 };

static RheoDeck deck;

/* Columns a = row number and label in one block, b = -a in another. */
static void WriteTable(const char *path, int64_t n)
{
  static const char *const first[] = {"label", "a"}, *const second[] = {"c", "b"};
  RheoTable table = {.kind = "dataset", .verb = "test", .n = n, .n_blocks = 2};
  RheoRange(PETSC_COMM_WORLD, n, &table.begin, &table.end);
  const int64_t mine = table.end - table.begin;
  double *x = malloc((size_t)(2 * mine + 1) * sizeof *x), *y = malloc((size_t)(2 * mine + 1) * sizeof *y);
  for (int64_t i = 0; i < mine; i++) {
    const double a = (double)(table.begin + i);
    x[2 * i] = (double)((table.begin + i) % 3);
    x[2 * i + 1] = a;
    y[2 * i] = 7;
    y[2 * i + 1] = -a;
  }
  table.block[0] = (RheoBlock){"one", 2, RHEO_STORE_DOUBLE, first, NULL, x};
  table.block[1] = (RheoBlock){"two", 2, RHEO_STORE_DOUBLE, second, NULL, y};
  OK(RheoTableWrite(PETSC_COMM_WORLD, path, &table));
  free(x);
  free(y);
}

static void WriteText(const char *path, int64_t n)
{
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (!rank) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("label,a,c,b\n", file);
    for (int64_t i = 0; i < n; i++) fprintf(file, "%d,%d,7,%d\n", (int)(i % 3), (int)i, -(int)i);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

static RheoDataSet Open(const char *text)
{
  RheoDataSet data;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "test", text));
  OK(RheoDataSetCreate(deck, "target", 0, 5, &data));
  OK(RheoDataSetRead(data));
  return data;
}

static void Close(RheoDataSet *data)
{
  OK(RheoDataSetDestroy(data));
  OK(RheoDeckDestroy(&deck));
}

/* Every rank's part of the rows to train on, put together, and those held back are each row of the file once. */
static void Covers(const char *text, double *order)
{
  RheoDataSet data = Open(text);
  const int64_t n = RheoDataSetCount(data), m = RheoDataSetTestCount(data);
  int64_t begin, end;
  double *x = calloc(2 * N, sizeof *x), *label = calloc(N, sizeof *label),
         *held = calloc(2 * N, sizeof *held);
  assert_int_equal(n + m, N);
  assert_in_range(m, N / 11, N / 9);
  RheoRange(PETSC_COMM_WORLD, n, &begin, &end);
  OK(RheoDataSetTraining(data, begin, end - begin, x + 2 * begin, label + begin));
  OK(MPI_Allreduce(MPI_IN_PLACE, x, 2 * (int)n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  OK(MPI_Allreduce(MPI_IN_PLACE, label, (int)n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  OK(RheoDataSetTest(data, 0, m, held, label + n));
  memcpy(x + 2 * n, held, (size_t)(2 * m) * sizeof *x);
  for (int64_t i = 0; i < N; i++) {
    const int a = (int)x[2 * i];
    assert_true(x[2 * i + 1] == -a && label[i] == a % 3);
    if (i && i != n) assert_true(a > x[2 * i - 2]); /* in the order of the file */
    order[a] = (double)i;
  }
  OK(RheoDataSetTest(data, m - 3, 7, held, NULL)); /* round the end */
  for (int64_t i = 0; i < 7; i++) assert_true(held[2 * i] == x[2 * (n + (m - 3 + i) % m)]);
  free(x);
  free(label);
  free(held);
  Close(&data);
}

static void shares(void **state)
{
  double *text = calloc(N, sizeof *text), *hdf5 = calloc(N, sizeof *hdf5);
  (void)state;
  WriteTable("shares.h5", N);
  WriteText("shares.csv", N);
  Covers("target: {file: shares.h5, columns: [a, b], condition_columns: [label], classes: 3}\n", hdf5);
  Covers("target: {file: shares.csv, columns: [a, b], condition_columns: [label], classes: 3}\n", text);
  assert_memory_equal(text, hdf5, N * sizeof *text);
  free(text);
  free(hdf5);
}

static void other_file(void **state)
{
  static const char *const tests[] = {"other.h5", "other.csv"};
  double x[2 * OTHER];
  (void)state;
  WriteTable("rows.h5", 30);
  WriteTable("other.h5", OTHER);
  WriteText("other.csv", OTHER);
  for (int k = 0; k < 2; k++) {
    char text[128];
    snprintf(text, sizeof text, "target: {file: rows.h5, columns: [a, b], test_file: %s}\n", tests[k]);
    RheoDataSet data = Open(text);
    assert_int_equal(RheoDataSetCount(data), 30);
    assert_int_equal(RheoDataSetTestCount(data), OTHER);
    OK(RheoDataSetTraining(data, 0, 30, x, NULL));
    for (int i = 0; i < 30; i++) assert_true(x[2 * i] == i && x[2 * i + 1] == -i);
    OK(RheoDataSetTest(data, 0, OTHER, x, NULL));
    for (int i = 0; i < OTHER; i++) assert_true(x[2 * i] == i && x[2 * i + 1] == -i);
    Close(&data);
  }
  RheoDataSet data = NULL;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "test", "target: {file: rows.h5, test: 0.2, test_file: other.h5}\n"));
  REJECTS(RheoDataSetCreate(deck, "target", 0, 5, &data), "only one of them");
  Close(&data);
}

/* Runs on other numbers of ranks may be at work beside. */
static int Start(void **state)
{
  char folder[64];
  int size;
  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "parallel_dataset_%d", size);
  (void)mkdir(folder, 0777);
  return chdir(folder);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup(shares, Start), cmocka_unit_test(other_file)};
  return RUN_TESTS(argc, argv, tests);
}
