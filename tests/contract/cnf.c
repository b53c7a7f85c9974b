/* Every velocity field, embedding of time and network that takes context, for D = 1 and 3, with and without context:
 * derivatives, the divergence against a dense Jacobian, Hutchinson's estimate, single against double. timeout: 200 */
#include "check.h"
#include "cnfs.h"
#include "model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 4, MOST_D = 3, C = 2 };

typedef struct {
  double t[B], z[B * MOST_D], context[B * C];
  const double *in[3];
} Inputs;

static Inputs *draw_inputs(void)
{
  Inputs *i = malloc(sizeof *i);
  assert_non_null(i);
  FillNormal(1, B, i->t);
  for (int r = 0; r < B; r++) i->t[r] = 0.5 * erfc(i->t[r] / sqrt(2));
  FillNormal(2, B * MOST_D, i->z);
  FillNormal(3, B * C, i->context);
  i->in[0] = i->t;
  i->in[1] = i->z;
  i->in[2] = i->context;
  return i;
}

static void close_to(const char *what, const char *text, int n, const double *a, const double *b,
                     double tolerance)
{
  for (int k = 0; k < n; k++)
    if (!(fabs(a[k] - b[k]) <= tolerance * (1 + fabs(b[k]))))
      fail_msg("%s of {%s}: element %d is %.12g, not %.12g", what, text, k, a[k], b[k]);
}

/* The trace of dv/dz by central differences. */
static void dense_divergence(const CnfModel *m, Inputs *i, RheoVal v, double *trace)
{
  const double h = 1e-5;
  double up[B * MOST_D], down[B * MOST_D];
  memset(trace, 0, B * sizeof *trace);
  for (int d = 0; d < m->n_features; d++) {
    Inputs moved = *i;
    moved.in[1] = moved.z;
    for (int r = 0; r < B; r++) moved.z[r * m->n_features + d] += h;
    Evaluate(v, m->values, moved.in, up);
    for (int r = 0; r < B; r++) moved.z[r * m->n_features + d] -= 2 * h;
    Evaluate(v, m->values, moved.in, down);
    for (int r = 0; r < B; r++)
      trace[r] += (up[r * m->n_features + d] - down[r * m->n_features + d]) / (2 * h);
  }
}

/* Over all vectors of signs the mean of e . J e is the trace itself. */
static void hutchinson(const CnfModel *m, const Inputs *i, RheoVal v, double *mean)
{
  const int n = m->n_features;
  memset(mean, 0, B * sizeof *mean);
  for (int k = 0; k < 1 << n; k++) {
    double e[MOST_D], part[B];
    for (int d = 0; d < n; d++) e[d] = k >> d & 1 ? 1 : -1;
    RheoVal probe = rx_broadcast(rx_literal(m->program, RX_SHAPE(n), e), RX_SHAPE(B, n));
    Evaluate(rx_cnf_divergence_estimate(v, m->z, probe), m->values, i->in, part);
    for (int r = 0; r < B; r++) mean[r] += part[r] / (1 << n);
  }
}

static void in_single(const CnfModel *m, const Inputs *i, RheoVal out, double *y)
{
  RheoPlan plan;
  RheoWork work;
  float in[3][B * MOST_D], result[B * MOST_D];
  const void *inputs[3] = {in[0], in[1], in[2]};
  for (int r = 0; r < B; r++) in[0][r] = (float)i->t[r];
  for (int k = 0; k < B * m->n_features; k++) in[1][k] = (float)i->z[k];
  for (int k = 0; k < B * C; k++) in[2][k] = (float)i->context[k];
  OK(RheoPlanCreate(m->program, RHEO_SINGLE, 1, &out, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, m->single, inputs, (void *const[]){result});
  for (size_t k = 0; k < RheoShapeSize(rx_shape(out)); k++) y[k] = result[k];
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
}

static void check_field(const char *text, int n_features, int n_context)
{
  double velocity[B * MOST_D], trace[B], other[B * MOST_D];
  Inputs *i = draw_inputs();
  CnfModel m = StartCnf(text, n_features, n_context, B, 0);
  RheoVal v = rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, RHEO_NONE);
  RheoVal divergence = rx_cnf_divergence(v, m.z);
  DrawCnf(&m, 0.2);
  assert_true(RheoShapeSame(rx_shape(v), RX_SHAPE(B, n_features)));
  assert_true(RheoShapeSame(rx_shape(divergence), RX_SHAPE(B)));
  Evaluate(v, m.values, i->in, velocity);
  Evaluate(divergence, m.values, i->in, trace);
  dense_divergence(&m, i, v, other);
  close_to("divergence against differences", text, B, trace, other, 1e-7);
  hutchinson(&m, i, v, other);
  close_to("mean of Hutchinson's estimate", text, B, other, trace, 1e-11);
  /* A frequency of 1000 leaves 1e-4 of a time in single precision. */
  const double tolerance = strstr(text, "sinusoidal") ? 1e-3 : 1e-4;
  in_single(&m, i, v, other);
  close_to("velocity in single", text, B * n_features, other, velocity, tolerance);
  in_single(&m, i, divergence, other);
  close_to("divergence in single", text, B, other, trace, 5 * tolerance);
  CheckGradients(rx_mean_all(rx_add(rx_sum(rx_square(v), 1), divergence)), m.params, m.values, i->in, 1e-5);
  FinishCnf(&m);
  free(i);
}

