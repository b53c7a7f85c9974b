/* Flow matching with every coupling, source and draw of times: the same bits on any number of ranks, and other bits where what
 * is drawn differs. ranks: 1 2 4 timeout: 200 */
#include "base/checksum.h"
#include "base/random.h"
#include "check.h"
#include "cnfs.h"
#include "train/train.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 700, N_SOURCE = 300, D = 2, C = 1, SEED = 3 };
static float x[N * D], y[N * C], source[N_SOURCE * D];

static void make_rows(void)
{
  for (uint64_t i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(SEED, RHEO_STREAM_TEST, 0, i);
    y[i] = (float)(i % 3);
    for (uint64_t k = 0; k < D; k++) x[i * D + k] = 3 * y[i] + (float)RheoStreamNormal(&stream);
    for (uint64_t k = 0; k < D && i < N_SOURCE; k++)
      source[i * D + k] = (float)(5 + 2 * RheoStreamUniform(&stream));
  }
}

static uint64_t train(MPI_Comm comm, const char *objective, const char *text)
{
  RheoTrainer trainer;
  RheoTrainConfig config;
  const RheoObjectiveType *type;
  const RheoHistory *history;
  char whole[256];
  snprintf(whole, sizeof whole, "net: {type: mlp, hidden: 16, layers: 2}, %s", text);
  CnfModel m = StartCnf(whole, D, C, 8, 0);
  const RheoRows rows = {.n = N, .n_columns = 2, .name = {"x", "context"}, .width = {D, C}, .value = {x, y}};
  const RheoRows origin = {
      .n = N_SOURCE, .n_columns = 1, .name = {"origin"}, .width = {D}, .value = {source}};
  const RheoObjectiveModel model = {.cnf = m.cnf};
  rx_cnf_velocity(m.cnf, m.scope, m.t, rx_cnf_enter(m.cnf, m.scope, m.z, m.context), m.context, RHEO_NONE);
  rx_cnf_start(m.cnf, m.scope, m.z, m.context);
  DrawCnf(&m, 0);
  OK(RheoParamsInit(m.params, SEED, m.single));
  OK(RheoCnfFit(m.cnf, m.params, "cnf", N, x, y, m.single));
  OK(RheoObjectiveFind(objective, &type));
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 60;
  config.shards = 5;
  config.epochs = 2;
  OK(RheoTrainerCreate(comm, &trainer));
  OK(RheoTrainerSetConfig(trainer, &config));
  OK(RheoTrainerSetSeed(trainer, SEED));
  OK(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  OK(RheoTrainerSetRows(trainer, &rows));
  OK(RheoTrainerSetOrigin(trainer, &origin));
  OK(RheoTrainerSetObjective(trainer, type, &model, "cnf"));
  OK(RheoTrainerSetParams(trainer, m.params, m.single));
  OK(RheoTrainerRun(trainer));
  OK(RheoTrainerGetHistory(trainer, &history));
  assert_true(history->n == 2 && isfinite(history->validation_loss[1]));
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, m.single, m.n_params * sizeof *m.single);
  sum = RheoChecksum(sum, history->train_loss, (size_t)history->n * sizeof(double));
  sum = RheoChecksum(sum, history->validation_loss, (size_t)history->n * sizeof(double));
  OK(RheoTrainerDestroy(&trainer));
  FinishCnf(&m);
  return sum;
}

static uint64_t same_on_all_ranks(const char *objective, const char *text)
{
  const uint64_t parallel = train(PETSC_COMM_WORLD, objective, text);
  if (parallel != train(PETSC_COMM_SELF, objective, text))
    fail_msg("%s of {%s} depends on the number of ranks", objective, text);
  return parallel;
}

static void couplings(void **state)
{
  uint64_t sum[64];
  int n = 0;
  (void)state;
  for (int k = 0; RheoCouplingTypes[k]; k++)
    for (int of_data = 0; of_data < 2; of_data++) {
      char text[128];
      snprintf(text, sizeof text, "coupling: %s, source: %s, coupling_batch: %d", RheoCouplingTypes[k]->name,
               of_data ? "data" : "normal", of_data ? 120 : 0);
      sum[n++] = same_on_all_ranks("cfm", text);
      for (int i = 0; i < n - 1; i++) assert_true(sum[i] != sum[n - 1]);
    }
}

static void draws(void **state)
{
  const char *const texts[] = {"times_draw: stratified",  "times_draw: antithetic", "dropout: 0.3",
                               "shift: both, sigma: 0.1", "source: uniform",        "times: logit_normal"};
  (void)state;
  for (int k = 0; k < 6; k++) same_on_all_ranks("cfm", texts[k]);
  same_on_all_ranks("contrastive_fm", "dropout: 0.3");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(couplings), cmocka_unit_test(draws)};
  make_rows();
  return RUN_TESTS(argc, argv, tests);
}
