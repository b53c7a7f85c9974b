/* Maximum likelihood training of continuous flows: a correlated Gaussian is learned to its entropy, by one rank and two
 * alike; regularisers make paths shorter; a learned end time stays within its bounds; D-Flow on what was learned
 * completes a point whose one coordinate is given. ranks: 1 2 timeout: 300 */
#include "check.h"
#include "cnf/dflow.h"
#include "train/train.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 4096, D = 2 };
static const double rho = 0.8;

typedef struct {
  RheoCnf cnf;
  RheoParams params;
  float *values, x[N * D];
  const RheoHistory *history;
  RheoTrainer trainer;
} Study;

/* x is normal with mean (1, -2), standard deviations (2, 0.5) and correlation rho. */
static void Draw(float *x)
{
  for (int i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    const double a = RheoStreamNormal(&stream), b = RheoStreamNormal(&stream);
    x[i * D] = (float)(1 + 2 * a);
    x[i * D + 1] = (float)(-2 + 0.5 * (rho * a + sqrt(1 - rho * rho) * b));
  }
}

/* The mean of -log p of the very rows under the truth: what a perfect model would reach. */
static double Truth(const float *x)
{
  const double s = sqrt(1 - rho * rho);
  double sum = 0;
  for (int i = 0; i < N; i++) {
    const double a = ((double)x[i * D] - 1) / 2, b = (((double)x[i * D + 1] + 2) / 0.5 - rho * a) / s;
    sum += 0.5 * (a * a + b * b);
  }
  return sum / N + log(2 * M_PI) + log(2 * 0.5 * s);
}

