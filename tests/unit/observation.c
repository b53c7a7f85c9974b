/* The observation: from a list and from files, and what is said to mistakes.
 * ranks: 1 2 */
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* A folder of this test's own, whatever else runs beside it. */
static void EnterFolder(void **state)
{
  int rank, size;
  char name[64];
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(name, sizeof name, "observation_np%d", size);
  if (rank == 0) FreshFolder(name);
  MPI_Barrier(PETSC_COMM_WORLD);
  assert_int_equal(chdir(name), 0);
}

static void WriteFile(const char *path, const char *text)
{
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  if (rank == 0) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

static PetscErrorCode Read(const char *deck_text, int n, double *x)
{
  RheoDeck deck = DeckOf(deck_text);
  const PetscErrorCode code = RheoObservationRead(deck, n, x);
  OK(RheoDeckDestroy(&deck));
  return code;
}

static void ReadsTo123(const char *deck_text)
{
  double x[3] = {0};
  OK(Read(deck_text, 3, x));
  for (int i = 0; i < 3; ++i) assert_true(x[i] == i + 1);
}

static void ListsAreRead(void **state)
{
  double x[3];
  (void)state;
  ReadsTo123("observation: {values: [1, 2.0, 3e0]}");
  REJECTS(Read("observation: {values: [1, 2]}", 3, x), "has 2 numbers, the simulator has 3 data");
  REJECTS(Read("observation: {values: [1, 2, .nan]}", 3, x), "observation.values");
  REJECTS(Read("observation: {values: [1, 2, .inf]}", 3, x), "number 3 must be finite");
  REJECTS(Read("seed: 1", 3, x), "observation");
  REJECTS(Read("observation: {values: [1, 2, 3], file: x.csv}", 3, x), "both");
}

static void FilesAreRead(void **state)
{
  (void)state;
  WriteFile("row.csv", "1, 2,3\n");
  ReadsTo123("observation: {file: row.csv}");
  WriteFile("lines.csv", "# counted by hand\n1\n2 # twice\n\n3");
  ReadsTo123("observation: {file: lines.csv}");
  WriteFile("table.csv", "day,\"in bed\",sick\r\n1,1,9\r\n2,2,8\r\n3,3,7\r\n");
  ReadsTo123("observation: {file: table.csv, column: in bed}");
  ReadsTo123("observation: {file: table.csv, column: 1}");
}

static void BadFilesAreNamed(void **state)
{
  double x[3];
  (void)state;
  REJECTS(Read("observation: {file: no.csv}", 3, x), "observation.file = no.csv: cannot be read");
  WriteFile("short.csv", "1\n2\n");
  REJECTS(Read("observation: {file: short.csv}", 3, x), "has 2 numbers, the simulator has 3 data");
  WriteFile("long.csv", "1 2 3 4");
  REJECTS(Read("observation: {file: long.csv}", 3, x), "has 4 numbers, the simulator has 3 data");
  WriteFile("pairs.csv", "day,\"in bed\"\n1,3\n2,8\n3,26\n");
  REJECTS(Read("observation: {file: pairs.csv}", 3, x),
          "has 6 numbers in 2 columns ('day', 'in bed'), the simulator has 3 data; say which column with "
          "-observation_column NAME");
  WriteFile("plain.csv", "1 3\n2 8\n3 26\n");
  REJECTS(Read("observation: {file: plain.csv}", 3, x), "-observation_column NUMBER");
  WriteFile("nan.csv", "x\n1\nnan\n3\n");
  REJECTS(Read("observation: {file: nan.csv}", 3, x), "line 3, column 1 must be a finite number, got 'nan'");
  WriteFile("word.csv", "1\ntwo\n3\n");
  REJECTS(Read("observation: {file: word.csv}", 3, x), "line 2, column 1 must be a finite number, got 'two'");
  WriteFile("table.csv", "a,b\n1,2\n3\n");
  REJECTS(Read("observation: {file: table.csv, column: c}", 3, x),
          "observation.column = c: is not in the header");
  REJECTS(Read("observation: {file: table.csv, column: b}", 3, x),
          "line 3 has 1 columns, column 2 is wanted");
  WriteFile("empty.csv", "");
  REJECTS(Read("observation: {file: empty.csv}", 3, x), "has 0 numbers");
}

/* A file is looked for beside the deck first. */
static void FilesLieBesideTheDeck(void **state)
{
  double x[3];
  RheoDeck deck;
  (void)state;
  if (PetscGlobalRank == 0) FreshFolder("sub");
  WriteFile("sub/deck.yaml", "observation: {file: beside.csv}\n");
  WriteFile("sub/beside.csv", "1 2 3\n");
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadFile(deck, "sub/deck.yaml"));
  OK(RheoObservationRead(deck, 3, x));
  assert_true(x[2] == 3);
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(EnterFolder),           cmocka_unit_test(ListsAreRead),
      cmocka_unit_test(FilesAreRead),          cmocka_unit_test(BadFilesAreNamed),
      cmocka_unit_test(FilesLieBesideTheDeck),
  };
  return RUN_TESTS(argc, argv, tests);
}
