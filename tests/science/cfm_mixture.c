/* Flow matching against the exact field: from a standard normal to a mixture of normals with independent pairs the velocity
 * that minimises the loss is known, for every path. A place is a z0 + b z1 + c e; for component k, z1 ~ N(m_k, s_k^2 I), places
 * are N(b m_k, V_k I) with V_k = a^2 + b^2 s_k^2 + c^2, and with dots for derivatives in time
 * E[target | z, k] = b. m_k + (a a. + b b. s_k^2 + c c.)/V_k (z - b m_k). The bands are met with margin by a short training,
 * and not by the field of another path or by one that is too simple.
 * timeout: 200 */
#include "base/random.h"
#include "check.h"
#include "cnfs.h"
#include "model.h"
#include "solves.h"
#include "train/train.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 20000, D = 2, K = 3, M = 4000 };
static const double weight[K] = {0.5, 0.3, 0.2}, centre[K][D] = {{2, 0}, {-1.5, 1.5}, {-1, -2}},
                    width[K] = {0.5, 0.7, 0.4};

/* x (n, D), and which component it is of, y (n, K): one 1, the rest 0. */
static void draw_data(uint64_t seed, int64_t n, float *x, float *y)
{
  for (int64_t r = 0; r < n; r++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, (uint64_t)r);
    const double u = RheoStreamUniform(&stream);
    const int k = u < weight[0] ? 0 : u < weight[0] + weight[1] ? 1 : 2;
    for (int i = 0; i < K; i++) y[r * K + i] = i == k;
    for (int d = 0; d < D; d++) x[r * D + d] = (float)(centre[k][d] + width[k] * RheoStreamNormal(&stream));
  }
}

typedef struct {
  const char *path;
  double sigma;
} Case;

/* a, b, c at time t. */
static void coefficients(const Case *p, double t, double *abc)
{
  const int is_vp = !strcmp(p->path, "vp"), is_lipman = !strcmp(p->path, "lipman");
  abc[0] = is_vp ? cos(M_PI * t / 2) : is_lipman ? 1 - (1 - p->sigma) * t : 1 - t;
  abc[1] = is_vp ? sin(M_PI * t / 2) : t;
  abc[2] = is_lipman ? 0 : p->sigma;
  if (!strcmp(p->path, "sb")) abc[2] *= sqrt(fmax(t * (1 - t), 1e-4));
  if (!strcmp(p->path, "ve")) {
    abc[0] = p->sigma * pow(0.01 / p->sigma, t);
    abc[1] = 1;
    abc[2] = 0;
  }
}

/* among (K): the components that it may be. */
static void exact(const Case *p, const float *among, double t, const double *z, double *v)
{
  const double h = 1e-6;
  double x[3], dx[3], up[3], down[3], sum = 0, part[K], spread[K];
  coefficients(p, t, x);
  coefficients(p, t + h, up);
  coefficients(p, t - h, down);
  for (int i = 0; i < 3; i++) dx[i] = (up[i] - down[i]) / (2 * h);
  for (int k = 0; k < K; k++) {
    double square = 0;
    spread[k] = x[0] * x[0] + pow(x[1] * width[k], 2) + x[2] * x[2];
    for (int d = 0; d < D; d++) square += pow(z[d] - x[1] * centre[k][d], 2);
    part[k] = (double)among[k] * weight[k] / spread[k] * exp(-square / (2 * spread[k]));
    sum += part[k];
  }
  for (int d = 0; d < D; d++) {
    v[d] = 0;
    for (int k = 0; k < K; k++)
      v[d] += part[k] / sum *
              (dx[1] * centre[k][d] + (x[0] * dx[0] + x[1] * dx[1] * width[k] * width[k] + x[2] * dx[2]) /
                                          spread[k] * (z[d] - x[1] * centre[k][d]));
  }
}

