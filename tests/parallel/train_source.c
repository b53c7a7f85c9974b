/* Where rows come from does not matter: memory of every rank, shared among ranks, files kept in memory or read as they are
 * needed, compressed, cut into several. ranks: 1 2 3 4 8 */
#include "base/random.h"
#include "base/reduce.h"
#include "check.h"
#include "io/reader.h"
#include "repack.h"
#include "train_case.h"
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 900, WIDTH = 3, SHARDS = 9, BAD = 37 }; /* every 37th row of a file is not good */

typedef enum { MEMORY, SHARED, HELD, STREAMED } Kind;
typedef struct {
  Kind kind;
  int n_files;
  const char *const *file;
} From;

/* Names of this number of ranks, as tests of several may run side by side. */
static const char *Path(const char *name)
{
  char path[64];
  int size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(path, sizeof path, "source%d_%s", size, name);
  return RheoIntern(path);
}

/* Rows of the case with bad ones among them, [first, first + n) of these. */
static void Write(const TrainCase *c, const char *path, int64_t first, int64_t n, const char *last_column)
{
  const char *const x_name[] = {"x1", "x2", last_column}, *const y_name[] = {"y"}, *const w_name[] = {"w"},
                    *const units[] = {"m", "", "s"};
  RheoTable table = {.kind = "dataset", .verb = "test", .n = n, .n_blocks = 3};
  RheoRange(PETSC_COMM_WORLD, n, &table.begin, &table.end);
  double *x = malloc(sizeof *x * WIDTH * N * 2), *y = malloc(sizeof *y * N * 2),
         *w = malloc(sizeof *w * N * 2);
  for (int64_t i = table.begin; i < table.end; i++) {
    const int64_t at = i - table.begin, file_row = first + i, row = file_row - file_row / BAD;
    for (int k = 0; k < WIDTH; k++) x[at * WIDTH + k] = (double)c->x[row * WIDTH + k];
    y[at] = file_row % BAD == BAD - 1 ? NAN : (double)c->y[row];
    w[at] = (double)c->weight[row];
  }
  table.block[0] = (RheoBlock){"w", 1, RHEO_STORE_DOUBLE, w_name, NULL, w};
  table.block[1] = (RheoBlock){"x", WIDTH, RHEO_STORE_FLOAT, x_name, units, x};
  table.block[2] = (RheoBlock){"y", 1, RHEO_STORE_DOUBLE, y_name, NULL, y};
  OK(RheoTableWrite(PETSC_COMM_WORLD, path, &table));
  free(x);
  free(y);
  free(w);
}

static void Convert(const void *context, int64_t n, const int64_t *place, const double *const *block,
                    float *record, unsigned char *good)
{
  (void)place;
  const int weighted = *(const int *)context, size = WIDTH + 1 + weighted;
  for (int64_t i = 0; i < n; i++, record += size) {
    for (int k = 0; k < WIDTH; k++) record[k] = (float)block[0][i * WIDTH + k];
    record[WIDTH] = (float)block[1][i];
    if (weighted) record[WIDTH + 1] = (float)block[2][i];
    good[i] = isfinite(record[WIDTH]) != 0;
  }
}

static void OpenSource(MPI_Comm comm, const From *from, const TrainCase *c, const int *weighted,
                       RheoReader *reader, RheoRowSource *source)
{
  RheoRows rows = c->rows;
  *reader = NULL;
  if (from->kind == MEMORY || from->kind == SHARED) {
    if (from->kind == SHARED) {
      RheoRange(comm, rows.n, &rows.begin, &rows.end);
      rows.value[0] += rows.begin * WIDTH;
      rows.value[1] += rows.begin;
      if (rows.weight) rows.weight += rows.begin;
    }
    OK(RheoRowSourceCreateMemory(comm, &rows, source));
    return;
  }
  RheoRowLayout layout = {.n_columns = 2, .name = {"x", "y"}, .width = {WIDTH, 1}};
  RheoRowLayoutSet(&layout, (PetscBool)*weighted);
  OK(RheoReaderOpen(comm, from->n_files, from->file, "dataset", reader));
  const RheoRowFile file = {
      .reader = *reader,
      .n_blocks = 2 + *weighted,
      .block = {RheoReaderFind(*reader, "x"), RheoReaderFind(*reader, "y"), RheoReaderFind(*reader, "w")},
      .convert = Convert,
      .context = weighted};
  OK(RheoRowSourceCreateFile(comm, &file, &layout, (PetscBool)(from->kind == STREAMED), source));
  assert_int_equal(RheoRowSourceCount(*source), N);
}

