/* Continuous flows: coordinates, guidance, moments, decks, mistakes. */
#include "cnf/cnf.h"
#include "check.h"
#include "cnfs.h"
#include "model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 5, D = 3, C = 2 };
static const char net[] = "net: {type: mlp, hidden: 8, activation: tanh}";

typedef struct {
  double t[B], z[B * D], context[B * C];
  const double *in[3];
} Inputs;

static Inputs draw(void)
{
  Inputs i;
  FillNormal(1, B, i.t);
  FillNormal(2, B * D, i.z);
  FillNormal(3, B * C, i.context);
  return i;
}

static void point(Inputs *i)
{
  i->in[0] = i->t;
  i->in[1] = i->z;
  i->in[2] = i->context;
}

/* Moments that are not 0 and 1. */
static void spread_moments(CnfModel *m)
{
  for (int i = 0; i < RheoParamsCount(m->params); i++) {
    const RheoParamView *view = RheoParamsView(m->params, i);
    if (!view->init.frozen) continue;
    for (size_t k = 0; k < view->size; k++)
      m->values[view->offset + k] = strstr(view->name, ".sd") ? 0.5 + (double)k : 3 - (double)k;
  }
}

typedef RheoVal (*Map)(RheoCnf, RheoScope, RheoVal, RheoVal);

static double log_slope(const CnfModel *m, const Inputs *i, RheoVal y)
{
  double a[B * D], b[B * D], sum = 0;
  Inputs moved = *i;
  point(&moved);
  Evaluate(y, m->values, moved.in, a);
  for (int d = 0; d < D; d++) moved.z[d] += 1;
  Evaluate(y, m->values, moved.in, b);
  for (int d = 0; d < D; d++) sum += log(fabs(b[d] - a[d]));
  return sum;
}

static void check_coordinates(const char *text, double shift0, double shift1)
{
  const Map there[] = {rx_cnf_start, rx_cnf_enter}, back[] = {rx_cnf_leave, rx_cnf_finish};
  double scale, slope = 0;
  Inputs i = draw();
  point(&i);
  CnfModel m = StartCnf(text, D, C, B, 0);
  RheoVal mapped[2], returned[2], log_scale = rx_cnf_log_scale(m.cnf, m.scope);
  for (int k = 0; k < 2; k++) {
    mapped[k] = there[k](m.cnf, m.scope, m.z, m.context);
    returned[k] = back[k](m.cnf, m.scope, mapped[k], m.context);
  }
  DrawCnf(&m, 0.3);
  spread_moments(&m);
  for (int k = 0; k < 2; k++) {
    double y[B * D], other[B * D];
    Evaluate(returned[k], m.values, i.in, y);
    for (int n = 0; n < B * D; n++) AssertNear(y[n], i.z[n], 1e-12);
    Evaluate(mapped[k], m.values, i.in, y);
    /* Another context moves an end that is shifted, and no other. */
    Inputs told = i;
    point(&told);
    for (int n = 0; n < B * C; n++) told.context[n] += 1;
    Evaluate(mapped[k], m.values, told.in, other);
    double moved = 0;
    for (int n = 0; n < B * D; n++) moved += fabs(other[n] - y[n]);
    if ((k ? shift1 : shift0) > 0)
      assert_true(moved > 0.1);
    else
      assert_true(moved == 0);
    slope += (k ? 1 : -1) * log_slope(&m, &i, mapped[k]);
  }
  Evaluate(log_scale, m.values, i.in, &scale);
  AssertNear(scale, slope, 1e-9);
  FinishCnf(&m);
}

static void coordinates_lead_there_and_back(void **state)
{
  const char *const shifts[] = {"none", "source", "data", "both"};
  const char *const sources[] = {"normal", "uniform", "data"};
  (void)state;
  for (int s = 0; s < 4; s++)
    for (int k = 0; k < 3; k++)
      for (int standardize = 0; standardize < 2; standardize++) {
        char text[256];
        snprintf(text, sizeof text, "%s, shift: %s, source: %s, standardize: %s", net, shifts[s], sources[k],
                 standardize ? "yes" : "no");
        check_coordinates(text, s == 1 || s == 3, s >= 2);
      }
  check_coordinates("path: ve, sigma: 20", 0, 0);
}

static void shifts_start_at_nothing(void **state)
{
  double y[B * D];
  Inputs i = draw();
  (void)state;
  point(&i);
  CnfModel m = StartCnf("shift: both, standardize: no", D, C, B, 0);
  RheoVal z = rx_cnf_enter(m.cnf, m.scope, rx_cnf_start(m.cnf, m.scope, m.z, m.context), m.context);
  DrawCnf(&m, 0);
  Evaluate(z, m.values, i.in, y);
  for (int n = 0; n < B * D; n++) assert_true(y[n] == i.z[n]);
  FinishCnf(&m);
}

