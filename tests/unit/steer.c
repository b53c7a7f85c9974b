/* Steered samples: against the closed form where the flow is affine, row by row and as a distribution; a cost of one's own;
 * conditions; other sources; a posterior; what is refused.
 * ranks: 1 2
 * timeout: 120 */
#include "infer/steer.h"
#include "sim_deck.h"
#include <math.h>
#include <string.h>

enum { D = 2 };

#define AFFINE                                                                                               \
  "cnf: {velocity: affine, time: raw, solve: {precision: double, rtol: 1e-9, atol: 1e-9}}\n"                 \
  "train: {batch: 100, steps: 20, lr: 0.1, shards: 2, patience: 0}\n"

static RheoTransport Model(const char *text, RheoDeck *deck)
{
  RheoTransport t;
  *deck = DeckOf(text);
  OK(RheoTransportCreate(*deck, &t));
  OK(RheoTransportTrain(t));
  return t;
}

static void Free(RheoTransport *t, RheoDeck *deck)
{
  OK(RheoTransportDestroy(t));
  OK(RheoDeckDestroy(deck));
}

/* The section as a deck has it; deck must stay. */
static RheoSteerConfig ConfigOf(const char *text, RheoDeck *deck)
{
  RheoSteerConfig config;
  *deck = DeckOf(text);
  OK(RheoDeckRead(*deck, "dflow", RheoDFlowKeys, &config));
  return config;
}

/* x = M s + m. */
typedef struct {
  double m[D][D], shift[D];
} Map;

static Map MapOf(RheoTransport t)
{
  double source[3 * D] = {0, 0, 1, 0, 0, 1}, x[3 * D];
  const RheoTransportRows rows = {.n = 3, .source = source};
  Map map;
  OK(RheoTransportSample(t, &rows, NULL, x, NULL, NULL));
  for (int i = 0; i < D; i++) {
    map.shift[i] = x[i];
    for (int k = 0; k < D; k++) map.m[i][k] = x[(k + 1) * D + i] - x[i];
  }
  return map;
}

/* A quadratic of one's own: (x1 + 2 x2 - value)^2/(2 sd^2), value of the row. */
static const double own_sd = 0.3;
static double OwnValue(int64_t row)
{
  return 0.1 * (double)row - 1;
}
static PetscErrorCode Own(void *data, int64_t row, const double *x, double *cost, double *dx)
{
  const double miss = (x[0] + 2 * x[1] - OwnValue(row)) / own_sd;
  PetscFunctionBeginUser;
  ++*(int *)data;
  *cost = 0.5 * miss * miss;
  dx[0] = miss / own_sd;
  dx[1] = 2 * miss / own_sd;
  PetscFunctionReturn(RHEO_OK);
}

/* h = M' a. The minimum of (a.(M s + m) - y)^2/(2 sd^2) + |s - s0|^2/2 is s0 + h (y - a.m - h.s0)/(sd^2 + h.h). */
static void exact_minimum(void **state)
{
  (void)state;
  enum { N = 21 };
  double source[N * D], found[N * D], x[N * D], cost[N];
  RheoDeck deck, section;
  RheoTransport t = Model("seed: 3\ntarget: {toy: normal, mean: 2, sd: 0.5, n: 1000}\n" AFFINE, &deck);
  RheoSteerConfig config = ConfigOf("dflow: {tolerance: 1e-9}\n", &section);
  const Map map = MapOf(t);
  double h[D], off = 0;
  RheoSteerReport report;
  int calls = 0;
  for (int k = 0; k < D; k++) h[k] = map.m[0][k] + 2 * map.m[1][k];
  const double square = own_sd * own_sd + h[0] * h[0] + h[1] * h[1];
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  for (int around = 0; around < 2; around++) {
    config.around = around;
    OK(RheoTransportSteer(t, &rows, &config, Own, &calls, found, x, cost, &report));
    assert_true(report.n_failed == 0 && report.n_unconverged == 0 && report.after < report.before);
    double again[N * D]; /* what is told is about the samples that this source has */
    OK(RheoTransportSample(t, &(RheoTransportRows){N, found, NULL, 1, 0}, NULL, again, NULL, NULL));
    assert_memory_equal(again, x, sizeof x);
    for (int i = 0; i < N; i++) {
      const double *from = source + i * D, zero[D] = {0};
      const double *centre = around == RHEO_STEER_ZERO ? zero : from;
      const double gain =
          (OwnValue(i) - map.shift[0] - 2 * map.shift[1] - h[0] * centre[0] - h[1] * centre[1]) / square;
      for (int k = 0; k < D; k++) {
        off = fmax(off, fabs(found[i * D + k] - centre[k] - h[k] * gain));
        off = fmax(off, fabs(x[i * D + k] - map.shift[k] - map.m[k][0] * found[i * D] -
                             map.m[k][1] * found[i * D + 1]));
      }
      assert_true(fabs(cost[i] - 0.5 * pow((x[i * D] + 2 * x[i * D + 1] - OwnValue(i)) / own_sd, 2)) < 1e-9);
    }
  }
  print_message("  off by %.1e, %lld solves a row\n", off, (long long)report.n_solves / N);
  assert_true(off < 1e-6 && calls > 0);
  OK(RheoDeckDestroy(&section));
  Free(&t, &deck);
}

