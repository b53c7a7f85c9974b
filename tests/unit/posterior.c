/* A posterior's promises: samples and densities agree, densities are normalised over the prior's support, nothing lies
 * outside it, a sample depends on its seed and number alone, files and transforms change nothing, the maximum is one.
 * ranks: 1 2
 * timeout: 120 */
#include "base/log.h"
#include "base/provenance.h"
#include "capture.h"
#include "infer/posterior_impl.h"
#include "sim_deck.h"
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 600, C = 2 };

static const char Net[] = "flow: {stack: [rqs_autoregressive, maf], net: {hidden: 16, layers: 1}}\n"
                          "train: {batch: 100, shards: 2, epochs: 6, lr: 5e-3, validation: 0.1}\n";

static const char *const priors[] = {
    "a: {family: uniform, lower: -1, upper: 3}",
    "a: {family: normal, mean: 0.4, sd: 0.5}",
    "a: {family: normal, mean: 0.4, sd: 0.5, lower: 0}",
    "a: {family: exponential, rate: 5}",
    "a: {family: gamma, shape: 0.5, rate: 1}",
    "a: {family: log_uniform, lower: 1e-3, upper: 10}",
    "a: {family: beta, alpha: 2, beta: 5, lower: 0.2, upper: 0.6}",
    "a: {family: student_t, df: 3, location: 1, scale: 2, upper: 4}",
    "a: {family: log_normal, log_mean: -1, log_sd: 0.5}, b: {family: half_normal, sd: 2}",
    "a: {family: uniform, lower: 10, upper: 11}, b: {family: normal, mean: 0, sd: 3, upper: 0}",
};
enum { N_PRIORS = sizeof priors / sizeof priors[0] };

static void Create(const char *prior, const char *more, RheoPosterior *p, RheoDeck *deck)
{
  char text[2048];
  snprintf(text, sizeof text, "seed: 3\nprior: {%s}\n%s%s", prior, Net, more);
  *deck = DeckOf(text);
  OK(RheoPosteriorCreate(*deck, C, p));
}

/* Draws of the prior, and data that know of the parameters' scores and are above 0. */
static void Simulate(RheoPrior prior, double *theta, double *x)
{
  const int d = RheoPriorSize(prior);
  for (int i = 0; i < N; i++) {
    RheoStream draw = RheoStreamMake(1, RHEO_STREAM_PRIOR, 0, (uint64_t)i),
               noise = RheoStreamMake(1, RHEO_STREAM_SIMULATE, 0, (uint64_t)i);
    RheoPriorSample(prior, &draw, theta + i * d);
    for (int k = 0; k < C; k++)
      x[i * C + k] =
          exp(0.5 * RheoPriorToNormal(prior, k % d, theta[i * d + k % d]) + 0.3 * RheoStreamNormal(&noise));
  }
}

static void Trained(const char *prior, const char *more, RheoPosterior *p, RheoDeck *deck)
{
  static double theta[2 * N], x[C * N];
  Create(prior, more, p, deck);
  Simulate(RheoPosteriorPrior(*p), theta, x);
  OK(RheoPosteriorTrain(*p, N, theta, x, NULL));
}

static void Destroy(RheoPosterior *p, RheoDeck *deck)
{
  OK(RheoPosteriorDestroy(p));
  OK(RheoDeckDestroy(deck));
}

static const double Observed[C] = {1.3, 0.8};

