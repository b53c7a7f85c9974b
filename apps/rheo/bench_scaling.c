/* Training on 1, 2, 4, ... ranks; the network between them; what ordered sums cost; and the time of a step on more ranks than
 * there are here. */
#include "bench_scaling.h"
#include "bench_problem.h"
#include <string.h>

enum { MOST_RANKS = 32, MOST_SIZES = 6, PREDICTED_RANKS = 1024 };

/* Strong: the batch and its shards stay. Weak: those of a rank stay. Messages: strong, without shared memory. */
typedef enum { STRONG, WEAK, MESSAGES, N_KINDS } Kind;

typedef struct {
  BenchProblem problem;
  int64_t batch, rank_batch; /* of all ranks; of one, in weak scaling */
  int shards, rank_shards;
  int n_sizes, size[MOST_SIZES];
  double rate[N_KINDS][MOST_SIZES]; /* rows/s, the best */
} Scaling;

static PetscErrorCode Measure(MPI_Comm comm, Scaling *s, double seconds)
{
  BenchKind each[N_KINDS * MOST_SIZES];
  int n = 0;

  PetscFunctionBeginUser;
  for (int kind = 0; kind < N_KINDS; kind++)
    for (int k = 0; k < s->n_sizes; k++) {
      const int ranks = s->size[k];
      each[n++] = (BenchKind){.ranks = ranks,
                              .batch = kind == WEAK ? ranks * s->rank_batch : s->batch,
                              .shards = kind == WEAK ? ranks * s->rank_shards : s->shards,
                              .messages = (PetscBool)(kind == MESSAGES)};
    }
  PetscCall(BenchTurns(comm, &s->problem, n, each, n * seconds));
  for (int i = 0; i < n; i++) s->rate[i / s->n_sizes][i % s->n_sizes] = each[i].rate;
  /* One rank sends no messages. */
  s->rate[STRONG][0] = s->rate[MESSAGES][0] = PetscMax(s->rate[STRONG][0], s->rate[MESSAGES][0]);
  PetscFunctionReturn(RHEO_OK);
}

static void PrintRates(const Scaling *s, Kind kind, const char *name, RheoYaml *yaml)
{
  static const char *const names[] = {"ranks", "rows_per_s", "speedup", "efficiency"};
  RheoYamlOpen(yaml, name);
  for (int k = 0; k < s->n_sizes; k++) {
    const double speedup = s->rate[kind][k] / s->rate[kind][0];
    const double values[] = {s->size[k], s->rate[kind][k], speedup, speedup / s->size[k]};
    RheoYamlItem(yaml, 4, names, values);
  }
  RheoYamlClose(yaml);
}

static void PrintExchange(const BenchExchange *e, size_t n, double step, RheoYaml *yaml)
{
  const size_t number = 4 * sizeof(float); /* m, v, best, average */
  RheoYamlOpen(yaml, "exchange");
  RheoYamlReal(yaml, "finish_allgather_ms", 1e3 * e->bare);
  RheoYamlReal(yaml, "ordered_ms", 1e3 * e->shared);
  RheoYamlReal(yaml, "ordered_messages_ms", 1e3 * e->messages);
  RheoYamlReal(yaml, "allreduce_replicated_ms", 1e3 * e->replicated);
  RheoYamlReal(yaml, "training_step_ms", 1e3 * step);
  RheoYamlReal(yaml, "overhead_percent", 100 * (e->shared - e->replicated) / step);
  RheoYamlReal(yaml, "overhead_messages_percent", 100 * (e->messages - e->replicated) / step);
  RheoYamlInt(yaml, "state_bytes_per_rank", (long long)(number * e->slice));
  RheoYamlInt(yaml, "state_bytes_replicated", (long long)(number * n));
  RheoYamlClose(yaml);
}

/* What is known of one rank fixes the time of a shard; more ranks are a test of the rest. */
static void PrintCheck(const Scaling *s, BenchModel model, RheoYaml *yaml)
{
  static const char *const names[] = {"ranks", "measured_ms", "predicted_ms", "ratio"};
  RheoYamlOpen(yaml, "predicted_over_measured");
  for (int k = 0; k < s->n_sizes; k++) {
    const double measured = (double)s->batch / s->rate[MESSAGES][k],
                 predicted = BenchModelStep(&model, s->size[k]);
    RheoYamlItem(yaml, 4, names,
                 (const double[]){s->size[k], 1e3 * measured, 1e3 * predicted, predicted / measured});
  }
  RheoYamlClose(yaml);
}

static void PrintPrediction(BenchModel model, RheoYaml *yaml)
{
  static const char *const names[] = {"ranks", "step_ms", "speedup", "efficiency"};
  const double one = BenchModelStep(&model, 1);
  RheoYamlOpen(yaml, "predicted");
  for (int ranks = 1; ranks <= PetscMin(PREDICTED_RANKS, model.shards); ranks *= 2) {
    const double step = BenchModelStep(&model, ranks);
    RheoYamlItem(yaml, 4, names, (const double[]){ranks, 1e3 * step, one / step, one / step / ranks});
  }
  RheoYamlClose(yaml);
}