/* Of an affine flow steered samples are those of the conditional distribution: mean and variance of the source along h and
 * across it. Each is within five of its standard errors. */
static void exact_distribution(void **state)
{
  (void)state;
  enum { N = 3000 };
  static double source[N * D];
  RheoDeck deck, section;
  RheoTransport t = Model("seed: 3\ntarget: {toy: normal, mean: 2, sd: 0.5, n: 1000}\n" AFFINE, &deck);
  RheoSteerConfig config = ConfigOf("dflow: {fix: x1 + 2 * x2 = 5, sd: 1}\n", &section);
  const Map map = MapOf(t);
  RheoSteerReport report;
  double h[D], mean[D] = {0}, variance[D] = {0};
  for (int k = 0; k < D; k++) h[k] = map.m[0][k] + 2 * map.m[1][k];
  const double length = hypot(h[0], h[1]), keeps = 1 / (1 + length * length);
  const double expected = length * (5 - map.shift[0] - 2 * map.shift[1]) * keeps;
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, source, NULL, NULL, &report));
  assert_true(report.n_failed == 0 && report.n_unconverged == 0);
  for (int i = 0; i < N; i++) {
    const double *s = source + i * D;
    const double along = (h[0] * s[0] + h[1] * s[1]) / length, across = (h[1] * s[0] - h[0] * s[1]) / length;
    mean[0] += along / N;
    mean[1] += across / N;
    variance[0] += pow(along - expected, 2) / N;
    variance[1] += across * across / N;
  }
  print_message("  along %.3f (%.3f), variance %.3f (%.3f); across %.3f (0), variance %.3f (1)\n", mean[0],
                expected, variance[0], keeps, mean[1], variance[1]);
  assert_true(keeps > 0.1 && keeps < 0.8); /* what is drawn and what is kept both matter */
  assert_true(fabs(mean[0] - expected) < 5 * sqrt(keeps / N) && fabs(mean[1]) < 5 / sqrt(N));
  assert_true(fabs(variance[0] / keeps - 1) < 5 * sqrt(2. / N) && fabs(variance[1] - 1) < 5 * sqrt(2. / N));
  OK(RheoDeckDestroy(&section));
  Free(&t, &deck);
}

#define NET                                                                                                  \
  "cnf: {net: {type: mlp, hidden: 16, layers: 2}, time: raw%s}\ntrain: {batch: 100, steps: 30, shards: 2, "  \
  "patience: 0}\n"

/* Every row fulfils two equations, under a condition of its own; parts of a call are what the whole says. */
static void conditions_and_parts(void **state)
{
  (void)state;
  enum { N = 24, FIRST = 9 };
  double source[N * D], found[N * D], x[N * D], again[N * D], part[(N - FIRST) * D], condition[N];
  RheoDeck deck, section;
  char text[512];
  snprintf(text, sizeof text, "seed: 2\ntarget: {toy: moons, n: 1000, condition: class}\n" NET, "");
  RheoTransport t = Model(text, &deck);
  RheoSteerConfig config =
      ConfigOf("dflow: {fix: [x1 = 0.25, -x2 + 2 x1 = 0.3], sd: 1e-3, prior: 0}\n", &section);
  RheoSteerReport report;
  for (int i = 0; i < N; i++) condition[i] = i % 2;
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, condition, 1, 0};
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, x, NULL, &report));
  assert_true(report.n_failed == 0 && report.n_unconverged == 0);
  OK(RheoTransportSample(t, &(RheoTransportRows){N, found, condition, 1, 0}, NULL, again, NULL, NULL));
  for (int i = 0; i < N; i++) {
    assert_true(fabs(x[i * D] - 0.25) < 1e-4 && fabs(x[i * D + 1] - 0.2) < 1e-4);
    for (int k = 0; k < D; k++) assert_true(fabs(x[i * D + k] - again[i * D + k]) < 1e-3);
  }
  assert_true(fabs(found[0] - found[D]) > 1e-3); /* another condition, another source */
  const RheoTransportRows later = {N - FIRST, source + FIRST * D, condition + FIRST, 1, FIRST};
  OK(RheoTransportSteer(t, &later, &config, NULL, NULL, part, NULL, NULL, &report));
  assert_memory_equal(part, found + FIRST * D, sizeof part);
  config.prior = 1; /* now values are drawn, by the number of a row */
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, NULL, NULL, &report));
  OK(RheoTransportSteer(t, &later, &config, NULL, NULL, part, NULL, NULL, &report));
  assert_memory_equal(part, found + FIRST * D, sizeof part);
  REJECTS(RheoTransportSteer(t, &(RheoTransportRows){N, source, NULL, 1, 0}, &config, NULL, NULL, found, NULL,
                             NULL, &report),
          "conditions");
  OK(RheoDeckDestroy(&section));
  Free(&t, &deck);
}

