#include "base_impl.h"
#include "memory.h"
#include "reduce_impl.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- The tree ---- */
/* Whether [first, middle) and [middle, end) are the two halves of a node. */
static PetscBool AreSiblings(int n_shards, int first, int middle, int end)
{
  int a = 0, b = n_shards;
  while (b - a > end - first) {
    int split = RheoShardSplit(a, b);
    if (end <= split)
      b = split;
    else if (first >= split)
      a = split;
    else
      return PETSC_FALSE;
  }
  return a == first && b == end && RheoShardSplit(a, b) == middle ? PETSC_TRUE : PETSC_FALSE;
}

static void AddTo(size_t n, float *restrict left, const float *restrict right)
{
  for (size_t i = 0; i < n; ++i) left[i] += right[i];
}

static void Add(size_t n, const float *restrict left, const float *restrict right, float *restrict sum)
{
  for (size_t i = 0; i < n; ++i) sum[i] = left[i] + right[i];
}

static PetscBool CanJoin(const Stack *stack, int n_shards)
{
  const Subtree *top = stack->entries + stack->n;
  return stack->n > 1 && AreSiblings(n_shards, top[-2].first, top[-1].first, top[-1].end) ? PETSC_TRUE
                                                                                          : PETSC_FALSE;
}

/* Makes one node of the two topmost; their sums are the caller's to add. */
static void Join(Stack *stack, float **left, float **right)
{
  Subtree *below = &stack->entries[stack->n - 2];
  *left = below[0].sum;
  *right = below[1].sum;
  below->end = below[1].end;
  --stack->n;
}