static void sources_have_densities(void **state)
{
  double z[B * D] = {0.5, -0.5, 0.9, 0, 0, 0, 1.1, 0, 0, -2, 1, 0, -1, 1, 0.3}, log_prob[B], t[B] = {0};
  const double *in[] = {t, z};
  (void)state;
  CnfModel normal = StartCnf("", D, 0, B, 0), uniform = StartCnf("source: uniform", D, 0, B, 0);
  CnfModel data = StartCnf("source: data", D, 0, B, 0);
  Evaluate(rx_cnf_source_log_prob(normal.cnf, normal.z), NULL, in, log_prob);
  for (int r = 0; r < B; r++) {
    double sum = 0;
    for (int d = 0; d < D; d++) sum -= 0.5 * (z[r * D + d] * z[r * D + d] + log(2 * M_PI));
    AssertNear(log_prob[r], sum, 1e-13);
  }
  Evaluate(rx_cnf_source_log_prob(uniform.cnf, uniform.z), NULL, in, log_prob);
  for (int r = 0; r < B; r++)
    if (r == 2 || r == 3)
      assert_true(log_prob[r] == -INFINITY);
    else
      AssertNear(log_prob[r], -3 * log(2), 1e-13);
  assert_false(rx_exists(rx_cnf_source_log_prob(data.cnf, data.z)));
  assert_non_null(strstr(RheoProgramError(data.program), "not known"));
  FinishCnf(&normal);
  FinishCnf(&uniform);
  FinishCnf(&data);
}

static void guidance_is_a_combination(void **state)
{
  double told[B * D], untold[B * D], guided[B * D], nonsense[B * D];
  Inputs i = draw(), other;
  char text[256];
  (void)state;
  point(&i);
  other = i;
  point(&other);
  for (int n = 0; n < B * C; n++) other.context[n] = 7 - other.context[n];
  for (int weight = 0; weight <= 3; weight++) {
    snprintf(text, sizeof text, "%s, dropout: 0.2, guidance: %d", net, weight);
    CnfModel m = StartCnf(text, D, C, B, 0);
    RheoVal no = rx_fill(m.program, RX_SHAPE(B, 1), 0), yes = rx_fill(m.program, RX_SHAPE(B, 1), 1);
    RheoVal v = rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, RHEO_NONE);
    RheoVal with = rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, no);
    RheoVal without = rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, yes);
    DrawCnf(&m, 0.3);
    Evaluate(v, m.values, i.in, guided);
    Evaluate(with, m.values, i.in, told);
    Evaluate(without, m.values, i.in, untold);
    Evaluate(without, m.values, other.in, nonsense);
    for (int n = 0; n < B * D; n++) {
      AssertNear(guided[n], (1 - weight) * untold[n] + weight * told[n], 1e-12);
      assert_true(nonsense[n] == untold[n]); /* what is forgotten has no say */
      assert_true(fabs(told[n] - untold[n]) > 1e-6);
    }
    FinishCnf(&m);
  }
}

static void moments_are_fitted(void **state)
{
  enum { N = 400 };
  float x[N * D], context[N * C];
  double t[B] = {0}, z[B * D], y[B * D];
  const double *in[] = {t, z, z};
  (void)state;
  double *normal = malloc(sizeof(double) * N * D);
  assert_non_null(normal);
  FillNormal(4, N * D, normal);
  for (int k = 0; k < N * D; k++) x[k] = (float)(10 + (1 + k % D) * normal[k]);
  for (int k = 0; k < N * C; k++) context[k] = k % C ? 5 : (float)(100 * normal[k]);
  CnfModel m = StartCnf("", D, C, B, 0);
  RheoVal entered = rx_cnf_enter(m.cnf, m.scope, m.z, m.context);
  rx_cnf_velocity(m.cnf, m.scope, m.t, entered, m.context, RHEO_NONE);
  DrawCnf(&m, 0);
  const RheoCnfMoments *fitted = RheoCnfGetMoments(m.cnf);
  assert_true(fitted->mean[0] == 0 && fitted->sd[D - 1] == 1 && fitted->context_sd[C - 1] == 1);
  OK(RheoCnfFit(m.cnf, m.params, "cnf", N, x, context, m.single));
  for (int d = 0; d < D; d++) {
    double sum = 0, square = 0;
    for (int r = 0; r < N; r++) sum += (double)x[r * D + d] / N;
    for (int r = 0; r < N; r++) square += pow((double)x[r * D + d] - sum, 2) / N;
    AssertNear(fitted->mean[d], sum, 1e-9);
    AssertNear(fitted->sd[d], sqrt(square), 1e-9);
    for (int r = 0; r < B; r++) z[r * D + d] = sum + r * sqrt(square);
  }
  for (size_t k = 0; k < m.n_params; k++) m.values[k] = (double)m.single[k];
  Evaluate(entered, m.values, in, y);
  for (int n = 0; n < B * D; n++) AssertNear(y[n], n / D, 1e-5);
  const float *of_context = m.single + RheoParamsFind(m.params, "cnf.context.sd")->offset;
  assert_true(of_context[0] > 80 && of_context[1] == 1);
  assert_true(fitted->context_sd[0] > 80 && fitted->context_mean[1] == 5);
  FinishCnf(&m);
  free(normal);
}

