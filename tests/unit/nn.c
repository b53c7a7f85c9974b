/* Networks: shapes, derivatives, dependence on the context, the autoregressive property, dropout, initial
 * values. */
#include "nn/nn.h"
#include "check.h"
#include "model.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 4, MAX = 8 * B * 64 };

typedef struct {
  RheoProgram program;
  RheoParams params;
  RheoScope scope;
  RheoVal x, context;
  double *values, *in[8], storage[8][MAX];
} Model;

static const RheoNetConfig base = {.hidden = 12, .layers = 2, .activation = RHEO_ACT_TANH};

static Model *start(int n_in, int n_context, int training)
{
  Model *m = calloc(1, sizeof *m);
  assert_non_null(m);
  OK(RheoProgramCreate(B, &m->program));
  OK(RheoParamsCreate(&m->params));
  m->scope = rx_enter(RheoScopeRoot(m->program, m->params, training), "net");
  m->x = n_in ? rx_rows(m->program, "x", n_in) : RHEO_NONE;
  m->context = n_context ? rx_rows(m->program, "context", n_context) : RHEO_NONE;
  return m;
}

static void draw(Model *m, double noise)
{
  m->values = RandomParameters(m->params, 3, noise);
  for (int i = 0; i < RheoProgramInputCount(m->program); i++) {
    FillNormal(10 + (uint64_t)i, MAX, m->storage[i]);
    if (RheoProgramInputKind(m->program, i) == RHEO_INPUT_NOISE_UNIFORM)
      for (int k = 0; k < MAX; k++) m->storage[i][k] = 0.5 * erfc(m->storage[i][k] / sqrt(2));
    m->in[i] = m->storage[i];
  }
}

static void finish(Model *m)
{
  OK(RheoProgramDestroy(&m->program));
  OK(RheoParamsDestroy(&m->params));
  free(m->values);
  free(m);
}

static const double *const *inputs(const Model *m)
{
  return (const double *const *)m->in;
}

static int depends(Model *m, RheoVal y, RheoVal x)
{
  double g[MAX], any = 0;
  RheoVal dx;
  rx_vjp(rx_sum_all(rx_square(y)), RHEO_NONE, 1, &x, &dx);
  Evaluate(dx, m->values, inputs(m), g);
  for (size_t i = 0; i < RheoShapeSize(rx_shape(x)); i++) any += fabs(g[i]);
  return any > 0;
}

static void types_are_right(void **state)
{
  (void)state;
  for (int type = 0; RheoNetTypes[type]; type++)
    for (int mode = RHEO_CONTEXT_CONCAT; mode <= RHEO_CONTEXT_GLU; mode++)
      for (int n_in = 0; n_in <= 3; n_in += 3)
        for (int n_context = 0; n_context <= 2; n_context += 2) {
          if (n_in + n_context == 0) continue;
          RheoNetConfig config = base;
          config.type = type;
          config.context = mode;
          Model *m = start(n_in, n_context, 0);
          RheoVal y = rx_net(m->scope, &config, m->x, m->context, 5, 1);
          RheoVal loss = rx_sum_all(rx_square(rx_offset(y, 0.3)));
          assert_null(RheoProgramError(m->program));
          assert_true(RheoShapeSame(rx_shape(y), RX_SHAPE(B, 5)));
          draw(m, 0.3);
          CheckGradients(loss, m->params, m->values, inputs(m), 1e-7);
          if (n_in) assert_true(depends(m, y, m->x));
          if (n_context) assert_true(depends(m, y, m->context));
          finish(m);
        }
}

/* [x, cos(x W), sin(x W)] handed to the network by hand gives the same numbers. */
static void fourier_features_are_cosines_and_sines(void **state)
{
  (void)state;
  enum { N = 3, F = 5, OUT = 2, WIDTH = N + 2 * F };
  for (int type = 0; RheoNetTypes[type]; type++) {
    double got[B * OUT], expected[B * OUT];
    RheoNetConfig config = base, plain = base;
    config.type = plain.type = type;
    config.fourier = F;
    config.fourier_scale = 2;
    Model *m = start(N, 2, 0), *by_hand = start(WIDTH, 2, 0);
    RheoVal y = rx_net(m->scope, &config, m->x, m->context, OUT, 1);
    RheoVal same = rx_net(by_hand->scope, &plain, by_hand->x, by_hand->context, OUT, 1);
    draw(m, 0.3);
    draw(by_hand, 0);
    const RheoParamView *w = RheoParamsFind(m->params, "net.fourier.frequency");
    assert_non_null(w);
    for (int i = 0; i < RheoParamsCount(by_hand->params); i++) {
      const RheoParamView *to = RheoParamsView(by_hand->params, i),
                          *from = RheoParamsFind(m->params, to->name);
      memcpy(by_hand->values + to->offset, m->values + from->offset,
             sizeof(double) * RheoShapeSize(to->shape));
    }
    for (int r = 0; r < B; r++) {
      double *row = by_hand->storage[0] + r * WIDTH;
      memcpy(row, m->in[0] + r * N, sizeof(double) * N);
      for (int k = 0; k < F; k++) {
        double angle = 0;
        for (int e = 0; e < N; e++) angle += row[e] * m->values[w->offset + (size_t)(e * F + k)];
        row[N + k] = cos(angle);
        row[N + F + k] = sin(angle);
      }
    }
    memcpy(by_hand->storage[1], m->storage[1], sizeof by_hand->storage[1]);
    Evaluate(y, m->values, inputs(m), got);
    Evaluate(same, by_hand->values, inputs(by_hand), expected);
    for (int i = 0; i < B * OUT; i++) AssertNear(got[i], expected[i], 1e-12);
    CheckGradients(rx_sum_all(rx_square(y)), m->params, m->values, inputs(m), 1e-7);
    finish(m);
    finish(by_hand);
  }
}

