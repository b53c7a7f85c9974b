/* Private to src/sim: what a data set holds. */
#pragma once
#include "dataset.h"

typedef struct {
  const char *file, *test_file;
  RheoStrings columns, conditions;
  int classes, stream;
  double test;
  int64_t split;
} DataSetConfig;

/* Where a column stands in a file. */
typedef struct {
  int block, place, width; /* width of the block */
} DataSetColumn;

typedef struct {
  const char *key, *path; /* of the deck; where it was found. path NULL: not looked at yet */
  RheoReader reader;      /* NULL: text */
  DataSetColumn *column;  /* (D + conditions) */
  int64_t n;              /* rows */
} DataSetFile;

struct RheoDataSet_ {
  RheoDeck deck;
  MPI_Comm comm;
  const char *prefix;
  uint32_t set;
  uint64_t seed; /* of a toy's draws, or of a file's split */
  RheoToy toy;   /* or what follows */
  DataSetConfig config;
  DataSetFile rows, held; /* held: rows of test_file, where there is one */
  int d, conditions, classes;
  int64_t n, n_test;
  const char **name; /* (D + conditions) */
};

const char *DataSetKey(RheoDataSet data, const char *name); /* with the prefix; interned */

/* ---- dataset_file.c ---- All collective. */
/* Names of columns and their numbers, from the deck, or from the file where it leaves them to that. */
PetscErrorCode DataSetFileColumns(RheoDataSet data);
/* Goes once through all rows: what is wrong with them, and how many there are. */
PetscErrorCode DataSetFileRead(RheoDataSet data);
/* Of the rows to train on, or of those held back: first .. first + n - 1, which may differ between ranks. */
PetscErrorCode DataSetFileTake(RheoDataSet data, PetscBool held, int64_t first, int64_t n, double *x,
                               double *condition);
PetscErrorCode DataSetFileClose(RheoDataSet data);
