/* Every estimator of the table keeps a posterior's promises: the deck finds it by its name, its samples have the density it
 * says, which integrates to one over the prior; nothing leaves the prior, whatever the parameters; a sample depends on its
 * seed and number alone; a file changes nothing; no sample is denser than the maximum.
 * ranks: 1 2
 * timeout: 120 */
#include "base/log.h"
#include "base/provenance.h"
#include "infer/posterior_impl.h"
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N = 1000, D = 2, C = 3 };

static const char Deck[] =
    "seed: 3\n"
    "estimator: %s\n"
    "prior: {a: {family: uniform, lower: -1, upper: 3}, b: {family: normal, mean: 0.4, "
    "sd: 0.5, lower: 0}}\n"
    "flow: {stack: [maf, permutation], repeat: 2, net: {hidden: 16, layers: 1, activation: tanh}}\n"
    "cnf: {net: {hidden: 16, layers: 2}, solve: {rtol: 1e-6, atol: 1e-6, group: 32}}\n"
    "train: {batch: 100, shards: 2, epochs: 20, lr: 5e-3, validation: 0.1}\n";

static const char *const names[] = {
#define RHEO_ESTIMATOR(symbol, name) #name,
#include "infer/estimator_types.def"
#undef RHEO_ESTIMATOR
};
enum { N_NAMES = sizeof names / sizeof *names };

static const double Observed[C] = {0.5, -0.7, 1};

typedef struct {
  RheoDeck deck;
  RheoPosterior posterior;
} Case;

/* Draws of the prior, and data that know the parameters' scores. */
static void Simulate(RheoPrior prior, double *theta, double *x)
{
  for (int i = 0; i < N; i++) {
    RheoStream draw = RheoStreamMake(1, RHEO_STREAM_PRIOR, 0, (uint64_t)i),
               noise = RheoStreamMake(1, RHEO_STREAM_SIMULATE, 0, (uint64_t)i);
    RheoPriorSample(prior, &draw, theta + i * D);
    for (int k = 0; k < C; k++)
      x[i * C + k] = RheoPriorToNormal(prior, k % D, theta[i * D + k % D]) + 0.8 * RheoStreamNormal(&noise);
  }
}

static Case Trained(int type)
{
  static double theta[N * D], x[N * C];
  char text[2048];
  Case c;
  snprintf(text, sizeof text, Deck, names[type]);
  c.deck = DeckOf(text);
  OK(RheoPosteriorCreate(c.deck, C, &c.posterior));
  Simulate(RheoPosteriorPrior(c.posterior), theta, x);
  OK(RheoPosteriorTrain(c.posterior, N, theta, x, NULL));
  return c;
}

static void Free(Case *c)
{
  OK(RheoPosteriorDestroy(&c->posterior));
  OK(RheoDeckDestroy(&c->deck));
}

static void Names(void **state)
{
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    assert_non_null(RheoEstimatorTypes[t]);
    assert_string_equal(RheoEstimatorTypes[t]->name, names[t]);
    assert_true(RheoEstimatorTypes[t]->summary && RheoEstimatorTypes[t]->reference);
  }
  assert_null(RheoEstimatorTypes[N_NAMES]);
}

static void SamplesHaveTheirDensity(void **state)
{
  enum { M = 300 };
  static double theta[M * D], sampled[M], asked[M];
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    OK(RheoPosteriorSample(c.posterior, Observed, 5, 0, M, theta, sampled));
    OK(RheoPosteriorLogProb(c.posterior, M, theta, Observed, PETSC_TRUE, asked));
    for (int i = 0; i < M; i++)
      if (!(fabs(sampled[i] - asked[i]) < 2e-3 * (1 + fabs(asked[i]))))
        fail_msg("%s, sample %d: %g, %g", names[t], i, sampled[i], asked[i]);
    Free(&c);
  }
}

