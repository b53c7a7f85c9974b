/* Messages between two ranks, and what a training step does across ranks once each has its gradient. */
#include "bench_scaling.h"
#include <base/reduce.h>
#include <base/shared.h>
#include <math.h>
#include <string.h>
#include <train/kernels/optimise.h>

/* Best half of a round trip between ranks 0 and 1; `trips` at a time, so that the clock's grain does not count. */
static PetscErrorCode PingPong(MPI_Comm comm, int bytes, int trips, double seconds, double *best)
{
  PetscMPIInt rank;
  char *message;

  PetscFunctionBeginUser;
  *best = INFINITY;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(PetscCalloc1((size_t)bytes, &message));
  const double start = MPI_Wtime();
  for (int go = 1; go;) {
    const double begin = MPI_Wtime();
    for (int k = 0; k < 2 * trips; k++) {
      if ((k + rank) % 2)
        PetscCallMPI(MPI_Recv(message, bytes, MPI_BYTE, 1 - rank, 0, comm, MPI_STATUS_IGNORE));
      else
        PetscCallMPI(MPI_Send(message, bytes, MPI_BYTE, 1 - rank, 0, comm));
    }
    const double now = MPI_Wtime();
    *best = PetscMin(*best, (now - begin) / (2 * trips));
    go = now - start < seconds;
    PetscCallMPI(MPI_Bcast(&go, 1, MPI_INT, 0, comm));
  }
  PetscCall(PetscFree(message));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchNetworkMeasure(MPI_Comm comm, double seconds, BenchNetwork *network)
{
  enum { LONG = 1 << 20 };
  double figures[2] = {0, 0};
  PetscMPIInt rank, size;
  MPI_Comm pair;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_split(comm, rank < 2 && size > 1 ? 0 : MPI_UNDEFINED, rank, &pair));
  if (pair != MPI_COMM_NULL) {
    PetscCall(PingPong(pair, 8, 100, seconds / 2, &figures[0]));
    PetscCall(PingPong(pair, LONG, 4, seconds / 2, &figures[1]));
    figures[1] = LONG / figures[1];
    PetscCallMPI(MPI_Comm_free(&pair));
  }
  PetscCall(BenchWait(comm));
  PetscCallMPI(MPI_Bcast(figures, 2, MPI_DOUBLE, 0, comm));
  *network = (BenchNetwork){figures[0], figures[1]};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchAddMeasure(size_t n, double seconds, double *add)
{
  const double start = MPI_Wtime();
  RheoReduce reduce;
  float *buffer, *sum;

  PetscFunctionBeginUser;
  *add = INFINITY;
  PetscCall(RheoReduceCreate(PETSC_COMM_SELF, 2, n, &reduce));
  do {
    for (int shard = 0; shard < 2; shard++) {
      PetscCall(RheoReduceGetBuffer(reduce, shard, &buffer));
      memset(buffer, 0, n * sizeof *buffer);
      PetscCall(RheoReduceAdd(reduce, shard));
    }
    const double begin = MPI_Wtime();
    PetscCall(RheoReduceFinish(reduce, &sum)); /* adds the second to the first */
    *add = PetscMin(*add, (MPI_Wtime() - begin) / (double)n);
  } while (MPI_Wtime() - start < seconds);
  PetscCall(RheoReduceDestroy(&reduce));
  PetscFunctionReturn(RHEO_OK);
}

static const adamw_constants Adam = {.scale = 1e-3f,
                                     .beta1 = 0.9f,
                                     .rest1 = 0.1f,
                                     .beta2 = 0.999f,
                                     .rest2 = 0.001f,
                                     .step = 1e-3f,
                                     .root = 1,
                                     .epsilon = 1e-8f,
                                     .keep = 1};

/* Vectors of a replicated step, of which the sharded one takes its slice. */
typedef struct {
  MPI_Comm comm;
  size_t n;
  float *p, *g, *m, *v;
  double *partial;
  char *work; /* (WORK) what a step writes between two exchanges */
} State;

enum { WORK = 1 << 24 };

static double Norms(size_t n, const float *g, double *partial)
{
  double sum = 0;
  for (size_t i = 0, block = 0; i < n; i += RHEO_REDUCE_BLOCK, block++)
    sum += partial[block] = sum_of_squares(PetscMin(RHEO_REDUCE_BLOCK, n - i), g + i);
  return sum;
}

/* What training does before an exchange, and does not count: so much else is written that the optimiser's state has left the
 * nearer caches, or what one way of exchanging left there would help the next; then a gradient. */
static void Fill(const State *s, float *g)
{
  const size_t n = s->n;
  memset(s->work, s->work[0] + 1, WORK);
  for (size_t i = 0; i < n; i++) g[i] = 1e-3f * (float)(i % 7);
}

static PetscErrorCode Slowest(MPI_Comm comm, double begin, double *best)
{
  double time = MPI_Wtime() - begin;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &time, 1, MPI_DOUBLE, MPI_MAX, comm));
  *best = PetscMin(*best, time);
  PetscFunctionReturn(RHEO_OK);
}