static void Name(Study *s, const RheoObjectiveType *type, const RheoObjectiveModel *model)
{
  RheoProgram program;
  OK(RheoParamsCreate(&s->params));
  OK(RheoProgramCreate(1, &program));
  RheoVal column[2] = {rx_rows(program, "x", D), RHEO_NONE};
  type->loss(rx_enter(RheoScopeRoot(program, s->params, 1), "cnf"), model, column);
  if (RheoProgramError(program)) fail_msg("%s", RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
}

/* likelihood: what stands in the section; the rest is the same for all. */
static void Train(MPI_Comm comm, const char *likelihood, int64_t epochs, Study *s)
{
  const RheoRows rows = {
      .n = N, .n_columns = 2, .name = {"x", "context"}, .width = {D, 0}, .value = {s->x, NULL}};
  const RheoObjectiveType *type;
  RheoObjectiveModel model;
  RheoTrainConfig config;
  RheoDeck deck;
  void *memory;
  char text[512];
  snprintf(text, sizeof text,
           "cnf: {velocity: net, net: {type: mlp, hidden: 24, layers: 2, activation: tanh}, time: raw,\n"
           "  likelihood: {%s}}\n",
           likelihood);
  OK(RheoDeckCreate(comm, &deck));
  OK(RheoDeckLoadText(deck, "study", text));
  OK(RheoCnfCreate(&s->cnf));
  OK(RheoCnfSetFromDeck(s->cnf, deck, "cnf"));
  OK(RheoDeckDestroy(&deck));
  OK(RheoCnfSetSizes(s->cnf, D, 0));
  OK(RheoCnfSetUp(s->cnf));
  Draw(s->x);
  model = (RheoObjectiveModel){.cnf = s->cnf};
  OK(RheoObjectiveFind("cnf_nll", &type));
  Name(s, type, &model);
  assert_int_equal(posix_memalign(&memory, 64, (RheoParamsSize(s->params) + 16) * sizeof(float)), 0);
  s->values = memory;
  OK(RheoParamsInit(s->params, 1, s->values));
  OK(RheoCnfFit(s->cnf, s->params, "cnf", N, s->x, NULL, s->values));
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 256;
  config.shards = 2;
  config.epochs = epochs;
  config.lr = 5e-3;
  config.schedule = RHEO_SCHEDULE_COSINE;
  config.validation = 0.25;
  config.patience = 0;
  OK(RheoTrainerCreate(comm, &s->trainer));
  OK(RheoTrainerSetQuiet(s->trainer, PETSC_TRUE));
  OK(RheoTrainerSetConfig(s->trainer, &config));
  OK(RheoTrainerSetSeed(s->trainer, 1));
  OK(RheoTrainerSetRows(s->trainer, &rows));
  OK(RheoTrainerSetObjective(s->trainer, type, &model, "cnf"));
  OK(RheoTrainerSetParams(s->trainer, s->params, s->values));
  OK(RheoTrainerRun(s->trainer));
  OK(RheoTrainerGetHistory(s->trainer, &s->history));
}

static double Validation(const Study *s)
{
  return s->history->validation_loss[RheoHistoryBest(s->history)];
}

static void Finish(Study *s)
{
  OK(RheoTrainerDestroy(&s->trainer));
  OK(RheoCnfDestroy(&s->cnf));
  OK(RheoParamsDestroy(&s->params));
  free(s->values);
}

/* The mean over the first rows of what a regulariser integrates. */
static double Integral(const Study *s, int which)
{
  enum { ROWS = 256 };
  const RheoAdjointConfig config = {
      .solve = {.scheme = "rk4", .steps = 20, .probes = 1, .precision = RHEO_SOLVE_DOUBLE},
      .kinetic = which == 0,
      .jacobian = which == 1,
      .acceleration = which == 2};
  double z[ROWS * D], integral[ROWS], sum = 0;
  RheoSolveStatus status;
  RheoAdjoint adjoint;
  for (int i = 0; i < ROWS; i++) {
    z[i * D] = ((double)s->x[i * D] - 1) / 2;
    z[i * D + 1] = ((double)s->x[i * D + 1] + 2) / 0.5;
  }
  OK(RheoAdjointCreate(s->cnf, s->params, "cnf", ROWS, &config, &adjoint));
  OK(RheoAdjointForward(adjoint, s->values, ROWS, 1, 0, z, NULL, NULL, NULL, integral, &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  OK(RheoAdjointDestroy(&adjoint));
  for (int i = 0; i < ROWS; i++) sum += integral[i];
  return sum / ROWS;
}

/* ---- D-Flow: x0 is given, and the source is kept likely, so that x1 becomes its conditional mean ---- */

static const double given = 3; /* one standard deviation above its mean */

static PetscErrorCode Miss(void *data, int64_t n, const double *x, double *cost, double *dx)
{
  const double weight = 1e4;
  PetscFunctionBeginUser;
  (void)data;
  *cost = 0;
  memset(dx, 0, (size_t)n * D * sizeof *dx);
  for (int64_t i = 0; i < n; i++) {
    *cost += 0.5 * weight * (x[i * D] - given) * (x[i * D] - given);
    dx[i * D] = weight * (x[i * D] - given);
  }
  PetscFunctionReturn(RHEO_OK);
}

static void Complete(const Study *s)
{
  const RheoDFlowConfig config = {.solve = {.scheme = "tsit5",
                                            .rtol = 1e-6,
                                            .atol = 1e-6,
                                            .most = 1000,
                                            .probes = 1,
                                            .precision = RHEO_SOLVE_DOUBLE},
                                  .prior = 1,
                                  .iterations = 100,
                                  .tolerance = 1e-6};
  double source[D] = {-1, 1}, x[D];
  RheoDFlowReport report;
  RheoDFlow dflow;
  OK(RheoDFlowCreate(s->cnf, s->params, "cnf", s->values, &config, 1, &dflow));
  OK(RheoDFlowMinimise(dflow, NULL, NULL, Miss, NULL, source, x, &report));
  OK(RheoDFlowDestroy(&dflow));
  print_message("  given x0 = 3: x1 = %.3f (conditional mean %.3f), %lld solves\n", x[1], -2 + 0.5 * rho,
                (long long)report.solves);
  assert_true(report.converged);
  assert_true(fabs(x[0] - given) <= 0.01);
  assert_true(fabs(x[1] - (-2 + 0.5 * rho)) <= 0.1);
}

static void TestGaussian(void **state)
{
  Study s;
  (void)state;
  Train(PETSC_COMM_WORLD, "scheme: rk4, steps: 4", 12, &s);
  /* A quarter of the rows validates: the entropy of the sample differs from that of these by its noise, 1/sqrt(1000). */
  print_message("  validation %.4f, rows under the truth %.4f, entropy %.4f\n", Validation(&s), Truth(s.x),
                1 + log(2 * M_PI) + log(2 * 0.5 * sqrt(1 - rho * rho)));
  assert_true(fabs(Validation(&s) - Truth(s.x)) <= 0.06);
  const int64_t last = s.history->n - 1;
  assert_true(s.history->train_loss[last] <= Truth(s.x) + 0.03 &&
              s.history->train_loss[last] >= Truth(s.x) - 0.06);
  Complete(&s);
  Finish(&s);
}

/* Each lowers what it weighs. The likelihood pays for it, and not too much. */
static void TestRegularisers(void **state)
{
  static const char *const kept[3] = {"kinetic", "jacobian", "acceleration"};
  Study without, with;
  (void)state;
  Train(PETSC_COMM_WORLD, "scheme: rk4, steps: 4", 6, &without);
  for (int k = 0; k < 3; k++) {
    char text[128];
    snprintf(text, sizeof text, "scheme: rk4, steps: 4, %s: 0.5", kept[k]);
    Train(PETSC_COMM_WORLD, text, 6, &with);
    const double a = Integral(&without, k), b = Integral(&with, k);
    print_message("  %s: %.3f without, %.3f with; validation %.4f, %.4f\n", kept[k], a, b,
                  Validation(&without), Validation(&with));
    assert_true(b < 0.8 * a);
    assert_true(Validation(&with) < Validation(&without) + 0.3);
    Finish(&with);
  }
  Finish(&without);
}

static void TestEndTime(void **state)
{
  static const char learned[] =
      "scheme: rk4, steps: 4, end_time: learned, end_time_min: 0.5, end_time_max: 2, end_time_weight: 0.5";
  Study s, alone;
  (void)state;
  Train(PETSC_COMM_WORLD, learned, 12, &s);
  const RheoParamView *view = RheoParamsFind(s.params, "cnf.end_time");
  assert_non_null(view);
  const double share = 1 / (1 + exp(-(double)s.values[view->offset])), time = 0.5 * pow(4, share);
  print_message("  end time %.3f, validation %.4f\n", time, Validation(&s));
  assert_true(time > 0.5 && time < 0.97); /* it began at 1, and costs */
  assert_true(fabs(Validation(&s) - Truth(s.x)) <= 0.1);
  Train(PETSC_COMM_SELF, learned, 12, &alone); /* the same bits, however many ranks shared the work */
  assert_memory_equal(alone.values, s.values, RheoParamsSize(s.params) * sizeof *s.values);
  Finish(&alone);
  Finish(&s);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestGaussian), cmocka_unit_test(TestRegularisers),
                                     cmocka_unit_test(TestEndTime)};
  return RUN_TESTS(argc, argv, tests);
}
