/* Models of data sets: what a deck may ask, training to a known answer, files, conditions, metrics.
 * timeout: 120 */
#include "infer/transport.h"
#include "infer/distance.h"
#include "infer/transport_impl.h"
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
  int64_t arrived;
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
  OK(RheoTransportMeasureDensity(t, &test, &mean, &error, &exact, &arrived));
  assert_true(arrived == N);
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

/* The sum of the density over a grid of 6 standard deviations of the data either way. */
static double integral(RheoTransport t)
{
  enum { SIDE = 161, N = SIDE * SIDE, TEST = 1000 };
  static double x[2 * N], log_prob[N];
  double mean[2] = {0}, square[2] = {0}, step[2], sum = 0;
  RheoTransportTest test;
  OK(RheoTransportTestPoints(t, TEST, &test));
  for (int64_t i = 0; i < 2 * test.n; i++) mean[i % 2] += test.target[i] / (double)test.n;
  for (int64_t i = 0; i < 2 * test.n; i++)
    square[i % 2] += pow(test.target[i] - mean[i % 2], 2) / (double)test.n;
  OK(RheoTransportTestFree(&test));
  for (int k = 0; k < 2; k++) step[k] = 12 * sqrt(square[k]) / (SIDE - 1);
  for (int i = 0; i < N; i++) {
    x[2 * i] = mean[0] + (i / SIDE - SIDE / 2) * step[0];
    x[2 * i + 1] = mean[1] + (i % SIDE - SIDE / 2) * step[1];
  }
  const RheoTransportRows rows = {.n = N, .seed = 1};
  OK(RheoTransportLogProb(t, &rows, x, log_prob, NULL));
  for (int i = 0; i < N; i++) sum += exp(log_prob[i]) * step[0] * step[1];
  return sum;
}

/* Densities of trained models are those of distributions, and not of the noise any more. */
static void normalised(void **state)
{
  static const char *const objectives[] = {
      "objective: cfm", "objective: cnf_nll, likelihood: {scheme: rk4, steps: 6, kinetic: 0.01}"};
  (void)state;
  for (int k = 0; k < 2; k++) {
    char text[512];
    int64_t arrived;
    double mean, error, exact;
    RheoTransportTest test;
    RheoTransport t;
    snprintf(text, sizeof text,
             "seed: 3\ntarget: {toy: moons, n: 4000}\n"
             "cnf: {net: {type: mlp, hidden: 32, layers: 2}, time: raw, %s}\n"
             "train: {batch: 100, steps: 400, lr: 1e-2, shards: 2, patience: 0, schedule: cosine}\n",
             objectives[k]);
    RheoDeck deck = DeckOf(text);
    OK(RheoTransportCreate(deck, &t));
    OK(RheoTransportTrain(t));
    const double sum = integral(t);
    OK(RheoTransportTestCreate(t, 500, &test));
    OK(RheoTransportMeasureDensity(t, &test, &mean, &error, &exact, &arrived));
    print_message("  %-60s integral %.6f, mean log-density %.2f\n", objectives[k], sum, mean);
    assert_true(fabs(sum - 1) <= 1e-3);
    assert_true(mean > -1.9); /* a normal distribution of the data's mean and covariance has -2.0 */
    OK(RheoTransportTestFree(&test));
    OK(RheoTransportDestroy(&t));
    OK(RheoDeckDestroy(&deck));
  }
}

/* Over many seeds: the scatter of log-densities is what their variances say, and their mean is the exact one. */
static void check_estimates(RheoTransport t, const double *exact, int n, const double *x)
{
  enum { SEEDS = 60, MOST = 100 };
  static double log_prob[SEEDS][MOST], variance[SEEDS][MOST];
  double said = 0, seen = 0, pull = 0;
  for (int s = 0; s < SEEDS; s++) {
    const RheoTransportRows rows = {.n = n, .seed = (uint64_t)s, .first = 7};
    OK(RheoTransportEstimateLogProb(t, &rows, x, log_prob[s], variance[s], NULL));
  }
  for (int i = 0; i < n; i++) {
    double mean = 0, square = 0, expected = 0;
    for (int s = 0; s < SEEDS; s++) mean += log_prob[s][i] / SEEDS;
    for (int s = 0; s < SEEDS; s++) square += pow(log_prob[s][i] - mean, 2) / (SEEDS - 1);
    for (int s = 0; s < SEEDS; s++) expected += variance[s][i] / SEEDS;
    said += expected;
    seen += square;
    pull += pow(mean - exact[i], 2) / (expected / SEEDS) / n;
  }
  print_message("  variance said %.3g, seen %.3g; squared pull of means %.2f\n", said / n, seen / n, pull);
  assert_true(said / n > 1e-4);
  assert_true(fabs(seen / said - 1) < 0.06);
  assert_true(fabs(pull - 1) < 0.5);
}

/* A model in a file, with densities that are exact or estimated; the file source is its source's, or NULL. */
static RheoTransport opened(const char *text, const char *path, const char *divergence, const char *source,
                            RheoDeck *deck)
{
  RheoTransport t;
  *deck = DeckOf(text);
  OK(RheoDeckSet(*deck, "cnf.solve.divergence", divergence));
  if (source) OK(RheoDeckSet(*deck, "source.model", source));
  OK(RheoTransportLoadWith(*deck, path, &t));
  return t;
}

#define ESTIMATED                                                                                            \
  "seed: 3\ntrain: {batch: 100, steps: 200, lr: 1e-2, shards: 2, patience: 0}\n"                             \
  "cnf: {net: {type: mlp, hidden: 24, layers: 2}, time: raw, solve: {divergence: normal, probes: 8}}\n"

