/* Fields that cannot be followed: a status and one line, never an abort, and the rest of the batch is delivered. Wrong
 * configurations are the user's mistake. Densities are normalised. */
#include "base/log.h"
#include "capture.h"
#include "check.h"
#include "model.h"
#include "solves.h"
#include <math.h>
#include <petscts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 100, D = 2 };

/* v = rate z + k context, the same for both columns. */
static CnfModel Field(double rate, double k)
{
  CnfModel m = FieldOf("velocity: affine, time: raw, standardize: no", D, 1, 0);
  SetParam(&m, "velocity.A", (double[]){rate, 0, 0, rate});
  SetParam(&m, "velocity.k", (double[]){k, k});
  return m;
}

static double z[D * N], log_det[N], energy[N], context[N];

static void Fill(void)
{
  FillNormal(1, D * N, z);
  memset(context, 0, sizeof context);
}

/* Solves and gives what was logged, to be freed. */
static char *Solve(RheoSolver solver, RheoSolveReport *report)
{
  Capture capture = CaptureStart(STDERR_FILENO, 0);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N, .context = context}, 0, 1, z, log_det, energy,
                         report));
  return CaptureEnd(&capture);
}

static void Expect(const char *text, const char *part)
{
  if (!strstr(text, part)) fail_msg("'%s' is not in: %s", part, text);
}

/* A context that is infinite in single precision spoils its own row; with infinities of their own, two more. */
static void some_rows(void **state)
{
  static const int bad[] = {7, 63, 64};
  static const char *const texts[] = {"",
                                      "group: 100",
                                      "group: 1",
                                      "scheme: rk4, steps: 5",
                                      "scheme: euler, steps: 5",
                                      "scheme: heun, group: 30",
                                      "scheme: 3, steps: 4"};
  (void)state;
  for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
    CnfModel m = Field(0.5, 1);
    RheoSolver solver = SolverOf(&m, SolveConfigOf(texts[k]));
    RheoSolveReport report;
    Fill();
    for (int i = 0; i < 3; i++) context[bad[i]] = 1e300;
    char *log = Solve(solver, &report);
    assert_int_equal(report.n_failed, 3);
    assert_int_equal(report.failed, 7);
    assert_int_equal(report.status, RHEO_SOLVE_NOT_FINITE);
    AssertNear(report.t, 0, 0);
    Expect(log, "3 of 100 samples could not be followed; the first is number 7, where at t = 0");
    Expect(log, "the velocity is not finite");
    assert_int_equal(CountLines(log, "["), 1);
    free(log);
    static double start[D * N];
    FillNormal(1, D * N, start);
    for (int i = 0; i < N; i++)
      if (i == bad[0] || i == bad[1] || i == bad[2])
        assert_true(isnan(z[D * i]) && isnan(z[D * i + 1]) && isnan(log_det[i]) && isnan(energy[i]));
      else {
        const double loose = strstr(texts[k], "euler") ? 0.3 : 1e-2;
        for (int j = 0; j < D; j++)
          AssertNear(z[D * i + j], start[D * i + j] * exp(0.5), loose * (0.01 + fabs(start[D * i + j])));
        AssertNear(log_det[i], 1, 1e-4);
      }
    OK(RheoSolverDestroy(&solver));
    FinishCnf(&m);
  }
}