/* One shard for each rank. Without update: the sums and the allgather alone. */
static PetscErrorCode Ordered(RheoReduce reduce, State *s, PetscBool update, double *best)
{
  size_t at, end;
  double sum, most;
  float *buffer, *g;
  int shard, last;

  PetscFunctionBeginUser;
  PetscCall(RheoReduceGetShards(reduce, &shard, &last));
  PetscCall(RheoReduceGetSlice(reduce, &at, &end));
  PetscCall(RheoReduceGetBuffer(reduce, shard, &buffer));
  Fill(s, buffer);
  PetscCall(RheoReduceAdd(reduce, shard));
  PetscCallMPI(MPI_Barrier(s->comm));
  const double begin = MPI_Wtime();
  PetscCall(RheoReduceFinish(reduce, &g));
  if (update) {
    Norms(end - at, g, s->partial);
    PetscCall(RheoReduceBlocks(reduce, s->partial, 0, &sum, &most));
    adamw_update(Adam, end - at, g, s->p + at, s->m, s->v);
  }
  PetscCall(RheoReduceAllgather(reduce, s->p + at, s->p));
  PetscCall(Slowest(s->comm, begin, best));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Replicated(State *s, double *best)
{
  PetscFunctionBeginUser;
  Fill(s, s->g);
  PetscCallMPI(MPI_Barrier(s->comm));
  const double begin = MPI_Wtime();
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->g, (PetscMPIInt)s->n, MPI_FLOAT, MPI_SUM, s->comm));
  Norms(s->n, s->g, s->partial);
  adamw_update(Adam, s->n, s->g, s->p, s->m, s->v);
  PetscCall(Slowest(s->comm, begin, best));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchExchangeMeasure(MPI_Comm comm, size_t n, double seconds, BenchExchange *exchange)
{
  const double start = MPI_Wtime();
  State s = {.comm = comm, .n = n};
  RheoReduce shared, messages;
  size_t begin, end;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  *exchange = (BenchExchange){INFINITY, INFINITY, INFINITY, INFINITY, 0};
  PetscCall(
      PetscCalloc6(n, &s.p, n, &s.g, n, &s.m, n, &s.v, n / RHEO_REDUCE_BLOCK + 1, &s.partial, WORK, &s.work));
  PetscCall(RheoReduceCreate(comm, size, n, &shared));
  RheoSharedAllow(PETSC_FALSE);
  PetscCall(RheoReduceCreate(comm, size, n, &messages));
  RheoSharedAllow(PETSC_TRUE);
  PetscCall(RheoReduceGetSlice(shared, &begin, &end));
  exchange->slice = end - begin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &exchange->slice, 1, MPI_UINT64_T, MPI_MAX, comm));
  for (int go = 1; go;) {
    PetscCall(Ordered(shared, &s, PETSC_TRUE, &exchange->shared));
    PetscCall(Replicated(&s, &exchange->replicated));
    PetscCall(Ordered(messages, &s, PETSC_TRUE, &exchange->messages));
    PetscCall(Ordered(shared, &s, PETSC_FALSE, &exchange->bare));
    go = MPI_Wtime() - start < seconds;
    PetscCallMPI(MPI_Bcast(&go, 1, MPI_INT, 0, comm));
  }
  PetscCall(RheoReduceDestroy(&shared));
  PetscCall(RheoReduceDestroy(&messages));
  PetscCall(PetscFree6(s.p, s.g, s.m, s.v, s.partial, s.work));
  PetscFunctionReturn(RHEO_OK);
}
