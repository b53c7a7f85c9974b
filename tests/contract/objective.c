/* Every objective of the table: one loss a row, derivatives, values against closed forms, mistakes. */
#include "objective/objective.h"
#include "check.h"
#include "model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, WIDTH = 3, INPUTS = 8 };

static const RheoNetConfig net = {.type = 1, .hidden = 8, .layers = 2, .activation = RHEO_ACT_TANH};

typedef struct {
  RheoProgram program;
  RheoParams params;
  RheoScope scope;
  RheoFlow flow;
  RheoCnf cnf;
  RheoObjectiveModel model;
  RheoVal column[2];
  double *values, data[INPUTS][B * WIDTH];
  const double *in[INPUTS];
} Case;

/* width of y: 0 for a flow's context as wide as x. */
static Case *start(int n_out, int width)
{
  Case *c = calloc(1, sizeof *c);
  assert_non_null(c);
  OK(RheoProgramCreate(B, &c->program));
  OK(RheoParamsCreate(&c->params));
  OK(RheoFlowCreate(&c->flow));
  OK(RheoFlowSetSizes(c->flow, WIDTH, width));
  OK(RheoFlowSetUp(c->flow));
  OK(RheoCnfCreate(&c->cnf));
  OK(RheoCnfSetSizes(c->cnf, WIDTH, width));
  OK(RheoCnfSetUp(c->cnf));
  c->scope = rx_enter(RheoScopeRoot(c->program, c->params, 1), "model");
  c->column[0] = rx_rows(c->program, "x", WIDTH);
  c->column[1] = width ? rx_rows(c->program, "y", width) : RHEO_NONE;
  c->model = (RheoObjectiveModel){.flow = c->flow, .cnf = c->cnf, .net = &net, .n_out = n_out};
  for (int k = 0; k < INPUTS; k++) {
    FillNormal((uint64_t)k + 1, B * WIDTH, c->data[k]);
    c->in[k] = c->data[k];
  }
  return c;
}

static void finish(Case *c)
{
  OK(RheoProgramDestroy(&c->program));
  OK(RheoParamsDestroy(&c->params));
  OK(RheoFlowDestroy(&c->flow));
  OK(RheoCnfDestroy(&c->cnf));
  free(c->values);
  free(c);
}

static const RheoObjectiveType *find(const char *name)
{
  const RheoObjectiveType *type;
  OK(RheoObjectiveFind(name, &type));
  return type;
}

/* What a loss draws as uniform numbers gets such. */
static void draw_uniform(Case *c)
{
  const int n = RheoProgramInputCount(c->program);
  assert_in_range(n, 0, INPUTS);
  for (int k = 2; k < n; k++) {
    const RheoInputKind kind = RheoProgramInputKind(c->program, k);
    for (int i = 0; i < B * WIDTH && kind != RHEO_INPUT_NOISE_NORMAL; i++)
      c->data[k][i] = 0.5 * erfc(c->data[k][i]);
  }
}

static void evaluate(Case *c, RheoVal loss, double *result)
{
  if (RheoProgramError(c->program)) fail_msg("%s", RheoProgramError(c->program));
  assert_true(RheoShapeSame(rx_shape(loss), RX_SHAPE(B)));
  free(c->values);
  c->values = RandomParameters(c->params, 7, 0.1);
  draw_uniform(c);
  Evaluate(loss, c->values, c->in, result);
}

/* The loss finds the part of the model that it says it trains, and no other. */
static void only_its_part(const RheoObjectiveType *type, RheoObjectiveModel *model)
{
  const RheoObjectiveModel all = *model;
  *model = (RheoObjectiveModel){.n_out = all.n_out, .batch = all.batch, .origin = all.origin};
  if (!strcmp(type->trains, "flow"))
    model->flow = all.flow;
  else if (!strcmp(type->trains, "cnf"))
    model->cnf = all.cnf;
  else if (!strcmp(type->trains, "net"))
    model->net = all.net;
  else
    fail_msg("%s trains %s", type->name, type->trains);
}

static void every_type_has_derivatives(void **state)
{
  (void)state;
  for (int k = 0; RheoObjectiveTypes[k]; k++) {
    const RheoObjectiveType *type = RheoObjectiveTypes[k];
    double loss[B];
    Case *c = start(2, 2);
    assert_ptr_equal(find(type->name), type);
    assert_string_equal(type->columns[0], "x");
    assert_non_null(type->columns[1]);
    assert_null(type->columns[2]);
    only_its_part(type, &c->model);
    RheoVal value = type->loss(c->scope, &c->model, c->column);
    evaluate(c, value, loss);
    CheckGradients(rx_mean_all(value), c->params, c->values, c->in, 1e-6);
    for (int r = 0; r < B; r++) assert_true(isfinite(loss[r]));
    finish(c);
  }
}