static void choices_name_the_types(void **state)
{
  (void)state;
  char rule[256] = "";
  for (int type = 0; RheoNetTypes[type]; type++)
    snprintf(rule + strlen(rule), sizeof rule - strlen(rule), "%s%s", type ? "|" : "",
             RheoNetTypes[type]->name);
  assert_string_equal(RheoNetKeys[0].name, "type");
  assert_string_equal(RheoNetKeys[0].rule, rule);
}

static void bad_sizes_are_reported(void **state)
{
  (void)state;
  RheoNetConfig config = base;
  Model *m = start(3, 0, 0);
  config.hidden = 0;
  rx_net(m->scope, &config, m->x, m->context, 5, 1);
  assert_non_null(strstr(RheoProgramError(m->program), "hidden (0)"));
  finish(m);
  m = start(0, 0, 0);
  assert_false(rx_exists(rx_net(m->scope, &base, m->x, m->context, 5, 1)));
  assert_non_null(RheoProgramError(m->program));
  finish(m);
}

/* The derivative of the outputs of feature d by feature e is 0 for e >= d; below, it is somewhere not. */
static void check_made(int type, int mode, int n_features, int hidden, int n_context, int fourier)
{
  const int n_out = 2, full = hidden > 2 * n_features || RheoNetTypes[type]->name[0] == 'l';
  RheoNetConfig config = base;
  config.type = type;
  config.context = mode;
  config.hidden = hidden;
  config.fourier = fourier;
  config.fourier_scale = 1;
  Model *m = start(n_features, n_context, 0);
  RheoVal y = rx_made(m->scope, &config, m->x, m->context, n_out, 1);
  if (RheoProgramError(m->program)) fail_msg("%s", RheoProgramError(m->program));
  assert_true(RheoShapeSame(rx_shape(y), RX_SHAPE(B, n_features, n_out)));
  draw(m, 0.5);
  for (int d = 0; d < n_features; d++) {
    double g[MAX], gc[MAX], context = 0;
    RheoVal of[2] = {m->x, m->context}, dy[2], one = rx_slice(y, 1, d, d + 1);
    rx_vjp(rx_sum_all(rx_square(one)), RHEO_NONE, n_context ? 2 : 1, of, dy);
    Evaluate(dy[0], m->values, inputs(m), g);
    for (int e = 0; e < n_features; e++) {
      double size = 0;
      for (int r = 0; r < B; r++) size += fabs(g[r * n_features + e]);
      if (e >= d)
        assert_true(size == 0);
      else if (full)
        assert_true(size > 0);
    }
    if (!n_context) continue;
    Evaluate(dy[1], m->values, inputs(m), gc);
    for (int k = 0; k < B * n_context; k++) context += fabs(gc[k]);
    assert_true(context > 0);
  }
  if (n_features == 2) CheckGradients(rx_sum_all(rx_square(y)), m->params, m->values, inputs(m), 1e-7);
  finish(m);
}

static void made_is_autoregressive(void **state)
{
  (void)state;
  const int features[] = {1, 2, 7}, hidden[] = {1, 3, 20};
  for (int type = 0; RheoNetTypes[type]; type++)
    for (int mode = RHEO_CONTEXT_CONCAT; mode <= RHEO_CONTEXT_GLU; mode++)
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
          for (int n_context = 0; n_context <= 2; n_context += 2)
            for (int fourier = 0; fourier <= 9; fourier += 9)
              check_made(type, mode, features[i], hidden[j], n_context, fourier);
}

static void dropout_follows_its_noise(void **state)
{
  (void)state;
  const double rate = 0.3;
  Model *m = start(16, 0, 1);
  RheoVal y = rx_dropout(m->scope, m->x, rate), same = rx_dropout(m->scope, m->x, 0);
  assert_int_equal(RheoProgramInputCount(m->program), 2);
  assert_int_equal(same.id, m->x.id);
  double out[MAX];
  draw(m, 0);
  Evaluate(y, m->values, inputs(m), out);
  int dropped = 0;
  for (int i = 0; i < 16 * B; i++) {
    const int keep = m->in[1][i] >= rate;
    dropped += !keep;
    AssertNear(out[i], keep ? m->in[0][i] / (1 - rate) : 0, 1e-15);
  }
  assert_in_range(dropped, 1, 16 * B - 1);
  assert_true(rx_exists(rx_dropout(m->scope, m->x, rate))); /* a second application drops the same units */
  assert_int_equal(RheoProgramInputCount(m->program), 2);
  finish(m);
  m = start(16, 0, 0);
  assert_int_equal(rx_dropout(m->scope, m->x, rate).id, m->x.id);
  finish(m);
}