static void SamplesHaveTheirDensity(RheoPosterior p, const char *name)
{
  enum { M = 1000 };
  static double theta[2 * M], sampled[M], asked[M], lower[2], upper[2];
  const int d = RheoPosteriorSize(p);
  OK(RheoPosteriorSample(p, Observed, 5, 0, M, theta, sampled));
  OK(RheoPosteriorLogProb(p, M, theta, Observed, PETSC_TRUE, asked));
  OK(RheoPriorGetBounds(RheoPosteriorPrior(p), lower, upper));
  for (int i = 0; i < M; i++) {
    if (!(fabs(sampled[i] - asked[i]) < 2e-3 * (1 + fabs(asked[i]))))
      fail_msg("%s, sample %d at %g: %g, %g", name, i, theta[i * d], sampled[i], asked[i]);
    for (int k = 0; k < d; k++) assert_true(theta[i * d + k] > lower[k] && theta[i * d + k] < upper[k]);
  }
  for (int k = 0; k < d; k++)
    for (int end = 0; end < 2; end++) {
      double outside[2] = {theta[0], theta[1]};
      outside[k] = end ? upper[k] : lower[k];
      if (isinf(outside[k])) continue;
      outside[k] += end ? 0.01 : -0.01;
      OK(RheoPosteriorLogProb(p, 1, outside, Observed, PETSC_TRUE, asked));
      assert_true(asked[0] == -INFINITY);
    }
}

/* The trapezium rule over quantiles of the prior: its density is not needed, and its ends are where they must be. */
static double Integral(RheoPosterior p)
{
  enum { POINTS = 401 };
  static double theta[2 * POINTS * POINTS], log_q[POINTS * POINTS], grid[2][POINTS], weight[2][POINTS];
  RheoPrior prior = RheoPosteriorPrior(p);
  const int d = RheoPosteriorSize(p), rows = d == 1 ? 1 : POINTS;
  double sum = 0;
  for (int k = 0; k < d; k++)
    for (int i = 0; i < POINTS; i++) grid[k][i] = RheoPriorFromNormal(prior, k, -6 + 12.0 * i / (POINTS - 1));
  for (int k = 0; k < d; k++)
    for (int i = 0; i < POINTS; i++)
      weight[k][i] = 0.5 * (grid[k][i + 1 < POINTS ? i + 1 : i] - grid[k][i ? i - 1 : 0]);
  for (int j = 0; j < rows; j++)
    for (int i = 0; i < POINTS; i++) {
      theta[(j * POINTS + i) * d] = grid[0][i];
      if (d == 2) theta[(j * POINTS + i) * d + 1] = grid[1][j];
    }
  OK(RheoPosteriorLogProb(p, rows * POINTS, theta, Observed, PETSC_TRUE, log_q));
  for (int j = 0; j < rows; j++)
    for (int i = 0; i < POINTS; i++)
      sum += exp(log_q[j * POINTS + i]) * weight[0][i] * (d == 2 ? weight[1][j] : 1);
  return sum;
}

static void DensitiesAreNormalised(void **state)
{
  (void)state;
  for (int i = 0; i < N_PRIORS; i++) {
    RheoPosterior p;
    RheoDeck deck;
    Trained(priors[i], "", &p, &deck);
    SamplesHaveTheirDensity(p, priors[i]);
    const double integral = Integral(p);
    if (!(fabs(integral - 1) < 5e-3)) fail_msg("%s: the density integrates to %g", priors[i], integral);
    Destroy(&p, &deck);
  }
}

/* A network gone wild: its samples are in the support all the same, and no density is NaN. */
static void NothingOutside(void **state)
{
  enum { M = 500 };
  static double theta[2 * M], log_q[M], lower[2], upper[2];
  double widest = 0;
  (void)state;
  for (int i = 0; i < N_PRIORS; i++) {
    RheoPosterior p;
    RheoDeck deck;
    Trained(priors[i], "", &p, &deck);
    const int d = RheoPosteriorSize(p);
    RheoParams params = RheoDensityParams(p->density);
    float *values = RheoDensityValues(p->density);
    for (int v = 0; v < RheoParamsCount(params); v++) {
      const RheoParamView *view = RheoParamsView(params, v);
      for (size_t k = 0; !view->init.frozen && k < view->size; k++) values[view->offset + k] *= 30;
    }
    OK(RheoPriorGetBounds(p->prior, lower, upper));
    OK(RheoPosteriorSample(p, Observed, 5, 0, M, theta, log_q));
    for (int s = 0; s < M; s++)
      for (int k = 0; k < d; k++) {
        const double value = theta[s * d + k];
        if (!(value > lower[k] && value < upper[k] && isfinite(value)))
          fail_msg("%s: sample %g, density %g", priors[i], value, log_q[s]);
        widest = fmax(widest, fabs(RheoPriorToNormal(p->prior, k, value)));
      }
    Destroy(&p, &deck);
  }
  print_message("widest score %g\n", widest);
  assert_true(widest > 8); /* or nothing was tried */
}