/* The mean of |v - exact|^2 over places on the path, by the mean of |exact|^2. told: v knows the component. */
static double field_error(const Case *p, CnfModel *m, RheoVal v, int told)
{
  static const float any[K] = {1, 1, 1};
  static float t[M], z[M * D], got[M * D], z1[M * D], y[M * K];
  double error = 0, size = 0;
  RheoPlan plan;
  RheoWork work;
  draw_data(77, M, z1, y);
  for (int r = 0; r < M; r++) {
    RheoStream stream = RheoStreamMake(78, RHEO_STREAM_TEST, 0, (uint64_t)r);
    t[r] = (float)((r + 0.5) / M);
    double abc[3];
    coefficients(p, (double)t[r], abc);
    for (int d = 0; d < D; d++)
      z[r * D + d] = (float)(abc[0] * RheoStreamNormal(&stream) + abc[1] * (double)z1[r * D + d] +
                             abc[2] * RheoStreamNormal(&stream));
  }
  OK(RheoPlanCreate(m->program, RHEO_SINGLE, 1, &v, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRunRows(plan, work, m->single, M, (const void *const[]){t, z, y}, (void *const[]){got});
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  for (int r = 0; r < M; r++) {
    const double at[D] = {(double)z[r * D], (double)z[r * D + 1]};
    double want[D];
    exact(p, told ? y + r * K : any, (double)t[r], at, want);
    for (int d = 0; d < D; d++) {
      error += pow((double)got[r * D + d] - want[d], 2);
      size += want[d] * want[d];
    }
  }
  return error / size;
}

/* Starts and trains a field on one path, with the component as its context or without. */
static CnfModel train(const Case *p, const char *text, int n_context)
{
  static float x[N * D], y[N * K];
  const RheoObjectiveType *type;
  RheoTrainer trainer;
  RheoTrainConfig config;
  char whole[512];
  snprintf(whole, sizeof whole,
           "path: %s, sigma: %g, standardize: no, net: {type: mlp, hidden: 64, layers: 3}, %s", p->path,
           p->sigma, text);
  CnfModel m = StartCnf(whole, D, n_context, 256, 0);
  rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, RHEO_NONE);
  rx_cnf_start(m.cnf, m.scope, m.z, m.context);
  rx_cnf_enter(m.cnf, m.scope, m.z, m.context);
  DrawCnf(&m, 0);
  OK(RheoParamsInit(m.params, 3, m.single));
  draw_data(5, N, x, y);
  const RheoRows rows = {
      .n = N, .n_columns = 2, .name = {"x", "context"}, .width = {D, n_context}, .value = {x, y}};
  const RheoObjectiveModel model = {.cnf = m.cnf};
  OK(RheoObjectiveFind("cfm", &type));
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 256;
  config.steps = 3000;
  config.lr = 2e-3;
  config.schedule = RHEO_SCHEDULE_COSINE;
  config.validation = 0;
  config.patience = 0;
  OK(RheoTrainerCreate(PETSC_COMM_WORLD, &trainer));
  OK(RheoTrainerSetConfig(trainer, &config));
  OK(RheoTrainerSetSeed(trainer, 1));
  OK(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  OK(RheoTrainerSetRows(trainer, &rows));
  OK(RheoTrainerSetObjective(trainer, type, &model, "cnf"));
  OK(RheoTrainerSetParams(trainer, m.params, m.single));
  OK(RheoTrainerRun(trainer));
  OK(RheoTrainerDestroy(&trainer));
  return m;
}

/* Of a field trained on one path against the exact one of another. */
static double error_of(const Case *p, const Case *other, const char *text)
{
  CnfModel m = train(p, text, 0);
  RheoVal v = rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, RHEO_NONE, RHEO_NONE);
  const double error = field_error(other, &m, v, 0);
  print_message("%-8s sigma %-4g %-45s relative error %.5f\n", p->path, p->sigma, text, error);
  FinishCnf(&m);
  return error;
}

static const Case linear = {"linear", 0.1}, lipman = {"lipman", 0.01}, vp = {"vp", 0}, sb = {"sb", 0.5},
                  ve = {"ve", 20};

static void field_is_the_conditional_mean(void **state)
{
  const Case *const paths[] = {&linear, &lipman, &vp, &sb, &ve};
  (void)state;
  for (int k = 0; k < 5; k++) assert_true(error_of(paths[k], paths[k], "time: fourier") < 0.02);
}

static void however_times_are_drawn(void **state)
{
  (void)state;
  assert_true(error_of(&linear, &linear, "time: raw, times_draw: stratified") < 0.03);
  assert_true(error_of(&linear, &linear, "velocity: potential, times_draw: antithetic") < 0.03);
  assert_true(error_of(&linear, &linear, "times: logit_normal") < 0.05);
}

/* A field that sometimes forgets its context learns both: each component's own, and the mixture's. */
static void forgetting_learns_both_fields(void **state)
{
  (void)state;
  CnfModel m = train(&linear, "dropout: 0.3", K);
  RheoVal forget = rx_fill(m.program, RX_SHAPE(256, 1), 1);
  const double told =
      field_error(&linear, &m, rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, RHEO_NONE), 1);
  const double untold =
      field_error(&linear, &m, rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, forget), 0);
  const double mixed =
      field_error(&linear, &m, rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, forget), 1);
  print_message("told %.5f, untold %.5f, one for the other %.5f\n", told, untold, mixed);
  assert_true(told < 0.03 && untold < 0.05 && mixed > 0.2);
  FinishCnf(&m);
}