static void other_sources(void **state)
{
  (void)state;
  enum { N = 16 };
  double source[N * D], found[N * D], x[N * D];
  RheoDeck deck, section;
  char text[512];
  RheoSteerReport report;
  RheoSteerConfig config = ConfigOf("dflow: {fix: x2 = 0.1}\n", &section);
  snprintf(text, sizeof text, "target: {toy: moons, n: 1000}\n" NET, ", source: uniform");
  RheoTransport t = Model(text, &deck);
  OK(RheoTransportSource(t, 1, 0, N, source));
  RheoTransportRows rows = {N, source, NULL, 1, 0};
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, x, NULL, &report));
  for (int i = 0; i < N * D; i++) assert_true(fabs(found[i]) <= 1);
  for (int i = 0; i < N; i++) /* as far as the box reaches, and values are drawn */
    assert_true(fabs(x[i * D + 1] - 0.1) < 0.05 || fabs(found[i * D]) == 1 || fabs(found[i * D + 1]) == 1);
  Free(&t, &deck);

  snprintf(text, sizeof text, "target: {toy: moons, n: 1000}\nsource: {toy: circles, n: 800}\n" NET, "");
  t = Model(text, &deck);
  OK(RheoTransportSource(t, 1, 0, N, source));
  REJECTS(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, x, NULL, &report), "dflow.prior");
  config.prior = 0;
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, x, NULL, &report));
  for (int i = 0; i < N; i++) assert_true(fabs(x[i * D + 1] - 0.1) < 1e-4);
  source[D] = NAN; /* one that nobody can solve spoils no other */
  OK(RheoTransportSteer(t, &rows, &config, NULL, NULL, source, x, NULL, &report));
  assert_true(report.n_failed == 1 && isnan(x[D]) && isnan(source[D]) &&
              isfinite(report.before + report.after));
  for (int i = 0; i < N * D; i++) assert_true(i / D == 1 || source[i] == found[i]);
  OK(RheoDeckDestroy(&section));
  Free(&t, &deck);
}

/* With normal priors and an affine flow the posterior is normal: a row that was theta is theta + C a (y - a.theta)/(sd^2 + a.C a)
 * after, where C is the covariance, here from differences of the log-density, which is quadratic. */
static void exact_posterior(void **state)
{
  (void)state;
  enum { ROWS = 400, N = 12 };
  static double theta[D * ROWS], data[D * ROWS];
  double plain[D * N], found[D * N], cost[N], l[6], off = 0, moved = 0;
  const double observation[D] = {0.2, 0.4}, a[D] = {1, 2};
  const double at[6 * D] = {0, 0, 1, 0, -1, 0, 0, 1, 0, -1, 1, 1};
  RheoDeck section, deck = DeckOf("seed: 3\nestimator: fmpe\nprior: {a: {family: normal, mean: 1, sd: 2}, "
                                  "b: {family: normal, mean: -1, sd: 0.7}}\n" AFFINE);
  RheoSteerConfig config = ConfigOf("dflow: {tolerance: 1e-9}\n", &section);
  RheoSteerReport report;
  RheoPosterior p;
  int calls = 0;
  OK(RheoPosteriorCreate(deck, D, &p));
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    RheoPriorSample(RheoPosteriorPrior(p), &stream, theta + D * i);
    data[D * i] = theta[D * i] + theta[D * i + 1] + RheoStreamNormal(&stream);
    data[D * i + 1] = theta[D * i + 1] + RheoStreamNormal(&stream);
  }
  OK(RheoPosteriorTrain(p, ROWS, theta, data, NULL));
  OK(RheoPosteriorLogProb(p, 6, at, observation, PETSC_TRUE, l));
  const double xx = 2 * l[0] - l[1] - l[2], yy = 2 * l[0] - l[3] - l[4], xy = l[1] + l[3] - l[0] - l[5];
  const double det = xx * yy - xy * xy;
  const double ca[D] = {(yy * a[0] - xy * a[1]) / det, (xx * a[1] - xy * a[0]) / det};
  OK(RheoPosteriorSample(p, observation, 7, 0, N, plain, NULL));
  OK(RheoPosteriorSteer(p, deck, observation, 7, N, &config, Own, &calls, found, cost, &report));
  assert_true(report.n_failed == 0 && report.n_unconverged == 0);
  for (int i = 0; i < N; i++) {
    const double gain = (OwnValue(i) - a[0] * plain[D * i] - a[1] * plain[D * i + 1]) /
                        (own_sd * own_sd + a[0] * ca[0] + a[1] * ca[1]);
    for (int k = 0; k < D; k++) {
      off = fmax(off, fabs(found[D * i + k] - plain[D * i + k] - ca[k] * gain));
      moved = fmax(moved, fabs(ca[k] * gain));
    }
  }
  print_message("  moved by up to %.2f, off by %.1e\n", moved, off);
  assert_true(off < 1e-5 && moved > 0.3 && isfinite(det));
  OK(RheoPosteriorDestroy(&p));
  OK(RheoDeckDestroy(&section));
  OK(RheoDeckDestroy(&deck));
}

