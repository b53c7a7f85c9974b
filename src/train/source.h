/* Where the rows of a training come from: memory, or files of any size that are read as they are needed.
 *
 * A row travels as a record: its columns one after the other, and its weight where there are any, in single precision. Rows
 * have global numbers 0..n-1. Which row belongs at a place in an epoch's order, and who holds or reads it, any rank can work out; so it asks
 * only for the rows of its own places, and only those who have them. What a training makes of the rows depends neither on
 * the source nor on the number of ranks.
 */
#pragma once
#include "../io/reader.h"

enum { RHEO_TRAIN_COLUMNS = 8 };

/* Rows in memory. Column k is (end - begin, width[k]); width 0: absent. Borrowed. */
typedef struct {
  int64_t n;
  int64_t begin, end; /* held by this rank, as RheoRange has it; both 0: every rank holds all of them */
  int n_columns;
  const char *name[RHEO_TRAIN_COLUMNS];
  int width[RHEO_TRAIN_COLUMNS];
  const float *value[RHEO_TRAIN_COLUMNS];
  const float *weight; /* of the rows held, or NULL for ones */
} RheoRows;

/* What stands where in a record, in floats. */
typedef struct {
  int n_columns;
  const char *name[RHEO_TRAIN_COLUMNS];
  int width[RHEO_TRAIN_COLUMNS]; /* 0: absent */
  int offset[RHEO_TRAIN_COLUMNS];
  int weight; /* -1: all rows weigh the same */
  int size;
} RheoRowLayout;

/* Fills in offsets and size from names and widths. Not collective. */
void RheoRowLayoutSet(RheoRowLayout *layout, PetscBool weighted);

typedef struct RheoRowSource_ *RheoRowSource;

/* Rows in memory, which must stay. A weight that is negative or not finite, no rows, or weights that are all zero are
 * RHEO_ERR_INPUT. Collective on comm, as is all that follows. */
PetscErrorCode RheoRowSourceCreateMemory(MPI_Comm comm, const RheoRows *rows, RheoRowSource *source);

/* Makes records (n, size of the layout) of raw rows: block[k] (n, width) for each block asked for, of the files' rows place (n).
 * good[i] = 0 leaves row i out of the data set. It may run in a thread of its own: it must call neither MPI nor PETSc nor HDF5. */
typedef void (*RheoRowConvert)(const void *context, int64_t n, const int64_t *place,
                               const double *const *block, float *record, unsigned char *good);

enum { RHEO_SOURCE_BLOCKS = 4 };
typedef struct {
  RheoReader reader; /* borrowed */
  int n_blocks;
  int block[RHEO_SOURCE_BLOCKS]; /* of the reader */
  RheoRowConvert convert;
  const void *context;
} RheoRowFile;

/* Rows of files, of which those that convert finds good are the data set, in the order of the files. Reads everything once, and
 * so learns which rows are good and whether checksums fit. stream: rows are read anew whenever they are needed, ahead of time
 * where the layout of the files allows it; else each rank keeps its share of them in memory. */
PetscErrorCode RheoRowSourceCreateFile(MPI_Comm comm, const RheoRowFile *file, const RheoRowLayout *layout,
                                       PetscBool stream, RheoRowSource *source);
PetscErrorCode RheoRowSourceDestroy(RheoRowSource *source);

int64_t RheoRowSourceCount(RheoRowSource source);
const RheoRowLayout *RheoRowSourceLayout(RheoRowSource source);

/* A number that tells these rows from others, the same for any number of ranks and whether they are streamed. */
PetscErrorCode RheoRowSourceFingerprint(RheoRowSource source, uint64_t *sum);

/* Records (*n, size) on every rank, for what is fitted to rows before training: all rows where these take up to 32 MB, else runs
 * of 64 rows at equal distances, the first by seed. Freed with free. */
PetscErrorCode RheoRowSourceSample(RheoRowSource source, uint64_t seed, int64_t *n, float **record);