/* Of a model that starts from noise, and of one that starts from that model, whose estimate is added: both contract, so that
 * probes that they shared would show. */
static void estimates(void **state)
{
  (void)state;
  enum { N = 100 };
  static const char *const texts[] =
      {ESTIMATED "target: {toy: moons, n: 1000}\n",
       ESTIMATED "target: {toy: normal, sd: 0.2, n: 1000}\nsource: {model: est0.h5, rows: 1000}\n"},
                           *const files[] = {"est0.h5", "est1.h5"};
  static double source[2 * N], x[2 * N], exact[N], variance[N];
  for (int k = 0; k < 2; k++) {
    RheoDeck deck = DeckOf(texts[k]), other;
    RheoTransport t, reference;
    OK(RheoTransportCreate(deck, &t));
    OK(RheoTransportTrain(t));
    OK(RheoTransportSave(t, files[k]));
    reference = opened(texts[k], files[k], "exact", k ? "est0_exact.h5" : NULL, &other);
    if (!k) OK(RheoTransportSave(reference, "est0_exact.h5"));
    OK(RheoTransportSource(reference, 1, 0, N, source));
    const RheoTransportRows rows = {.n = N, .source = source, .seed = 1};
    OK(RheoTransportSample(reference, &rows, NULL, x, NULL, NULL));
    OK(RheoTransportEstimateLogProb(reference, &rows, x, exact, variance, NULL));
    for (int i = 0; i < N; i++) assert_true(variance[i] == 0);
    check_estimates(t, exact, N, x);
    OK(RheoTransportDestroy(&reference));
    OK(RheoDeckDestroy(&other));
    OK(RheoTransportDestroy(&t));
    OK(RheoDeckDestroy(&deck));
  }
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

/* The mean over rows of the integral of |v|^2, as the solver has it: in the field's coordinates, which are the data's here. */
static double solved_energy(RheoTransport t, const RheoSolveConfig *solve, const RheoTransportTest *test)
{
  double *z, *energy, sum = 0;
  const RheoSolveRows rows = {.n = test->n};
  RheoSolver solver;
  OK(RheoSolverCreate(RheoDensityModel(t->density)->cnf, RheoDensityParams(t->density),
                      RheoDensityScope(t->density), solve, &solver));
  OK(RheoSolverSetValues(solver, RheoDensityValues(t->density)));
  OK(PetscMalloc2(2 * test->n, &z, test->n, &energy));
  OK(PetscArraycpy(z, test->source, 2 * test->n));
  OK(RheoSolverIntegrate(solver, &rows, 0, 1, z, NULL, energy, NULL));
  for (int64_t i = 0; i < test->n; i++) sum += energy[i] / (double)test->n;
  OK(PetscFree2(z, energy));
  OK(RheoSolverDestroy(&solver));
  return sum;
}

/* The mean over rows of the energy of 16 chords. */
static double chords_energy(RheoTransport t, const RheoTransportTest *test)
{
  enum { PIECES = 16 };
  const RheoTransportRows rows = {test->n, test->source, NULL, 1, 0};
  const int64_t size = 2 * test->n;
  double times[PIECES + 1], *path, sum = 0;
  for (int k = 0; k <= PIECES; k++) times[k] = k / (double)PIECES;
  OK(PetscMalloc1((PIECES + 1) * size, &path));
  OK(RheoTransportPath(t, &rows, NULL, PIECES + 1, times, path, NULL));
  for (int64_t i = 0; i < PIECES * size; i++)
    sum += PIECES * pow(path[i + size] - path[i], 2) / (double)test->n;
  OK(PetscFree(path));
  return sum;
}

/* Path energies are those of the solver: of fixed steps, and of an adaptive solve, along whose curved ways chords are short. */
static void path_energies(void **state)
{
  (void)state;
  RheoDeck deck =
      DeckOf("seed: 3\ntarget: {toy: eight_gaussians, n: 2000}\n"
             "cnf: {net: {type: mlp, hidden: 24, layers: 2}, time: raw, path: vp, standardize: no}\n"
             "train: {batch: 100, steps: 400, lr: 1e-2, shards: 2, patience: 0}\n");
  RheoTransport t;
  RheoTransportTest test;
  RheoTransportMetrics metrics;
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  OK(RheoTransportTestCreate(t, 300, &test));
  const double square = pow(test.w2_source, 2), exact = solved_energy(t, &t->solve, &test) / square,
               chords = chords_energy(t, &test) / square;
  OK(RheoTransportMeasure(t, &test, NULL, &metrics));
  print_message("energy by W2^2: the solver's %.6f, measured %.6f, 16 chords %.6f\n", exact,
                metrics.path_energy + 1, chords);
  assert_true(exact > 1 && fabs(metrics.path_energy - (exact - 1)) < 3e-5 * exact);
  assert_true(chords < exact * (1 - 1e-3));
  RheoSolveConfig euler = t->solve;
  euler.scheme = "euler";
  for (euler.steps = 1; euler.steps < 10; euler.steps += 4) {
    const double solved = solved_energy(t, &euler, &test);
    OK(RheoTransportMeasure(t, &test, &euler, &metrics));
    assert_true(fabs(metrics.path_energy - fabs(solved / square - 1)) < 1e-5 * solved / square);
  }
  OK(RheoTransportTestFree(&test));
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
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mistakes),     cmocka_unit_test(learns),     cmocka_unit_test(between_sets),
      cmocka_unit_test(from_a_model), cmocka_unit_test(conditions), cmocka_unit_test(flows),
      cmocka_unit_test(normalised),   cmocka_unit_test(estimates),  cmocka_unit_test(path_energies)};
  return RUN_TESTS(argc, argv, tests);
}
