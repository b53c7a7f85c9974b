/* A spline flow learns a posterior that is known, with the same bits on any number of ranks. ranks: 1 2 4 timeout: 200 */
#include "base/checksum.h"
#include "base/random.h"
#include "check.h"
#include "flows.h"
#include "train/train_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* theta ~ N(0, 1), x = theta + N(0, 1/4) in each of D dimensions: the posterior is N(0.8 x, 0.2). */
enum { N = 20000, D = 2, SEED = 3 };
static float theta[N * D], x[N * D];

static void MakeRows(void)
{
  for (uint64_t i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(SEED, RHEO_STREAM_TEST, 0, i);
    for (uint64_t k = i * D; k < (i + 1) * D; k++) {
      theta[k] = (float)RheoStreamNormal(&stream);
      x[k] = theta[k] + 0.5F * (float)RheoStreamNormal(&stream);
    }
  }
}

/* The mean of -log p(theta | x) over the rows that the trainer validates on. */
static double ExactLoss(double validation)
{
  RheoSampler sampler;
  double sum = 0;
  OK(RheoSamplerCreate(SEED, N, validation, &sampler));
  for (int64_t i = 0; i < sampler.n_validation; i++)
    for (uint64_t k = sampler.validation[i] * D; k < (sampler.validation[i] + 1) * D; k++) {
      double z = (double)theta[k] - 0.8 * (double)x[k];
      sum += 0.5 * (z * z / 0.2 + log(2 * M_PI * 0.2));
    }
  sum /= (double)sampler.n_validation;
  OK(RheoSamplerDestroy(&sampler));
  return sum;
}

static uint64_t Train(MPI_Comm comm, const char *flow, const RheoTrainConfig *config, double *best)
{
  RheoTrainer trainer;
  const RheoObjectiveType *nll;
  const RheoHistory *history;
  FlowModel model = StartFlow(flow, D, D, NULL, NULL, 8, 0);
  RheoObjectiveModel objective = {.flow = model.flow};
  const RheoRows rows = {
      .n = N, .n_columns = 2, .name = {"x", "context"}, .width = {D, D}, .value = {theta, x}};

  rx_flow_log_prob(model.flow, model.scope, model.x, model.context);
  size_t n = RheoParamsSize(model.params);
  float *values = aligned_alloc(64, (n * sizeof *values + 63) / 64 * 64);
  OK(RheoParamsInit(model.params, SEED, values));
  OK(RheoFlowFit(model.flow, model.params, "flow", N, theta, x, values));
  OK(RheoObjectiveFind("nll", &nll));
  OK(RheoTrainerCreate(comm, &trainer));
  OK(RheoTrainerSetConfig(trainer, config));
  OK(RheoTrainerSetSeed(trainer, SEED));
  OK(RheoTrainerSetRows(trainer, &rows));
  OK(RheoTrainerSetObjective(trainer, nll, &objective, "flow"));
  OK(RheoTrainerSetParams(trainer, model.params, values));
  OK(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  OK(RheoTrainerRun(trainer));
  OK(RheoTrainerGetHistory(trainer, &history));
  *best = INFINITY;
  for (int64_t e = 0; e < history->n; e++) *best = fmin(*best, history->validation_loss[e]);
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, values, n * sizeof *values);
  sum = RheoChecksum(sum, history->train_loss, (size_t)history->n * sizeof(double));
  sum = RheoChecksum(sum, history->validation_loss, (size_t)history->n * sizeof(double));
  OK(RheoTrainerDestroy(&trainer));
  free(values);
  FinishFlow(&model);
  return sum;
}

static void TestPosterior(void **state)
{
  RheoTrainConfig config;
  double best, alone;
  (void)state;
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 200;
  config.epochs = 15;
  config.schedule = RHEO_SCHEDULE_COSINE;
  config.lr = 5e-3;
  config.validation = 0.2;
  const char *flow =
      "stack: [lu, rqs_coupling], repeat: 2, net: {hidden: 16, layers: 1}, rqs_coupling: {bins: 4}";
  uint64_t parallel = Train(PETSC_COMM_WORLD, flow, &config, &best);
  assert_true(fabs(best - ExactLoss(config.validation)) < 0.03);
  assert_true(parallel == Train(PETSC_COMM_SELF, flow, &config, &alone));
}

static void TestDropout(void **state)
{
  RheoTrainConfig config;
  double best[3];
  (void)state;
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 1300;
  config.shards = 5;
  config.epochs = 2;
  config.ema = 0.9;
  const char *flow =
      "stack: [rqs_autoregressive, actnorm], repeat: 2, net: {type: resmlp, hidden: 16, dropout: 0.2}";
  const char *without =
      "stack: [rqs_autoregressive, actnorm], repeat: 2, net: {type: resmlp, hidden: 16, dropout: 0}";
  uint64_t parallel = Train(PETSC_COMM_WORLD, flow, &config, &best[0]);
  assert_true(parallel == Train(PETSC_COMM_SELF, flow, &config, &best[1]));
  assert_true(parallel != Train(PETSC_COMM_SELF, without, &config, &best[2]));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestPosterior), cmocka_unit_test(TestDropout)};
  MakeRows();
  return RUN_TESTS(argc, argv, tests);
}
