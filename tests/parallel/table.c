/* Tables: what is written is read, by any number of ranks; damage is found. ranks: 1 2 3 sanitize: yes */
#include "check.h"
#include <hdf5.h>
#include <math.h>
#include <rheo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 1001, WIDTH = 3 };

static double Value(int64_t row, int k)
{
  return row == 7 && k == 1 ? NAN : sin((double)row * 1.7 + k) * 1e3;
}

static void Write(const char *path, int64_t rows)
{
  static const char *const columns[] = {"alpha", "beta gamma", "d"}, *const units[] = {"m", "", "1/day"},
                           *const one[] = {"status"};
  double observation[2] = {1.5, -2};
  RheoTable table = {
      .kind = "dataset", .verb = "test", .deck = "seed: 3\n", .n = rows, .n_blocks = 2, .n_extras = 1};
  RheoRange(PETSC_COMM_WORLD, rows, &table.begin, &table.end);
  double values[ROWS * WIDTH], status[ROWS];
  for (int64_t i = table.begin; i < table.end; i++) {
    for (int k = 0; k < WIDTH; k++) values[(i - table.begin) * WIDTH + k] = Value(i, k);
    status[i - table.begin] = (double)(i % 5);
  }
  table.block[0] = (RheoBlock){"parameters", WIDTH, RHEO_STORE_DOUBLE, columns, units, values};
  table.block[1] = (RheoBlock){"status", 1, RHEO_STORE_INT8, one, NULL, status};
  table.extra[0] = (RheoExtra){"observation", 2, observation};
  assert_int_equal(RheoTableWrite(PETSC_COMM_WORLD, path, &table), 0);
}

static void ReadBack(PetscBool whole)
{
  RheoTable *table;
  Write("table.h5", ROWS);
  assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "table.h5", "dataset", whole, &table), 0);
  assert_int_equal(table->n, ROWS);
  assert_string_equal(table->deck, "seed: 3\n");
  if (whole) assert_int_equal(table->end - table->begin, ROWS);
  RheoBlock *block = RheoTableBlock(table, "parameters"), *status = RheoTableBlock(table, "status");
  assert_non_null(block);
  assert_non_null(status);
  assert_string_equal(block->columns[1], "beta gamma");
  assert_string_equal(block->units[2], "1/day");
  assert_int_equal(status->store, RHEO_STORE_INT8);
  for (int64_t i = table->begin; i < table->end; i++) {
    for (int k = 0; k < WIDTH; k++) {
      const double got = block->value[(i - table->begin) * WIDTH + k], want = Value(i, k);
      assert_true(got == want || (isnan(got) && isnan(want)));
    }
    assert_true(status->value[i - table->begin] == (double)(i % 5));
  }
  assert_true(RheoTableExtra(table, "observation")->value[1] == -2);
  assert_int_equal(RheoTableDestroy(&table), 0);
}

static void Whole(void **state)
{
  (void)state;
  ReadBack(PETSC_TRUE);
}

static void Share(void **state)
{
  (void)state;
  ReadBack(PETSC_FALSE);
}

/* The bytes of the file, as every rank sees them. */
static uint64_t FileChecksum(const char *path)
{
  char buffer[4096];
  uint64_t sum = RHEO_CHECKSUM_START;
  size_t n;
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) sum = RheoChecksum(sum, buffer, n);
  fclose(file);
  return sum;
}

/* The same bytes whatever the number of ranks: all ranks against one rank alone. */
static void SameBytes(void **state)
{
  (void)state;
  PetscMPIInt rank, size;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  Write("table.h5", ROWS);
  if (rank == 0) {
    /* The serial file is written from what the parallel one holds. */
    RheoTable *table;
    assert_int_equal(RheoTableRead(PETSC_COMM_SELF, "table.h5", NULL, PETSC_TRUE, &table), 0);
    assert_int_equal(RheoTableWrite(PETSC_COMM_SELF, "serial.h5", table), 0);
    assert_int_equal(RheoTableDestroy(&table), 0);
    assert_true(FileChecksum("table.h5") == FileChecksum("serial.h5"));
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

static void Copy(const char *from, const char *to, long keep, long flip)
{
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  int c;
  for (long i = 0; (c = fgetc(in)) != EOF && (keep < 0 || i < keep); i++)
    fputc(i == flip ? c ^ 0x10 : c, out);
  fclose(in);
  fclose(out);
}

/* Truncated anywhere, or with a byte of the data flipped: a user's mistake that names the file, never wrong data. */
static void Damage(void **state)
{
  (void)state;
  PetscMPIInt rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  Write("table.h5", ROWS);
  FILE *file = fopen("table.h5", "rb");
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  fclose(file);
  for (int i = 0; i < 12; i++) {
    const PetscBool truncate = (PetscBool)(i < 8);
    MPI_Barrier(PETSC_COMM_WORLD);
    if (rank == 0)
      Copy("table.h5", "damaged.h5", truncate ? size * i / 8 : -1, truncate ? -1 : size - 1 - 2000 * (i - 7));
    MPI_Barrier(PETSC_COMM_WORLD);
    RheoTable *table = NULL;
    assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "damaged.h5", NULL, PETSC_TRUE, &table), RHEO_ERR_INPUT);
    assert_non_null(strstr(RheoErrorMessage(), "damaged.h5"));
  }
}

