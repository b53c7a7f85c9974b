/* The time of a training step on many ranks, from that of one shard and two figures of the network. The terms follow what
 * src/base/reduce.c does; tests/bench/README.md writes them out. */
#include "bench_scaling.h"
#include <base/reduce.h>

/* What rank `rank` gets of n, as RheoRange cuts it. */
static void RangeOf(int rank, int ranks, int64_t n, int64_t *begin, int64_t *end)
{
  const int64_t each = n / ranks, more = n % ranks;
  *begin = each * rank + PetscMin(rank, more);
  *end = *begin + each + (rank < more);
}

/* Maximal nodes of the tree on [a, b) that lie in [begin, end). */
static int Subtrees(int64_t a, int64_t b, int64_t begin, int64_t end)
{
  int64_t half = 1;
  if (b <= begin || end <= a) return 0;
  if (begin <= a && b <= end) return 1;
  while (2 * half < b - a) half *= 2;
  return Subtrees(a, a + half, begin, end) + Subtrees(a + half, b, begin, end);
}

/* Open MPI's choice: a ring, unless all of it is short. */
static double Allgather(const BenchNetwork *network, int ranks, double bytes)
{
  int rounds = 0;
  while ((1 << rounds) < ranks) rounds++;
  if (ranks * bytes >= 50000) rounds = ranks - 1;
  return rounds * network->latency + (ranks - 1) * bytes / network->bandwidth;
}

double BenchModelStep(const BenchModel *model, int ranks)
{
  const BenchNetwork *network = &model->network;
  const int64_t blocks = (model->parameters + RHEO_REDUCE_BLOCK - 1) / RHEO_REDUCE_BLOCK,
                owners = PetscMin(blocks, ranks), of_rank = (blocks + ranks - 1) / ranks,
                slice = PetscMin(model->parameters, of_rank * RHEO_REDUCE_BLOCK);
  const double compute = model->shard * ((model->shards + ranks - 1) / ranks);
  int64_t all = 0, most = 0;
  int least = model->shards;

  if (ranks == 1) return compute;
  for (int rank = 0; rank < ranks; rank++) {
    int64_t begin, end;
    RangeOf(rank, ranks, model->shards, &begin, &end);
    const int n = Subtrees(0, model->shards, begin, end);
    all += n;
    least = PetscMin(least, n);
    most = PetscMax(most, n * (owners - (rank < owners)));
  }
  const double messages = (double)PetscMax(most, all - least);
  return compute + messages * (network->latency + 4.0 * (double)slice / network->bandwidth) +
         (double)((all - 1) * slice) * model->add + Allgather(network, ranks, 8.0 * (double)(of_rank + 1)) +
         Allgather(network, ranks, 4.0 * (double)slice);
}