/* The maximal subtrees of every rank's range, by the walk that the sums will take. */
static PetscErrorCode ListSubtrees(RheoReduce r)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3((size_t)r->n_shards, &r->subtree_first, (size_t)r->n_shards, &r->subtree_end,
                         (size_t)r->n_shards, &r->subtree_rank));
  for (int rank = 0; rank < r->size; ++rank) {
    int64_t first, end;
    int base = r->n_subtrees, most = 0;
    RheoRangeOf(rank, r->size, r->n_shards, &first, &end);
    for (int s = (int)first; s < end; ++s) {
      int i = r->n_subtrees++;
      r->subtree_first[i] = s;
      r->subtree_end[i] = s + 1;
      r->subtree_rank[i] = rank;
      most = PetscMax(most, r->n_subtrees - base);
      for (; i > base &&
             AreSiblings(r->n_shards, r->subtree_first[i - 1], r->subtree_first[i], r->subtree_end[i]);
           --i) {
        r->subtree_end[i - 1] = r->subtree_end[i];
        --r->n_subtrees;
      }
    }
    if (rank == r->rank) r->n_buffers = most;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Life ---- */
static PetscErrorCode CutVector(RheoReduce r)
{
  PetscFunctionBeginUser;
  size_t n_blocks = (r->n + RHEO_REDUCE_BLOCK - 1) / RHEO_REDUCE_BLOCK, size = (size_t)r->size;
  PetscCall(PetscMalloc4(size, &r->counts, size, &r->offsets, size, &r->blocks, size, &r->block_offsets));
  for (int rank = 0; rank < r->size; ++rank) {
    int64_t first, last, n = (int64_t)r->n;
    RheoRangeOf(rank, r->size, (int64_t)n_blocks, &first, &last);
    int64_t begin = PetscMin(first * RHEO_REDUCE_BLOCK, n), end = PetscMin(last * RHEO_REDUCE_BLOCK, n);
    r->offsets[rank] = (int)begin;
    r->counts[rank] = (int)(end - begin);
    r->block_offsets[rank] = (int)first + rank;
    r->blocks[rank] = (int)(last - first) + 1;
  }
  r->begin_slice = (size_t)r->offsets[r->rank];
  r->end_slice = r->begin_slice + (size_t)r->counts[r->rank];
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode NewBuffer(size_t n, float **buffer)
{
  PetscFunctionBeginUser;
  *buffer = RheoAligned(n * sizeof(float));
  PetscCheck(*buffer, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %zu floats", n);
  PetscFunctionReturn(RHEO_OK);
}

/* n, rounded up to whole lines of the cache. */
static size_t Padded(size_t n)
{
  return (n + 15) / 16 * 16;
}

/* The sum of a rank's k-th subtree, where all ranks can read it. */
static float *SharedSum(const RheoReduce r, int rank, int k)
{
  return RheoSharedOf(r->shared, rank) + Padded((size_t)r->counts[rank]) + (size_t)k * Padded(r->n);
}

PetscErrorCode RheoReduceCreate(MPI_Comm comm, int n_shards, size_t n, RheoReduce *reduce)
{
  int size;
  int64_t first, end;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  RheoInputCheck(n_shards >= size, comm,
                 "%d ranks for %d shards: run on at most %d ranks, or cut the batch into more shards", size,
                 n_shards, n_shards);
  PetscCheck(n <= INT_MAX - RHEO_REDUCE_BLOCK, comm, PETSC_ERR_ARG_OUTOFRANGE,
             "vectors of %zu elements are too long", n);
  PetscCall(PetscNew(reduce));
  RheoReduce r = *reduce;
  PetscCallMPI(MPI_Comm_dup(comm, &r->comm)); /* messages of its own */
  PetscCallMPI(MPI_Comm_rank(comm, &r->rank));
  r->size = size;
  r->n_shards = n_shards;
  r->n = n;
  RheoRange(comm, n_shards, &first, &end);
  r->first = (int)first;
  r->end = (int)end;
  PetscCall(CutVector(r));
  PetscCall(ListSubtrees(r));
  PetscCall(PetscMalloc3((size_t)r->n_buffers, &r->stack.entries, (size_t)r->n_buffers, &r->buffer,
                         (size_t)r->n_subtrees * ((size_t)size + 1), &r->requests));
  for (int k = 0; k < r->n_buffers; ++k) r->buffer[k] = NULL;
  PetscCall(RheoSharedCreate(comm, Padded((size_t)r->counts[r->rank]) + (size_t)r->n_buffers * Padded(r->n),
                             &r->shared));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceDestroy(RheoReduce *reduce)
{
  RheoReduce r = *reduce;
  PetscFunctionBeginUser;
  if (!r) PetscFunctionReturn(RHEO_OK);
  for (int k = 0; k < r->n_buffers; ++k) free(r->buffer[k]);
  PetscCall(RheoSharedDestroy(&r->shared));
  free(r->received);
  free(r->gathered);
  PetscCall(PetscFree4(r->counts, r->offsets, r->blocks, r->block_offsets));
  PetscCall(PetscFree3(r->subtree_first, r->subtree_end, r->subtree_rank));
  PetscCall(PetscFree3(r->stack.entries, r->buffer, r->requests));
  PetscCallMPI(MPI_Comm_free(&r->comm));
  PetscCall(PetscFree(*reduce));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceGetShards(RheoReduce reduce, int *first, int *end)
{
  PetscFunctionBeginUser;
  *first = reduce->first;
  *end = reduce->end;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceGetSlice(RheoReduce reduce, size_t *begin, size_t *end)
{
  PetscFunctionBeginUser;
  *begin = reduce->begin_slice;
  *end = reduce->end_slice;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Shards of this rank ---- */
static int NextShard(RheoReduce r)
{
  return r->stack.n ? r->stack.entries[r->stack.n - 1].end : r->first;
}

PetscErrorCode RheoReduceGetBuffer(RheoReduce reduce, int shard, float **buffer)
{
  PetscFunctionBeginUser;
  PetscCheck(shard == NextShard(reduce) && shard < reduce->end, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "shard %d out of order: %d is next of %d", shard, NextShard(reduce), reduce->end);
  if (!reduce->buffer[reduce->stack.n]) PetscCall(NewBuffer(reduce->n, &reduce->buffer[reduce->stack.n]));
  *buffer = reduce->buffer[reduce->stack.n];
  reduce->lent = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceAdd(RheoReduce reduce, int shard)
{
  Stack *stack = &reduce->stack;
  PetscFunctionBeginUser;
  float *left, *right;
  PetscCheck(reduce->lent && shard == NextShard(reduce), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "shard %d was not asked for", shard);
  stack->entries[stack->n] = (Subtree){shard, shard + 1, reduce->buffer[stack->n], NULL};
  ++stack->n;
  reduce->lent = PETSC_FALSE;
  while (CanJoin(stack, reduce->n_shards)) {
    Join(stack, &left, &right);
    if (shard + 1 == reduce->end && !CanJoin(stack, reduce->n_shards))
      stack->entries[stack->n - 1].rest = right; /* added when it is read anyway */
    else
      AddTo(reduce->n, left, right);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Across ranks ---- */
/* Every rank gets its slice of every other rank's subtrees, straight from their buffers. */
static PetscErrorCode Exchange(RheoReduce r, int *n_requests)
{
  PetscFunctionBeginUser;
  size_t slice = r->end_slice - r->begin_slice;
  int mine = 0;
  *n_requests = 0;
  if (!r->received && r->size > 1) PetscCall(NewBuffer((size_t)r->n_subtrees * slice, &r->received));
  for (int i = 0; i < r->n_subtrees && slice; ++i) {
    if (r->subtree_rank[i] == r->rank) continue;
    PetscCallMPI(MPI_Irecv(r->received + (size_t)i * slice, (int)slice, MPI_FLOAT, r->subtree_rank[i], i,
                           r->comm, &r->requests[(*n_requests)++]));
  }
  for (int i = 0; i < r->n_subtrees; ++i) {
    if (r->subtree_rank[i] != r->rank) continue;
    const float *sum = r->stack.entries[mine++].sum;
    for (int step = 1; step < r->size; ++step) { /* not everybody to rank 0 first */
      int to = (r->rank + step) % r->size;
      if (r->counts[to])
        PetscCallMPI(MPI_Isend(sum + r->offsets[to], r->counts[to], MPI_FLOAT, to, i, r->comm,
                               &r->requests[(*n_requests)++]));
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

/* [begin, end) of a node of this rank, to a place or in place. */
static void Sum(const Subtree *node, size_t begin, size_t end, float *place)
{
  const float *rest = node->rest;
  float *sum = node->sum;
  if (begin == end) return;
  if (!place && rest)
    AddTo(end - begin, sum + begin, rest + begin);
  else if (rest)
    Add(end - begin, sum + begin, rest + begin, place + begin);
  else if (place)
    memcpy(place + begin, sum + begin, (end - begin) * sizeof *sum);
}

/* The same through shared memory: others read what this rank puts there. Sums are made elsewhere and copied, because lines
 * of the cache that another core has read are slow to write to in the scattered order of matrix products. */
static PetscErrorCode Publish(RheoReduce r)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSharedReenter(r->shared)); /* when all have read what was there */
  for (int k = 0; k < r->stack.n; ++k) {
    const Subtree *node = &r->stack.entries[k];
    float *place = SharedSum(r, r->rank, k);
    Sum(node, 0, r->begin_slice, place);
    Sum(node, r->end_slice, r->n, place);
  }
  PetscCall(RheoSharedMeet(r->shared));
  PetscFunctionReturn(RHEO_OK);
}

/* Where this rank finds its slice of subtree i, which is the k-th of its owner. */
static float *SliceOf(const RheoReduce r, int i, int k)
{
  if (r->subtree_rank[i] == r->rank) return r->buffer[k] + r->begin_slice;
  if (r->shared) return SharedSum(r, r->subtree_rank[i], k) + r->begin_slice;
  return r->received + (size_t)i * (r->end_slice - r->begin_slice);
}

/* The sum of the root's halves; either may be the place where it goes. */
static void AddRoot(size_t n, const float *left, const float *right, float *place)
{
  if (place == left)
    AddTo(n, place, right);
  else if (place == right)
    AddTo(n, place, left); /* a + b is b + a to the bit */
  else
    Add(n, left, right, place);
}

/* The sum goes to this rank's first buffer, which is in its cache and of no more use when the root is reached. */
static PetscErrorCode SumSlices(RheoReduce r, float *place)
{
  const size_t n = r->end_slice - r->begin_slice;
  Stack all = {NULL, 0};
  float *left, *right;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)r->n_subtrees, &all.entries));
  for (int i = 0, k = 0; i < r->n_subtrees; ++i) {
    k = i > 0 && r->subtree_rank[i] == r->subtree_rank[i - 1] ? k + 1 : 0;
    all.entries[all.n++] = (Subtree){r->subtree_first[i], r->subtree_end[i], SliceOf(r, i, k), NULL};
    while (CanJoin(&all, r->n_shards)) {
      Join(&all, &left, &right);
      if (all.n == 1 && all.entries[0].end == r->n_shards)
        AddRoot(n, left, right, place);
      else
        AddTo(n, left, right);
    }
  }
  PetscCall(PetscFree(all.entries));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceFinish(RheoReduce reduce, float **slice)
{
  RheoReduce r = reduce;
  int n_requests;
  PetscFunctionBeginUser;
  PetscCheck(NextShard(r) == r->end, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "shards [%d, %d) have not been added", NextShard(r), r->end);
  if (r->shared) PetscCall(Publish(r));
  for (int k = 0; k < r->stack.n; ++k)
    Sum(&r->stack.entries[k], r->shared ? r->begin_slice : 0, r->shared ? r->end_slice : r->n, NULL);
  if (!r->shared) {
    PetscCall(Exchange(r, &n_requests));
    PetscCallMPI(MPI_Waitall(n_requests, r->requests, MPI_STATUSES_IGNORE));
  }
  *slice = r->buffer[0] + r->begin_slice;
  PetscCall(SumSlices(r, *slice));
  r->stack.n = 0;
  if (r->shared) PetscCall(RheoSharedLeave(r->shared));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode AllgatherShared(RheoReduce r, const float *slice, float *full)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSharedReenter(r->shared));
  memcpy(RheoSharedOf(r->shared, r->rank), slice, (size_t)r->counts[r->rank] * sizeof *slice);
  PetscCall(RheoSharedMeet(r->shared));
  for (int rank = 0; rank < r->size; ++rank)
    if (rank != r->rank || slice != full + r->begin_slice)
      memcpy(full + r->offsets[rank], RheoSharedOf(r->shared, rank), (size_t)r->counts[rank] * sizeof *full);
  PetscCall(RheoSharedLeave(r->shared));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReduceAllgather(RheoReduce reduce, const float *slice, float *full)
{
  PetscFunctionBeginUser;
  PetscBool in_place = slice == full + reduce->begin_slice ? PETSC_TRUE : PETSC_FALSE;
  if (reduce->size == 1) {
    if (!in_place) memcpy(full, slice, reduce->n * sizeof *full);
  } else if (reduce->shared) {
    PetscCall(AllgatherShared(reduce, slice, full));
  } else
    PetscCallMPI(MPI_Allgatherv(in_place ? MPI_IN_PLACE : slice, reduce->counts[reduce->rank], MPI_FLOAT,
                                full, reduce->counts, reduce->offsets, MPI_FLOAT, reduce->comm));
  PetscFunctionReturn(RHEO_OK);
}