/* Over scores, where the density is smooth and dies out: the plain sum is then as good as any rule. */
static void DensitiesAreNormalised(void **state)
{
  enum { POINTS = 121 };
  static double theta[POINTS * POINTS * D], log_q[POINTS * POINTS], change[POINTS * POINTS];
  const double step = 12.0 / (POINTS - 1);
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    RheoPrior prior = RheoPosteriorPrior(c.posterior);
    double sum = 0;
    for (int i = 0; i < POINTS * POINTS; i++) {
      const double z[D] = {-6 + step * (i / POINTS), -6 + step * (i % POINTS)};
      change[i] = 0;
      for (int k = 0; k < D; k++) {
        theta[i * D + k] = RheoPriorFromNormal(prior, k, z[k]);
        change[i] -= 0.5 * z[k] * z[k] + 0.91893853320467274178 +
                     RheoPriorMarginalLogDensity(prior, k, theta[i * D + k]);
      }
    }
    OK(RheoPosteriorLogProb(c.posterior, POINTS * POINTS, theta, Observed, PETSC_TRUE, log_q));
    for (int i = 0; i < POINTS * POINTS; i++) sum += exp(log_q[i] + change[i]) * step * step;
    print_message("%s: the density integrates to %.5f\n", names[t], sum);
    assert_true(fabs(sum - 1) < 1e-3);
    const double outside[D] = {3.01, 0.5};
    OK(RheoPosteriorLogProb(c.posterior, 1, outside, Observed, PETSC_TRUE, log_q));
    assert_true(log_q[0] == -INFINITY);
    Free(&c);
  }
}

/* Where the divergence is estimated log-densities scatter over seeds as their variances say; others have none. */
static void ErrorsAreTold(void **state)
{
  enum { M = 50, SEEDS = 40 };
  static double theta[(M + 1) * D], log_q[SEEDS][M + 1], variance[SEEDS][M + 1];
  RheoDeck estimated = DeckOf("cnf: {solve: {divergence: rademacher, probes: 4, rtol: 1e-6, atol: 1e-6}}\n");
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    double said = 0, seen = 0;
    OK(RheoPosteriorSetSolver(c.posterior, estimated));
    OK(RheoPosteriorSample(c.posterior, Observed, 5, 0, M, theta, NULL));
    theta[M * D] = 3.01; /* outside the prior */
    theta[M * D + 1] = 0.5;
    for (int s = 0; s < SEEDS; s++)
      OK(RheoPosteriorEstimateLogProb(c.posterior, M + 1, theta, Observed, PETSC_TRUE, (uint64_t)s, log_q[s],
                                      variance[s]));
    for (int i = 0; i < M; i++) {
      double mean = 0;
      for (int s = 0; s < SEEDS; s++) mean += log_q[s][i] / SEEDS;
      for (int s = 0; s < SEEDS; s++) seen += pow(log_q[s][i] - mean, 2) / (SEEDS - 1) / M;
      for (int s = 0; s < SEEDS; s++) said += variance[s][i] / SEEDS / M;
    }
    print_message("%s: variance of log-densities %.3g, said %.3g\n", names[t], seen, said);
    assert_true(log_q[0][M] == -INFINITY && variance[0][M] == 0);
    if (RheoDensityModel(c.posterior->density)->cnf)
      assert_true(said > 1e-6 && fabs(seen / said - 1) < 0.2);
    else
      assert_true(said == 0);
    Free(&c);
  }
  OK(RheoDeckDestroy(&estimated));
}

/* Weights grow. The last layers change their sign the first time: a field that was trained draws samples together, the more so
 * the larger it is, and one that points the other way drives them apart. */
static void Disturb(RheoDensity density, int again)
{
  RheoParams params = RheoDensityParams(density);
  float *values = RheoDensityValues(density);
  for (int v = 0; v < RheoParamsCount(params); v++) {
    const RheoParamView *view = RheoParamsView(params, v);
    const float factor = !again && strstr(view->name, ".out.") ? -1.4F : 1.4F;
    for (size_t k = 0; !view->init.frozen && k < view->size; k++) values[view->offset + k] *= factor;
  }
}

/* The largest score of samples, all of which must be inside. Where a solver gives up there is no sample rather than a wrong
 * one. */
