/* Linear layers: values and gradients against plain loops, leading axes, no bias, and that forward and
 * backward pass cost three matrix products. Softmax of long, short and extreme rows. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "interpreter.h"

enum { B = 6, T = 5, N_IN = 4, N_OUT = 3, ROWS = B * T };

static double x[ROWS * N_IN], w[N_IN * N_OUT], b[N_OUT], dy[ROWS * N_OUT];

static void fill(size_t n, double *v, double phase)
{
  for (size_t k = 0; k < n; k++) v[k] = sin(phase + 1.7 * (double)k);
}

typedef struct {
  double y[ROWS * N_OUT], dx[ROWS * N_IN], dw[N_IN * N_OUT], db[N_OUT];
} Expected;

static Expected by_loops(int n_row, int has_bias)
{
  Expected e = {{0}, {0}, {0}, {0}};
  for (int r = 0; r < n_row; r++)
    for (int o = 0; o < N_OUT; o++) {
      double z = has_bias ? b[o] : 0;
      for (int i = 0; i < N_IN; i++) z += x[r * N_IN + i] * w[i * N_OUT + o];
      e.y[r * N_OUT + o] = tanh(z);
      const double dz = dy[r * N_OUT + o] * (1 - tanh(z) * tanh(z));
      e.db[o] += dz;
      for (int i = 0; i < N_IN; i++) {
        e.dx[r * N_IN + i] += dz * w[i * N_OUT + o];
        e.dw[i * N_OUT + o] += x[r * N_IN + i] * dz;
      }
    }
  return e;
}

static void near(size_t n, const double *a, const double *c)
{
  for (size_t k = 0; k < n; k++)
    if (!(fabs(a[k] - c[k]) < 1e-12)) fail_msg("[%zu] %.15g, expected %.15g", k, a[k], c[k]);
}

static void check_layer(RheoShape shape, int has_bias)
{
  RheoProgram p;
  const int n_row = (int)RheoShapeSize(shape) / N_IN;
  RheoShape result = shape;
  result.d[shape.n - 1] = N_OUT;
  OK(RheoProgramCreate(B, &p));
  const RheoVal arg[] = {rx_input(p, "x", shape), rx_input(p, "w", RX_SHAPE(N_IN, N_OUT)),
                         rx_input(p, "b", RX_SHAPE(N_OUT))};
  const RheoVal y = rx_linear(arg[0], arg[1], has_bias ? arg[2] : RHEO_NONE, RHEO_ACT_TANH);
  RheoVal out[4] = {y};
  assert_true(RheoShapeSame(rx_shape(y), result));
  rx_vjp(y, rx_input(p, "dy", result), 3, arg, out + 1);

  RheoPlan plan;
  RheoWork work;
  Expected got, expected = by_loops(n_row, has_bias);
  OK(RheoPlanCreate(p, RHEO_DOUBLE, 4, out, &plan));
  assert_true(RheoPlanGetInfo(plan).flops == 3. * 2 * n_row * N_IN * N_OUT);
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, NULL, (const void *[]){x, w, b, dy}, (void *[]){got.y, got.dx, got.dw, got.db});
  near((size_t)n_row * N_OUT, got.y, expected.y);
  near((size_t)n_row * N_IN, got.dx, expected.dx);
  near(N_IN * N_OUT, got.dw, expected.dw);
  if (has_bias) near(N_OUT, got.db, expected.db);
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  OK(RheoProgramDestroy(&p));
}

static void layers_equal_loops(void **state)
{
  (void)state;
  fill(ROWS * N_IN, x, 0);
  fill(N_IN * N_OUT, w, 1);
  fill(N_OUT, b, 2);
  fill(ROWS * N_OUT, dy, 3);
  check_layer(RX_SHAPE(ROWS, N_IN), 1);
  check_layer(RX_SHAPE(B, N_IN), 0);
  check_layer(RX_SHAPE(B, T, N_IN), 1);
  check_layer(RX_SHAPE(2, 3, T, N_IN), 0);
  check_layer(RX_SHAPE(N_IN), 1);
}

static void mistakes_are_named(void **state)
{
  (void)state;
  RheoProgram p;
  OK(RheoProgramCreate(4, &p));
  rx_linear(rx_rows(p, "x", 3), rx_input(p, "w", RX_SHAPE(4, 2)), RHEO_NONE, RHEO_ACT_NONE);
  assert_non_null(strstr(RheoProgramError(p), "linear"));
  assert_non_null(strstr(RheoProgramError(p), "fused_linear.c"));
  OK(RheoProgramDestroy(&p));
}

static void softmax_of(int is_log, int n_row, int n, const double *in, double *out)
{
  RheoProgram p;
  OK(RheoProgramCreate(n_row, &p));
  const RheoVal v = rx_rows(p, "x", n);
  interpret_value(is_log ? rx_log_softmax(v) : rx_softmax(v), INTERPRET_KERNELS, NULL, (const double *[]){in},
                  out);
  OK(RheoProgramDestroy(&p));
}

static void softmax_sums_to_one(void **state)
{
  (void)state;
  enum { MOST = 3000 };
  static double in[MOST], out[MOST], logs[MOST];
  static const int sizes[][2] = {{3000, 1}, {1500, 2}, {300, 10}, {7, 400}, {2, 1500}};
  for (int s = 0; s < 5; s++) {
    const int n_row = sizes[s][0], n = sizes[s][1];
    for (int k = 0; k < MOST; k++) in[k] = (k % 13 ? 3 : 900) * sin(k) + 1e3 * (k / n % 3);
    softmax_of(0, n_row, n, in, out);
    softmax_of(1, n_row, n, in, logs);
    for (int r = 0; r < n_row; r++) {
      double sum = 0, top = -HUGE_VAL, exact = 0;
      for (int i = 0; i < n; i++) {
        sum += out[r * n + i];
        top = fmax(top, in[r * n + i]);
      }
      for (int i = 0; i < n; i++) exact += exp(in[r * n + i] - top);
      assert_true(fabs(sum - 1) < 1e-12);
      for (int i = 0; i < n; i++) {
        const double expected = in[r * n + i] - top - log(exact);
        assert_true(fabs(logs[r * n + i] - expected) < 1e-12 * (1 + fabs(expected)));
        assert_true(fabs(out[r * n + i] - exp(expected)) < 1e-13);
      }
    }
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layers_equal_loops),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(softmax_sums_to_one),
  };
  return RUN_TESTS(argc, argv, tests);
}