static void fields_and_embeddings(void **state)
{
  (void)state;
  for (int v = 0; RheoVelocityTypes[v]; v++)
    for (int e = 0; RheoEmbeddingTypes[e]; e++)
      for (int n_features = 1; n_features <= 3; n_features += 2)
        for (int n_context = 0; n_context <= C; n_context += C) {
          char text[256];
          snprintf(text, sizeof text,
                   "velocity: %s, time: %s, frequencies: 3, net: {hidden: 7, activation: tanh}",
                   RheoVelocityTypes[v]->name, RheoEmbeddingTypes[e]->name);
          check_field(text, n_features, n_context);
        }
}

static void networks_and_context_modes(void **state)
{
  const char *const modes[] = {"concat", "film", "glu"};
  (void)state;
  for (int type = 0; RheoNetTypes[type]; type++)
    for (int mode = 0; mode < 3; mode++) {
      char text[256];
      snprintf(text, sizeof text, "net: {type: %s, context: %s, hidden: 7}, frequencies: 2",
               RheoNetTypes[type]->name, modes[mode]);
      check_field(text, 2, C);
      check_field(text, 2, 0);
    }
}

static void embeddings_tell_times_apart(void **state)
{
  enum { N = 9, WIDTH = 16 };
  (void)state;
  for (int e = 0; RheoEmbeddingTypes[e]; e++) {
    RheoProgram program;
    double t[N], y[N * WIDTH];
    OK(RheoProgramCreate(N, &program));
    RheoVal in = rx_rows(program, "t", 1), out = RheoEmbeddingTypes[e]->embed(in, WIDTH / 2);
    const int width = rx_dim(out, 1);
    assert_in_range(width, 1, WIDTH);
    for (int k = 0; k < N; k++) t[k] = k / (N - 1.);
    Evaluate(out, NULL, (const double *[]){t}, y);
    for (int a = 0; a < N; a++)
      for (int b = 0; b < a; b++) {
        double distance = 0;
        for (int k = 0; k < width; k++) distance += fabs(y[a * width + k] - y[b * width + k]);
        assert_true(distance > 0.05);
      }
    OK(RheoProgramDestroy(&program));
  }
}

/* k pi t, and 1000 t / 10000^(k/F). */
static void embeddings_are_as_documented(void **state)
{
  const char *const names[] = {"fourier", "sinusoidal"};
  (void)state;
  for (int e = 0; RheoEmbeddingTypes[e]; e++)
    for (int which = 0; which < 2; which++) {
      RheoProgram program;
      double t[1] = {0.3}, y[6];
      if (strcmp(RheoEmbeddingTypes[e]->name, names[which])) continue;
      OK(RheoProgramCreate(1, &program));
      Evaluate(RheoEmbeddingTypes[e]->embed(rx_rows(program, "t", 1), 3), NULL, (const double *[]){t}, y);
      for (int k = 0; k < 3; k++) {
        const double w = which ? 1000 / pow(10000, k / 3.) : M_PI * (k + 1);
        AssertNear(y[k], cos(w * t[0]), 1e-12);
        AssertNear(y[3 + k], sin(w * t[0]), 1e-12);
      }
      OK(RheoProgramDestroy(&program));
    }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_and_embeddings),
      cmocka_unit_test(networks_and_context_modes),
      cmocka_unit_test(embeddings_tell_times_apart),
      cmocka_unit_test(embeddings_are_as_documented),
  };
  return RUN_TESTS(argc, argv, tests);
}
