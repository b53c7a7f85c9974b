/* Following a field: closed forms, orders of schemes, there and back, alone and in company, options and ways.
 * timeout: 300 */
#include "base/log.h"
#include "check.h"
#include "model.h"
#include "solves.h"
#include <math.h>
#include <string.h>

static const char Affine[] = "velocity: affine, time: raw, standardize: no";
static const char Net[] =
    "velocity: net, time: raw, standardize: no, net: {type: mlp, hidden: 16, layers: 2, activation: tanh}";

static const double A[9] = {0.3, -1.25, 0.5, 0.75, 0.1875, -0.25, 0.5, 1.5, -0.625}, b[3] = {0.5, -1, 0.25},
                    c[3] = {2, 0.75, -1.5};

static CnfModel AffineModel(void)
{
  CnfModel m = FieldOf(Affine, 3, 0, 0);
  SetParam(&m, "velocity.A", A);
  SetParam(&m, "velocity.b", b);
  SetParam(&m, "velocity.c", c);
  return m;
}

/* A as the field has it: in single precision. */
static void Rounded(double *a)
{
  for (int i = 0; i < 9; i++) a[i] = (float)A[i];
}

static void closed_form(void **state)
{
  enum { N = 300 };
  static double z[3 * N], log_det[N], energy[N], a[9];
  static const double legs[][2] = {{0, 1}, {1, 0}, {0.25, 0.7}, {0.5, 0.5}};
  CnfModel m = AffineModel();
  RheoSolver solver = SolverOf(&m, TightConfig());
  (void)state;
  Rounded(a);
  for (size_t leg = 0; leg < sizeof legs / sizeof legs[0]; leg++) {
    RheoSolveReport report;
    FillNormal(leg, 3 * N, z);
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N}, legs[leg][0], legs[leg][1], z, log_det, NULL,
                           &report));
    assert_int_equal(report.n_failed, 0);
    assert_int_equal(report.failed, -1);
    static double exact[3 * N];
    FillNormal(leg, 3 * N, exact);
    for (int i = 0; i < N; i++) {
      const double trace = AffineFlow(3, a, b, c, legs[leg][0], legs[leg][1], exact + 3 * i);
      AssertNear(log_det[i], trace, 1e-8);
      for (int j = 0; j < 3; j++) AssertNear(z[3 * i + j], exact[3 * i + j], 1e-8);
    }
  }
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 0}, 0, 1, z, log_det, energy, NULL));
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* log p(x) = log N(z(0); 0, 1) - trace: from both ends. */
static void density(void **state)
{
  enum { N = 50 };
  static double source[3 * N], x[3 * N], sampled[N], asked[N], back[3 * N], variance[N], a[9];
  CnfModel m = AffineModel();
  RheoSolver solver = SolverOf(&m, TightConfig());
  (void)state;
  Rounded(a);
  FillNormal(7, 3 * N, source);
  const RheoSolveRows rows = {.n = N};
  OK(RheoSolverSample(solver, &rows, source, x, sampled, NULL));
  OK(RheoSolverLogProb(solver, &rows, x, asked, variance, back, NULL));
  for (int i = 0; i < N; i++) {
    double z[3], base = -1.5 * log(2 * M_PI);
    for (int j = 0; j < 3; j++) {
      z[j] = source[3 * i + j];
      base -= 0.5 * z[j] * z[j];
      AssertNear(back[3 * i + j], z[j], 1e-8);
    }
    base -= AffineFlow(3, a, b, c, 0, 1, z);
    for (int j = 0; j < 3; j++) AssertNear(x[3 * i + j], z[j], 1e-8);
    AssertNear(sampled[i], base, 1e-8);
    AssertNear(asked[i], base, 1e-8);
    assert_true(isnan(variance[i]));
  }
  OK(RheoSolverLogProb(solver, &rows, x, NULL, NULL, back, NULL));
  for (int i = 0; i < 3 * N; i++) AssertNear(back[i], source[i], 1e-8);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* v = b + t c, whose path has the energy |b|^2 + b.c + |c|^2/3, there and back. */
static void energy_of_a_path(void **state)
{
  double z[6] = {1, 2, 3, 4, 5, 6}, energy[2], log_det[2], expected = 0;
  CnfModel m = AffineModel();
  (void)state;
  SetParam(&m, "velocity.A", (double[9]){0});
  RheoSolver solver = SolverOf(&m, TightConfig());
  for (int j = 0; j < 3; j++) expected += b[j] * b[j] + b[j] * c[j] + c[j] * c[j] / 3;
  for (int back = 0; back < 2; back++) {
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 2}, back, 1 - back, z, log_det, energy, NULL));
    for (int i = 0; i < 2; i++) {
      AssertNear(energy[i], expected, 1e-9);
      AssertNear(log_det[i], 0, 1e-12);
    }
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 2}, back, 1 - back, z, NULL, energy, NULL));
    AssertNear(energy[1], expected, 1e-9);
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 2}, 1 - back, back, z, NULL, NULL, NULL));
  }
  for (int i = 0; i < 6; i++) AssertNear(z[i], i + 1, 1e-9);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* ---- Networks ---- */

