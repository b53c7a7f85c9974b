/* Maximum likelihood of a CNF: losses and gradients of the shard runner against the same fixed steps written out as a
 * program and differentiated; the adjoint against it in double; learned end time; rows that are lost. */
#include "check.h"
#include "cnf_case.h"
#include "cnf_unrolled.h"
#include "objective/objective.h"
#include "program/plan.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, D = 2, C = 1, PROBES = 2 };

#define FIELD "velocity: net, net: {type: mlp, hidden: 8, layers: 2, activation: tanh}, time: raw"

/* ---- The adjoint in double ---- */

static double Difference(size_t n, const double *x, const double *y)
{
  double sum = 0, size = 0;
  for (size_t i = 0; i < n; i++) {
    sum += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  return sqrt(sum / size);
}

static void CheckScheme(CnfCase *c, const char *scheme, double hjb)
{
  const RheoAdjointConfig config = {.solve = {.scheme = scheme,
                                              .steps = 3,
                                              .probes = PROBES,
                                              .divergence = RHEO_DIVERGENCE_NORMAL,
                                              .precision = RHEO_SOLVE_DOUBLE},
                                    .log_det = PETSC_TRUE,
                                    .kinetic = 0.3,
                                    .l1 = 0.4,
                                    .jacobian = 0.2,
                                    .jacobian_diagonal = 0.5,
                                    .jacobian_off_diagonal = 0.7,
                                    .acceleration = 0.1,
                                    .hjb = hjb};
  double z[ROWS * D], context[ROWS * C], noise[ROWS * PROBES * D], dz[ROWS * D], ones[ROWS],
      expected_dz[ROWS * D];
  RheoStream stream = RheoStreamMake(3, RHEO_STREAM_TEST, 0, 0);
  const size_t n = c->n_values;
  double *values = malloc(n * sizeof *values), *expected = malloc(n * sizeof *values),
         *got = calloc(n, sizeof *got);
  RheoSolveStatus status;
  RheoAdjoint adjoint;
  RheoProgram program;
  RheoPlan plan;
  RheoWork work;
  RheoVal out[2];
  for (int i = 0; i < ROWS * D; i++) z[i] = RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS * C; i++) context[i] = RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS * PROBES * D; i++) noise[i] = RheoStreamNormal(&stream);
  for (size_t i = 0; i < n; i++) values[i] = (double)c->values[i];

  OK(RheoProgramCreate(ROWS, &program));
  RheoVal x = rx_rows(program, "z", D), y = rx_rows(program, "context", C),
          e = rx_rows(program, "noise", PROBES * D);
  const Unrolled u =
      rx_unrolled(c->cnf, rx_enter(RheoScopeRoot(program, c->params, 0), "cnf"), &config, 1, 0, x, y, e);
  RheoVal sum = rx_add(rx_scale(rx_sum_all(rx_square(u.z)), 0.5), rx_sum_all(rx_add(u.log_det, u.penalty)));
  out[0] = rx_grad(sum, x);
  out[1] = rx_grad_params(sum, c->params);
  OK(RheoPlanCreate(program, RHEO_DOUBLE, 2, out, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, values, (const void *const[]){z, context, noise},
              (void *const[]){expected_dz, expected});

  OK(RheoAdjointCreate(c->cnf, c->params, "cnf", ROWS, &config, &adjoint));
  memcpy(dz, z, sizeof dz);
  OK(RheoAdjointForward(adjoint, c->values, ROWS, 1, 0, dz, context, noise, NULL, NULL, &status));
  for (int i = 0; i < ROWS; i++) ones[i] = 1;
  OK(RheoAdjointBackward(adjoint, dz, ones, ones, NULL, got)); /* d |z|^2/2 = z */
  const double by_z = Difference(ROWS * D, dz, expected_dz), by_values = Difference(n, got, expected);
  print_message("  %-6s by z %.1e, by values %.1e\n", scheme, by_z, by_values);
  assert_true(by_z <= 1e-12 && by_values <= 1e-12);
  OK(RheoAdjointDestroy(&adjoint));
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  OK(RheoProgramDestroy(&program));
  free(values);
  free(expected);
  free(got);
}