static void SamplesDependOnTheirNumberOnly(void **state)
{
  enum { M = 5000 };
  static double theta[M], log_q[M], again[M], log_again[M], x[7 * C];
  RheoPosterior p;
  RheoDeck deck;
  (void)state;
  Trained(priors[2], "", &p, &deck);
  OK(RheoPosteriorSample(p, Observed, 9, 0, M, theta, log_q));
  const int cuts[] = {0, 1, 2, 258, 259, 4095, 4099, M};
  for (int i = 0; cuts[i] < M; i++)
    OK(RheoPosteriorSample(p, Observed, 9, (uint64_t)cuts[i], cuts[i + 1] - cuts[i], again + cuts[i],
                           log_again + cuts[i]));
  assert_memory_equal(theta, again, sizeof theta);
  assert_memory_equal(log_q, log_again, sizeof log_q);
  const uint64_t index[7] = {4999, 0, 17, 17, 300, 4096, 2};
  for (int i = 0; i < 7; i++) memcpy(x + i * C, Observed, sizeof Observed);
  OK(RheoPosteriorSampleRows(p, 7, x, 9, index, again, log_again));
  for (int i = 0; i < 7; i++) assert_true(again[i] == theta[index[i]] && log_again[i] == log_q[index[i]]);
  OK(RheoPosteriorSample(p, Observed, 10, 0, 10, again, NULL));
  assert_true(again[0] != theta[0]);
  OK(RheoPosteriorSample(p, Observed, 9, 0, 0, again, NULL));
  Destroy(&p, &deck);
}

static void FilesChangeNothing(void **state)
{
  enum { M = 300 };
  static double theta[2 * M], log_q[M], again[2 * M], log_again[M];
  RheoPosterior p, loaded;
  RheoDeck deck;
  uint64_t one, two;
  (void)state;
  Trained(priors[9], "data: {transform: log1p}\n", &p, &deck);
  OK(RheoPosteriorSave(p, "posterior.h5"));
  OK(RheoPosteriorLoad(PETSC_COMM_WORLD, "posterior.h5", &loaded));
  assert_int_equal(RheoPosteriorSize(loaded), 2);
  assert_int_equal(RheoPosteriorDataSize(loaded), C);
  OK(RheoPosteriorGetChecksum(p, &one));
  OK(RheoPosteriorGetChecksum(loaded, &two));
  assert_true(one == two);
  OK(RheoPosteriorSample(p, Observed, 2, 0, M, theta, log_q));
  OK(RheoPosteriorSample(loaded, Observed, 2, 0, M, again, log_again));
  assert_memory_equal(theta, again, sizeof theta);
  assert_memory_equal(log_q, log_again, sizeof log_q);
  const RheoHistory *h = RheoPosteriorHistory(p), *g = RheoPosteriorHistory(loaded);
  assert_int_equal(h->n, g->n);
  assert_memory_equal(h->train_loss, g->train_loss, (size_t)h->n * sizeof(double));
  OK(RheoPosteriorDestroy(&loaded));
  Destroy(&p, &deck);
}

static double Transform(const char *name, double x)
{
  return !strcmp(name, "log1p")   ? log1p(x)
         : !strcmp(name, "sqrt")  ? sqrt(x)
         : !strcmp(name, "log")   ? log(x)
         : !strcmp(name, "asinh") ? asinh(x)
                                  : x;
}

