/* AdamW against a naive twin in double precision, and that slices do not matter. */
#include "check.h"
#include "train/kernels/optimise.h"
#include "train/train_impl.h"
#include <math.h>
#include <string.h>

enum { N_VIEWS = 5, N_STEPS = 40, P_MOST = 6000 };

/* Views of sizes that are no multiples of anything, with all that the optimiser tells apart. */
static RheoParams MakeParams(void)
{
  static const struct {
    int size, frozen, no_decay;
  } view[N_VIEWS] = {{700, 0, 0}, {333, 1, 0}, {21, 0, 1}, {2501, 0, 0}, {1999, 0, 1}};
  RheoParams params;
  RheoProgram program;
  char name[16];

  OK(RheoParamsCreate(&params));
  OK(RheoProgramCreate(1, &program));
  for (int i = 0; i < N_VIEWS; i++) {
    snprintf(name, sizeof name, "p%d", i);
    rx_param(
        program, params, name, RX_SHAPE(view[i].size),
        (RheoInit){.kind = RHEO_INIT_NORMAL, .a = 1, .frozen = view[i].frozen, .no_decay = view[i].no_decay});
  }
  assert_null(RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
  assert_true(RheoParamsSize(params) <= P_MOST);
  return params;
}

/* Gradients of very different sizes that change sign. */
static float Gradient(size_t i, int step)
{
  return (float)(sin(0.7 * (double)i + 1.3 * step) * pow(10, (double)(i % 7) - 4));
}

static const RheoTrainConfig config = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .decay = 0.1};
static const double lr = 0.01, scale = 0.25;

static void Run(RheoParams params, size_t begin, size_t end, float *p, float *m, float *v)
{
  RheoOptimiser optimiser;
  float *g = calloc(end - begin, sizeof *g);
  OK(RheoOptimiserCreate(params, 1, begin, end, &optimiser));
  for (int t = 1; t <= N_STEPS; t++) {
    for (size_t i = begin; i < end; i++) g[i - begin] = Gradient(i, t);
    RheoOptimiserStep(&optimiser, &config, t, lr, scale, g, p + begin, m + begin, v + begin);
  }
  OK(RheoOptimiserDestroy(&optimiser));
  free(g);
}

/* Loshchilov and Hutter's algorithm 2, word for word. */
static double Twin(double p, size_t i, int no_decay, double *m_last, double *v_last)
{
  double m = 0, v = 0;
  for (int t = 1; t <= N_STEPS; t++) {
    double g = scale * (double)Gradient(i, t);
    m = config.beta1 * m + (1 - config.beta1) * g;
    v = config.beta2 * v + (1 - config.beta2) * g * g;
    double m_hat = m / (1 - pow(config.beta1, t)), v_hat = v / (1 - pow(config.beta2, t));
    p -= lr * (m_hat / (sqrt(v_hat) + config.epsilon) + (no_decay ? 0 : config.decay * p));
  }
  *m_last = m;
  *v_last = v;
  return p;
}

static void TestAgainstTwin(void **state)
{
  static float p[P_MOST], p0[P_MOST], m[P_MOST], v[P_MOST];
  RheoParams params = MakeParams();
  size_t n = RheoParamsSize(params);
  (void)state;
  OK(RheoParamsInit(params, 1, p0));
  memcpy(p, p0, sizeof p);
  memset(m, 0, sizeof m);
  memset(v, 0, sizeof v);
  Run(params, 0, n, p, m, v);
  for (int k = 0; k < RheoParamsCount(params); k++) {
    const RheoParamView *view = RheoParamsView(params, k);
    for (size_t i = view->offset; i < view->offset + view->size; i++) {
      double m_twin, v_twin, p_twin = Twin((double)p0[i], i, view->init.no_decay, &m_twin, &v_twin);
      if (view->init.frozen) {
        assert_memory_equal(&p[i], &p0[i], sizeof p[i]);
        assert_true(m[i] == 0 && v[i] == 0);
      } else {
        assert_true(fabs((double)p[i] - p_twin) <= 2e-5);
        assert_true(fabs((double)m[i] - m_twin) <= 1e-5 * sqrt(v_twin) + 1e-30);
        assert_true(fabs((double)v[i] - v_twin) <= 1e-5 * v_twin);
      }
    }
  }
  OK(RheoParamsDestroy(&params));
}