static void TestAdjointIsProgram(void **state)
{
  CnfCase c;
  (void)state;
  CnfCaseCreate("cnf: {" FIELD ", standardize: no}\n", D, C, 2, &c);
  CheckScheme(&c, "euler", 0);
  CheckScheme(&c, "heun", 0);
  CheckScheme(&c, "rk4", 0);
  CnfCaseDestroy(&c);
  CnfCaseCreate(
      "cnf: {velocity: potential, net: {type: mlp, hidden: 8, layers: 2, activation: tanh}, time: raw,"
      " standardize: no, dropout: 0.1, guidance: 1.5, likelihood: {end_time: learned}}\n",
      D, C, 2, &c);
  CheckScheme(&c, "heun", 0.6);
  CnfCaseDestroy(&c);
}

/* ---- The runner ---- */

typedef struct {
  CnfCase c;
  const RheoObjectiveType *type;
  RheoObjectiveModel model;
  void *runner;
  float x[ROWS * D], context[ROWS * C], weight[ROWS];
  uint64_t index[ROWS];
  const float *column[2];
  RheoBatch batch;
  float loss[ROWS], *gradient;
} Case;

static void CaseCreate(const char *deck, Case *k)
{
  RheoStream stream = RheoStreamMake(4, RHEO_STREAM_TEST, 0, 0);
  *k = (Case){0};
  CnfCaseCreate(deck, D, C, 2, &k->c);
  k->model = (RheoObjectiveModel){.cnf = k->c.cnf};
  OK(RheoObjectiveFind("cnf_nll", &k->type));
  for (int i = 0; i < ROWS * D; i++) k->x[i] = (float)RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS * C; i++) k->context[i] = (float)RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS; i++) k->weight[i] = 0.5f + 0.25f * (float)i;
  for (int i = 0; i < ROWS; i++) k->index[i] = (uint64_t)(100 + 7 * i);
  k->column[0] = k->x;
  k->column[1] = k->context;
  k->batch = (RheoBatch){
      .seed = 9, .step = 0, .n = ROWS, .index = k->index, .column = k->column, .weight = k->weight};
  k->gradient = malloc(k->c.n_values * sizeof *k->gradient);
  assert_non_null(k->gradient);
  OK(k->type->runner->create(&k->model, k->c.params, "cnf", ROWS + 2, &k->runner));
}

static void CaseDestroy(Case *k)
{
  OK(k->type->runner->destroy(&k->runner));
  assert_null(k->runner);
  free(k->gradient);
  CnfCaseDestroy(&k->c);
}

static void Run(Case *k, int training)
{
  OK(k->type->runner->run(k->runner, &k->batch, training, k->c.values, k->loss, k->gradient));
}

