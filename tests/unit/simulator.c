/* Built-in simulators and plug-ins: moments against closed forms, reference posteriors of the literature, failures with
 * their reasons, the same rows however a run is cut. */
#include "sim/sir.h"
#include "sim_deck.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_odeiv2.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* n simulations at one theta; x (n, C) is the caller's to free. */
static double *SimulateAt(SimModel *model, const double *theta, int n)
{
  const size_t d = (size_t)model->n_parameters;
  double *thetas = malloc((size_t)n * d * sizeof *thetas);
  double *x = malloc((size_t)n * (size_t)model->n_data * sizeof *x);
  int8_t *status = malloc((size_t)n);
  for (size_t i = 0; i < (size_t)n * d; ++i) thetas[i] = theta[i % d];
  OK(RheoSimulate(model->simulator, NULL, 11, 0, n, 0, thetas, x, status, NULL));
  for (int i = 0; i < n; ++i) assert_int_equal(status[i], RHEO_SIMULATION_DONE);
  free(thetas);
  free(status);
  return x;
}

static void CheckNear(const char *what, double value, double expected, double error)
{
  if (!(fabs(value - expected) < error))
    fail_msg("%s is %g, expected %g within %g", what, value, expected, error);
}

/* Mean and covariance of n rows of width c. */
static void Moments(int n, int c, const double *x, double *mean, double *covariance)
{
  for (int j = 0; j < c; ++j) {
    mean[j] = 0;
    for (int i = 0; i < n; ++i) mean[j] += x[i * c + j] / n;
  }
  for (int j = 0; j < c; ++j) {
    for (int k = 0; k < c; ++k) {
      covariance[j * c + k] = 0;
      for (int i = 0; i < n; ++i)
        covariance[j * c + k] += (x[i * c + j] - mean[j]) * (x[i * c + k] - mean[k]) / n;
    }
  }
}

/* Within 4.5 standard errors: of the mean, sqrt(v / n); of a covariance of normals, sqrt((v1 v2 + c^2) / n). */
static void CheckNormal(int n, int c, const double *x, const double *mean, const double *covariance)
{
  double m[16], v[256];
  Moments(n, c, x, m, v);
  for (int j = 0; j < c; ++j) {
    CheckNear("mean", m[j], mean[j], 4.5 * sqrt(covariance[j * c + j] / n));
    for (int k = 0; k < c; ++k) {
      const double cross = covariance[j * c + k], spread = covariance[j * c + j] * covariance[k * c + k];
      CheckNear("covariance", v[j * c + k], cross, 4.5 * sqrt((spread + cross * cross) / n));
    }
  }
}

static void GaussianLinearHasItsMoments(void **state)
{
  enum { N = 20000 };
  double theta[10], covariance[100] = {0};
  SimModel model = SimModelOf("simulator: {type: gaussian_linear}");
  (void)state;
  assert_int_equal(model.n_parameters, 10);
  assert_int_equal(model.n_data, 10);
  for (int i = 0; i < 10; ++i) {
    theta[i] = 0.1 * i;
    covariance[11 * i] = 0.1; /* a variance, not a standard deviation */
  }
  double *x = SimulateAt(&model, theta, N);
  CheckNormal(N, 10, x, theta, covariance);
  free(x);
  double zero[10] = {0}; /* the prior has the same variance */
  double *prior = malloc(10 * N * sizeof *prior);
  for (uint64_t i = 0; i < N; ++i) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_PRIOR, 0, i);
    RheoPriorSample(model.prior, &stream, prior + 10 * i);
  }
  CheckNormal(N, 10, prior, zero, covariance);
  free(prior);
  SimModelFree(&model);
}