/* The same bits when the vector is cut into slices at blocks. */
static void TestSlices(void **state)
{
  static float p[2][P_MOST], m[2][P_MOST], v[2][P_MOST];
  RheoParams params = MakeParams();
  size_t n = RheoParamsSize(params);
  (void)state;
  memset(m, 0, sizeof m);
  memset(v, 0, sizeof v);
  for (int k = 0; k < 2; k++) OK(RheoParamsInit(params, 1, p[k]));
  Run(params, 0, n, p[0], m[0], v[0]);
  for (size_t i = 0; i < n; i += RHEO_REDUCE_BLOCK) {
    size_t end = i + RHEO_REDUCE_BLOCK < n ? i + RHEO_REDUCE_BLOCK : n;
    Run(params, i, end, p[1], m[1], v[1]);
  }
  assert_memory_equal(p[0], p[1], sizeof p[0]);
  assert_memory_equal(m[0], m[1], sizeof m[0]);
  assert_memory_equal(v[0], v[1], sizeof v[0]);
  OK(RheoParamsDestroy(&params));
}

static void TestNorms(void **state)
{
  static float g[P_MOST];
  RheoParams params = MakeParams();
  RheoOptimiser optimiser;
  size_t n = RheoParamsSize(params);
  (void)state;
  for (size_t i = 0; i < n; i++) g[i] = Gradient(i, 3);
  OK(RheoOptimiserCreate(params, 0, 0, n, &optimiser));
  RheoOptimiserNorms(&optimiser, g);
  for (size_t i = 0, block = 0; i < n; i += RHEO_REDUCE_BLOCK, block++) {
    double sum = 0;
    for (size_t k = i; k < n && k < i + RHEO_REDUCE_BLOCK; k++) sum += (double)g[k] * (double)g[k];
    assert_true(fabs(optimiser.partial[block] - sum) <= 1e-13 * sum);
  }
  g[n - 1] = NAN;
  RheoOptimiserNorms(&optimiser, g);
  assert_true(isnan(optimiser.partial[(n - 1) / RHEO_REDUCE_BLOCK]));
  OK(RheoOptimiserDestroy(&optimiser));
  OK(RheoParamsDestroy(&params));
}

/* A running average of parameters that drift linearly, against a naive twin. */
static void TestAverage(void **state)
{
  static float p[P_MOST], average[P_MOST];
  RheoParams params = MakeParams();
  RheoOptimiser optimiser;
  size_t n = RheoParamsSize(params);
  double twin = 0, ema = 0.95;
  (void)state;
  memset(average, 0, sizeof average);
  OK(RheoOptimiserCreate(params, 0, 0, n, &optimiser));
  for (int t = 1; t <= 300; t++) {
    double decay = (1.0 + t) / (10 + t) < ema ? (1.0 + t) / (10 + t) : ema;
    twin = decay * twin + (1 - decay) * t;
    for (size_t i = 0; i < n; i++) p[i] = (float)t;
    RheoOptimiserAverage(&optimiser, ema, t, p, average);
  }
  for (size_t i = 0; i < n; i++) assert_true(fabs((double)average[i] - twin) <= 1e-3);
  assert_true(twin < 290 && twin > 270); /* it lags */
  OK(RheoOptimiserDestroy(&optimiser));
  OK(RheoParamsDestroy(&params));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestAgainstTwin), cmocka_unit_test(TestSlices),
                                     cmocka_unit_test(TestNorms), cmocka_unit_test(TestAverage)};
  return RUN_TESTS(argc, argv, tests);
}