/* What the runner should say, by a program. */
static void Expect(Case *k, int training, double *loss, double *gradient)
{
  const RheoLikelihoodConfig *l = RheoCnfGetLikelihood(k->c.cnf);
  const RheoAdjointConfig config = {.solve = {.scheme = l->scheme, .steps = l->steps, .probes = 1},
                                    .log_det = PETSC_TRUE,
                                    .kinetic = training ? l->kinetic : 0,
                                    .jacobian = training ? l->jacobian : 0};
  const size_t n = k->c.n_values;
  double x[ROWS * D], context[ROWS * C], weight[ROWS], *values = malloc(n * sizeof *values);
  RheoProgram p;
  RheoPlan plan;
  RheoWork work;
  RheoVal out[2];
  for (int i = 0; i < ROWS * D; i++) x[i] = (double)k->x[i];
  for (int i = 0; i < ROWS * C; i++) context[i] = (double)k->context[i];
  for (int i = 0; i < ROWS; i++) weight[i] = (double)k->weight[i];
  for (size_t i = 0; i < n; i++) values[i] = (double)k->c.values[i];
  OK(RheoProgramCreate(ROWS, &p));
  const RheoScope scope = rx_enter(RheoScopeRoot(p, k->c.params, 0), "cnf");
  RheoVal y = rx_rows(p, "context", C), w = rx_reshape(rx_rows(p, "weight", 1), RX_SHAPE(-1));
  RheoVal z = rx_cnf_enter(k->c.cnf, scope, rx_rows(p, "x", D), y);
  const Unrolled u = rx_unrolled(k->c.cnf, scope, &config, 1, 0, z, y, RHEO_NONE);
  RheoVal source = rx_cnf_source_log_prob(k->c.cnf, rx_cnf_leave(k->c.cnf, scope, u.z, y));
  out[0] = rx_sub(u.penalty, rx_add(rx_add(source, u.log_det), rx_cnf_log_scale(k->c.cnf, scope)));
  if (training && l->end_time == RHEO_END_TIME_LEARNED)
    out[0] = rx_add(out[0], rx_scale(rx_cnf_end_time(k->c.cnf, scope), l->end_time_weight));
  out[1] = rx_grad_params(rx_sum_all(rx_mul(out[0], w)), k->c.params);
  OK(RheoPlanCreate(p, RHEO_DOUBLE, 2, out, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, values, (const void *const[]){context, weight, x}, (void *const[]){loss, gradient});
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  OK(RheoProgramDestroy(&p));
  free(values);
}

static void Compare(Case *k, int training)
{
  const size_t n = k->c.n_values;
  double loss[ROWS], *expected = malloc(n * sizeof *expected), *got = malloc(n * sizeof *got);
  Expect(k, training, loss, expected);
  Run(k, training);
  for (int i = 0; i < ROWS; i++)
    assert_true(fabs((double)k->loss[i] - loss[i]) <= 2e-6 * (1 + fabs(loss[i])));
  for (size_t i = 0; i < n; i++) got[i] = (double)k->gradient[i];
  assert_true(Difference(n, got, expected) <= 1e-6);
  free(expected);
  free(got);
}

/* Standardised and shifted at both ends, with weights and regularisers. */
static void TestRunner(void **state)
{
  Case k;
  (void)state;
  CaseCreate("cnf: {" FIELD
             ", shift: both, likelihood: {scheme: heun, steps: 3, precision: double, kinetic: 0.3,"
             " jacobian: 0.2}}\n",
             &k);
  Compare(&k, 1);
  float with[ROWS];
  memcpy(with, k.loss, sizeof with);
  double loss[ROWS], *gradient = malloc(k.c.n_values * sizeof *gradient);
  Expect(&k, 0, loss, gradient);
  OK(k.type->runner->run(k.runner, &k.batch, 0, k.c.values, k.loss,
                         NULL)); /* validation: the likelihood alone */
  for (int i = 0; i < ROWS; i++) {
    assert_true(fabs((double)k.loss[i] - loss[i]) <= 2e-6 * (1 + fabs(loss[i])));
    assert_true(with[i] > k.loss[i]);
  }
  free(gradient);
  CaseDestroy(&k);
}

/* Estimates of the divergence are a function of seed, step and row, whatever the company. */
static void TestNoise(void **state)
{
  Case k;
  float all[ROWS];
  (void)state;
  CaseCreate("cnf: {" FIELD ", likelihood: {scheme: rk4, steps: 2, divergence: normal, probes: 2}}\n", &k);
  Run(&k, 1);
  memcpy(all, k.loss, sizeof all);
  k.column[0] += 2 * D;
  k.column[1] += 2 * C;
  k.batch.index += 2;
  k.batch.n = 3;
  Run(&k, 1);
  for (int i = 0; i < 3; i++) assert_true(k.loss[i] == all[i + 2]);
  k.batch.step = 1;
  Run(&k, 1);
  for (int i = 0; i < 3; i++) assert_true(k.loss[i] != all[i + 2]);
  CaseDestroy(&k);
}

/* Steps of T and of the field alternate, and add up to the gradient. */
static void TestEndTime(void **state)
{
  Case k;
  (void)state;
  CaseCreate("cnf: {" FIELD ", likelihood: {scheme: euler, steps: 3, precision: double, end_time: learned,"
             " end_time_min: 0.5, end_time_max: 3, end_time_weight: 0.1, end_time_every: 3}}\n",
             &k);
  const RheoParamView *view = RheoParamsFind(k.c.params, "cnf.end_time");
  const size_t n = k.c.n_values;
  double loss[ROWS], *expected = malloc(n * sizeof *expected), *got = calloc(n, sizeof *got);
  assert_non_null(view);
  Expect(&k, 1, loss, expected);
  for (k.batch.step = 1; k.batch.step <= 2; k.batch.step++) {
    Run(&k, 1);
    for (size_t i = 0; i < n; i++) {
      const int is_time = i == view->offset;
      if (is_time != (k.batch.step == 2)) assert_true(k.gradient[i] == 0);
      got[i] += (double)k.gradient[i];
    }
  }
  assert_true(Difference(n, got, expected) <= 1e-6);
  for (int i = 0; i < ROWS; i++) assert_true(fabs((double)k.loss[i] - loss[i]) <= 2e-6 * (1 + fabs(loss[i])));
  free(expected);
  free(got);
  CaseDestroy(&k);
}

static void TestLostRow(void **state)
{
  Case k;
  (void)state;
  CaseCreate("cnf: {" FIELD ", likelihood: {scheme: euler, steps: 3}}\n", &k);
  k.x[3 * D] = NAN;
  Run(&k, 1);
  assert_false(isfinite(k.loss[3]));
  OK(k.type->runner->run(k.runner, &k.batch, 0, k.c.values, k.loss, NULL));
  for (int i = 0; i < ROWS; i++) assert_int_equal(isfinite(k.loss[i]) != 0, i != 3);
  CaseDestroy(&k);
  CaseCreate("cnf: {" FIELD ", likelihood: {scheme: tsit5, steps: 0}}\n", &k);
  Run(&k, 1);
  for (int i = 0; i < ROWS; i++) assert_true(isfinite(k.loss[i]));
  k.x[3 * D] = NAN;
  Run(&k, 1);
  assert_false(isfinite(k.loss[3]));
  CaseDestroy(&k);
}

static void Rejected(const char *deck, const char *key, const char *text)
{
  const RheoObjectiveType *type;
  CnfCase c;
  OK(RheoObjectiveFind("cnf_nll", &type));
  CnfCaseCreate(deck, D, C, 2, &c);
  const RheoObjectiveModel model = {.cnf = c.cnf};
  RheoMistake mistake;
  assert_true(type->mistake(&model, &mistake));
  assert_string_equal(mistake.key, key);
  if (!strstr(mistake.text, text)) fail_msg("%s", mistake.text);
  CnfCaseDestroy(&c);
}

/* A scheme that nobody knows is rejected where the deck is read. */
static void SchemeIsUnknown(void)
{
  RheoDeck deck;
  RheoCnf cnf;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "case", "cnf: {likelihood: {scheme: rk5}}\n"));
  OK(RheoCnfCreate(&cnf));
  REJECTS(RheoCnfSetFromDeck(cnf, deck, "cnf"), "cnf.likelihood.scheme = rk5: there is no scheme 'rk5'");
  OK(RheoCnfDestroy(&cnf));
  OK(RheoDeckDestroy(&deck));
}

static void TestMistakes(void **state)
{
  (void)state;
  SchemeIsUnknown();
  Rejected("cnf: {source: data, standardize: no}\n", "cnf.source", "normal");
  Rejected("cnf: {dropout: 0.2}\n", "cnf.dropout", "forgets nothing");
  Rejected("cnf: {net: {dropout: 0.2}}\n", "cnf.net.dropout", "forgets nothing");
  Rejected("cnf: {likelihood: {scheme: rk4, steps: 0}}\n", "cnf.likelihood.scheme", "error estimate");
  Rejected("cnf: {likelihood: {rtol: 1e-9, atol: 1e-9}}\n", "cnf.likelihood.rtol", "single precision");
  Rejected("cnf: {likelihood: {scheme: tsit5, steps: 0, checkpoints: 4}}\n", "cnf.likelihood.checkpoints",
           "fixed steps");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(TestAdjointIsProgram), cmocka_unit_test(TestRunner),  cmocka_unit_test(TestNoise),
      cmocka_unit_test(TestEndTime),          cmocka_unit_test(TestLostRow), cmocka_unit_test(TestMistakes)};
  return RUN_TESTS(argc, argv, tests);
}
