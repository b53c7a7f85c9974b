/* The rows of its target that a transport trains on: of a file of Rheo's, or each rank's share in memory. */
#include "../base/reduce.h"
#include "transport_impl.h"

static void Records(const void *data, int64_t n, const int64_t *place, const double *const *block,
                    float *record, unsigned char *good)
{
  RheoDataSetRecords((RheoDataSet)(uintptr_t)data, n, place, block, record, good);
}

/* A file of Rheo's is read in shares, or as training needs it. *source stays NULL where the target is none. */
static PetscErrorCode FromFile(RheoTransport t, RheoRowSource *source)
{
  const int choice = RheoDataSetStreaming(t->target);
  int n_blocks, block[RHEO_TABLE_BLOCKS];
  RheoReader reader = RheoDataSetReader(t->target, &n_blocks, block);
  RheoRowLayout layout = {.n_columns = 2,
                          .name = {"x", "context"},
                          .width = {RheoDataSetSize(t->target), RheoDataSetContextSize(t->target)}};
  RheoRowFile file = {.reader = reader, .n_blocks = n_blocks, .convert = Records, .context = t->target};
  PetscBool streams;

  PetscFunctionBeginUser;
  if (!reader || n_blocks > RHEO_SOURCE_BLOCKS) {
    if (choice == RHEO_STREAMING_YES)
      PetscCall(
          RheoDeckReject(t->deck, "target.stream",
                         "rows can be read as they are needed from an HDF5 file whose columns are in at "
                         "most %d blocks; `rheo convert` makes one",
                         (int)RHEO_SOURCE_BLOCKS));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(PetscArraycpy(file.block, block, n_blocks));
  RheoRowLayoutSet(&layout, PETSC_FALSE);
  PetscCall(RheoTrainingStreams(t->deck, choice, RheoDataSetCount(t->target), &layout, &streams));
  PetscCall(RheoRowSourceCreateFile(t->comm, &file, &layout, streams, source));
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's share as floats: x (n, D), context (n, C). */
static PetscErrorCode FromMemory(RheoTransport t, float **x, float **context, RheoRowSource *source)
{
  RheoDataSet data = t->target;
  const int d = RheoDataSetSize(data), m = RheoDataSetConditions(data), c = RheoDataSetContextSize(data);
  RheoRows rows = {.n = RheoDataSetCount(data), .n_columns = 2, .name = {"x", "context"}, .width = {d, c}};
  double *point, *condition, *seen;

  PetscFunctionBeginUser;
  RheoRange(t->comm, rows.n, &rows.begin, &rows.end);
  const int64_t n = rows.end - rows.begin;
  PetscCall(PetscMalloc3(n * d, &point, n * m, &condition, n * c, &seen));
  PetscCall(RheoDataSetTraining(data, rows.begin, n, point, condition));
  RheoDataSetContext(data, n, condition, seen);
  PetscCall(TransportFloats(n * d, point, x));
  PetscCall(TransportFloats(n * c, seen, context));
  PetscCall(PetscFree3(point, condition, seen));
  rows.value[0] = *x;
  rows.value[1] = c ? *context : NULL;
  PetscCall(RheoRowSourceCreateMemory(t->comm, &rows, source));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportTargetRows(RheoTransport t, float **x, float **context, RheoRowSource *source)
{
  PetscFunctionBeginUser;
  *x = *context = NULL;
  *source = NULL;
  PetscCall(FromFile(t, source));
  if (!*source) PetscCall(FromMemory(t, x, context, source));
  PetscFunctionReturn(RHEO_OK);
}
