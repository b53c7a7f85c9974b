/* Sums over shards in a fixed order: the same bits on any number of ranks.
 *
 * Work is cut into S shards; rank r of R owns a contiguous range of them. The sum over shards is a fixed binary tree on
 * 0..S-1 (a node [a, b) splits at a + the largest power of two below b - a). A rank adds up the maximal subtrees that
 * lie in its range; these partial sums are exchanged so that each rank finishes the tree for the slice of the vector it
 * owns (reduce-scatter), works on its slice, and the slices are put together again (allgather). Ranks of one node do this
 * through shared memory; otherwise messages carry the parts.
 */
#pragma once
#include "error.h"
#include <stdint.h>

typedef struct RheoReduce_ *RheoReduce;

/* For vectors of n floats and n_shards shards. More ranks than shards is RHEO_ERR_INPUT. Collective on comm. */
PetscErrorCode RheoReduceCreate(MPI_Comm comm, int n_shards, size_t n, RheoReduce *reduce);
PetscErrorCode RheoReduceDestroy(RheoReduce *reduce);

/* The shards [first, end) of this rank and the slice [begin, end) of the vector it owns. Slices are cut at multiples of
 * RHEO_REDUCE_BLOCK elements, whatever the number of ranks. Not collective. */
enum { RHEO_REDUCE_BLOCK = 1024 };
PetscErrorCode RheoReduceGetShards(RheoReduce reduce, int *first, int *end);
PetscErrorCode RheoReduceGetSlice(RheoReduce reduce, size_t *begin, size_t *end);

/* A buffer of n floats to be filled with shard s's vector, s in the order of RheoReduceGetShards; Add takes it up.
 * Not collective. */
PetscErrorCode RheoReduceGetBuffer(RheoReduce reduce, int shard, float **buffer);
PetscErrorCode RheoReduceAdd(RheoReduce reduce, int shard);

/* slice (end - begin): the sum over all shards of the part this rank owns. Borrowed and the caller's to change until
 * the next RheoReduceGetBuffer. Collective. */
PetscErrorCode RheoReduceFinish(RheoReduce reduce, float **slice);

/* full (n) from every rank's slice. slice may be its place in full. Collective. */
PetscErrorCode RheoReduceAllgather(RheoReduce reduce, const float *slice, float *full);

/* values (n_shards_of_this_rank, n) -> sums (n) over all shards in tree order, on every rank. Collective. */
PetscErrorCode RheoReduceScalars(RheoReduce reduce, int n, const double *values, double *sums);

/* A sum over the whole vector that is computed blockwise: partial (blocks of the slice) -> the sum in block order, on
 * every rank. For norms. A rank's wish travels along, so that ranks agree on something without a message of its own: most is
 * the largest of all. Collective. */
PetscErrorCode RheoReduceBlocks(RheoReduce reduce, const double *partial, double wish, double *sum,
                                double *most);

/* Rows 0..n-1 cut over ranks: [begin, end) of this rank. Not collective. */
void RheoRange(MPI_Comm comm, int64_t n, int64_t *begin, int64_t *end);
/* RheoRange for any rank of any number of them. */
void RheoRangeOf(int rank, int size, int64_t n, int64_t *begin, int64_t *end);

/* Rows of all ranks, in the order of ranks, on every rank: mine (n, width), n may differ between ranks -> all (sum of n,
 * width), which may hold mine in its place already. Of any size. Collective. */
PetscErrorCode RheoGatherRows(MPI_Comm comm, int64_t n, int width, const double *mine, double *all);