static void networks_drop_out_in_training_only(void **state)
{
  (void)state;
  for (int type = 0; RheoNetTypes[type]; type++)
    for (int masked = 0; masked < 2; masked++) {
      double plain[MAX], evaluated[MAX], trained[MAX];
      double *results[] = {plain, evaluated, trained};
      for (int k = 0; k < 3; k++) {
        RheoNetConfig config = base;
        config.type = type;
        config.dropout = k ? 0.5 : 0;
        Model *m = start(3, 2, k == 2);
        RheoVal y = masked ? rx_made(m->scope, &config, m->x, m->context, 2, 1)
                           : rx_net(m->scope, &config, m->x, m->context, 6, 1);
        draw(m, 0.3);
        Evaluate(y, m->values, inputs(m), results[k]);
        if (k == 2 && RheoProgramInputCount(m->program) > 2)
          CheckGradients(rx_sum_all(rx_square(y)), m->params, m->values, inputs(m), 1e-7);
        finish(m);
      }
      assert_memory_equal(plain, evaluated, sizeof(double) * B * 6);
      const int linear = strcmp(RheoNetTypes[type]->name, "linear") == 0;
      assert_int_equal(memcmp(plain, trained, sizeof(double) * B * 6) == 0, linear);
    }
}

static const double *weights(Model *m, RheoNetInit init, int n_in, int n_out, double gain,
                             const double **bias)
{
  (void)n_in;
  rx_dense(m->scope, m->x, n_out, RHEO_ACT_NONE, init, gain);
  assert_null(RheoProgramError(m->program));
  draw(m, 0);
  *bias = m->values + RheoParamsFind(m->params, "net.bias")->offset;
  return m->values + RheoParamsFind(m->params, "net.weight")->offset;
}

static void initial_values_have_their_scale(void **state)
{
  (void)state;
  const int n_in = 60, n_out = 40, n = n_in * n_out;
  const double gain = 0.5;
  const double variance[] = {1. / (3 * n_in), 2. / n_in, 2. / (n_in + n_out), 1. / n_in};
  for (int init = RHEO_NN_INIT_TORCH; init <= RHEO_NN_INIT_ORTHOGONAL; init++) {
    const double *bias;
    Model *m = start(n_in, 0, 0);
    const double *w = weights(m, (RheoNetInit)init, n_in, n_out, gain, &bias);
    double square = 0, largest = 0, biases = 0;
    for (int i = 0; i < n; i++) square += w[i] * w[i] / n, largest = fmax(largest, fabs(w[i]));
    for (int j = 0; j < n_out; j++) biases += fabs(bias[j]);
    AssertNear(square / (gain * gain * variance[init]), 1, 0.1);
    if (init == RHEO_NN_INIT_TORCH) assert_true(largest <= gain / sqrt(n_in) * (1 + 1e-6));
    if (init == RHEO_NN_INIT_XAVIER) assert_true(largest <= gain * sqrt(6. / (n_in + n_out)) * (1 + 1e-6));
    assert_int_equal(biases > 0, init == RHEO_NN_INIT_TORCH);
    finish(m);
  }
}

static void orthogonal_is_orthogonal(void **state)
{
  (void)state;
  const int sizes[][2] = {{6, 6}, {9, 4}, {4, 9}};
  for (int s = 0; s < 3; s++) {
    const int n = sizes[s][0], k = sizes[s][1], few = n < k ? n : k, many = n < k ? k : n;
    const double *bias;
    Model *m = start(n, 0, 0);
    const double *w = weights(m, RHEO_NN_INIT_ORTHOGONAL, n, k, 2, &bias);
    for (int i = 0; i < few; i++)
      for (int j = 0; j < few; j++) {
        double dot = 0;
        for (int l = 0; l < many; l++)
          dot += n < k ? w[i * k + l] * w[j * k + l] : w[l * k + i] * w[l * k + j];
        AssertNear(dot, i == j ? 4 : 0, 1e-5);
      }
    finish(m);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(types_are_right),
      cmocka_unit_test(fourier_features_are_cosines_and_sines),
      cmocka_unit_test(choices_name_the_types),
      cmocka_unit_test(bad_sizes_are_reported),
      cmocka_unit_test(made_is_autoregressive),
      cmocka_unit_test(dropout_follows_its_noise),
      cmocka_unit_test(networks_drop_out_in_training_only),
      cmocka_unit_test(initial_values_have_their_scale),
      cmocka_unit_test(orthogonal_is_orthogonal),
  };
  return RUN_TESTS(argc, argv, tests);
}
