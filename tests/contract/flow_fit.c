/* Data-dependent starts, life cycle and decks of flows. */
#include "check.h"
#include "flows.h"
#include "model.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1500, D = 3, C = 2 };

typedef struct {
  float x[N * D], context[N * C];
} Data;

static Data *make_data(void)
{
  Data *data = malloc(sizeof *data);
  double *x = malloc(sizeof(double) * N * D);
  assert_true(data && x);
  FillNormal(8, N * D, x);
  for (int r = 0; r < N; r++) {
    data->x[r * D] = (float)(1e3 + 5 * x[r * D]);
    data->x[r * D + 1] = (float)(1e-3 * x[r * D + 1] + 1e-3 * x[r * D]);
    data->x[r * D + 2] = (float)exp(x[r * D + 2]);
    data->context[r * C] = (float)(-40 + 0.5 * x[r * D]);
    data->context[r * C + 1] = 7; /* constant */
  }
  free(x);
  return data;
}

/* Mean and standard deviation of what comes out of the first layers. */
static void outcome(FlowModel *m, const Data *data, RheoVal value, double *mean, double *sd)
{
  double *out = malloc(sizeof(double) * N * D), *x = malloc(sizeof(double) * N * D);
  double *context = malloc(sizeof(double) * N * C);
  for (int k = 0; k < N * D; k++) x[k] = data->x[k];
  for (int k = 0; k < N * C; k++) context[k] = data->context[k];
  RunFlow(m, RHEO_SINGLE, (const double *[]){x, x, context}, 1, &value, (double *[]){out});
  for (int d = 0; d < D; d++) {
    mean[d] = sd[d] = 0;
    for (int r = 0; r < N; r++) mean[d] += out[r * D + d] / N;
    for (int r = 0; r < N; r++) sd[d] += pow(out[r * D + d] - mean[d], 2) / N;
    sd[d] = sqrt(sd[d]);
  }
  free(out);
  free(x);
  free(context);
}

static void check_fit(const char *text, const double *lower, const double *upper, int n_context)
{
  double mean[D], sd[D];
  Data *data = make_data();
  FlowModel m = StartFlow(text, D, n_context, lower, upper, N, 0);
  RheoVal z = rx_flow_forward(m.flow, m.scope, m.x, m.context, NULL);
  DrawFlow(&m, 0);
  OK(RheoFlowFit(m.flow, m.params, "flow", N, data->x, n_context ? data->context : NULL, m.single));
  outcome(&m, data, z, mean, sd);
  for (int d = 0; d < D; d++) {
    AssertNear(mean[d], 0, 2e-3);
    AssertNear(sd[d], 1, 2e-3);
  }
  FinishFlow(&m);
  free(data);
}

static void fitted_layers_standardise(void **state)
{
  const double lower[] = {0, -INFINITY, 0}, upper[] = {2000, INFINITY, INFINITY};
  (void)state;
  for (int k = 0; RheoTransformTypes[k];
       k++) { /* every type that fits, behind one that spoils mean and scale */
    char text[128];
    if (!RheoTransformTypes[k]->fit) continue;
    snprintf(text, sizeof text, "stack: [lu, %s], repeat: 2, standardize: no", RheoTransformTypes[k]->name);
    check_fit(text, NULL, NULL, 0);
    check_fit(text, lower, upper, C);
  }
  check_fit("stack: [permutation], repeat: 1", lower, upper, 0);
  check_fit("stack: [permutation], repeat: 1", NULL, NULL, C);
}

static void context_is_standardised(void **state)
{
  (void)state;
  Data *data = make_data();
  FlowModel m = StartFlow("", D, C, NULL, NULL, 16, 0);
  double mean = 0, square = 0;
  rx_flow_log_prob(m.flow, m.scope, m.x, m.context);
  DrawFlow(&m, 0);
  OK(RheoFlowFit(m.flow, m.params, "flow", N, data->x, data->context, m.single));
  for (int r = 0; r < N; r++) mean += data->context[r * C] / (double)N;
  for (int r = 0; r < N; r++) square += pow(data->context[r * C] - mean, 2) / N;
  const float *fitted_mean = m.single + RheoParamsFind(m.params, "flow.context.mean")->offset;
  const float *fitted_sd = m.single + RheoParamsFind(m.params, "flow.context.sd")->offset;
  AssertNear(fitted_mean[0], mean, 1e-5);
  AssertNear(fitted_sd[0], sqrt(square), 1e-5);
  assert_true(fitted_mean[1] == 7 && fitted_sd[1] == 1);
  assert_true(RheoParamsFind(m.params, "flow.context.sd")->init.frozen);
  FinishFlow(&m);
  free(data);
}