/* CAR-Flow: the ends of the way follow the component, and samples of each component are still its own. */
static void shifted_ends_reach_each_component(void **state)
{
  enum { ROWS = 2000 };
  static double source[ROWS * D], context[ROWS * K], path[2 * ROWS * D];
  (void)state;
  CnfModel m = train(&linear, "shift: both", K);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("rtol: 1e-4, atol: 1e-4"));
  for (int k = 0; k < K; k++) {
    double mean[D] = {0}, moved[D] = {0}, square = 0;
    FillNormal(9, ROWS * D, source);
    for (int r = 0; r < ROWS * K; r++) context[r] = r % K == k;
    const RheoSolveRows rows = {.n = ROWS, .context = context};
    OK(RheoSolverTrajectory(solver, &rows, source, 2, (const double[]){0, 1}, path, NULL));
    for (int i = 0; i < ROWS * D; i++) {
      moved[i % D] += (path[i] - source[i]) / ROWS;
      mean[i % D] += path[ROWS * D + i] / ROWS;
    }
    for (int i = 0; i < ROWS * D; i++) square += pow(path[ROWS * D + i] - mean[i % D], 2) / (ROWS * D);
    print_message("component %d: mean %.3f %.3f, sd %.3f; where its ways begin: %.3f %.3f\n", k, mean[0],
                  mean[1], sqrt(square), moved[0], moved[1]);
    /* path: linear of sigma 0.1 widens what it learns by as much */
    assert_true(hypot(mean[0] - centre[k][0], mean[1] - centre[k][1]) < 0.12);
    assert_true(fabs(sqrt(square) / hypot(width[k], linear.sigma) - 1) < 0.12);
    assert_true(hypot(moved[0], moved[1]) > 0.3);
  }
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

static void wrong_fields_are_told_apart(void **state)
{
  (void)state;
  assert_true(error_of(&vp, &linear, "time: fourier") > 0.1);
  assert_true(error_of(&linear, &linear, "velocity: affine") > 0.1);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(field_is_the_conditional_mean), cmocka_unit_test(however_times_are_drawn),
      cmocka_unit_test(forgetting_learns_both_fields), cmocka_unit_test(shifted_ends_reach_each_component),
      cmocka_unit_test(wrong_fields_are_told_apart),
  };
  return RUN_TESTS(argc, argv, tests);
}