static void SlcpHasItsMoments(void **state)
{
  enum { N = 20000 };
  const double theta[5] = {0.7, -2.9, -1.1, 0.9, 0.6};
  double mean[8], covariance[64] = {0};
  SimModel model = SimModelOf("simulator: {type: slcp}");
  (void)state;
  for (int i = 0; i < 4; ++i) {
    const double s1 = 1.21, s2 = 0.81;
    const int a = 2 * i, b = a + 1;
    mean[a] = theta[0];
    mean[b] = theta[1];
    covariance[8 * a + a] = s1 * s1 + 1e-6;
    covariance[8 * b + b] = s2 * s2 + 1e-6;
    covariance[8 * a + b] = covariance[8 * b + a] = tanh(0.6) * s1 * s2;
  }
  double *x = SimulateAt(&model, theta, N);
  CheckNormal(N, 8, x, mean, covariance);
  free(x);
  const double degenerate[5] = {0, 0, 0, 0, 3}; /* only the 1e-6 is left */
  memset(covariance, 0, sizeof covariance);
  memset(mean, 0, sizeof mean);
  for (int i = 0; i < 8; ++i) covariance[9 * i] = 1e-6;
  x = SimulateAt(&model, degenerate, N);
  CheckNormal(N, 8, x, mean, covariance);
  free(x);
  SimModelFree(&model);
}

/* Distance and angle from the centre of the crescent that theta and x imply. */
static void Crescent(const double *theta, const double *x, double *r, double *angle)
{
  const double u = x[0] - 0.25 + fabs(theta[0] + theta[1]) / sqrt(2);
  const double v = x[1] - (theta[1] - theta[0]) / sqrt(2);
  *r = hypot(u, v);
  *angle = atan2(v, u);
}

/* slack: for samples that are not ours, whose prior cuts a little off the moons. */
static void CheckCrescents(int n, const double *r, double *angle, double slack)
{
  double mean = 0, variance = 0;
  for (int i = 0; i < n; ++i) mean += r[i] / n;
  for (int i = 0; i < n; ++i) variance += (r[i] - mean) * (r[i] - mean) / n;
  CheckNear("mean radius", mean, 0.1, 4.5 * 0.01 / sqrt(n) + slack);
  CheckNear("sd of radius", sqrt(variance), 0.01, 4.5 * 0.01 / sqrt(2. * n) + slack);
  if (!angle) return;
  for (int i = 0; i < n; ++i) angle[i] = angle[i] / M_PI + 0.5;
  assert_true(KsDistance((size_t)n, angle) < 1.95);
}

static void TwoMoonsAreCrescents(void **state)
{
  enum { N = 10000 };
  static double r[N], angle[N];
  const double theta[2] = {0.3, -0.8};
  SimModel model = SimModelOf("simulator: {type: two_moons}");
  (void)state;
  double *x = SimulateAt(&model, theta, N);
  for (int i = 0; i < N; ++i) Crescent(theta, x + 2 * i, &r[i], &angle[i]);
  CheckCrescents(N, r, angle, 0);
  free(x);
  SimModelFree(&model);
}

/* Rows of a comma-separated file after its header, at most n; how many. */
static int ReadRows(FILE *file, int n, int width, double *rows)
{
  char line[1024];
  int i = 0;
  if (!file || !fgets(line, sizeof line, file)) return 0;
  for (; i < n && fgets(line, sizeof line, file); ++i) {
    char *at = line;
    for (int j = 0; j < width; ++j) {
      rows[i * width + j] = strtod(at, &at);
      at += *at == ',';
    }
  }
  return i;
}

/* The published reference samples of the posterior lie where our simulator says they must. */
static void TwoMoonsReferenceFitsTheGeometry(void **state)
{
  enum { N = 10000 };
  static double theta[2 * N], r[N];
  const char *data = getenv("RHEO_DATA"), *source = getenv("RHEO_SOURCE");
  char folder[2048], path[4096];
  (void)state;
  snprintf(folder, sizeof folder, "%s%s", data ? data : source ? source : ".", data ? "" : "/../shared/data");
  for (int observation = 1; observation <= 5; ++observation) {
    double x[2], angle;
    snprintf(path, sizeof path, "%s/sbibm/two_moons/%d/observation.csv", folder, observation);
    FILE *file = fopen(path, "r");
    if (!file) {
      print_message("skipped: %s is absent\n", path);
      skip();
    }
    assert_int_equal(ReadRows(file, 1, 2, x), 1);
    fclose(file);
    snprintf(path, sizeof path, "bzip2 -dc '%s/sbibm/two_moons/%d/reference_posterior_samples.csv.bz2'",
             folder, observation);
    file = popen(path, "r");
    const int n = ReadRows(file, N, 2, theta);
    if (pclose(file) || n != N) {
      print_message("skipped: cannot run %s\n", path);
      skip();
    }
    for (int i = 0; i < N; ++i) {
      Crescent(theta + 2 * i, x, &r[i], &angle);
      assert_true(fabs(angle) < M_PI / 2 + 1e-3);
    }
    CheckCrescents(N, r, NULL, 5e-4);
  }
}