/* Training with a transform is training on transformed data. */
static void TransformsOfData(void **state)
{
  static const char *const names[] = {"none", "log1p", "sqrt", "log", "asinh"};
  static double theta[N], x[C * N], y[C * N];
  (void)state;
  for (int t = 0; t < 5; t++) {
    RheoPosterior p, q;
    RheoDeck of_p, of_q;
    char more[128];
    double seen[C], a, b;
    uint64_t one, two;
    snprintf(more, sizeof more, "data: {transform: [none, %s]}\n", names[t]);
    Create(priors[0], more, &p, &of_p);
    Create(priors[0], "", &q, &of_q);
    Simulate(p->prior, theta, x);
    memcpy(y, x, sizeof x);
    for (int i = 0; i < N; i++) y[i * C + 1] = Transform(names[t], x[i * C + 1]);
    OK(RheoPosteriorTrain(p, N, theta, x, NULL));
    OK(RheoPosteriorTrain(q, N, theta, y, NULL));
    OK(RheoPosteriorGetChecksum(p, &one));
    OK(RheoPosteriorGetChecksum(q, &two));
    assert_true(one == two);
    memcpy(seen, Observed, sizeof seen);
    seen[1] = Transform(names[t], Observed[1]);
    OK(RheoPosteriorLogProb(p, 1, theta, Observed, PETSC_TRUE, &a));
    OK(RheoPosteriorLogProb(q, 1, theta, seen, PETSC_TRUE, &b));
    assert_true(a == b);
    Destroy(&p, &of_p);
    Destroy(&q, &of_q);
  }
  RheoDeck deck = DeckOf("prior: {a: {family: normal, mean: 0, sd: 1}}\ndata: {transform: cube}\n");
  RheoPosterior p;
  REJECTS(RheoPosteriorCreate(deck, C, &p), "'cube' is none of");
}

/* Rows without numbers, outside the prior or with a weight below 0 are left out, and it says so; without them it is the
 * same training. */
static void BadRowsAreLeftOut(void **state)
{
  enum { BAD = 5 };
  static double theta[N + BAD], x[C * (N + BAD)], weight[N + BAD], clean[N], clean_x[C * N], ones[N];
  RheoPosterior p, q;
  RheoDeck of_p, of_q;
  uint64_t one, two;
  PetscMPIInt rank;
  (void)state;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  Create(priors[0], "data: {transform: log}\n", &p, &of_p);
  Create(priors[0], "data: {transform: log}\n", &q, &of_q);
  Simulate(p->prior, clean, clean_x);
  for (int i = 0, from = 0; i < N + BAD; i++) {
    const int bad = i % 100 == 50 && i / 100 < BAD ? i / 100 : -1;
    theta[i] = bad == 0 ? NAN : bad == 1 ? 3.5 : clean[from];
    memcpy(x + i * C, clean_x + from * C, C * sizeof *x);
    if (bad == 2) x[i * C + 1] = INFINITY;
    if (bad == 3) x[i * C] = 0; /* has no logarithm */
    weight[i] = bad == 4 ? -1 : 1;
    from += bad < 0;
  }
  for (int i = 0; i < N; i++) ones[i] = 1;
  Capture capture = CaptureStart(2, 0);
  OK(RheoPosteriorTrain(p, N + BAD, theta, x, weight));
  char *text = CaptureEnd(&capture);
  if (rank == 0) assert_non_null(strstr(text, "5 of 605 simulations"));
  free(text);
  OK(RheoPosteriorTrain(q, N, clean, clean_x, ones));
  OK(RheoPosteriorGetChecksum(p, &one));
  OK(RheoPosteriorGetChecksum(q, &two));
  assert_true(one == two);
  REJECTS(RheoPosteriorTrain(p, 9, theta, x, NULL), "too few");
  Destroy(&p, &of_p);
  Destroy(&q, &of_q);
}

