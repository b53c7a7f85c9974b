/* What the measurements of scaling and the prediction from them share. */
#pragma once
#include "bench.h"

/* A network between ranks. Zero bandwidth: not known. */
typedef struct {
  double latency;   /* seconds for a short message */
  double bandwidth; /* bytes per second of a long one */
} BenchNetwork;

/* Ping-pong of the first two ranks, through messages; zeros on one rank. Collective. */
PetscErrorCode BenchNetworkMeasure(MPI_Comm comm, double seconds, BenchNetwork *network);

/* Seconds of what follows the gradient in a step, on all ranks of a communicator; the slowest rank's, the best of many. */
typedef struct {
  double shared;     /* ordered sums, norms, AdamW on the slice, allgather: as training does it */
  double messages;   /* the same without shared memory */
  double bare;       /* as `shared`, of which Finish and Allgather alone */
  double replicated; /* MPI_Allreduce of all, norm, AdamW on all of it */
  size_t slice;      /* elements of the largest slice */
} BenchExchange;

/* For n parameters. Collective. */
PetscErrorCode BenchExchangeMeasure(MPI_Comm comm, size_t n, double seconds, BenchExchange *exchange);

/* Seconds per element to add one vector of n to another, as the ordered sums do. Not collective. */
PetscErrorCode BenchAddMeasure(size_t n, double seconds, double *add);

/* A training whose step is to be predicted; see tests/bench/README.md. */
typedef struct {
  int64_t parameters;
  int shards;
  double shard; /* seconds for the gradient of one shard */
  double add;   /* seconds to add one number */
  BenchNetwork network;
} BenchModel;

/* Seconds of a step on `ranks` ranks that exchange messages. */
double BenchModelStep(const BenchModel *model, int ranks);