static void fit_does_not_depend_on_other_parameters(void **state)
{
  (void)state;
  Data *data = make_data();
  FlowModel m = StartFlow("", D, C, NULL, NULL, 16, 0);
  rx_flow_log_prob(m.flow, m.scope, m.x, m.context);
  DrawFlow(&m, 0);
  float *before = malloc(m.n_params * sizeof(float));
  memcpy(before, m.single, m.n_params * sizeof(float));
  OK(RheoFlowFit(m.flow, m.params, "flow", N, data->x, data->context, m.single));
  for (int i = 0; i < RheoParamsCount(m.params); i++) {
    const RheoParamView *view = RheoParamsView(m.params, i);
    const int same = !memcmp(before + view->offset, m.single + view->offset, view->size * sizeof(float));
    assert_int_equal(same, !view->init.frozen);
  }
  free(before);
  FinishFlow(&m);
  free(data);
}

static PetscErrorCode configure(const char *yaml)
{
  RheoFlow flow;
  RheoDeck deck;
  OK(RheoFlowCreate(&flow));
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "test.yaml", yaml));
  PetscErrorCode code = RheoFlowSetFromDeck(flow, deck, "flow");
  OK(RheoDeckDestroy(&deck));
  OK(RheoFlowDestroy(&flow));
  return code;
}

static void decks_are_checked(void **state)
{
  (void)state;
  OK(configure("flow: {stack: [maf, permutation], repeat: 3}"));
  REJECTS(configure("flow: {stack: [rqs_couplin, lu]}"), "did you mean rqs_coupling?");
  REJECTS(configure("flow: {stack: [wavelet]}"), "known: affine_coupling, ");
  REJECTS(configure("flow: {stack: [wavelet]}"), "flow.stack");
  REJECTS(configure("flow: {stack: [bounded, lu]}"), "by itself");
  REJECTS(configure("flow: {stack: []}"), "at least one");
  REJECTS(configure("flow: {repeat: 0}"), "flow.repeat");
  REJECTS(configure("flow: {rqs_coupling: {bins: 1}}"), "flow.rqs_coupling.bins");
  REJECTS(configure("flow: {net: {hidden: 0}}"), "flow.net.hidden");
  REJECTS(configure("flow: {base: cauchy}"), "flow.base");
}

static void every_key_has_its_section(void **state)
{
  int n;
  const RheoSection *section;
  RheoDeck deck;
  (void)state;
  OK(RheoFlowGetSections(&n, &section));
  for (int k = 0; RheoTransformTypes[k]; k++) {
    int found = !RheoTransformTypes[k]->keys;
    for (int i = 0; i < n; i++) found |= section[i].keys == RheoTransformTypes[k]->keys;
    assert_true(found);
  }
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "test.yaml",
                      "flow: {net: {hidden: 20}, maf: {limit: 2}, permutation: {kind: reverse}}"));
  OK(RheoDeckCheck(deck, n, section));
  OK(RheoDeckDestroy(&deck));
}

static void choices_name_the_bases(void **state)
{
  char rule[256] = "";
  (void)state;
  int n;
  const RheoSection *section;
  OK(RheoFlowGetSections(&n, &section));
  for (int k = 0; RheoBaseTypes[k]; k++)
    snprintf(rule + strlen(rule), sizeof rule - strlen(rule), "%s%s", k ? "|" : "", RheoBaseTypes[k]->name);
  assert_string_equal(section[0].keys[0].name, "base");
  assert_string_equal(section[0].keys[0].rule, rule);
}

