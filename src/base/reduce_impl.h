/* What the files of reduce.h share. */
#pragma once
#include "reduce.h"
#include "shared.h"

/* A node of the tree and its sum; or, for the last one of a rank, the sums of its two halves. */
typedef struct {
  int first, end;
  float *sum;
  const float *rest; /* NULL where sum is all of it */
} Subtree;

typedef struct {
  Subtree *entries;
  int n;
} Stack;

struct RheoReduce_ {
  MPI_Comm comm;
  int rank, size, n_shards, first, end;
  size_t n, begin_slice, end_slice;
  int *counts, *offsets;       /* of every rank's slice, in elements */
  int *blocks, *block_offsets; /* of every rank's sums over blocks and its wish, in numbers */
  int n_subtrees;              /* of all ranks together: what is exchanged, in the order of shards */
  int *subtree_first, *subtree_end, *subtree_rank;
  Stack stack;       /* of this rank; the sum of its entry k is in buffer k */
  int n_buffers;     /* of this rank: as many as the stack is high at most */
  float **buffer;    /* made when they are needed */
  PetscBool lent;    /* by RheoReduceGetBuffer */
  RheoShared shared; /* NULL: messages. A rank's slice for Allgather, then its subtrees' sums for Finish */
  float *received;   /* (n_subtrees, slice); messages only */
  MPI_Request *requests;
  double *gathered; /* for scalars and blocks */
  size_t gathered_size;
};

/* Where a node of the tree over shards [first, end) is cut in two. */
static inline int RheoShardSplit(int first, int end)
{
  int half = 1;
  while (2 * half < end - first) half *= 2;
  return first + half;
}