/* A source that is uniform is so on both sides of zero: the flow from it has the moments of what it was trained on, here
 * parameters that data say nothing of. */
static void posterior_from_uniform(void **state)
{
  (void)state;
  enum { ROWS = 2000, N = 2000 };
  static double theta[D * ROWS], data[D * ROWS], drawn[D * N];
  const double observation[D] = {0};
  RheoDeck deck =
      DeckOf("seed: 3\nestimator: fmpe\nprior: {a: {family: normal, mean: 1, sd: 2}, "
             "b: {family: normal, mean: -1, sd: 0.7}}\n"
             "cnf: {net: {type: mlp, hidden: 32, layers: 2}, time: raw, source: uniform}\n"
             "train: {batch: 100, epochs: 60, lr: 5e-3, schedule: cosine, shards: 2, patience: 0}\n");
  const double mean[D] = {1, -1}, sd[D] = {2, 0.7};
  RheoPosterior p;
  OK(RheoPosteriorCreate(deck, D, &p));
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    RheoPriorSample(RheoPosteriorPrior(p), &stream, theta + D * i);
    for (int k = 0; k < D; k++) data[D * i + k] = RheoStreamNormal(&stream);
  }
  OK(RheoPosteriorTrain(p, ROWS, theta, data, NULL));
  OK(RheoPosteriorSample(p, observation, 7, 0, N, drawn, NULL));
  for (int k = 0; k < D; k++) {
    double m = 0, v = 0;
    for (int i = 0; i < N; i++) m += drawn[D * i + k] / N;
    for (int i = 0; i < N; i++) v += pow(drawn[D * i + k] - m, 2) / N;
    print_message("  mean %.3f (%.1f), sd %.3f (%.1f)\n", m, mean[k], sqrt(v), sd[k]);
    assert_true(fabs(m - mean[k]) < 0.15 * sd[k] && fabs(sqrt(v) / sd[k] - 1) < 0.15);
  }
  OK(RheoPosteriorDestroy(&p));
  OK(RheoDeckDestroy(&deck));
}

