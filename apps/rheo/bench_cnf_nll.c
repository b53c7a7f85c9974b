/* Maximum likelihood of a 2-d continuous flow, as in torchcfm's tutorial: a 3x64 SELU network, batch 256, the exact trace, 100
 * Euler steps; against PyTorch with the same algorithm (adjoint) and with the graph of all steps kept (backprop). Then
 * the same by 8 steps of rk4, which follow the field more closely than 100 of Euler do. */
#include "bench_problem.h"
#include <stdio.h>

enum { BATCH = 256, ROWS = 16 * BATCH, D = 2 };

/* Training steps a second, the best of several short trainings. Collective on comm. */
static PetscErrorCode Rate(MPI_Comm comm, BenchProblem *p, int shards, double seconds, double *rate)
{
  const double start = MPI_Wtime();
  double speed, elapsed;
  RheoTrainer trainer;

  PetscFunctionBeginUser;
  *rate = 0;
  PetscCall(BenchTrainerCreate(comm, p, BATCH, shards, 4, &trainer));
  do {
    PetscCall(BenchTrainerRun(trainer, p, &speed));
    *rate = PetscMax(*rate, speed / BATCH);
    elapsed = MPI_Wtime() - start;
    PetscCallMPI(MPI_Bcast(&elapsed, 1, MPI_DOUBLE, 0, comm));
  } while (elapsed < seconds);
  PetscCall(RheoTrainerDestroy(&trainer));
  PetscFunctionReturn(RHEO_OK);
}

/* On one rank and on two; the second is 0 where there is only one. */
static PetscErrorCode Rates(MPI_Comm comm, const char *likelihood, double seconds, double rates[2])
{
  PetscMPIInt rank, size;
  MPI_Comm pair;
  BenchProblem p = {0};
  char text[512];

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_split(comm, rank < 2 && size > 1 ? 0 : MPI_UNDEFINED, rank, &pair));
  snprintf(text, sizeof text,
           "cnf: {net: {type: mlp, hidden: 64, layers: 3, activation: selu}, time: raw, standardize: no,\n"
           "  likelihood: {%s}}\n",
           likelihood);
  PetscCall(BenchProblemPairs(&p, ROWS, D, 1));
  PetscCall(BenchProblemCnf(text, D, "cnf_nll", &p));
  rates[0] = rates[1] = 0;
  if (rank == 0) PetscCall(Rate(PETSC_COMM_SELF, &p, 1, seconds / 2, &rates[0]));
  PetscCall(BenchWait(comm));
  if (pair != MPI_COMM_NULL) PetscCall(Rate(pair, &p, 2, seconds / 2, &rates[1]));
  PetscCall(BenchWait(comm));
  PetscCall(BenchProblemDestroy(&p));
  if (pair != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&pair));
  PetscFunctionReturn(RHEO_OK);
}

static void PrintRates(RheoYaml *yaml, const char *name, const double rates[2])
{
  RheoYamlOpen(yaml, name);
  RheoYamlReal(yaml, "iterations_per_s", rates[0]);
  if (rates[1] > 0) RheoYamlReal(yaml, "iterations_per_s_2_ranks", rates[1]);
  RheoYamlClose(yaml);
}

static void PrintPeer(const BenchConfig *config, RheoYaml *yaml, const char *mode, const double rates[2])
{
  char arguments[64], line[256], peer[64] = "not measured (no PyTorch: Debian has it as python3-torch)";
  double theirs = 0;
  int threads = 0, used = 0;

  snprintf(arguments, sizeof arguments, "%s %g", mode, config->seconds);
  if (BenchPeer(config, "peer_cnf_nll.py", "torch", arguments, line) &&
      sscanf(line, "%lf %d %n", &theirs, &threads, &used) >= 2)
    snprintf(peer, sizeof peer, "%s", line + used);
  RheoYamlOpen(yaml, mode);
  RheoYamlText(yaml, "peer", peer);
  if (theirs > 0) {
    RheoYamlInt(yaml, "peer_threads", threads);
    RheoYamlReal(yaml, "peer_iterations_per_s", theirs);
    RheoYamlReal(yaml, "ratio", rates[0] / theirs);
    if (rates[1] > 0) RheoYamlReal(yaml, "ratio_2_ranks", rates[1] / theirs);
  }
  RheoYamlClose(yaml);
}

PetscErrorCode BenchCnfNll(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  double euler[2], rk4[2];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(Rates(comm, "scheme: euler, steps: 100", config->seconds, euler));
  PetscCall(Rates(comm, "scheme: rk4, steps: 8", config->seconds, rk4));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  RheoYamlOpen(yaml, "cnf_nll");
  PrintRates(yaml, "euler_100", euler);
  PrintRates(yaml, "rk4_8", rk4);
  PrintPeer(config, yaml, "adjoint", euler);
  PrintPeer(config, yaml, "backprop", euler);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
