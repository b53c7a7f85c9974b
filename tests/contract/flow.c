/* Every transform and base of the tables, and default stacks, with random parameters, for D = 1, 2, 7, with
 * and without context: the inverse, the log-determinant against a dense Jacobian, derivatives, single against
 * double, the density of a sample. timeout: 240 */
#include "check.h"
#include "flows.h"
#include "model.h"
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = FLOW_ROWS, MOST_D = 7, C = 3 };

static const char net[] = "net: {hidden: 9, layers: 2, activation: tanh}, rqs_coupling: {bins: 5}, "
                          "rqs_autoregressive: {bins: 4}";

typedef struct {
  double x[B * MOST_D], noise[B * MOST_D], context[B * C];
  const double *in[3];
} Inputs;

static void draw_inputs(const FlowModel *m, Inputs *i)
{
  FillNormal(1, B * MOST_D, i->x);
  FillNormal(2, B * MOST_D, i->noise);
  FillNormal(3, B * C, i->context);
  for (int k = 0; k < B * MOST_D && RheoFlowNoise(m->flow) == RHEO_INPUT_NOISE_UNIFORM; k++) {
    i->noise[k] = 0.5 * erfc(i->noise[k] / sqrt(2));
    i->x[k] = tanh(i->x[k]);
  }
  i->in[0] = i->x;
  i->in[1] = i->noise;
  i->in[2] = i->context;
}

static void close_to(const char *what, const char *text, int n, const double *a, const double *b,
                     double tolerance)
{
  for (int k = 0; k < n; k++)
    if (!(a[k] == b[k]) && !(fabs(a[k] - b[k]) <= tolerance * (1 + fabs(b[k]))))
      fail_msg("%s of {%s}: element %d is %.12g, not %.12g", what, text, k, a[k], b[k]);
}

/* log |det dz/dx| of each row by central differences. */
static void dense_log_det(const FlowModel *m, const Inputs *inputs, RheoVal z, double *log_det)
{
  const int n = m->n_features;
  const double h = 1e-5;
  double jacobian[B][MOST_D * MOST_D], up[B * MOST_D], down[B * MOST_D];
  for (int e = 0; e < n; e++) {
    Inputs moved = *inputs;
    moved.in[0] = moved.x;
    for (int r = 0; r < B; r++) moved.x[r * n + e] = inputs->x[r * n + e] + h;
    RunFlow(m, RHEO_DOUBLE, moved.in, 1, &z, (double *[]){up});
    for (int r = 0; r < B; r++) moved.x[r * n + e] = inputs->x[r * n + e] - h;
    RunFlow(m, RHEO_DOUBLE, moved.in, 1, &z, (double *[]){down});
    for (int r = 0; r < B; r++)
      for (int d = 0; d < n; d++) jacobian[r][d * n + e] = (up[r * n + d] - down[r * n + d]) / (2 * h);
  }
  for (int r = 0; r < B; r++) {
    int sign;
    gsl_matrix_view a = gsl_matrix_view_array(jacobian[r], (size_t)n, (size_t)n);
    gsl_permutation *p = gsl_permutation_alloc((size_t)n);
    gsl_linalg_LU_decomp(&a.matrix, p, &sign);
    log_det[r] = gsl_linalg_LU_lndet(&a.matrix);
    gsl_permutation_free(p);
  }
}

static void check_values(const char *text, FlowModel *m, const Inputs *inputs)
{
  enum { Z, DET, BACK, BACK_DET, SAMPLE, SAMPLE_PROB, PROB, N };
  const int n = m->n_features;
  RheoVal v[N];
  double result[2][N][B * MOST_D], dense[B], minus[B];
  v[Z] = rx_flow_forward(m->flow, m->scope, m->x, m->context, &v[DET]);
  v[BACK] = rx_flow_inverse(m->flow, m->scope, v[Z], m->context, &v[BACK_DET]);
  v[SAMPLE] = rx_flow_sample(m->flow, m->scope, m->noise, m->context, &v[SAMPLE_PROB]);
  v[PROB] = rx_flow_log_prob(m->flow, m->scope, v[SAMPLE], m->context);
  for (int precision = RHEO_SINGLE; precision <= RHEO_DOUBLE; precision++) {
    double *out[N];
    for (int k = 0; k < N; k++) out[k] = result[precision][k];
    RunFlow(m, (RheoPrecision)precision, inputs->in, N, v, out);
  }
  double(*r)[B * MOST_D] = result[RHEO_DOUBLE], (*s)[B * MOST_D] = result[RHEO_SINGLE];
  for (int k = 0; k < B; k++) minus[k] = -r[BACK_DET][k];
  dense_log_det(m, inputs, v[Z], dense);
  close_to("inverse of forward", text, B * n, r[BACK], inputs->x, 1e-9);
  close_to("log_det of the inverse", text, B, minus, r[DET], 1e-9);
  close_to("log_det against a dense Jacobian", text, B, r[DET], dense, 1e-6);
  close_to("log_prob of a sample", text, B, r[PROB], r[SAMPLE_PROB], 1e-8);
  close_to("inverse of forward in single", text, B * n, s[BACK], inputs->x, 2e-4);
  close_to("forward in single", text, B * n, s[Z], r[Z], 2e-4);
  close_to("log_det in single", text, B, s[DET], r[DET], 2e-4);
  close_to("sample in single", text, B * n, s[SAMPLE], r[SAMPLE], 2e-4);
  close_to("log_prob in single", text, B, s[SAMPLE_PROB], r[SAMPLE_PROB], 5e-4);
}