typedef struct {
  const RheoObjectiveType *type;
  int64_t batch, window, chunk, steps;
  int weighted;
  double validation;
} Setting;

static const Setting settings[] = {
    {&CaseNoisy, 64, 0, 0, 0, 0, 0.1},      /* one window */
    {&CaseMlp, 30, 100, 11, 0, 1, 0.2},     /* windows that end within chunks */
    {&CaseMlp, 50, 130, 1000, 33, 1, 0.15}, /* one chunk: windows of neighbours; ends within a window */
    {&CaseLinear, 700, 50, 7, 0, 0, 0},     /* a window is a batch */
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static uint64_t Train(MPI_Comm comm, const Setting *s, const From *from)
{
  RheoTrainConfig config;
  RheoRowSource source;
  RheoReader reader;
  TrainCase c;
  TrainCaseCreate(comm, s->type, N, WIDTH, s->weighted, &c);
  OpenSource(comm, from, &c, &s->weighted, &reader, &source);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = s->batch;
  config.epochs = 3;
  config.steps = s->steps;
  config.shards = SHARDS;
  config.validation = s->validation;
  config.window = s->window;
  config.chunk = s->chunk;
  config.lr = 1e-2;
  OK(RheoTrainerSetSource(c.trainer, source));
  OK(RheoTrainerSetConfig(c.trainer, &config));
  OK(RheoTrainerRun(c.trainer));
  const uint64_t checksum = TrainCaseChecksum(&c);
  TrainCaseDestroy(&c);
  OK(RheoRowSourceDestroy(&source));
  OK(RheoReaderClose(&reader));
  return checksum;
}

static const From memory = {MEMORY, 0, NULL};

static void Same(const char *what, const From *from)
{
  for (int i = 0; i < SETTINGS; i++)
    if (Train(PETSC_COMM_WORLD, &settings[i], from) != Train(PETSC_COMM_SELF, &settings[i], &memory))
      fail_msg("setting %d, %s: another result than from memory on one rank", i, what);
}

static void TestMemory(void **state)
{
  (void)state;
  Same("memory", &memory);
  Same("shared memory", &(From){SHARED, 0, NULL});
}

static int64_t FileRows(void)
{
  return N + (N - 1) / (BAD - 1);
}

static void TestFiles(void **state)
{
  const char *const one[] = {Path("one.h5")}, *const three[] = {Path("a.h5"), Path("b.h5"), Path("c.h5")};
  const int64_t n = FileRows();
  TrainCase c;
  int rank;
  (void)state;
  TrainCaseCreate(PETSC_COMM_WORLD, &CaseLinear, N, WIDTH, 0, &c);
  Write(&c, one[0], 0, n, "x3");
  Write(&c, three[0], 0, 100, "x3");
  Write(&c, three[1], 100, 1, "x3");
  Write(&c, three[2], 101, n - 101, "x3");
  TrainCaseDestroy(&c);
  Same("a file", &(From){HELD, 1, one});
  Same("a file that is streamed", &(From){STREAMED, 1, one});
  Same("files", &(From){HELD, 3, three});
  Same("files that are streamed", &(From){STREAMED, 3, three});
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Barrier(PETSC_COMM_WORLD); /* when all have closed them: HDF5 locks files */
  if (rank == 0) {
    Repack(one[0], "x", 64);
    Repack(three[2], "y", 1);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  Same("a compressed file", &(From){HELD, 1, one});
  Same("a compressed file that is streamed", &(From){STREAMED, 1, one});
  Same("files of which one is compressed", &(From){STREAMED, 3, three});
  MPI_Barrier(PETSC_COMM_WORLD);
  for (int i = 0; rank == 0 && i < 3; i++) unlink(three[i]);
  if (rank == 0) unlink(one[0]);
}

/* Columns that differ, a number that was changed, a file that was cut. */
static void TestDamage(void **state)
{
  const char *const path[] = {Path("d.h5"), Path("e.h5")};
  RheoReader reader;
  RheoRowSource source;
  RheoRowLayout layout = {.n_columns = 2, .name = {"x", "y"}, .width = {WIDTH, 1}};
  const int weighted = 0;
  TrainCase c;
  int rank;
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  TrainCaseCreate(PETSC_COMM_WORLD, &CaseLinear, N, WIDTH, 0, &c);
  Write(&c, path[0], 0, 300, "x3");
  Write(&c, path[1], 300, 300, "other");
  TrainCaseDestroy(&c);
  REJECTS(RheoReaderOpen(PETSC_COMM_WORLD, 2, path, "dataset", &reader), "is 'other'");
  OK(RheoReaderOpen(PETSC_COMM_WORLD, 1, path, "dataset", &reader));
  assert_true(RheoReaderIsPlain(reader));
  OK(RheoReaderScan(reader, NULL, NULL));
  OK(RheoReaderClose(&reader));
  if (rank == 0) {
    const hid_t file = H5Fopen(path[1], H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, "w", H5P_DEFAULT);
    static double value[300];
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    value[299] += 1;
    assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  OK(RheoReaderOpen(PETSC_COMM_WORLD, 1, &path[1], "dataset", &reader));
  RheoRowLayoutSet(&layout, PETSC_FALSE);
  const RheoRowFile file = {reader, 2, {1, 2}, Convert, &weighted};
  REJECTS(RheoRowSourceCreateFile(PETSC_COMM_WORLD, &file, &layout, PETSC_TRUE, &source), "checksum");
  OK(RheoReaderClose(&reader));
  MPI_Barrier(PETSC_COMM_WORLD);
  if (rank == 0) {
    unlink(path[0]);
    unlink(path[1]);
  }
}

/* A sample is the same whoever holds the rows; of many rows it is runs from all over them. */
static void TestSample(void **state)
{
  enum { MANY = 6000, WIDE = 4096 };
  float *x = malloc(sizeof *x * MANY * WIDE), *got;
  int64_t n, last = -1;
  double sum = 0;
  (void)state;
  for (int64_t i = 0; i < (int64_t)MANY * WIDE; i++) x[i] = (float)(i / WIDE);
  RheoRows rows = {.n = MANY, .n_columns = 1, .name = {"x"}, .width = {WIDE}, .value = {x}};
  RheoRange(PETSC_COMM_WORLD, MANY, &rows.begin, &rows.end);
  rows.value[0] += rows.begin * WIDE;
  RheoRowSource source;
  OK(RheoRowSourceCreateMemory(PETSC_COMM_WORLD, &rows, &source));
  OK(RheoRowSourceSample(source, 3, &n, &got));
  assert_int_equal(n, 4096);
  for (int64_t i = 0; i < n; i++) {
    const int64_t row = (int64_t)got[i * WIDE];
    assert_true(row > last && row < MANY && got[i * WIDE] == got[(i + 1) * WIDE - 1]);
    if (i % 64) assert_int_equal(row, last + 1);
    last = row;
    sum += (double)row / (double)n;
  }
  assert_true(fabs(sum - MANY / 2.) < 100);
  free(got);
  free(x);
  OK(RheoRowSourceDestroy(&source));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestMemory), cmocka_unit_test(TestFiles),
                                     cmocka_unit_test(TestSample), cmocka_unit_test(TestDamage)};
  return RUN_TESTS(argc, argv, tests);
}