static int SirWithLogarithm(double t, const double y[], double dydt[], void *parameters)
{
  const double *p = parameters;
  (void)t;
  dydt[0] = -p[0] * y[0] * exp(y[1]) / 763;
  dydt[1] = p[0] * y[0] / 763 - p[1];
  return 0;
}

/* The epidemic against GSL's solver of order eight at tight tolerance, over and far beyond the prior. */
static void SirAgreesWithGsl(void **state)
{
  static const double betas[] = {0.01, 0.3, 1, 1.7, 3, 5, 8, 20, 200}, gammas[] = {1e-3, 0.1, 0.5, 1, 3, 20};
  double worst = 0;
  (void)state;
  for (size_t b = 0; b < sizeof betas / sizeof betas[0]; ++b) {
    for (size_t g = 0; g < sizeof gammas / sizeof gammas[0]; ++g) {
      double p[2] = {betas[b], gammas[g]}, t = 0, y[2] = {762, 0}, infected[14];
      gsl_odeiv2_system system = {SirWithLogarithm, NULL, 2, p};
      gsl_odeiv2_driver *driver =
          gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-6, 1e-12, 1e-12);
      assert_int_equal(rheo_sir_infected(p[0], p[1], 763, 1, 14, infected), 0);
      for (int day = 0; day < 14; ++day) {
        assert_int_equal(gsl_odeiv2_driver_apply(driver, &t, day + 1, y), 0);
        worst = fmax(worst, fabs(infected[day] / exp(y[1]) - 1));
      }
      gsl_odeiv2_driver_free(driver);
    }
  }
  print_message("largest relative error of the epidemic: %.2g\n", worst);
  assert_true(worst < 1e-6);
  double infected[14];
  assert_int_equal(rheo_sir_infected(1, 1e4, 763, 1, 14, infected), 0); /* smaller than any double: zero */
  assert_true(infected[13] == 0);
  assert_int_equal(rheo_sir_infected(0, 0, 763, 1, 14, infected), 0);
  CheckNear("nobody recovers", infected[13], 1, 1e-12);
  assert_int_equal(rheo_sir_infected(NAN, 1, 763, 1, 14, infected), 1);
}

/* Counts have mean mu and variance mu + inv_phi mu^2; at inv_phi 0, Poisson. */
static void FluCountsAreNegativeBinomial(void **state)
{
  enum { N = 20000 };
  SimModel model = SimModelOf("simulator: {type: flu}");
  (void)state;
  assert_int_equal(model.n_data, 14);
  assert_string_equal(RheoSimulatorDataName(model.simulator, 13), "day14");
  assert_string_equal(RheoPriorName(model.prior, 2), "inv_phi");
  for (int poisson = 0; poisson < 2; ++poisson) {
    const double theta[3] = {1.7, 0.5, poisson ? 0 : 0.1};
    double infected[14], mean[14], covariance[196];
    double *x = SimulateAt(&model, theta, N);
    Moments(N, 14, x, mean, covariance);
    assert_int_equal(rheo_sir_infected(theta[0], theta[1], 763, 1, 14, infected), 0);
    for (int t = 0; t < 14; ++t) {
      const double mu = infected[t], variance = mu + theta[2] * mu * mu;
      CheckNear("mean count", mean[t], mu, 4.5 * sqrt(variance / N));
      /* fourth moments: excess 6 inv_phi + 1 / variance */
      CheckNear("variance of counts", covariance[15 * t], variance,
                4.5 * variance * sqrt((2 + 6 * theta[2] + 1 / variance) / N));
      for (int s = 0; s < t; ++s) {
        CheckNear("covariance of counts", covariance[14 * t + s], 0,
                  4.5 * sqrt(variance * covariance[15 * s] / N));
      }
    }
    free(x);
  }
  SimModelFree(&model);
}