enum { D = 2 };

static void order_of_schemes(void **state)
{
  enum { N = 5 };
  static const struct {
    const char *name;
    int order;
  } schemes[] = {{"euler", 1},  {"midpoint", 2}, {"heun", 2}, {"rk4", 4},
                 {"rk4_38", 4}, {"tsit5", 5},    {"3bs", 3}};
  static double start[D * N], exact[D * N], exact_log_det[N], z[D * N], log_det[N];
  CnfModel m = FieldOf(Net, D, 0, 0.4);
  RheoSolveConfig config = TightConfig();
  const RheoSolveRows rows = {.n = N};
  (void)state;
  config.rtol = config.atol = 1e-12;
  RheoSolver tight = SolverOf(&m, config);
  FillNormal(3, D * N, start);
  memcpy(exact, start, sizeof exact);
  OK(RheoSolverIntegrate(tight, &rows, 0, 1, exact, exact_log_det, NULL, NULL));
  OK(RheoSolverDestroy(&tight));
  for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
    double error[2] = {0}, log_det_error[2] = {0};
    for (int halved = 0; halved < 2; halved++) {
      RheoSolveReport report;
      config.scheme = schemes[k].name;
      config.steps = (schemes[k].order == 1 ? 200 : schemes[k].order < 4 ? 40 : 12) << halved;
      RheoSolver solver = SolverOf(&m, config);
      memcpy(z, start, sizeof z);
      OK(RheoSolverIntegrate(solver, &rows, 0, 1, z, log_det, NULL, &report));
      assert_int_equal(report.steps, config.steps);
      for (int i = 0; i < D * N; i++) error[halved] = fmax(error[halved], fabs(z[i] - exact[i]));
      for (int i = 0; i < N; i++)
        log_det_error[halved] = fmax(log_det_error[halved], fabs(log_det[i] - exact_log_det[i]));
      OK(RheoSolverDestroy(&solver));
    }
    const double order = log2(error[0] / error[1]), log_det_order = log2(log_det_error[0] / log_det_error[1]);
    if (fabs(order - schemes[k].order) > 0.4 || log_det_order < schemes[k].order - 0.4 ||
        log_det_order > schemes[k].order + 1.2)
      fail_msg("%s: order %.2f of the place, %.2f of the log-determinant (errors %.2e, %.2e)",
               schemes[k].name, order, log_det_order, error[0], log_det_error[0]);
  }
  FinishCnf(&m);
}

static void there_and_back(void **state)
{
  enum { N = 60, WIDE = 50 };
  static double start[WIDE * N], z[WIDE * N], there[N], back[N], context[2 * N];
  (void)state;
  for (int d = 2; d <= WIDE; d += WIDE - 2) {
    CnfModel m = FieldOf(Net, d, 2, 0.2);
    RheoSolver solver = SolverOf(&m, SolveConfigOf("rtol: 1e-8, atol: 1e-8, precision: double, divergence: "
                                                   "rademacher, probes: 2"));
    const RheoSolveRows rows = {.n = N, .context = context, .seed = 4};
    FillNormal(5, (size_t)(d * N), start);
    FillNormal(6, 2 * N, context);
    memcpy(z, start, sizeof z);
    OK(RheoSolverIntegrate(solver, &rows, 0, 1, z, there, NULL, NULL));
    assert_true(fabs(z[0] - start[0]) > 1e-3);
    OK(RheoSolverIntegrate(solver, &rows, 1, 0, z, back, NULL, NULL));
    for (int i = 0; i < d * N; i++) AssertNear(z[i], start[i], 1e-6);
    for (int i = 0; i < N; i++) AssertNear(there[i] + back[i], 0, 1e-6);
    OK(RheoSolverDestroy(&solver));
    FinishCnf(&m);
  }
}

/* How far apart samples come to lie alone and among 1000 with one that is far out, in tolerances: the worst of that one and of
 * every 25th, where steps are judged by this norm. */
