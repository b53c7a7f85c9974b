/* Models of data sets: what a deck may ask, training to a known answer, files, conditions, metrics.
 * timeout: 120 */
#include "infer/transport.h"
#include "infer/distance.h"
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SMALL                                                                                                \
  "cnf: {net: {type: mlp, hidden: 16, layers: 2}, time: raw}\ntrain: {batch: 100, steps: 4, shards: 2, "     \
  "patience: 0}\n"

static void refuses(const char *text, const char *why)
{
  RheoTransport t = NULL;
  RheoDeck deck = DeckOf(text);
  REJECTS(RheoTransportCreate(deck, &t), why);
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

static void mistakes(void **state)
{
  (void)state;
  refuses("target: {toy: moons}\nsource: {toy: normal, dimension: 3}\n", "3 dimensions, the target has 2");
  refuses("target: {toy: moons}\nsource: {toy: moons, condition: class}\n", "source");
  refuses("target: {toy: moons}\nsource: {toy: normal}\nflow: {repeat: 1}\n", "starts from noise");
  refuses("target: {toy: moons}\ncnf: {sigma: 0.1}\nflow: {repeat: 1}\n", "only one of them");
  refuses("target: {toy: moons}\nsource: {toy: normal}\ncnf: {source: normal}\n", "must be data");
  refuses("target: {toy: moons}\ncnf: {source: data}\n", "needs a section `source`");
  refuses("target: {toy: moons}\ncnf: {coupling: exact, coupling_batch: 300}\ntrain: {batch: 200}\n",
          "multiple of train.batch");
  refuses("target: {toy: moons}\ncnf: {sigma: -0.1}\n", "cnf.sigma");
}

/* A trained model of a normal distribution: samples, densities and metrics are near the truth. */
static void learns(void **state)
{
  (void)state;
  enum { N = 1000 };
  static double source[2 * N], x[2 * N], again[2 * N], log_prob[N], asked[N];
  RheoDeck deck =
      DeckOf("seed: 3\ntarget: {toy: normal, mean: 2, sd: 0.5, n: 4000}\n"
             "cnf: {net: {type: mlp, hidden: 24, layers: 2}, time: raw, coupling: exact, standardize: no}\n"
             "train: {batch: 100, epochs: 8, lr: 5e-3, shards: 2, patience: 0, schedule: cosine}\n");
  RheoTransportMetrics metrics;
  RheoTransportTest test;
  RheoSolveReport report;
  RheoTransport t, loaded;
  uint64_t checksum, same;
  double mean, error, exact;

  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  assert_true(RheoTransportHistory(t)->n == 8);
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  OK(RheoTransportSample(t, &rows, NULL, x, log_prob, &report));
  assert_true(report.n_failed == 0 && report.evaluations > 0);
  OK(RheoTransportLogProb(t, &rows, x, asked, NULL));
  for (int i = 0; i < N; i++) assert_true(fabs(asked[i] - log_prob[i]) < 1e-2);

  OK(RheoTransportTestCreate(t, N, &test));
  OK(RheoTransportMeasure(t, &test, NULL, &metrics));
  assert_true(metrics.n == N);
  assert_true(metrics.normal_kl < 0.03);
  assert_true(metrics.w2 < 1.3 * test.w2_floor + 0.06 && test.w2_floor < 0.2);
  assert_true(metrics.path_energy < 0.1); /* the map of optimal transport is a shift and a scale */
  OK(RheoTransportMeasureDensity(t, &test, &mean, &error, &exact));
  assert_true(fabs(exact - (-log(2 * M_PI) - 2 * log(0.5) - 1)) < 4 * error);
  assert_true(exact - mean < 0.03 && exact - mean > -0.01);
  OK(RheoTransportTestFree(&test));

  OK(RheoTransportSave(t, "transport.h5"));
  OK(RheoTransportLoad(PETSC_COMM_WORLD, "transport.h5", &loaded));
  OK(RheoTransportGetChecksum(t, &checksum));
  OK(RheoTransportGetChecksum(loaded, &same));
  assert_true(checksum == same);
  OK(RheoTransportSample(loaded, &rows, NULL, again, NULL, NULL));
  assert_memory_equal(x, again, sizeof x);
  OK(RheoTransportDestroy(&loaded));
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

/* From one data set to another, with fixed steps: the ends of paths are samples; nobody knows a density. */
static void between_sets(void **state)
{
  (void)state;
  enum { N = 40, TIMES = 6 };
  double source[2 * N], x[2 * N], path[TIMES * 2 * N], log_prob[N];
  const double times[TIMES] = {0, 0.2, 0.4, 0.6, 0.8, 1};
  RheoDeck deck = DeckOf("target: {toy: moons, n: 1000}\nsource: {toy: circles, n: 800}\n" SMALL);
  RheoTransport t;
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  assert_false(RheoTransportHasLogProb(t));
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  RheoSolveConfig solve = *RheoTransportSolve(t);
  solve.scheme = "euler";
  solve.steps = 5;
  OK(RheoTransportSample(t, &rows, &solve, x, NULL, NULL));
  OK(RheoTransportPath(t, &rows, &solve, TIMES, times, path, NULL));
  for (int i = 0; i < 2 * N; i++) {
    assert_true(fabs(path[i] - source[i]) < 1e-5);
    assert_true(fabs(path[(TIMES - 1) * 2 * N + i] - x[i]) < 1e-5);
  }
  REJECTS(RheoTransportLogProb(t, &rows, x, log_prob, NULL), "no density");
  REJECTS(RheoTransportSample(t, &rows, NULL, x, log_prob, NULL), "no density");
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

/* A model as the source: its samples are what training starts from, and its density goes into ours. */
static void from_a_model(void **state)
{
  (void)state;
  enum { N = 800 };
  static double source[2 * N], x[2 * N], log_prob[N], asked[N];
  RheoDeck first =
      DeckOf("seed: 5\ntarget: {toy: normal, mean: -1, sd: 0.5, n: 4000}\nflow: {stack: [lu], repeat: 1}\n"
             "train: {batch: 100, epochs: 10, lr: 1e-2, shards: 2, patience: 0, schedule: cosine}\n");
  RheoDeck deck =
      DeckOf("seed: 3\ntarget: {toy: normal, mean: 2, sd: 1, n: 4000}\n"
             "source: {model: base.h5, rows: 4000}\n"
             "cnf: {net: {type: mlp, hidden: 24, layers: 2}, time: raw, coupling: exact}\n"
             "train: {batch: 100, epochs: 40, lr: 1e-2, shards: 2, patience: 0, schedule: cosine}\n");
  RheoTransport base, t;
  double mean = 0, exact = 0, bad = 0;

  OK(RheoTransportCreate(first, &base));
  OK(RheoTransportTrain(base));
  OK(RheoTransportSave(base, "base.h5"));
  OK(RheoTransportDestroy(&base));
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  assert_true(RheoTransportHasLogProb(t));
  OK(RheoTransportSource(t, 1, 0, N, source));
  for (int i = 0; i < 2 * N; i++) mean += source[i] / (2 * N);
  assert_true(fabs(mean + 1) < 0.07); /* the model's mean, not noise's */
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  OK(RheoTransportSample(t, &rows, NULL, x, log_prob, NULL));
  OK(RheoTransportLogProb(t, &rows, x, asked, NULL));
  mean = 0;
  for (int i = 0; i < N; i++) {
    const double r = pow(x[2 * i] - 2, 2) + pow(x[2 * i + 1] - 2, 2);
    assert_true(fabs(asked[i] - log_prob[i]) < 1e-2);
    mean += log_prob[i] / N;
    exact += (-log(2 * M_PI) - 0.5 * r) / N;
    bad += fabs(log_prob[i] + log(2 * M_PI) + 0.5 * r) / N;
  }
  assert_true(fabs(mean - exact) < 0.05 && bad < 0.15);
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
  OK(RheoDeckDestroy(&first));
}

static void conditions(void **state)
{
  (void)state;
  enum { N = 20 };
  double source[2 * N], x[2 * N], other[2 * N], condition[N];
  RheoDeck deck = DeckOf("target: {toy: eight_gaussians, n: 1000, condition: class}\n" SMALL);
  RheoTransport t;
  int differ = 0;
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  OK(RheoTransportSource(t, 1, 0, N, source));
  RheoTransportRows rows = {N, source, NULL, 1, 0};
  REJECTS(RheoTransportSample(t, &rows, NULL, x, NULL, NULL), "conditional");
  for (int i = 0; i < N; i++) condition[i] = 3;
  rows.condition = condition;
  OK(RheoTransportSample(t, &rows, NULL, x, NULL, NULL));
  for (int i = 0; i < N; i++) condition[i] = 4;
  OK(RheoTransportSample(t, &rows, NULL, other, NULL, NULL));
  for (int i = 0; i < 2 * N; i++) differ += fabs(x[i] - other[i]) > 1e-3;
  assert_true(differ > N);
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

static void flows(void **state)
{
  (void)state;
  enum { N = 50 };
  double x[2 * N], log_prob[N], asked[N];
  RheoDeck deck =
      DeckOf("target: {toy: moons, n: 1000, condition: class}\nflow: {repeat: 1, net: {hidden: 8}}\n"
             "train: {batch: 100, epochs: 2, shards: 2}\n");
  RheoTransport t;
  RheoTransportTest test;
  RheoTransportMetrics metrics;
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  OK(RheoTransportTestCreate(t, N, &test));
  const RheoTransportRows rows = {N, NULL, test.condition, 1, 0};
  OK(RheoTransportSample(t, &rows, NULL, x, log_prob, NULL));
  OK(RheoTransportLogProb(t, &rows, x, asked, NULL));
  for (int i = 0; i < N; i++) assert_true(fabs(asked[i] - log_prob[i]) < 1e-3);
  OK(RheoTransportMeasure(t, &test, NULL, &metrics));
  assert_true(metrics.w2 > 0 && isnan(metrics.path_energy) && isnan(metrics.evaluations) && metrics.n == N);
  REJECTS(RheoTransportPath(t, &rows, NULL, 1, (const double[]){0}, x, NULL), "no paths");
  OK(RheoTransportTestFree(&test));
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(mistakes),     cmocka_unit_test(learns),
                                     cmocka_unit_test(between_sets), cmocka_unit_test(from_a_model),
                                     cmocka_unit_test(conditions),   cmocka_unit_test(flows)};
  return RUN_TESTS(argc, argv, tests);
}