/* A probability, not only two moments: the first day's mean is about 3, where the counts are few. */
static void FluCountsHaveTheirProbabilities(void **state)
{
  enum { N = 20000, TOP = 12 };
  const double theta[3] = {1.7, 0.5, 0.25};
  double infected[14], chi2 = 0;
  int counts[TOP + 1] = {0};
  SimModel model = SimModelOf("simulator: {type: flu}");
  (void)state;
  double *x = SimulateAt(&model, theta, N);
  assert_int_equal(rheo_sir_infected(theta[0], theta[1], 763, 1, 14, infected), 0);
  for (int i = 0; i < N; ++i) counts[x[14 * i] < TOP ? (int)x[14 * i] : TOP]++;
  const double p = 1 / (1 + theta[2] * infected[0]);
  for (int k = 0; k <= TOP; ++k) {
    const double below = k ? gsl_cdf_negative_binomial_P((unsigned)k - 1, p, 1 / theta[2]) : 0;
    const double expected =
        N * ((k < TOP ? gsl_cdf_negative_binomial_P((unsigned)k, p, 1 / theta[2]) : 1) - below);
    chi2 += (counts[k] - expected) * (counts[k] - expected) / expected;
  }
  assert_true(gsl_cdf_chisq_Q(chi2, TOP) > 1e-3);
  free(x);
  SimModelFree(&model);
}

static void FluRejectsImpossibleRates(void **state)
{
  const double theta[6] = {-1, 0.5, 0.1, 1.7, 0.5, 0.1};
  double x[28];
  int8_t status[2];
  char message[RHEO_SIMULATION_STATUSES][256];
  double copy[6];
  SimModel model = SimModelOf("simulator: {type: flu}");
  (void)state;
  memcpy(copy, theta, sizeof theta);
  OK(RheoSimulate(model.simulator, NULL, 1, 0, 2, 0, copy, x, status, message));
  assert_int_equal(status[0], RHEO_SIMULATION_FAILED);
  assert_int_equal(status[1], RHEO_SIMULATION_DONE);
  assert_true(isnan(x[0]) && isnan(x[13]) && isfinite(x[14]));
  assert_non_null(strstr(message[RHEO_SIMULATION_FAILED], "must not be negative"));
  assert_string_equal(message[RHEO_SIMULATION_CRASHED], "");
  assert_string_equal(RheoSimulationStatusName(RHEO_SIMULATION_FAILED), "failed");
  SimModelFree(&model);
}

/* A run in pieces, as ranks cut it, is the run in one; prior and simulator draw from different streams. */
static void PiecesMakeTheSameRun(void **state)
{
  enum { N = 3000 };
  (void)state;
  for (int t = 0; RheoSimulatorTypes[t]; ++t) {
    char text[128];
    if (!RheoSimulatorTypes[t]->default_prior) continue;
    snprintf(text, sizeof text, "simulator: {type: %s}", RheoSimulatorTypes[t]->name);
    SimModel model = SimModelOf(text);
    const size_t d = (size_t)model.n_parameters, c = (size_t)model.n_data;
    double *theta = calloc(2 * N * d, sizeof *theta), *x = calloc(2 * N * c, sizeof *x);
    int8_t *status = calloc(2 * N, 1);
    OK(RheoSimulate(model.simulator, model.prior, 9, 100, N, 1, theta, x, status, NULL));
    for (size_t at = N, step = 7; at < 2 * N; at += step, step = step * 3 % 1500 + 1) {
      const size_t n = at + step < 2 * N ? step : 2 * N - at;
      OK(RheoSimulate(model.simulator, model.prior, 9, 100 + at - N, (int64_t)n, 1, theta + at * d,
                      x + at * c, status + at, NULL));
    }
    assert_memory_equal(theta, theta + N * d, N * d * sizeof *theta);
    assert_memory_equal(x, x + N * c, N * c * sizeof *x);
    assert_memory_equal(status, status + N, N);
    OK(RheoSimulate(model.simulator, model.prior, 10, 100, 1, 1, theta, x, status, NULL));
    assert_true(memcmp(theta, theta + N * d, d * sizeof *theta) != 0); /* another seed, another run */
    free(theta);
    free(x);
    free(status);
    SimModelFree(&model);
  }
}