static void check_derivatives(FlowModel *m, const Inputs *inputs)
{
  RheoVal log_prob, x = rx_flow_sample(m->flow, m->scope, m->noise, m->context, &log_prob);
  RheoVal loss = rx_mean_all(rx_flow_log_prob(m->flow, m->scope, m->x, m->context));
  RheoVal way_back = rx_add(rx_mean_all(rx_square(x)), rx_mean_all(log_prob));
  CheckGradients(loss, m->params, m->values, inputs->in, 1e-6);
  CheckGradients(way_back, m->params, m->values, inputs->in, 1e-6);
}

/* With bounds, x is taken into the box. */
static void check_flow(const char *text, int n_features, int n_context, const double *lower,
                       const double *upper)
{
  Inputs inputs;
  FlowModel m = StartFlow(text, n_features, n_context, lower, upper, B, 0);
  rx_flow_log_prob(m.flow, m.scope, m.x, m.context);
  DrawFlow(&m, 0.15);
  draw_inputs(&m, &inputs);
  for (int k = 0; lower && k < B * n_features; k++) {
    const double l = lower[k % n_features], u = upper[k % n_features], e = exp(inputs.x[k]);
    if (isfinite(l))
      inputs.x[k] = isfinite(u) ? l + (u - l) * e / (1 + e) : l + e;
    else if (isfinite(u))
      inputs.x[k] = u - e;
  }
  check_values(text, &m, &inputs);
  if (n_features < 7) check_derivatives(&m, &inputs);
  FinishFlow(&m);
}

static const int features[] = {1, 2, 7};

static void transforms(void **state)
{
  const double lower[] = {0, -INFINITY, -1, -INFINITY, 2, 0.3, -5},
               upper[] = {1, 0.5, INFINITY, INFINITY, 9, 0.7, 0};
  (void)state;
  for (int k = 0; RheoTransformTypes[k]; k++)
    for (int i = 0; i < 3; i++)
      for (int n_context = 0; n_context <= C; n_context += C) {
        char text[256];
        const int bounded = strcmp(RheoTransformTypes[k]->name, "bounded") == 0;
        snprintf(text, sizeof text, "stack: [%s], repeat: %d, standardize: %s, %s",
                 bounded ? "actnorm" : RheoTransformTypes[k]->name, bounded ? 1 : 2, i == 1 ? "yes" : "no",
                 net);
        check_flow(text, features[i], n_context, bounded ? lower : NULL, upper);
      }
}

static void default_stack(void **state)
{
  (void)state;
  for (int i = 0; i < 3; i++)
    for (int n_context = 0; n_context <= C; n_context += C) {
      char text[256];
      snprintf(text, sizeof text, "repeat: 3, %s", net);
      check_flow(text, features[i], n_context, NULL, NULL);
    }
}

/* In a box that the stack maps onto itself, so that no base gives density zero. */
static void bases(void **state)
{
  (void)state;
  for (int k = 0; RheoBaseTypes[k]; k++)
    for (int i = 0; i < 3; i++)
      for (int n_context = 0; n_context <= C; n_context += C) {
        char text[256];
        snprintf(text, sizeof text,
                 "base: %s, stack: [rqs_coupling, permutation], repeat: 2, standardize: no, net: {hidden: 9, "
                 "activation: "
                 "elu}, rqs_coupling: {bound: 1, bins: 5}",
                 RheoBaseTypes[k]->name);
        check_flow(text, features[i], n_context, NULL, NULL);
      }
}

static void networks_and_context_modes(void **state)
{
  const char *const modes[] = {"concat", "film", "glu"};
  (void)state;
  for (int type = 0; RheoNetTypes[type]; type++)
    for (int mode = 0; mode < 3; mode++) {
      char text[256];
      snprintf(text, sizeof text,
               "stack: [maf, rqs_coupling], net: {type: %s, context: %s, hidden: 9, activation: silu}",
               RheoNetTypes[type]->name, modes[mode]);
      check_flow(text, 2, C, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transforms),
      cmocka_unit_test(default_stack),
      cmocka_unit_test(bases),
      cmocka_unit_test(networks_and_context_modes),
  };
  return RUN_TESTS(argc, argv, tests);
}