static double Apart(const CnfModel *m, const char *norm)
{
  enum { N = 1000, EVERY = 25 };
  static double start[D * N], among[D * N], one[D];
  double worst = 0;
  OK(PetscOptionsSetValue(NULL, "-ts_adapt_wnormtype", norm));
  RheoSolver solver = SolverOf(m, SolveConfigOf("rtol: 1e-5, atol: 1e-5, group: 1000"));
  FillNormal(9, D * N, start);
  for (int j = 0; j < D; j++) start[j] *= 30;
  memcpy(among, start, sizeof among);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N}, 0, 1, among, NULL, NULL, NULL));
  for (int row = 0; row < N; row += EVERY) {
    memcpy(one, start + D * row, sizeof one);
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 1}, 0, 1, one, NULL, NULL, NULL));
    for (int j = 0; j < D; j++)
      worst = fmax(worst, fabs(one[j] - among[D * row + j]) / (1e-5 * (1 + fabs(one[j]))));
  }
  OK(RheoSolverDestroy(&solver));
  OK(PetscOptionsClearValue(NULL, "-ts_adapt_wnormtype"));
  return worst;
}

/* One sample alone and among a thousand, some of which are far out and need many more steps. */
static void company(void **state)
{
  enum { N = 1000, ALONE = 40 };
  static double start[D * N], z[D * N], one[D], exact[D], log_det[N], one_log_det, exact_log_det;
  CnfModel m = FieldOf(Net, D, 0, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("rtol: 1e-5, atol: 1e-5, group: 1000")),
             tight = SolverOf(&m, TightConfig());
  double worst_alone = 0, worst_among = 0;
  (void)state;
  FillNormal(9, D * N, start);
  for (int i = N - 10; i < N; i++) start[D * i] *= 30;
  memcpy(z, start, sizeof z);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N}, 0, 1, z, log_det, NULL, NULL));
  for (int i = 0; i < ALONE; i++) {
    const int row = i * (N - 1) / (ALONE - 1);
    memcpy(one, start + D * row, sizeof one);
    memcpy(exact, one, sizeof exact);
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 1}, 0, 1, one, &one_log_det, NULL, NULL));
    OK(RheoSolverIntegrate(tight, &(RheoSolveRows){.n = 1}, 0, 1, exact, &exact_log_det, NULL, NULL));
    for (int j = 0; j < D; j++) {
      const double tolerance = 1e-5 * (1 + fabs(exact[j]));
      worst_alone = fmax(worst_alone, fabs(one[j] - exact[j]) / tolerance);
      worst_among = fmax(worst_among, fabs(z[D * row + j] - exact[j]) / tolerance);
    }
    AssertNear(one_log_det, exact_log_det, 4e-4);
    AssertNear(log_det[row], exact_log_det, 4e-4);
  }
  if (worst_alone > 20 || worst_among > 20)
    fail_msg("errors of %.3g alone and %.3g in company, in tolerances", worst_alone, worst_among);
  OK(RheoSolverDestroy(&solver));
  OK(RheoSolverDestroy(&tight));
  /* Directly; and the mean over the batch, which hides the one that is far out, must not pass. */
  const double apart = Apart(&m, "INFINITY"), hidden = Apart(&m, "2");
  print_message("  alone and in company: %.3g tolerances apart, by the mean %.3g\n", apart, hidden);
  if (apart > 10 || hidden < 10) fail_msg("%.3g tolerances apart, by the mean %.3g", apart, hidden);
  FinishCnf(&m);
}

/* ---- Hutchinson's estimate ---- */

static void estimate(const char *text)
{
  enum { N = 200, WIDE = 4 };
  static double x[WIDE * N], exact[N], log_prob[N], variance[N];
  CnfModel m = FieldOf(Net, WIDE, 0, 0.6);
  RheoSolver tight = SolverOf(&m, TightConfig()), solver = SolverOf(&m, SolveConfigOf(text));
  double sum = 0, squares = 0;
  FillNormal(12, WIDE * N, x);
  OK(RheoSolverLogProb(tight, &(RheoSolveRows){.n = N}, x, exact, NULL, NULL, NULL));
  OK(RheoSolverLogProb(solver, &(RheoSolveRows){.n = N, .seed = 2}, x, log_prob, variance, NULL, NULL));
  for (int i = 0; i < N; i++) {
    const double pull = (log_prob[i] - exact[i]) / sqrt(variance[i]);
    assert_true(variance[i] > 1e-6);
    sum += pull;
    squares += pull * pull;
  }
  /* Pulls have mean 0; with 16 probes their variance is that of Student's t, 15/13 for normal errors. */
  if (fabs(sum / N) > 4 / sqrt(N) || squares / N < 0.7 || squares / N > 1.7)
    fail_msg("%s: pulls have mean %.3f, mean square %.3f", text, sum / N, squares / N);
  OK(RheoSolverDestroy(&solver));
  OK(RheoSolverDestroy(&tight));
  FinishCnf(&m);
}

static void hutchinson(void **state)
{
  (void)state;
  estimate("precision: double, divergence: normal, probes: 16");
  estimate("precision: single, divergence: rademacher, probes: 16");
}

