/* Model files: everything needed to sample, continue or explain a trained model.
 *
 * The file (format 1):
 *   /                  attributes: rheo_format (1), kind "model", estimator, version, commit,
 *                      checksum (of values, m, v and step),
 *                      checksum_rest (of everything else)
 *   /deck              a string: the YAML, as it was run; attribute checksum (of it)
 *   /parameters/       values (P) float; names, one a line; places (n, 2) int64: offset and size of each;
 *                      shapes (n, 6) int32: dimensions, four sizes, and 1 (frozen) + 2 (no decay)
 *   /optimiser/{m, v}  (P) float; attribute step (int64)
 *   /history/<series>  (epochs) double: epoch, step, train_loss, validation_loss, lr, gradient_norm
 *   /extra/<name>      (n) double
 * Like tables, it does not know the number of ranks and is equal byte by byte between runs.
 */
#pragma once
#include "../io/table.h"
#include "train.h"

typedef struct {
  const char *estimator; /* "npe" */
  const char *deck;
  RheoParams params; /* layout */
  float *values;     /* (P) */
  float *m, *v;      /* (P) or NULL */
  int64_t step;
  RheoHistory history; /* n = 0: none */
  int n_extras;
  RheoExtra extra[RHEO_TABLE_EXTRAS];
} RheoModelFile;

/* Rank 0 writes, through a temporary file that is renamed when whole. Collective. */
PetscErrorCode RheoModelWrite(MPI_Comm comm, const char *path, const RheoModelFile *model);

/* Every rank gets everything; the layout is rebuilt from the file. RheoModelFileFree frees what Read
 * allocated. Errors as for RheoTableRead; a checksum that does not fit is RHEO_ERR_INPUT. Collective. */
PetscErrorCode RheoModelRead(MPI_Comm comm, const char *path, RheoModelFile *model);
PetscErrorCode RheoModelFileFree(RheoModelFile *model);
/* Of values, m, v, step and history: what `rheo train` and `rheo info` print, equal for equal trainings. Times and rates, which
 * differ between equal runs, are in no model. Not collective. */
uint64_t RheoModelChecksum(const RheoModelFile *model);