static void nll_is_minus_log_prob(void **state)
{
  (void)state;
  for (int width = 0; width <= 2; width += 2) {
    double loss[B], log_prob[B];
    Case *c = start(0, width);
    evaluate(c, find("nll")->loss(c->scope, &c->model, c->column), loss);
    evaluate(c, rx_flow_log_prob(c->flow, c->scope, c->column[0], c->column[1]), log_prob);
    for (int r = 0; r < B; r++) AssertNear(loss[r], -log_prob[r], 1e-14);
    finish(c);
  }
}

/* The network's outputs (B, n). */
static void outputs(Case *c, int n, double *y)
{
  Evaluate(rx_net(c->scope, &net, c->column[0], RHEO_NONE, n, 1), c->values, c->in, y);
}

static void mse_is_the_mean_square(void **state)
{
  double loss[B], y[B * 2];
  (void)state;
  Case *c = start(2, 2);
  evaluate(c, find("mse")->loss(c->scope, &c->model, c->column), loss);
  outputs(c, 2, y);
  for (int r = 0; r < B; r++) {
    const double a = y[2 * r] - c->data[1][2 * r], b = y[2 * r + 1] - c->data[1][2 * r + 1];
    AssertNear(loss[r], (a * a + b * b) / 2, 1e-14);
  }
  finish(c);
}

static void cross_entropy_of_two_classes(void **state)
{
  double loss[B], logit[B];
  (void)state;
  Case *c = start(1, 1);
  for (int r = 0; r < B; r++) c->data[1][r] = r % 2;
  evaluate(c, find("cross_entropy")->loss(c->scope, &c->model, c->column), loss);
  outputs(c, 1, logit);
  for (int r = 0; r < B; r++) AssertNear(loss[r], log1p(exp(r % 2 ? -logit[r] : logit[r])), 1e-14);
  finish(c);
}

static void cross_entropy_of_classes(void **state)
{
  enum { N = 3 };
  (void)state;
  for (int numbers = 0; numbers < 2; numbers++) {
    double loss[B], logit[B * N];
    Case *c = start(N, numbers ? 1 : N);
    for (int r = 0; r < B; r++)
      for (int k = 0; k < N; k++)
        if (numbers)
          c->data[1][r] = r % N;
        else
          c->data[1][r * N + k] = k == r % N;
    evaluate(c, find("cross_entropy")->loss(c->scope, &c->model, c->column), loss);
    outputs(c, N, logit);
    for (int r = 0; r < B; r++) {
      double sum = 0;
      for (int k = 0; k < N; k++) sum += exp(logit[r * N + k]);
      AssertNear(loss[r], log(sum) - logit[r * N + r % N], 1e-13);
    }
    finish(c);
  }
}

static void mistakes_are_named(void **state)
{
  const RheoObjectiveType *type;
  (void)state;
  REJECTS(RheoObjectiveFind("nl", &type), "known: nll, mse, cross_entropy");
  for (int k = 0; RheoObjectiveTypes[k]; k++) {
    Case *c = start(2, 2);
    RheoMistake mistake;
    c->model = (RheoObjectiveModel){.n_out = 2};
    assert_false(RheoObjectiveMistake(RheoObjectiveTypes[k], &c->model, &mistake));
    if (RheoObjectiveTypes[k]->check) OK(RheoObjectiveTypes[k]->check(PETSC_COMM_SELF, &c->model));
    RheoObjectiveTypes[k]->loss(c->scope, &c->model, c->column);
    assert_non_null(strstr(RheoProgramError(c->program), "needs a"));
    finish(c);
  }
  const char *const wide[] = {"mse", "cross_entropy"};
  for (int k = 0; k < 2; k++) {
    Case *c = start(5, 2);
    find(wide[k])->loss(c->scope, &c->model, c->column);
    assert_non_null(strstr(RheoProgramError(c->program), "y is 2 wide"));
    finish(c);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_has_derivatives), cmocka_unit_test(nll_is_minus_log_prob),
      cmocka_unit_test(mse_is_the_mean_square),     cmocka_unit_test(cross_entropy_of_two_classes),
      cmocka_unit_test(cross_entropy_of_classes),   cmocka_unit_test(mistakes_are_named),
  };
  return RUN_TESTS(argc, argv, tests);
}
