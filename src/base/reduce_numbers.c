/* Ordered sums of a few numbers: what the shards say, and blocks of a vector's slices. */
#include "base_impl.h"
#include "reduce_impl.h"
#include <stdlib.h>

static PetscErrorCode GrowGathered(RheoReduce r, size_t n)
{
  PetscFunctionBeginUser;
  if (n <= r->gathered_size) PetscFunctionReturn(RHEO_OK);
  free(r->gathered);
  r->gathered = malloc(n * sizeof *r->gathered);
  r->gathered_size = r->gathered ? n : 0;
  PetscCheck(r->gathered, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %zu numbers", n);
  PetscFunctionReturn(RHEO_OK);
}

static double TreeSum(const double *values, int stride, int first, int end)
{
  if (end - first == 1) return values[(size_t)first * (size_t)stride];
  int split = RheoShardSplit(first, end);
  return TreeSum(values, stride, first, split) + TreeSum(values, stride, split, end);
}

PetscErrorCode RheoReduceScalars(RheoReduce reduce, int n, const double *values, double *sums)
{
  RheoReduce r = reduce;
  int *counts, *offsets;
  PetscFunctionBeginUser;
  PetscCall(GrowGathered(r, (size_t)r->n_shards * (size_t)n));
  PetscCall(PetscMalloc2((size_t)r->size, &counts, (size_t)r->size, &offsets));
  for (int rank = 0; rank < r->size; ++rank) {
    int64_t first, end;
    RheoRangeOf(rank, r->size, r->n_shards, &first, &end);
    offsets[rank] = (int)first * n;
    counts[rank] = (int)(end - first) * n;
  }
  PetscCallMPI(
      MPI_Allgatherv(values, counts[r->rank], MPI_DOUBLE, r->gathered, counts, offsets, MPI_DOUBLE, r->comm));
  PetscCall(PetscFree2(counts, offsets));
  for (int i = 0; i < n; ++i) sums[i] = TreeSum(r->gathered + i, n, 0, r->n_shards);
  PetscFunctionReturn(RHEO_OK);
}

/* What a rank sends is its blocks and then its wish: `blocks` and `block_offsets` have room for it. */
PetscErrorCode RheoReduceBlocks(RheoReduce reduce, const double *partial, double wish, double *sum,
                                double *most)
{
  RheoReduce r = reduce;
  PetscFunctionBeginUser;
  int last = r->size - 1, n = r->blocks[r->rank] - 1;
  PetscCall(GrowGathered(r, (size_t)(r->block_offsets[last] + r->blocks[last])));
  double *mine = r->gathered + r->block_offsets[r->rank];
  PetscCall(PetscArraycpy(mine, partial, (size_t)n)); /* a short vector leaves some ranks none */
  mine[n] = wish;
  PetscCallMPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, r->gathered, r->blocks, r->block_offsets,
                              MPI_DOUBLE, r->comm));
  *sum = 0;
  *most = wish;
  for (int rank = 0; rank < r->size; ++rank) {
    const double *of = r->gathered + r->block_offsets[rank];
    for (int i = 0; i < r->blocks[rank] - 1; ++i) *sum += of[i];
    *most = PetscMax(*most, of[r->blocks[rank] - 1]);
  }
  PetscFunctionReturn(RHEO_OK);
}