/* An observation that the transform cannot take stops; a row among others gives NaN. */
static void ObservationsWithoutValue(void **state)
{
  const double wrong[C] = {1, -1}, rows[2 * C] = {1, -1, 1.3, 0.8};
  const uint64_t index[2] = {0, 1};
  double theta[2], log_q[2], alone;
  PetscMPIInt size;
  RheoPosterior p;
  RheoDeck deck;
  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  Trained(priors[0], "data: {transform: log}\n", &p, &deck);
  if (size == 1) { /* a mistake of one rank alone ends the job */
    REJECTS(RheoPosteriorSample(p, wrong, 1, 0, 1, theta, NULL),
            "value 2 of the observation, -1., is not finite");
    REJECTS(RheoPosteriorMap(p, wrong, 1, theta, NULL), "value 2 of the observation");
    REJECTS(RheoPosteriorLogProb(p, 1, theta, wrong, PETSC_TRUE, log_q), "value 2 of the observation");
  }
  OK(RheoPosteriorSampleRows(p, 2, rows, 1, index, theta, log_q));
  OK(RheoPosteriorSample(p, rows + C, 1, 1, 1, &alone, NULL));
  assert_true(isnan(log_q[0]) && isfinite(log_q[1]) && theta[1] == alone);
  Destroy(&p, &deck);
}

/* No sample and no neighbour is denser than the maximum. */
static void MaximumIsOne(void **state)
{
  enum { M = 4000 };
  static double theta[2 * M], log_q[M];
  (void)state;
  for (int i = 0; i < N_PRIORS; i++) {
    RheoPosterior p;
    RheoDeck deck;
    double top[2], log_top, asked, lower[2], upper[2];
    Trained(priors[i], "", &p, &deck);
    const int d = RheoPosteriorSize(p);
    OK(RheoPosteriorMap(p, Observed, 4, top, &log_top));
    for (int k = 0; k < d; k++) assert_true(fabs(RheoPriorToNormal(p->prior, k, top[k])) < 6);
    assert_true(isfinite(log_top));
    if (strstr(priors[i], "gamma") ||
        strstr(priors[i], "log_uniform")) { /* densest at a bound, without limit */
      Destroy(&p, &deck);
      continue;
    }
    OK(RheoPosteriorLogProb(p, 1, top, Observed, PETSC_TRUE, &asked));
    if (!(fabs(asked - log_top) < 2e-3))
      fail_msg("%s: maximum %g, density there %g", priors[i], log_top, asked);
    OK(RheoPosteriorSample(p, Observed, 77, 0, M, theta, log_q));
    OK(RheoPriorGetBounds(p->prior, lower, upper));
    for (int s = 0; s < M; s++)
      if (log_q[s] > log_top + 5e-3)
        fail_msg("%s: %g at %g, maximum %g at %g", priors[i], log_q[s], theta[s * d], log_top, top[0]);
    for (int k = 0; k < d; k++) assert_true(top[k] > lower[k] && top[k] < upper[k]);
    Destroy(&p, &deck);
  }
}

int main(int argc, char **argv)
{
  char folder[64];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(DensitiesAreNormalised),
      cmocka_unit_test(NothingOutside),
      cmocka_unit_test(SamplesDependOnTheirNumberOnly),
      cmocka_unit_test(FilesChangeNothing),
      cmocka_unit_test(TransformsOfData),
      cmocka_unit_test(BadRowsAreLeftOut),
      cmocka_unit_test(ObservationsWithoutValue),
      cmocka_unit_test(MaximumIsOne),
  };
  if (RheoInitialize(&argc, &argv)) return 1;
  PetscMPIInt size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "posterior_%d", size);
  if (RheoMakeDirectory(PETSC_COMM_WORLD, folder) || chdir(folder)) return 1;
  RheoLogSetLevel(RHEO_LOG_WARNING);
  int failed = cmocka_run_group_tests(tests, NULL, NULL), any = 0;
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return RheoFinalize() || any;
}