/* Parameters with priors that are far from normal. */
static void posterior(void **state)
{
  (void)state;
  enum { ROWS = 800, N = 30 };
  static double theta[2 * ROWS], data[2 * ROWS];
  double plain[2 * N], found[2 * N], cost[N];
  const double observation[2] = {0.2, 0.4};
  RheoDeck section, other,
      deck = DeckOf("seed: 3\nestimator: fmpe\nprior: {a: {family: log_uniform, lower: 1e-2, upper: 10}, "
                    "b: {family: uniform, lower: 0, upper: 1}}\n"
                    "cnf: {net: {type: mlp, hidden: 16, layers: 2}, time: raw}\n"
                    "train: {batch: 100, shards: 2, epochs: 5, lr: 5e-3}\n");
  RheoSteerReport report;
  RheoSteerConfig config = ConfigOf("dflow: {fix: a + b = 1.5, sd: 1e-3, iterations: 1000}\n", &section);
  RheoPosterior p;
  double differ = 0;
  OK(RheoPosteriorCreate(deck, 2, &p));
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    RheoPriorSample(RheoPosteriorPrior(p), &stream, theta + 2 * i);
    data[2 * i] = log(theta[2 * i]) / 5 + 0.2 * RheoStreamNormal(&stream);
    data[2 * i + 1] = theta[2 * i + 1] + 0.2 * RheoStreamNormal(&stream);
  }
  OK(RheoPosteriorTrain(p, ROWS, theta, data, NULL));
  OK(RheoPosteriorSample(p, observation, 7, 0, N, plain, NULL));
  OK(RheoPosteriorSteer(p, section, observation, 7, N, &config, NULL, NULL, found, cost, &report));
  print_message("  %.1f solves a row, misfit %.3g to %.3g\n", (double)report.n_solves / N, report.before,
                report.after);
  assert_true(report.n_failed == 0 && report.n_unconverged == 0);
  for (int i = 0; i < N; i++) {
    assert_true(fabs(found[2 * i] + found[2 * i + 1] - 1.5) < 5e-3 && cost[i] < 1e-2);
    differ = fmax(differ, fabs(found[2 * i] - found[0]));
  }
  assert_true(differ > 0.05); /* each from its own start */
  OK(RheoDeckDestroy(&section));
  config = ConfigOf("dflow: {fix: a = 1, sd: 1e6}\n", &section); /* which asks for nothing */
  OK(RheoPosteriorSteer(p, section, observation, 7, N, &config, NULL, NULL, found, NULL, &report));
  for (int i = 0; i < 2 * N; i++) assert_true(fabs(found[i] - plain[i]) < 1e-3 * (1 + fabs(plain[i])));
  OK(RheoDeckDestroy(&section));
  config = ConfigOf("dflow: {fix: c = 1}\n", &section);
  REJECTS(RheoPosteriorSteer(p, section, observation, 7, N, &config, NULL, NULL, found, NULL, &report),
          "there is no 'c'");
  OK(RheoPosteriorDestroy(&p));
  other = DeckOf("seed: 3\nestimator: npe\nprior: {a: {family: normal, mean: 0, sd: 1}}\nflow: {repeat: 1, "
                 "net: {hidden: 8}}\n");
  OK(RheoPosteriorCreate(other, 2, &p));
  REJECTS(RheoPosteriorSteer(p, section, observation, 7, N, &config, NULL, NULL, found, NULL, &report),
          "npe is none");
  OK(RheoPosteriorDestroy(&p));
  OK(RheoDeckDestroy(&other));
  OK(RheoDeckDestroy(&section));
  OK(RheoDeckDestroy(&deck));
}

static void mistakes(void **state)
{
  (void)state;
  static const struct {
    const char *section, *why;
  } wrong[] = {{"{fix: x3 = 1}", "there is no 'x3'"},
               {"{fix: 2 = 1}", "a name is missing"},
               {"{fix: = 1}", "a name is missing"},
               {"{fix: x1 x2 = 1}", "+ or - is missing"},
               {"{fix: x1 + = 1}", "a name is missing"},
               {"{fix: x1 = 1e}", "is not a number"},
               {"{fix: x1 = nan}", "is not a number"},
               {"{fix: x1 = }", "is not a number"},
               {"{fix: x1}", "NAME = VALUE"},
               {"{fix: x1 - x1 = 1}", "nothing is left"},
               {"{fix: 1e999 x1 = 1}", "larger than numbers"},
               {"{prior: 2}", "is missing"},
               {"{fix: [x1 = 1, x2 = 2], sd: [1, 2, 3]}", "has 3 numbers, dflow.fix 2"}};
  double source[2 * D] = {0}, found[2 * D];
  const RheoTransportRows rows = {2, source, NULL, 1, 0};
  RheoSteerReport report;
  RheoDeck deck, section;
  char text[256];
  RheoTransport t = Model("target: {toy: normal, n: 1000}\n" AFFINE, &deck);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(text, sizeof text, "dflow: %s\n", wrong[i].section);
    const RheoSteerConfig config = ConfigOf(text, &section);
    REJECTS(RheoTransportSteer(t, &rows, &config, NULL, NULL, found, NULL, NULL, &report), wrong[i].why);
    OK(RheoDeckDestroy(&section));
  }
  Free(&t, &deck);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(exact_minimum),
                                     cmocka_unit_test(exact_distribution),
                                     cmocka_unit_test(conditions_and_parts),
                                     cmocka_unit_test(other_sources),
                                     cmocka_unit_test(exact_posterior),
                                     cmocka_unit_test(posterior_from_uniform),
                                     cmocka_unit_test(posterior),
                                     cmocka_unit_test(mistakes)};
  return RUN_TESTS(argc, argv, tests);
}
