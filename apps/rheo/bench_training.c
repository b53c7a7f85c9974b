/* Training as a fraction of the matrix-product rate, against PyTorch, and on two ranks against one. */
#include "bench_problem.h"
#include <program/ceiling.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 256, HIDDEN_LAYERS = 5, FEATURES = 10 };

PetscErrorCode BenchProblemDense(BenchProblem *p)
{
  PetscFunctionBeginUser;
  *p = (BenchProblem){.net = {.hidden = WIDTH, .layers = HIDDEN_LAYERS, .activation = RHEO_ACT_SILU}};
  for (int i = 0; RheoNetTypes[i]; i++)
    if (!strcmp(RheoNetTypes[i]->name, "mlp")) p->net.type = i;
  p->rows = (RheoRows){.n_columns = 2, .name = {"x", "y"}};
  p->model = (RheoObjectiveModel){.net = &p->net, .n_out = WIDTH};
  PetscCall(RheoObjectiveFind("mse", &p->objective));
  PetscCall(BenchProblemPairs(p, 8 * BENCH_DENSE_BATCH, WIDTH, WIDTH));
  PetscCall(BenchProblemLayout(p));
  PetscFunctionReturn(RHEO_OK);
}

const char BenchSplineFlow[] =
    "flow: {stack: [rqs_coupling, lu], repeat: 5, rqs_coupling: {bins: 10, bound: 3},\n"
    "  net: {type: resmlp, hidden: 50, layers: 2, activation: relu, context: glu}}\n";