static void MistakesInTheDeck(void **state)
{
  (void)state;
  REJECTS(TrySimModel("simulator: {type: fluu}"), "simulator.type");
  REJECTS(TrySimModel("prior: {a: {family: uniform, lower: 0, upper: 1}}"), "simulator.type");
  REJECTS(TrySimModel("simulator: {type: two_moons}\nprior: {a: {family: uniform, lower: 0, upper: 1}}"),
          "simulator.type = two_moons: takes 2 parameters, the prior has 1");
  REJECTS(TrySimModel("simulator: {type: flu, flu: {days: 0}}"), "simulator.flu.days");
  REJECTS(TrySimModel("simulator: {type: flu, flu: {initial: 1000}}"),
          "simulator.flu.initial = 1000: must be at most");
  REJECTS(TrySimModel("simulator: {type: gaussian_linear, gaussian_linear: {variance: 0}}"), "(0, inf)");
}

static void SchemaKnowsAllKeys(void **state)
{
  int n;
  const RheoSection *sections;
  (void)state;
  OK(RheoSimulatorGetSections(&n, &sections));
  RheoDeck deck =
      DeckOf("simulator: {type: flu, flu: {days: 3}, command: {line: cat, n_data: 2}, plugin: {path: a.so}}");
  OK(RheoDeckCheck(deck, n, sections));
  OK(RheoDeckDestroy(&deck));
  deck = DeckOf("simulator: {type: flu, flu: {dyas: 3}}");
  REJECTS(RheoDeckCheck(deck, n, sections), "did you mean simulator.flu.days");
  OK(RheoDeckDestroy(&deck));
}

/* Compiles a plug-in by the README's command, from the source tree; source NULL: the example. */
static void Compile(const char *source, const char *object)
{
  char command[4096], text[2048];
  const char *tree = getenv("RHEO_SOURCE");
  snprintf(text, sizeof text, "%s/inputs/plugin/pendulum.c", tree ? tree : ".");
  snprintf(command, sizeof command, "cc -O2 -shared -fPIC -I %s/src/sim -o %s %s -lm", tree ? tree : ".",
           object, source ? source : text);
  assert_int_equal(system(command), 0);
}

static void PluginExampleWorks(void **state)
{
  enum { N = 2000 };
  static double theta[3 * N], x[10 * N];
  static int8_t status[N];
  char message[RHEO_SIMULATION_STATUSES][256];
  int n_failed = 0;
  (void)state;
  FreshFolder("plugin");
  Compile(NULL, "plugin/pendulum.so");
  SimModel model = SimModelOf("simulator: {type: plugin, plugin: {path: plugin/pendulum.so}}\n"
                              "prior: {frequency: {family: uniform, lower: 0.5, upper: 3}, "
                              "damping: {family: log_uniform, lower: 0.01, upper: 1}, "
                              "angle: {family: normal, mean: 0, sd: 2}}");
  assert_int_equal(model.n_data, 10);
  assert_string_equal(RheoSimulatorDataName(model.simulator, 9), "angle10");
  OK(RheoSimulate(model.simulator, model.prior, 1, 0, N, 1, theta, x, status, message));
  for (int i = 0; i < N; ++i) {
    const int failed = fabs(theta[3 * i + 2]) >= 3;
    n_failed += failed;
    assert_int_equal(status[i], failed ? RHEO_SIMULATION_FAILED : RHEO_SIMULATION_DONE);
    assert_int_equal(isnan(x[10 * i]) != 0, failed);
  }
  assert_true(n_failed > 0 && n_failed < N / 2);
  assert_non_null(strstr(message[RHEO_SIMULATION_FAILED], "too near the top"));
  /* small swings without damping follow the cosine; errors of 0.05 average out over repeats */
  const double small[3] = {1.3, 0, 0.1};
  double *swings = SimulateAt(&model, small, N), mean[10], covariance[100];
  Moments(N, 10, swings, mean, covariance);
  for (int i = 0; i < 10; ++i) {
    CheckNear("angle", mean[i], 0.1 * cos(1.3 * (i + 1)), 2e-3 + 4.5 * 0.05 / sqrt(N));
    CheckNear("variance of angle", covariance[11 * i], 0.0025, 4.5 * 0.0025 * sqrt(2. / N));
  }
  free(swings);
  SimModelFree(&model);
}