static double Widest(const char *name, RheoPosterior posterior)
{
  enum { M = 200 };
  static double theta[M * D];
  double lower[D], upper[D], widest = 0;
  int n = 0;
  OK(RheoPriorGetBounds(RheoPosteriorPrior(posterior), lower, upper));
  OK(RheoPosteriorSample(posterior, Observed, 5, 0, M, theta, NULL));
  for (int i = 0; i < M * D; i++) {
    const int k = i % D;
    if (isnan(theta[i])) continue;
    if (!(theta[i] > lower[k] && theta[i] < upper[k])) fail_msg("%s: sample %g", name, theta[i]);
    widest = fmax(widest, fabs(RheoPriorToNormal(RheoPosteriorPrior(posterior), k, theta[i])));
    n++;
  }
  print_message("%s: %d values, widest score %g\n", name, n, widest);
  assert_true(n > M);
  return widest;
}

/* A network gone wild, step by step, for one kind of density needs less than another. */
static void NothingOutside(void **state)
{
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    double widest = 0;
    for (int k = 0; k < 12 && widest <= 5; k++) {
      Disturb(c.posterior->density, k);
      widest = Widest(names[t], c.posterior);
    }
    assert_true(widest > 5); /* or nothing was tried */
    Free(&c);
  }
}

/* Whatever trains a continuous flow: the loss falls and there are samples. */
static void EveryObjective(void **state)
{
  static const char *const objectives[] = {"cfm", "contrastive_fm", "cnf_nll"};
  static double theta[N * D], x[N * C];
  (void)state;
  for (int o = 0; o < 3; o++) {
    RheoDeck deck =
        DeckOf("estimator: fmpe\n"
               "prior: {a: {family: normal, mean: 0, sd: 1}, b: {family: normal, mean: 0, sd: 1}}\n"
               "cnf: {net: {hidden: 16, layers: 1}, solve: {scheme: rk4, steps: 8}}\n"
               "train: {batch: 100, shards: 2, epochs: 5, lr: 1e-2, validation: 0.1}\n");
    RheoPosterior p;
    OK(RheoDeckSet(deck, "cnf.objective", objectives[o]));
    OK(RheoPosteriorCreate(deck, C, &p));
    Simulate(RheoPosteriorPrior(p), theta, x);
    OK(RheoPosteriorTrain(p, N, theta, x, NULL));
    const RheoHistory *h = RheoPosteriorHistory(p);
    print_message("%s: loss %g, then %g\n", objectives[o], h->train_loss[0], h->train_loss[h->n - 1]);
    assert_true(h->train_loss[h->n - 1] < h->train_loss[0]);
    OK(RheoPosteriorSample(p, Observed, 1, 0, 100, theta, NULL));
    for (int i = 0; i < 100 * D; i++) assert_true(isfinite(theta[i]));
    OK(RheoPosteriorDestroy(&p));
    OK(RheoDeckDestroy(&deck));
  }
}

static void SamplesDependOnTheirNumberOnly(void **state)
{
  enum { M = 300 };
  static double theta[M * D], log_q[M], again[M * D], log_again[M];
  const int cuts[] = {0, 1, 2, 63, 64, 200, M};
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    OK(RheoPosteriorSample(c.posterior, Observed, 9, 0, M, theta, log_q));
    for (int i = 0; cuts[i] < M; i++)
      OK(RheoPosteriorSample(c.posterior, Observed, 9, (uint64_t)cuts[i], cuts[i + 1] - cuts[i],
                             again + cuts[i] * D, log_again + cuts[i]));
    assert_memory_equal(theta, again, sizeof theta);
    assert_memory_equal(log_q, log_again, sizeof log_q);
    Free(&c);
  }
}

/* A loaded continuous flow can be followed another way, which moves its samples a little; nothing else is moved. */
static void CheckSolver(RheoPosterior p, int n, const double *theta)
{
  RheoDeck deck = DeckOf("cnf: {solve: {scheme: rk4, steps: 20}}");
  double again[1000], moved = 0;
  assert_true(n <= 1000);
  OK(RheoPosteriorSetSolver(p, deck));
  OK(RheoPosteriorSample(p, Observed, 2, 0, n / D, again, NULL));
  for (int i = 0; i < n; i++) moved = fmax(moved, fabs(again[i] - theta[i]));
  const int continuous = RheoDensityModel(p->density)->cnf != NULL;
  assert_true(continuous ? moved > 0 && moved < 0.02 : moved == 0);
  OK(RheoDeckDestroy(&deck));
}