PetscErrorCode BenchProblemSpline(BenchProblem *p)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  *p = (BenchProblem){.rows = {.n_columns = 2, .name = {"x", "context"}}};
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", BenchSplineFlow));
  PetscCall(RheoFlowCreate(&p->flow));
  PetscCall(RheoFlowSetFromDeck(p->flow, deck, "flow"));
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(RheoFlowSetSizes(p->flow, FEATURES, FEATURES));
  PetscCall(RheoFlowSetUp(p->flow));
  p->model = (RheoObjectiveModel){.flow = p->flow};
  PetscCall(RheoObjectiveFind("nll", &p->objective));
  PetscCall(BenchProblemPairs(p, 32768, FEATURES, FEATURES));
  PetscCall(BenchProblemLayout(p));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchDense(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  /* Products of one row in a step: forward and weights for each of 6 matrices, inputs for all but the first. */
  const double flops = 2.0 * WIDTH * WIDTH * (3 * (HIDDEN_LAYERS + 1) - 1);
  static const int shards[] = {1, 2, 4};
  double best = 0, rate, ceiling = 0;
  const char *library = "", *name;
  int best_shards = 0;
  PetscMPIInt rank;
  BenchProblem p;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(BenchProblemDense(&p));
  for (int i = 0; i < 3; i++) {
    rate = RheoProductCeiling(BENCH_DENSE_BATCH / shards[i], WIDTH, WIDTH, config->seconds / 27, &name);
    if (rate > ceiling) library = name;
    ceiling = PetscMax(ceiling, rate);
    PetscCall(BenchTrainRate(&p, BENCH_DENSE_BATCH, shards[i], config->seconds / 3, &rate));
    if (rate > best) best_shards = shards[i];
    best = PetscMax(best, rate);
  }
  RheoYamlOpen(yaml, "dense");
  RheoYamlReal(yaml, "ceiling_gflops", ceiling * 1e-9);
  RheoYamlText(yaml, "ceiling_library", library);
  RheoYamlReal(yaml, "train_gflops", best * flops * 1e-9);
  RheoYamlReal(yaml, "fraction", best * flops / ceiling);
  RheoYamlInt(yaml, "shards", best_shards);
  RheoYamlClose(yaml);
  PetscCall(BenchProblemDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows a second of the peer, and its threads and name; 0 where there is none. */
static void PeerRate(const BenchConfig *config, int64_t batch, double *rate, int *threads, char name[64])
{
  char arguments[64], line[256];
  int used = 0;
  *rate = 0;
  *threads = 0;
  snprintf(name, 64, "not measured (no PyTorch: Debian has it as python3-torch)");
  snprintf(arguments, sizeof arguments, "%lld %g", (long long)batch, config->seconds);
  if (!BenchPeer(config, "peer_spline.py", "torch", arguments, line)) return;
  if (sscanf(line, "%lf %d %n", rate, threads, &used) >= 2) snprintf(name, 64, "%s", line + used);
}

PetscErrorCode BenchSpline(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  static const int64_t batches[] = {200, 4096};
  static const int shards[] = {1, 2, 4, 8, 16};
  PetscMPIInt rank;
  BenchProblem p;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(BenchProblemSpline(&p));
  RheoYamlOpen(yaml, "spline");
  for (int b = 0; b < 2; b++) {
    char key[32], name[64];
    double best = 0, rate, peer;
    int best_shards = 0, threads;
    for (int i = 0; i < 5; i++) {
      PetscCall(BenchTrainRate(&p, batches[b], shards[i], config->seconds / 3, &rate));
      if (rate > best) best_shards = shards[i];
      best = PetscMax(best, rate);
    }
    PeerRate(config, batches[b], &peer, &threads, name);
    snprintf(key, sizeof key, "batch_%d", (int)batches[b]);
    RheoYamlOpen(yaml, key);
    RheoYamlReal(yaml, "samples_per_s", best);
    RheoYamlInt(yaml, "shards", best_shards);
    RheoYamlText(yaml, "peer", name);
    if (peer > 0) {
      RheoYamlInt(yaml, "peer_threads", threads);
      RheoYamlReal(yaml, "peer_samples_per_s", peer);
      RheoYamlReal(yaml, "ratio", best / peer);
    }
    RheoYamlClose(yaml);
  }
  RheoYamlClose(yaml);
  PetscCall(BenchProblemDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

/* Two ranks over one, as one training and as two that share nothing; together and alone have one number of shards, so that both do
 * the same work in the same order. */
static PetscErrorCode Speedup(MPI_Comm comm, BenchProblem *p, int64_t batch, int shards, double seconds,
                              double *together, double *apart)
{
  BenchKind kind[] = {
      {.ranks = 1, .batch = batch, .shards = shards},
      {.ranks = 2, .batch = batch / 2, .shards = PetscMax(1, shards / 2), .apart = PETSC_TRUE},
      {.ranks = 2, .batch = batch, .shards = shards}};

  PetscFunctionBeginUser;
  PetscCall(BenchTurns(comm, p, 3, kind, seconds));
  *apart = kind[1].rate / kind[0].rate;
  *together = kind[2].rate / kind[0].rate;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchRanks(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  PetscMPIInt size;
  double dense[2], spline[2];
  BenchProblem p;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  RheoYamlOpen(yaml, "ranks");
  if (size < 2) {
    RheoYamlText(yaml, "speedup_2", "not measured: run with mpiexec -n 2");
  } else {
    PetscCall(BenchProblemDense(&p));
    PetscCall(
        Speedup(comm, &p, BENCH_DENSE_BATCH, config->shards, 8 * config->seconds, &dense[0], &dense[1]));
    PetscCall(BenchProblemDestroy(&p));
    PetscCall(BenchProblemSpline(&p));
    PetscCall(Speedup(comm, &p, BENCH_SPLINE_BATCH, 4 * config->shards, 8 * config->seconds, &spline[0],
                      &spline[1]));
    PetscCall(BenchProblemDestroy(&p));
    RheoYamlReal(yaml, "speedup_2", PetscMin(dense[0], spline[0]));
    RheoYamlReal(yaml, "speedup_2_dense", dense[0]);
    RheoYamlReal(yaml, "apart_2_dense", dense[1]);
    RheoYamlReal(yaml, "speedup_2_spline", spline[0]);
    RheoYamlReal(yaml, "apart_2_spline", spline[1]);
  }
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