#define TWO "\nprior: {a: {family: uniform, lower: 0, upper: 1}, b: {family: uniform, lower: 0, upper: 1}}"

/* A plug-in with these fields instead of the right ones. */
static void CompileFaulty(const char *name, const char *fields)
{
  char path[64], object[64];
  snprintf(path, sizeof path, "plugin/%s.c", name);
  snprintf(object, sizeof object, "plugin/%s.so", name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file,
          "#include \"rheo_simulator.h\"\n"
          "static int simulate(const double *t, int n, double *x, const rheo_random *r, char *m, size_t s)\n"
          "{ (void)t; (void)n; (void)r; (void)m; (void)s; x[0] = 1; return 7; }\n"
          "static const rheo_simulator s = {%s};\n"
          "const rheo_simulator *rheo_simulator_get(void) { (void)simulate; return &s; }\n",
          fields);
  fclose(file);
  Compile(path, object);
}

static void FaultyPluginsAreNamed(void **state)
{
  (void)state;
  FreshFolder("plugin");
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/none.so}}" TWO),
          "simulator.plugin.path = plugin/none.so: cannot be read");
  FILE *file = fopen("plugin/text.so", "w");
  fputs("not an object\n", file);
  fclose(file);
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/text.so}}" TWO), "cannot be loaded");
  file = fopen("plugin/empty.c", "w");
  fputs("int nothing_here;\n", file);
  fclose(file);
  Compile("plugin/empty.c", "plugin/empty.so");
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/empty.so}}" TWO),
          "must export the function rheo_simulator_get");
  CompileFaulty("abi", ".abi = 99, .n_data = 1, .simulate = simulate");
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/abi.so}}" TWO),
          "it has interface 99, expected 1");
  CompileFaulty("data", ".abi = 1, .simulate = simulate");
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/data.so}}" TWO),
          "n_data above 0, got n_data 0");
  CompileFaulty("count", ".abi = 1, .n_parameters = 3, .n_data = 1, .simulate = simulate");
  REJECTS(TrySimModel("simulator: {type: plugin, plugin: {path: plugin/count.so}}" TWO),
          "takes 3 parameters, the prior has 2");
  CompileFaulty("fails", ".abi = 1, .n_data = 1, .simulate = simulate");
  double theta[2] = {0, 0}, x[1];
  int8_t status[1];
  char message[RHEO_SIMULATION_STATUSES][256];
  SimModel model = SimModelOf("simulator: {type: plugin, plugin: {path: plugin/fails.so}}" TWO);
  OK(RheoSimulate(model.simulator, NULL, 1, 0, 1, 0, theta, x, status, message));
  assert_int_equal(status[0], RHEO_SIMULATION_FAILED);
  assert_string_equal(message[RHEO_SIMULATION_FAILED], "simulate returned 7");
  assert_string_equal(RheoSimulatorDataName(model.simulator, 0), "x1");
  SimModelFree(&model);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(GaussianLinearHasItsMoments),
      cmocka_unit_test(SlcpHasItsMoments),
      cmocka_unit_test(TwoMoonsAreCrescents),
      cmocka_unit_test(TwoMoonsReferenceFitsTheGeometry),
      cmocka_unit_test(SirAgreesWithGsl),
      cmocka_unit_test(FluCountsAreNegativeBinomial),
      cmocka_unit_test(FluCountsHaveTheirProbabilities),
      cmocka_unit_test(FluRejectsImpossibleRates),
      cmocka_unit_test(PiecesMakeTheSameRun),
      cmocka_unit_test(MistakesInTheDeck),
      cmocka_unit_test(SchemaKnowsAllKeys),
      cmocka_unit_test(PluginExampleWorks),
      cmocka_unit_test(FaultyPluginsAreNamed),
  };
  return RUN_TESTS(argc, argv, tests);
}