static void FilesChangeNothing(void **state)
{
  enum { M = 100 };
  static double theta[M * D], log_q[M], again[M * D], log_again[M];
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    RheoPosterior loaded;
    uint64_t one, two;
    OK(RheoPosteriorSave(c.posterior, "posterior.h5"));
    OK(RheoPosteriorLoad(PETSC_COMM_WORLD, "posterior.h5", &loaded));
    OK(RheoPosteriorGetChecksum(c.posterior, &one));
    OK(RheoPosteriorGetChecksum(loaded, &two));
    assert_true(one == two);
    OK(RheoPosteriorSample(c.posterior, Observed, 2, 0, M, theta, log_q));
    OK(RheoPosteriorSample(loaded, Observed, 2, 0, M, again, log_again));
    assert_memory_equal(theta, again, sizeof theta);
    assert_memory_equal(log_q, log_again, sizeof log_q);
    CheckSolver(loaded, RheoPosteriorSize(loaded) * M, theta);
    OK(RheoPosteriorDestroy(&loaded));
    Free(&c);
  }
}

/* Rows of data without a value have no sample and no density, and do not spoil their neighbours. */
static void RowsWithoutData(void **state)
{
  const double x[3 * C] = {0.5, -0.7, 1, NAN, 0, 0, 0.2, 0.1, -0.3};
  const uint64_t index[3] = {7, 8, 9};
  double theta[3 * D], log_q[3];
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    OK(RheoPosteriorSampleRows(c.posterior, 3, x, 1, index, theta, log_q));
    assert_true(isfinite(theta[0]) && isfinite(log_q[0]) && isfinite(theta[2 * D]) && isfinite(log_q[2]));
    assert_true(isnan(theta[D]) && isnan(log_q[1]));
    for (int k = 0; k < D; k++) theta[D + k] = theta[k];
    OK(RheoPosteriorLogProb(c.posterior, 3, theta, x, PETSC_FALSE, log_q));
    assert_true(isfinite(log_q[0]) && isnan(log_q[1]) && isfinite(log_q[2]));
    Free(&c);
  }
}

static void MaximumIsOne(void **state)
{
  enum { M = 1000 };
  static double theta[M * D], log_q[M];
  (void)state;
  for (int t = 0; t < N_NAMES; t++) {
    Case c = Trained(t);
    double top[D], log_top, asked;
    OK(RheoPosteriorMap(c.posterior, Observed, 4, top, &log_top));
    OK(RheoPosteriorLogProb(c.posterior, 1, top, Observed, PETSC_TRUE, &asked));
    if (!(fabs(asked - log_top) < 2e-3))
      fail_msg("%s: maximum %g, density there %g", names[t], log_top, asked);
    OK(RheoPosteriorSample(c.posterior, Observed, 77, 0, M, theta, log_q));
    for (int s = 0; s < M; s++)
      if (log_q[s] > log_top + 5e-3) fail_msg("%s: %g, maximum %g", names[t], log_q[s], log_top);
    Free(&c);
  }
}

int main(int argc, char **argv)
{
  char folder[64];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(Names),
      cmocka_unit_test(SamplesHaveTheirDensity),
      cmocka_unit_test(DensitiesAreNormalised),
      cmocka_unit_test(ErrorsAreTold),
      cmocka_unit_test(NothingOutside),
      cmocka_unit_test(EveryObjective),
      cmocka_unit_test(SamplesDependOnTheirNumberOnly),
      cmocka_unit_test(FilesChangeNothing),
      cmocka_unit_test(RowsWithoutData),
      cmocka_unit_test(MaximumIsOne),
  };
  if (RheoInitialize(&argc, &argv)) return 1;
  PetscMPIInt size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "estimator_%d", size);
  if (RheoMakeDirectory(PETSC_COMM_WORLD, folder) || chdir(folder)) return 1;
  RheoLogSetLevel(RHEO_LOG_ERROR);
  int failed = cmocka_run_group_tests(tests, NULL, NULL), any = 0;
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return RheoFinalize() || any;
}