static void decks_are_checked(void **state)
{
  (void)state;
  OK(TryCnf("", D, 0));
  OK(TryCnf("path: sb, sigma: 1, source: data, times: power", D, C));
  REJECTS(TryCnf("path: sb", D, 0), "cnf.sigma");
  REJECTS(TryCnf("path: sb", D, 0), "(0, inf)");
  REJECTS(TryCnf("path: lipman, sigma: 1", D, 0), "[0, 1)");
  REJECTS(TryCnf("path: ve, sigma: 0.1", D, 0), "[1, inf)");
  REJECTS(TryCnf("path: ve, sigma: 30, source: data", D, 0), "cannot be data");
  REJECTS(TryCnf("path: straight", D, 0), "linear, lipman");
  REJECTS(TryCnf("guidance: 2", D, C), "cnf.dropout");
  REJECTS(TryCnf("dropout: 0.1, shift: both", D, C), "only one of them");
  REJECTS(TryCnf("dropout: 0.1", D, 0), "no context to forget");
  REJECTS(TryCnf("shift: both", D, 0), "needs a context");
  REJECTS(TryCnf("times_sd: 0", D, 0), "cnf.times_sd");
  REJECTS(TryCnf("net: {hidden: 0}", D, 0), "cnf.net.hidden");
  REJECTS(TryCnf("velocity: curl", D, 0), "net, potential");
  REJECTS(TryCnf("", 0, 0), "number of features");
}

#define CHECK_RULE(key, Types)                                                                               \
  do {                                                                                                       \
    char rule[512] = "";                                                                                     \
    for (int k_ = 0; Types[k_]; k_++)                                                                        \
      snprintf(rule + strlen(rule), sizeof rule - strlen(rule), "%s%s", k_ ? "|" : "", Types[k_]->name);     \
    for (int k_ = 0; RheoCnfKeys[k_].name; k_++)                                                             \
      if (!strcmp(RheoCnfKeys[k_].name, key)) assert_string_equal(RheoCnfKeys[k_].rule, rule);               \
  } while (0)

static void choices_name_the_types(void **state)
{
  (void)state;
  CHECK_RULE("velocity", RheoVelocityTypes);
  CHECK_RULE("time", RheoEmbeddingTypes);
  CHECK_RULE("path", RheoPathTypes);
  CHECK_RULE("coupling", RheoCouplingTypes);
}

static void every_key_has_its_section(void **state)
{
  const RheoSection *sections;
  int n, found = 0;
  (void)state;
  OK(RheoCnfGetSections(&n, &sections));
  for (int k = 0; RheoCouplingTypes[k]; k++) found -= RheoCouplingTypes[k]->keys != NULL;
  for (int i = 0; i < n; i++)
    for (int k = 0; RheoCouplingTypes[k]; k++)
      found += sections[i].keys && sections[i].keys == RheoCouplingTypes[k]->keys;
  assert_int_equal(found, 0);
  assert_string_equal(sections[0].prefix, "cnf");
  assert_string_equal(sections[1].prefix, "cnf.net");
}

static void wrong_sizes_are_reported(void **state)
{
  (void)state;
  for (int k = 0; k < 5; k++) {
    CnfModel m = StartCnf("", D, C, B, 0);
    RheoVal wide = rx_rows(m.program, "wide", D + 1);
    RheoVal z = k == 0 ? wide : m.z, context = k == 1 ? RHEO_NONE : k == 2 ? wide : m.context;
    rx_cnf_velocity(m.cnf, m.scope, k == 3 ? wide : m.t, z, context, k == 4 ? m.t : RHEO_NONE);
    assert_non_null(RheoProgramError(m.program));
    assert_non_null(strstr(RheoProgramError(m.program), "cnf"));
    FinishCnf(&m);
  }
}

static void it_can_be_viewed(void **state)
{
  char text[2048] = "";
  FILE *file = tmpfile();
  (void)state;
  assert_non_null(file);
  CnfModel m = StartCnf("path: vp, sigma: 0.5", D, C, B, 0);
  OK(RheoCnfView(m.cnf, file));
  rewind(file);
  assert_true(fread(text, 1, sizeof text - 1, file) > 0);
  assert_non_null(strstr(text, "variance-preserving"));
  assert_non_null(strstr(text, "sigma 0.5"));
  fclose(file);
  FinishCnf(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(coordinates_lead_there_and_back),
      cmocka_unit_test(shifts_start_at_nothing),
      cmocka_unit_test(sources_have_densities),
      cmocka_unit_test(guidance_is_a_combination),
      cmocka_unit_test(moments_are_fitted),
      cmocka_unit_test(decks_are_checked),
      cmocka_unit_test(choices_name_the_types),
      cmocka_unit_test(every_key_has_its_section),
      cmocka_unit_test(wrong_sizes_are_reported),
      cmocka_unit_test(it_can_be_viewed),
  };
  return RUN_TESTS(argc, argv, tests);
}
