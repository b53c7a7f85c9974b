/* Maximum likelihood of a 2-d continuous flow, as in torchcfm's tutorial: a 3x64 SELU network, batch 256, the exact trace, 100
 * Euler steps; against PyTorch with the same algorithm (adjoint) and with the graph of all steps kept (backprop). Then
 * the same by 8 steps of rk4, which follow the field more closely than 100 of Euler do. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 256, ROWS = 16 * BATCH, D = 2 };

typedef struct {
  RheoCnf cnf;
  RheoParams params;
  const RheoObjectiveType *objective;
  RheoObjectiveModel model;
  float *values, x[ROWS * D];
} Problem;

static PetscErrorCode ProblemCreate(const char *likelihood, Problem *p)
{
  RheoProgram program;
  RheoDeck deck;
  void *memory = NULL;
  char text[512];

  PetscFunctionBeginUser;
  snprintf(text, sizeof text,
           "cnf: {net: {type: mlp, hidden: 64, layers: 3, activation: selu}, time: raw, standardize: no,\n"
           "  likelihood: {%s}}\n",
           likelihood);
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", text));
  PetscCall(RheoCnfCreate(&p->cnf));
  PetscCall(RheoCnfSetFromDeck(p->cnf, deck, "cnf"));
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(RheoCnfSetSizes(p->cnf, D, 0));
  PetscCall(RheoCnfSetUp(p->cnf));
  p->model = (RheoObjectiveModel){.cnf = p->cnf};
  PetscCall(RheoObjectiveFind("cnf_nll", &p->objective));
  PetscCall(RheoParamsCreate(&p->params));
  PetscCall(RheoProgramCreate(1, &program));
  RheoVal column[2] = {rx_rows(program, "x", D), RHEO_NONE};
  p->objective->loss(rx_enter(RheoScopeRoot(program, p->params, 1), "cnf"), &p->model, column);
  PetscCall(RheoProgramDestroy(&program));
  PetscCheck(!posix_memalign(&memory, 64, (RheoParamsSize(p->params) + 16) * sizeof(float)), PETSC_COMM_SELF,
             PETSC_ERR_MEM, "No memory for the parameters");
  p->values = memory;
  RheoStreamFillNormal(1, RHEO_STREAM_TEST, 0, ROWS, NULL, 0, D, p->x);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ProblemDestroy(Problem *p)
{
  PetscFunctionBeginUser;
  PetscCall(RheoCnfDestroy(&p->cnf));
  PetscCall(RheoParamsDestroy(&p->params));
  free(p->values);
  PetscFunctionReturn(RHEO_OK);
}

/* Training steps a second, the best of several short trainings. Collective on comm. */
static PetscErrorCode Rate(MPI_Comm comm, Problem *p, int shards, double seconds, double *rate)
{
  const RheoRows rows = {
      .n = ROWS, .n_columns = 2, .name = {"x", "context"}, .width = {D, 0}, .value = {p->x, NULL}};
  const double start = MPI_Wtime();
  double speed, communication, elapsed;
  RheoTrainConfig config;
  RheoTrainer trainer;

  PetscFunctionBeginUser;
  *rate = 0;
  PetscCall(RheoTrainConfigDefaults(&config));
  config.batch = BATCH;
  config.shards = shards;
  config.validation = 0;
  config.patience = 0;
  config.epochs = 1000000;
  config.steps = 4;
  do {
    PetscCall(RheoParamsInit(p->params, 1, p->values));
    PetscCall(RheoTrainerCreate(comm, &trainer));
    PetscCall(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
    PetscCall(RheoTrainerSetConfig(trainer, &config));
    PetscCall(RheoTrainerSetSeed(trainer, 1));
    PetscCall(RheoTrainerSetRows(trainer, &rows));
    PetscCall(RheoTrainerSetObjective(trainer, p->objective, &p->model, "cnf"));
    PetscCall(RheoTrainerSetParams(trainer, p->params, p->values));
    PetscCall(RheoTrainerRun(trainer));
    PetscCall(RheoTrainerGetSpeed(trainer, &speed, &communication));
    PetscCall(RheoTrainerDestroy(&trainer));
    *rate = PetscMax(*rate, speed / BATCH);
    elapsed = MPI_Wtime() - start;
    PetscCallMPI(MPI_Bcast(&elapsed, 1, MPI_DOUBLE, 0, comm));
  } while (elapsed < seconds);
  PetscFunctionReturn(RHEO_OK);
}

/* On one rank and on two; the second is 0 where there is only one. */
static PetscErrorCode Rates(MPI_Comm comm, const char *likelihood, double seconds, double rates[2])
{
  PetscMPIInt rank, size;
  MPI_Comm pair;
  Problem *p;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_split(comm, rank < 2 && size > 1 ? 0 : MPI_UNDEFINED, rank, &pair));
  PetscCall(PetscNew(&p));
  PetscCall(ProblemCreate(likelihood, p));
  rates[0] = rates[1] = 0;
  if (rank == 0) PetscCall(Rate(PETSC_COMM_SELF, p, 1, seconds / 2, &rates[0]));
  PetscCall(BenchWait(comm));
  if (pair != MPI_COMM_NULL) PetscCall(Rate(pair, p, 2, seconds / 2, &rates[1]));
  PetscCall(BenchWait(comm));
  PetscCall(ProblemDestroy(p));
  PetscCall(PetscFree(p));
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