static void wrong_sizes_are_reported(void **state)
{
  RheoFlow flow;
  const double low[] = {0, 1}, high[] = {1, 1};
  (void)state;
  OK(RheoFlowCreate(&flow));
  REJECTS(RheoFlowSetSizes(flow, 0, 0), "number of features");
  OK(RheoFlowSetSizes(flow, 2, 1));
  REJECTS(RheoFlowSetBounds(flow, low, high), "feature 1");
  OK(RheoFlowSetUp(flow));
  for (int k = 0; k < 3; k++) {
    RheoProgram program;
    RheoParams params;
    OK(RheoProgramCreate(4, &program));
    OK(RheoParamsCreate(&params));
    RheoVal x = rx_rows(program, "x", k == 0 ? 3 : 2), context = rx_rows(program, "context", k == 1 ? 2 : 1);
    rx_flow_log_prob(flow, RheoScopeRoot(program, params, 0), x, k == 2 ? RHEO_NONE : context);
    assert_non_null(RheoProgramError(program));
    assert_non_null(strstr(RheoProgramError(program), "flow of 2 features"));
    OK(RheoProgramDestroy(&program));
    OK(RheoParamsDestroy(&params));
  }
  OK(RheoFlowDestroy(&flow));
}

/* Layers of a stack alternate: two couplings in a row map all features. */
static void couplings_alternate(void **state)
{
  enum { ROWS = 4 };
  double x[ROWS * D], z[ROWS * D];
  (void)state;
  for (int repeat = 1; repeat <= 2; repeat++) {
    char text[64];
    int moved = 0;
    snprintf(text, sizeof text, "stack: [affine_coupling], repeat: %d, standardize: no", repeat);
    FlowModel m = StartFlow(text, D, 0, NULL, NULL, ROWS, 0);
    RheoVal y = rx_flow_forward(m.flow, m.scope, m.x, RHEO_NONE, NULL);
    DrawFlow(&m, 0.2);
    FillNormal(4, ROWS * D, x);
    RunFlow(&m, RHEO_DOUBLE, (const double *[]){x, x}, 1, &y, (double *[]){z});
    for (int d = 0; d < D; d++) moved += z[d] != x[d];
    assert_int_equal(moved, repeat == 1 ? 2 : 3);
    FinishFlow(&m);
  }
}

/* Dropout in both directions of an autoregressive layer drops the same units: still inverse of each other. */
static void dropout_keeps_the_inverse(void **state)
{
  enum { ROWS = 4 };
  const char *const stacks[] = {"maf", "iaf", "rqs_coupling"};
  (void)state;
  for (int k = 0; k < 3; k++) {
    char text[160];
    double x[ROWS * 16], noise[16][ROWS * 16], back[ROWS * D];
    const double *in[16];
    snprintf(text, sizeof text, "stack: [%s], repeat: 2, net: {hidden: 16, dropout: 0.4}", stacks[k]);
    FlowModel m = StartFlow(text, D, 0, NULL, NULL, ROWS, 1);
    RheoVal y = rx_flow_inverse(m.flow, m.scope, rx_flow_forward(m.flow, m.scope, m.x, RHEO_NONE, NULL),
                                RHEO_NONE, NULL);
    DrawFlow(&m, 0.2);
    FillNormal(4, ROWS * 16, x);
    in[0] = in[1] = x;
    assert_in_range(RheoProgramInputCount(m.program), 3, 16);
    for (int i = 2; i < RheoProgramInputCount(m.program); i++) {
      FillNormal(20 + (uint64_t)i, ROWS * 16, noise[i]);
      for (int j = 0; j < ROWS * 16; j++) noise[i][j] = 0.5 * erfc(noise[i][j]);
      in[i] = noise[i];
    }
    RunFlow(&m, RHEO_DOUBLE, in, 1, &y, (double *[]){back});
    for (int j = 0; j < ROWS * D; j++) AssertNear(back[j], x[j], 1e-9);
    FinishFlow(&m);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fitted_layers_standardise),
      cmocka_unit_test(context_is_standardised),
      cmocka_unit_test(fit_does_not_depend_on_other_parameters),
      cmocka_unit_test(decks_are_checked),
      cmocka_unit_test(every_key_has_its_section),
      cmocka_unit_test(choices_name_the_bases),
      cmocka_unit_test(wrong_sizes_are_reported),
      cmocka_unit_test(couplings_alternate),
      cmocka_unit_test(dropout_keeps_the_inverse),
  };
  return RUN_TESTS(argc, argv, tests);
}