/* Noise goes with the number of a sample, not with its place; with fixed steps so does every bit. */
static void noise_by_number(void **state)
{
  enum { N = 40 };
  static double start[D * N], z[D * N], log_det[N];
  CnfModel m = FieldOf(Net, D, 0, 0.5);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("steps: 8, scheme: rk4, divergence: normal, group: 16"));
  (void)state;
  FillNormal(1, D * N, start);
  memcpy(z, start, sizeof z);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N, .seed = 3}, 0, 1, z, log_det, NULL, NULL));
  for (uint64_t i = 0; i < N; i++) {
    double one[D] = {start[D * i], start[D * i + 1]}, alone, other;
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 1, .seed = 3, .index = &i}, 0, 1, one, &alone, NULL,
                           NULL));
    assert_memory_equal(one, z + D * i, sizeof one);
    assert_memory_equal(&alone, log_det + i, sizeof alone);
    memcpy(one, start + D * i, sizeof one);
    OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = 1, .seed = 4, .index = &i}, 0, 1, one, &other, NULL,
                           NULL));
    assert_true(alone != other);
  }
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* ---- Ways, options ---- */

static void trajectory(const char *text, double tolerance)
{
  enum { N = 30, T = 5 };
  static const double times[T] = {0, 0.2, 0.2, 0.65, 1};
  static double source[D * N], path[T][D * N], direct[D * N], x[D * N];
  CnfModel m = FieldOf("velocity: net, time: fourier, frequencies: 2", D, 0, 0.2);
  RheoSolver solver = SolverOf(&m, SolveConfigOf(text));
  const RheoSolveRows rows = {.n = N};
  FillNormal(2, D * N, source);
  OK(RheoSolverTrajectory(solver, &rows, source, T, times, path[0], NULL));
  for (int k = 0; k < T; k++) {
    memcpy(direct, source, sizeof direct);
    OK(RheoSolverIntegrate(solver, &rows, 0, times[k], direct, NULL, NULL, NULL));
    for (int i = 0; i < D * N; i++) AssertNear(path[k][i], direct[i], tolerance);
  }
  OK(RheoSolverSample(solver, &rows, source, x, NULL, NULL));
  for (int i = 0; i < D * N; i++) AssertNear(path[T - 1][i], x[i], tolerance);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

static void ways(void **state)
{
  (void)state;
  trajectory("rtol: 1e-9, atol: 1e-9, precision: double", 1e-7);
  trajectory("rtol: 1e-4, atol: 1e-4", 2e-3);
  trajectory("scheme: rk4, steps: 20", 1e-5); /* every time is a whole number of steps */
}

static int64_t Evaluations(const CnfModel *m, const char *option, const char *value, RheoSolveStatus *status)
{
  enum { N = 20 };
  double z[D * N];
  RheoSolveReport report;
  RheoLogLevel quiet = RHEO_LOG_ERROR;
  if (option) OK(PetscOptionsSetValue(NULL, option, value));
  RheoSolver solver = SolverOf(m, SolveConfigOf("rtol: 1e-5, atol: 1e-5"));
  FillNormal(2, D * N, z);
  RheoLogSetLevel(quiet);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N}, 0, 1, z, NULL, NULL, &report));
  RheoLogSetLevel(RHEO_LOG_INFO);
  OK(RheoSolverDestroy(&solver));
  if (option) OK(PetscOptionsClearValue(NULL, option));
  *status = report.n_failed ? report.status : RHEO_SOLVE_DONE;
  return report.evaluations;
}

static void options(void **state)
{
  CnfModel m = FieldOf(Net, D, 0, 1);
  RheoSolveStatus status;
  (void)state;
  const int64_t deck = Evaluations(&m, NULL, NULL, &status);
  assert_int_equal(deck, Evaluations(&m, "-ts_rk_type", "tsit5", &status));
  assert_true(deck > Evaluations(&m, "-ts_rtol", "1e-2", &status));
  assert_true(deck > Evaluations(&m, "-ts_adapt_wnormtype", "2", &status));
  assert_true(2 * deck < Evaluations(&m, "-ts_rk_type", "heun", &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  assert_int_not_equal(deck, Evaluations(&m, "-ts_type", "bdf", &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  Evaluations(&m, "-ts_max_steps", "2", &status);
  assert_int_equal(status, RHEO_SOLVE_STEPS);
  FinishCnf(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(closed_form),
      cmocka_unit_test(density),
      cmocka_unit_test(energy_of_a_path),
      cmocka_unit_test(order_of_schemes),
      cmocka_unit_test(there_and_back),
      cmocka_unit_test(company),
      cmocka_unit_test(hutchinson),
      cmocka_unit_test(noise_by_number),
      cmocka_unit_test(ways),
      cmocka_unit_test(options),
  };
  return RUN_TESTS(argc, argv, tests);
}
