/* What is trained to measure how fast training is. */
#pragma once
#include "bench.h"

/* A model to train and rows to train it on. */
typedef struct {
  const RheoObjectiveType *objective;
  RheoObjectiveModel model;
  RheoNetConfig net;
  RheoFlow flow;
  RheoCnf cnf;
  RheoParams params;
  float *values, *x, *y;
  RheoRows rows, origin; /* of a second data set, where n > 0 */
} BenchProblem;

extern const char BenchSplineFlow[]; /* section `flow` of a deck: the stack that sbi takes by default */

enum {
  BENCH_DENSE_BATCH = 1024,
  BENCH_SPLINE_BATCH = 4096
}; /* where the two below share a step between ranks */
/* Regression by 5 hidden layers of 256 SiLU units, 256 numbers in and out; 8192 rows. */
PetscErrorCode BenchProblemDense(BenchProblem *p);
/* sbi's default flow for 10 parameters and 10 data; 32768 rows. */
PetscErrorCode BenchProblemSpline(BenchProblem *p);
/* Two columns of normal numbers, y being x with noise: x (n, width_x), y (n, width_y). */
PetscErrorCode BenchProblemPairs(BenchProblem *p, int64_t n, int width_x, int width_y);
/* Names the parameters by building the loss once; objective, model and rows' widths are there. */
PetscErrorCode BenchProblemLayout(BenchProblem *p);
/* A continuous flow of the deck `text` and an objective of it; p->model may say more beforehand. Rows are the caller's. */
PetscErrorCode BenchProblemCnf(const char *text, int n_features, const char *objective, BenchProblem *p);
PetscErrorCode BenchProblemDestroy(BenchProblem *p);

/* A training of the problem, of so many steps; borrows p. The rate is that of the rows in a second of whole steps (gather, stage,
 * forward, backward, sums, clip, Adam). A second Run begins anew, with memory that is no
 * longer new; rows of the first window that are still there are not gathered again. Collective on comm. */
PetscErrorCode BenchTrainerCreate(MPI_Comm comm, BenchProblem *p, int64_t batch, int shards, int64_t steps,
                                  RheoTrainer *trainer);
PetscErrorCode BenchTrainerRun(RheoTrainer trainer, BenchProblem *p, double *rate);
/* The best of several trainings of about a sixth of the time, so that a disturbance spoils only one of them; all but the first have
 * memory that is no longer new. */
PetscErrorCode BenchTrainRate(BenchProblem *p, int64_t batch, int shards, double seconds, double *rate);

/* A way to train a problem on the first ranks of a communicator. */
typedef struct {
  int ranks;
  int64_t batch;      /* of all ranks; of each, apart */
  int shards;         /* the same */
  PetscBool apart;    /* each by itself, all at once: without a word between them */
  PetscBool messages; /* without shared memory */
  double rate;        /* rows per second of all ranks, set by BenchTurns */
} BenchKind;

/* Short trainings in turn, because the machine's speed drifts; the best of each kind counts, because what disturbs one of two cores
 * holds up both ranks. One rank is the mean of the first two, each alone, for cores of one machine differ. Each kind keeps its trainer, so
 * that only its first turn pays for fresh memory. Takes about `seconds`, or one turn. Collective. */
PetscErrorCode BenchTurns(MPI_Comm comm, BenchProblem *p, int n, BenchKind *kind, double seconds);