/* The deck alone, of a whole file and of one whose deck says something else than it did. */
static void DeckAlone(void **state)
{
  const char *kind, *deck;
  PetscMPIInt rank;
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  Write("table.h5", ROWS);
  RheoTable *table;
  OK(RheoTableRead(PETSC_COMM_WORLD, "table.h5", NULL, PETSC_FALSE, &table));
  OK(RheoFileDeck(PETSC_COMM_WORLD, "table.h5", &kind, &deck));
  assert_string_equal(kind, table->kind);
  assert_non_null(table->deck);
  assert_string_equal(deck, table->deck);
  OK(RheoTableDestroy(&table));
  if (rank == 0) {
    const hid_t file = H5Fopen("table.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t set = H5Dopen2(file, "deck", H5P_DEFAULT), type = H5Dget_type(set);
    const size_t size = H5Tget_size(type);
    char *text = calloc(1, size + 1);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    text[size / 2]++;
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    free(text);
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  REJECTS(RheoFileDeck(PETSC_COMM_WORLD, "table.h5", &kind, &deck), "table.h5: is damaged; its deck");
  REJECTS(RheoTableRead(PETSC_COMM_WORLD, "table.h5", NULL, PETSC_FALSE, &table), "table.h5: is damaged");
}

static void Wrong(void **state)
{
  (void)state;
  RheoTable *table;
  Write("table.h5", ROWS);
  assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "absent.h5", NULL, PETSC_TRUE, &table), RHEO_ERR_INPUT);
  assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "table.h5", "samples", PETSC_TRUE, &table),
                   RHEO_ERR_INPUT);
  assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "/proc/self/status", NULL, PETSC_TRUE, &table),
                   RHEO_ERR_INPUT);
}

static void FewRows(void **state)
{
  (void)state;
  RheoTable *table;
  Write("few.h5", 1);
  assert_int_equal(RheoTableRead(PETSC_COMM_WORLD, "few.h5", NULL, PETSC_FALSE, &table), 0);
  assert_int_equal(table->n, 1);
  assert_int_equal(RheoTableDestroy(&table), 0);
}

static void TextFile(void **state)
{
  (void)state;
  PetscMPIInt rank;
  RheoTable *table;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (rank == 0) {
    FILE *file = fopen("points.csv", "w");
    fputs("a, b\n# a comment\n1,2.5\n-3e2, 4\n\n", file);
    fclose(file);
    file = fopen("bad.csv", "w");
    fputs("1,2\n3\n", file);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  assert_int_equal(RheoTableReadText(PETSC_COMM_WORLD, "points.csv", &table), 0);
  RheoBlock *block = RheoTableBlock(table, "columns");
  assert_int_equal(table->n, 2);
  assert_int_equal(block->width, 2);
  assert_string_equal(block->columns[1], "b");
  assert_true(block->value[2] == -300 && block->value[1] == 2.5);
  assert_int_equal(RheoTableDestroy(&table), 0);
  assert_int_equal(RheoTableReadText(PETSC_COMM_WORLD, "bad.csv", &table), RHEO_ERR_INPUT);
  assert_non_null(strstr(RheoErrorMessage(), "line 2"));
}

int main(int argc, char **argv)
{
  char folder[64];
  const struct CMUnitTest tests[] = {cmocka_unit_test(Whole),     cmocka_unit_test(Share),
                                     cmocka_unit_test(SameBytes), cmocka_unit_test(Damage),
                                     cmocka_unit_test(DeckAlone), cmocka_unit_test(Wrong),
                                     cmocka_unit_test(FewRows),   cmocka_unit_test(TextFile)};
  if (RheoInitialize(&argc, &argv)) return 1;
  PetscMPIInt size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "table_%d", size);
  if (RheoMakeDirectory(PETSC_COMM_WORLD, folder) || chdir(folder)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return RheoFinalize() || failed;
}