/* Many of them one after the other cost the rows behind them nothing. */
static void many_rows(void **state)
{
  CnfModel m = Field(0.5, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf(""));
  RheoSolveReport report;
  uint64_t index[N];
  (void)state;
  Fill();
  for (int i = 0; i < 20; i++) context[i] = 1e300;
  for (int i = 0; i < N; i++) index[i] = (UINT64_C(1) << 40) + 3 + (uint64_t)i;
  Capture capture = CaptureStart(STDERR_FILENO, 0);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N, .context = context, .index = index}, 0, 1, z,
                         log_det, energy, &report));
  char *log = CaptureEnd(&capture);
  Expect(log, "20 of 100 samples could not be followed; the first is number 3, where");
  assert_true(!strstr(log, "not tried"));
  free(log);
  assert_int_equal(report.n_failed, 20);
  for (int i = 20; i < N; i++) assert_true(isfinite(z[D * i]));
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* exp(1000 t) leaves what can be computed with on the way; at zero it stays. */
static void later(void **state)
{
  CnfModel m = Field(1000, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf(""));
  RheoSolveReport report;
  (void)state;
  Fill();
  memset(z, 0, sizeof z);
  z[2 * 50] = 1;
  char *log = Solve(solver, &report);
  assert_int_equal(report.n_failed, 1);
  assert_int_equal(report.failed, 50);
  assert_int_equal(report.status, RHEO_SOLVE_NOT_FINITE);
  assert_true(report.t > 0.02 && report.t < 0.1); /* |v|^2 is 1e38 at 0.037 */
  Expect(log, "number 50, where at t = 0.0");
  free(log);
  for (int i = 0; i < N; i++)
    if (i != 50) AssertNear(z[2 * i], 0, 0);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

static void too_many_steps(void **state)
{
  CnfModel m = Field(30, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("most: 20, group: 64"));
  RheoSolveReport report;
  (void)state;
  Fill();
  char *log = Solve(solver, &report);
  assert_int_equal(report.n_failed, N); /* given up group by group */
  assert_int_equal(report.failed, 0);
  assert_int_equal(report.status, RHEO_SOLVE_STEPS);
  assert_true(report.t > 0 && report.t < 1 && report.dt > 0);
  Expect(log, "there are more steps than cnf.solve.most; 68 were not tried, after 16 in a row had failed");
  free(log);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* A field of 1e30 asks for steps that time cannot tell apart. */
static void no_step(void **state)
{
  CnfModel m = Field(1e30, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("precision: double"));
  RheoSolveReport report;
  (void)state;
  Fill();
  char *log = Solve(solver, &report);
  assert_int_equal(report.n_failed, N);
  assert_int_equal(report.status, RHEO_SOLVE_TOLERANCE);
  Expect(log, "no step meets the tolerance");
  free(log);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

/* A trial step that is far too long must leave no trace: with the first one given, the answer is the closed form still. */
static void rejected_steps(void **state)
{
  CnfModel m = Field(-40, 1);
  RheoSolveReport report;
  static double start[D * N];
  (void)state;
  OK(PetscOptionsSetValue(NULL, "-ts_dt", "1"));
  RheoSolver solver = SolverOf(&m, SolveConfigOf("rtol: 1e-9, atol: 1e-9, precision: double"));
  Fill();
  z[0] = 1e9; /* ten digits of it are lost where steps are undone by subtraction */
  memcpy(start, z, sizeof z);
  free(Solve(solver, &report));
  OK(PetscOptionsClearValue(NULL, "-ts_dt"));
  assert_int_equal(report.n_failed, 0);
  assert_true(report.rejected > 0);
  for (int i = 0; i < D * N; i++) AssertNear(z[i], start[i] * exp(-40), 1e-7);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

static void Refuse(const char *text, const char *message)
{
  CnfModel m = Field(1, 1);
  RheoSolver solver;
  RheoSolveConfig config = SolveConfigOf(text);
  REJECTS(RheoSolverCreate(m.cnf, m.params, "cnf", &config, &solver), message);
  FinishCnf(&m);
}

static void mistakes(void **state)
{
  (void)state;
  Refuse("scheme: tsit4", "did you mean tsit5?");
  Refuse("scheme: rk4", "'rk4' has no error estimate to choose steps by; set cnf.solve.steps");
  Refuse("rtol: 1e-9, atol: 1e-9", "set cnf.solve.precision: double");
  Refuse("steps: 100, most: 10", "cnf.solve.steps: must be at most cnf.solve.most, 10, got 100");
}

static void RefuseOption(const char *text, const char *option, const char *value, const char *message)
{
  char part[256];
  snprintf(part, sizeof part, "%s: %s", option, message);
  OK(PetscOptionsSetValue(NULL, option, value));
  Refuse(text, part);
  OK(PetscOptionsClearValue(NULL, option));
}

/* Nothing of PETSc may look at no error, end a solve elsewhere or be an error of ours; what is refused alone is found among
 * others. */
static void options(void **state)
{
  static const char *const good[][2] = {
      {"-ts_rtol", "1e-3"},     {"-ts_exact_final_time", "matchstep"}, {"-ts_adapt_type", "dsp"},
      {"-ts_rk_type", "3bs"},   {"-ts_adapt_clip", "0.2,5"},           {"-ts_adapt_always_accept", "false"},
      {"-ts_max_steps", "500"}, {"-ts_adapt_dt_min", "0.95"},          {"-ts_type", "bdf"}};
  static const char ends[] = "cannot be set: every solve ends where it has to";
  (void)state;
  const char *const zero[] = {"0", "-1", "nan", "x", "", "inf"};
  for (int k = 0; k < 6; k++) {
    RefuseOption("", "-ts_rtol", zero[k], "must be a number in (0, 1)");
    RefuseOption("", "-ts_atol", zero[k], "must be a number in (0, inf)");
    RefuseOption("steps: 4", "-ts_dt", zero[k], "must be a number in (0, inf)");
    RefuseOption("", "-ts_max_steps", zero[k], "must be a number in [1, inf)");
  }
  RefuseOption("", "-ts_adapt_dt_min", "2", "must be a number in (0, 1)");
  RefuseOption("steps: 4", "-ts_dt", "0.1", "cannot be set beside cnf.solve.steps, here 4");
  RefuseOption("", "-ts_exact_final_time", "stepover", "cannot be set: the last step has to end at t = 1");
  RefuseOption("", "-ts_exact_final_time", "interpolate", "cannot be set: the last step has to end at t = 1");
  RefuseOption("", "-ts_max_time", "2", ends);
  RefuseOption("", "-ts_init_time", "0.5", ends);
  RefuseOption("", "-ts_error_if_step_fails", "true",
               "cannot be set: samples that cannot be followed are counted");
  RefuseOption("", "-ts_adapt_always_accept", "true", "cannot be set: no error of a step would be looked at");
  RefuseOption("", "-ts_rk_type", "foo", "PETSc does not take this (Unknown option foo");
  RefuseOption("", "-ts_type", "cnn", "PETSc has nothing of this name that follows a flow; did you mean cn?");
  RefuseOption("", "-ts_rhs_jacobian_test_mult", "1", "cannot be set");
  RefuseOption("", "-ts_rhs_jacobian_test_mult_transpose", "", "cannot be set");
  RefuseOption("", "-ts_adapt_type", "foo", "PETSc does not take this");
  RefuseOption("", "-ts_adapt_type", "cfl", "PETSc does not take this");
  RefuseOption("", "-ts_adapt_clip", "5,10", "PETSc does not take this");
  RefuseOption("", "-ts_rk_type", "rk4",
               "'rk4' has no error estimate to choose steps by; set cnf.solve.steps");
  RefuseOption("", "-ts_type", "euler", "'euler' has no error estimate to choose steps by");
  RefuseOption("", "-ts_adapt_type", "none", "chooses no steps; set cnf.solve.steps too");
  RefuseOption("rtol: 1e-9", "-ts_atol", "1e-9",
               "rtol and atol of 1e-09 and 1e-09 are beyond single precision");
  for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
    CnfModel m = Field(1, 1);
    OK(PetscOptionsSetValue(NULL, good[k][0], good[k][1]));
    RheoSolver solver = SolverOf(&m, SolveConfigOf(""));
    RefuseOption("", "-ts_adapt_safety", "7", "PETSc does not take this");
    OK(PetscOptionsClearValue(NULL, good[k][0]));
    OK(RheoSolverDestroy(&solver));
    FinishCnf(&m);
  }
}

/* Without the source's density, where that is not the field's to know: the same field from noise has just that more. */
/* Each type that PETSc has follows a flow as well as tsit5 does, or is refused. */
static void types(void **state)
{
  const char **name;
  int n, refused = 0;
  CnfModel m = Field(0.5, 1);
  (void)state;
  OK(TSInitializePackage());
  OK(PetscFunctionListGet(TSList, &name, &n));
  for (int i = 0; i < n; i++) {
    const RheoSolveConfig config = SolveConfigOf("steps: 100, precision: double");
    static double start[D * N];
    RheoSolver solver;
    OK(PetscOptionsSetValue(NULL, "-ts_type", name[i]));
    RheoErrorSetQuiet(PETSC_TRUE);
    const PetscErrorCode code = RheoSolverCreate(m.cnf, m.params, "cnf", &config, &solver);
    RheoErrorSetQuiet(PETSC_FALSE);
    if (code == RHEO_ERR_INPUT) {
      refused++;
      continue;
    }
    OK(code);
    OK(RheoSolverSetValues(solver, m.single));
    Fill();
    memcpy(start, z, sizeof z);
    free(Solve(solver, NULL));
    for (int k = 0; k < D * N; k++) AssertNear(z[k], start[k] * exp(0.5), 1e-2 * fabs(start[k]));
    OK(RheoSolverDestroy(&solver));
  }
  OK(PetscOptionsClearValue(NULL, "-ts_type"));
  assert_true(n > 12 && refused >= 5);
  RefuseOption("", "-ts_type", "alpha2", "PETSc has nothing of this name that follows a flow");
  FinishCnf(&m);
}

static void source_of_data(void **state)
{
  (void)state;
  double x[D] = {0.3}, source[D], log_prob[2], log_source = 0;
  const char *const texts[] = {"source: data", "source: normal"};
  for (int k = 0; k < 2; k++) {
    CnfModel m = FieldOf(texts[k], D, 0, 0);
    RheoSolver solver = SolverOf(&m, SolveConfigOf(""));
    OK(RheoSolverLogProb(solver, &(RheoSolveRows){.n = 1}, x, &log_prob[k], NULL, source, NULL));
    OK(RheoSolverDestroy(&solver));
    FinishCnf(&m);
  }
  for (int j = 0; j < D; j++) log_source -= 0.5 * (source[j] * source[j] + log(2 * M_PI));
  assert_true(fabs(log_prob[0]) > 1e-3); /* the field does something */
  assert_true(fabs(log_prob[0] + log_source - log_prob[1]) < 1e-9);
}

/* The integral of exp(log_prob) over a grid that holds all of it, standardisation included. */
static void normalised(void **state)
{
  enum { SIDE = 240 };
  static double x[SIDE * SIDE * D], log_prob[SIDE * SIDE];
  const double moments[2][D] = {{0.5, -1}, {2, 0.7}}, h = 32. / SIDE;
  CnfModel m =
      FieldOf("velocity: net, frequencies: 2, net: {type: resmlp, hidden: 24, layers: 1}", D, 0, 0.3);
  double sum = 0;
  (void)state;
  SetParam(&m, "data.mean", moments[0]);
  SetParam(&m, "data.sd", moments[1]);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("rtol: 1e-5, atol: 1e-5"));
  for (int i = 0; i < SIDE * SIDE; i++) {
    x[D * i] = moments[0][0] + moments[1][0] * (-16 + h * (i / SIDE + 0.5));
    x[D * i + 1] = moments[0][1] + moments[1][1] * (-16 + h * (i % SIDE + 0.5));
  }
  OK(RheoSolverLogProb(solver, &(RheoSolveRows){.n = SIDE * SIDE}, x, log_prob, NULL, NULL, NULL));
  for (int i = 0; i < SIDE * SIDE; i++) sum += exp(log_prob[i]) * h * h * moments[1][0] * moments[1][1];
  AssertNear(sum, 1, 1e-3);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(some_rows),      cmocka_unit_test(many_rows),  cmocka_unit_test(later),
      cmocka_unit_test(too_many_steps), cmocka_unit_test(no_step),    cmocka_unit_test(mistakes),
      cmocka_unit_test(rejected_steps), cmocka_unit_test(normalised), cmocka_unit_test(source_of_data),
      cmocka_unit_test(options),        cmocka_unit_test(types),
  };
  return RUN_TESTS(argc, argv, tests);
}