static PetscErrorCode Predict(const Scaling *s, const BenchConfig *config, BenchNetwork measured,
                              RheoYaml *yaml)
{
  const int64_t n = (int64_t)RheoParamsSize(s->problem.params);
  BenchModel model = {.parameters = n, .shards = s->shards, .network = measured};

  PetscFunctionBeginUser;
  PetscCall(BenchAddMeasure((size_t)n, config->seconds / 4, &model.add));
  model.shard = (double)s->batch / s->rate[MESSAGES][0] / s->shards;
  if (measured.bandwidth > 0) PrintCheck(s, model, yaml);
  if (config->latency_us > 0) model.network.latency = 1e-6 * config->latency_us;
  if (config->bandwidth_gbs > 0) model.network.bandwidth = 1e9 * config->bandwidth_gbs;
  model.shards = config->model_shards;
  if (config->model_parameters) {
    model.shard *= (double)config->model_parameters / (double)n;
    model.parameters = config->model_parameters;
  }
  RheoYamlOpen(yaml, "model");
  RheoYamlInt(yaml, "parameters", model.parameters);
  RheoYamlInt(yaml, "shards", model.shards);
  RheoYamlInt(yaml, "batch", model.shards * (s->batch / s->shards));
  RheoYamlReal(yaml, "shard_ms", 1e3 * model.shard);
  RheoYamlReal(yaml, "add_ns", 1e9 * model.add);
  RheoYamlReal(yaml, "latency_us", 1e6 * model.network.latency);
  RheoYamlReal(yaml, "bandwidth_gbs", 1e-9 * model.network.bandwidth);
  RheoYamlClose(yaml);
  if (model.network.latency > 0 && model.network.bandwidth > 0)
    PrintPrediction(model, yaml);
  else
    RheoYamlText(yaml, "predicted",
                 "not without a network: run with mpiexec -n 2, or give latency and bandwidth");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ScaleProblem(MPI_Comm comm, const char *name, Scaling *s, const BenchConfig *config,
                                   BenchNetwork network, RheoYaml *yaml)
{
  const size_t n = RheoParamsSize(s->problem.params);
  BenchExchange exchange;
  PetscMPIInt size, rank;
  MPI_Comm all;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  for (int ranks = 1; ranks <= PetscMin(size, MOST_RANKS); ranks *= 2) s->size[s->n_sizes++] = ranks;
  const int last = s->n_sizes - 1, ranks = s->size[last];
  s->shards = PetscMax(s->shards, ranks);
  PetscCall(Measure(comm, s, config->seconds));
  RheoYamlOpen(yaml, name);
  RheoYamlInt(yaml, "parameters", (long long)n);
  RheoYamlInt(yaml, "batch", s->batch);
  RheoYamlInt(yaml, "shards", s->shards);
  RheoYamlInt(yaml, "weak_batch_per_rank", s->rank_batch);
  PrintRates(s, STRONG, "strong", yaml);
  PrintRates(s, WEAK, "weak", yaml);
  PrintRates(s, MESSAGES, "strong_messages", yaml);
  if (ranks > 1) {
    PetscCallMPI(MPI_Comm_split(comm, rank < ranks ? 0 : MPI_UNDEFINED, rank, &all));
    if (all != MPI_COMM_NULL) {
      PetscCall(BenchExchangeMeasure(all, n, config->seconds, &exchange));
      PrintExchange(&exchange, n, (double)s->batch / s->rate[STRONG][last], yaml);
      PetscCallMPI(MPI_Comm_free(&all));
    }
    PetscCall(BenchWait(comm));
  }
  if (rank == 0) PetscCall(Predict(s, config, network, yaml));
  RheoYamlClose(yaml);
  PetscCall(BenchWait(comm));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchScaling(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  Scaling dense = {.batch = BENCH_DENSE_BATCH, .rank_batch = 256, .shards = config->shards, .rank_shards = 1},
          spline = {.batch = BENCH_SPLINE_BATCH,
                    .rank_batch = 1024,
                    .shards = 4 * config->shards,
                    .rank_shards = 4};
  BenchNetwork network;

  PetscFunctionBeginUser;
  PetscCall(BenchNetworkMeasure(comm, config->seconds, &network));
  RheoYamlOpen(yaml, "scaling");
  RheoYamlOpen(yaml, "network");
  if (network.bandwidth > 0) {
    RheoYamlReal(yaml, "latency_us", 1e6 * network.latency);
    RheoYamlReal(yaml, "bandwidth_gbs", 1e-9 * network.bandwidth);
  } else
    RheoYamlText(yaml, "latency_us", "not measured: run with mpiexec -n 2");
  RheoYamlClose(yaml);
  PetscCall(BenchProblemDense(&dense.problem));
  PetscCall(ScaleProblem(comm, "dense", &dense, config, network, yaml));
  PetscCall(BenchProblemDestroy(&dense.problem));
  PetscCall(BenchProblemSpline(&spline.problem));
  PetscCall(ScaleProblem(comm, "spline", &spline, config, network, yaml));
  PetscCall(BenchProblemDestroy(&spline.problem));
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
