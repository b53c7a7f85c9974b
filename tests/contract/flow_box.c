/* What a user relies on: densities integrate to one, nothing leaves its bounds in either precision, splines are safe where
 * all of a batch lies in the tails. */
#include "check.h"
#include "flows.h"
#include "model.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs the program of 512 rows over all rows of x, under one context. */
static void densities(const FlowModel *m, RheoVal log_prob, int rows, const double *x, double *density)
{
  const double context[] = {0.4, -0.7};
  RheoPlan plan;
  RheoWork work;
  double *c = malloc(sizeof(double) * (size_t)rows * 2);
  assert_non_null(c);
  for (int k = 0; k < 2 * rows; k++) c[k] = context[k % 2];
  OK(RheoPlanCreate(m->program, RHEO_DOUBLE, 1, &log_prob, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRunRows(plan, work, m->values, rows, (const void *[]){x, NULL, c}, (void *[]){density});
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  for (int r = 0; r < rows; r++) density[r] = exp(density[r]);
  free(c);
}

/* The sum of the density over the centres of the cells of a box, times their size. */
static double integral(const char *text, int n, const double *from, const double *to, const double *lower,
                       const double *upper, double noise)
{
  const int grid = n == 1 ? 20000 : 500, rows = n == 1 ? grid : grid * grid;
  FlowModel m = StartFlow(text, n, 2, lower, upper, 512, 0);
  RheoVal log_prob = rx_flow_log_prob(m.flow, m.scope, m.x, m.context);
  double *x = malloc(sizeof(double) * (size_t)(rows * n)), *p = malloc(sizeof(double) * (size_t)rows);
  double sum = 0, cell = 1;
  assert_true(x && p);
  DrawFlow(&m, noise);
  for (int k = 0; k < rows * n; k++) {
    const int d = k % n, i = d ? k / n / grid : k / n % grid;
    x[k] = from[d] + (to[d] - from[d]) * (i + 0.5) / grid;
  }
  densities(&m, log_prob, rows, x, p);
  for (int d = 0; d < n; d++) cell *= (to[d] - from[d]) / grid;
  for (int r = 0; r < rows; r++) sum += p[r] * cell;
  free(x);
  free(p);
  FinishFlow(&m);
  return sum;
}

static void densities_integrate_to_one(void **state)
{
  const double wide_from[] = {-9, -9}, wide_to[] = {9, 9}, zero[] = {0, -2}, one[] = {1, 3};
  const double from[] = {-1, -1}, to[] = {1, 1};
  const char small[] = "repeat: 2, net: {hidden: 10, activation: tanh}";
  (void)state;
  for (int n = 1; n <= 2; n++) {
    AssertNear(integral(small, n, wide_from, wide_to, NULL, NULL, 0.1), 1, 2e-3);
    AssertNear(integral(small, n, zero, one, zero, one, 0.1), 1, 2e-3);
    AssertNear(integral("base: uniform, stack: [rqs_coupling], standardize: no, rqs_coupling: {bound: 1}", n,
                        from, to, NULL, NULL, 0.1),
               1, 2e-3);
  }
}

/* Kinds of bounds, one a feature. */
enum { D = 6, N_Z = 12 };
static const double lower[D] = {0, 1, -1e6, -INFINITY, -INFINITY, -3e-5};
static const double upper[D] = {1, 1 + 1e-5, 1e6, -2, INFINITY, INFINITY};

static void samples_stay_inside(void **state)
{
  const double noise[N_Z] = {0, 1, -1, 17, -17, 120, -120, 1e4, -1e4, 1e30, -1e30, 5};
  (void)state;
  FlowModel m = StartFlow("stack: [actnorm], repeat: 1", D, 0, lower, upper, N_Z, 0);
  RheoVal v[2];
  double in[N_Z * D], x[N_Z * D], log_prob[N_Z];
  v[0] = rx_flow_sample(m.flow, m.scope, m.noise, RHEO_NONE, &v[1]);
  DrawFlow(&m, 0.2);
  for (int k = 0; k < N_Z * D; k++) in[k] = noise[k / D];
  for (int precision = RHEO_SINGLE; precision <= RHEO_DOUBLE; precision++) {
    RunFlow(&m, (RheoPrecision)precision, (const double *[]){in, in}, 2, v, (double *[]){x, log_prob});
    for (int k = 0; k < N_Z * D; k++) {
      const int d = k % D;
      if (!(x[k] > lower[d] && x[k] < upper[d]))
        fail_msg("z = %g of feature %d gives %.9g, precision %d", in[k], d, x[k], precision);
      /* as single precision, which is what files hold */
      assert_true((float)x[k] > lower[d] && (float)x[k] < upper[d]);
    }
    for (int r = 0; r < N_Z; r++) assert_false(isnan(log_prob[r]));
  }
  FinishFlow(&m);
}

/* On the bound: finite, with finite derivatives. Beyond it: no density. */
static void bounds_themselves_are_inside(void **state)
{
  enum { ROWS = 4 };
  (void)state;
  FlowModel m = StartFlow("stack: [actnorm], repeat: 1", D, 0, lower, upper, ROWS, 0);
  RheoVal v[2];
  double x[ROWS * D], log_prob[ROWS], dx[ROWS * D];
  v[0] = rx_flow_log_prob(m.flow, m.scope, m.x, RHEO_NONE);
  v[1] = rx_grad(rx_sum_all(v[0]), m.x);
  DrawFlow(&m, 0.1);
  for (int d = 0; d < D; d++) {
    const double inside = isfinite(lower[d]) ? (isfinite(upper[d]) ? (lower[d] + upper[d]) / 2 : lower[d] + 1)
                                             : (isfinite(upper[d]) ? upper[d] - 1 : 0);
    x[d] = isfinite(lower[d]) ? lower[d] : inside;
    x[D + d] = isfinite(upper[d]) ? upper[d] : inside;
    x[2 * D + d] = d == 1 ? 0.9 : inside;
    x[3 * D + d] = d == 3 ? -1.9 : inside;
  }
  for (int precision = RHEO_SINGLE; precision <= RHEO_DOUBLE; precision++) {
    RunFlow(&m, (RheoPrecision)precision, (const double *[]){x, x}, 2, v, (double *[]){log_prob, dx});
    for (int r = 0; r < 2; r++) assert_true(isfinite(log_prob[r]));
    for (int k = 0; k < 2 * D; k++) assert_true(isfinite(dx[k]));
    for (int r = 2; r < ROWS; r++) assert_true(log_prob[r] == -INFINITY);
  }
  FinishFlow(&m);
}

static void tails_are_the_identity(void **state)
{
  enum { ROWS = 6 };
  const double far[ROWS] = {100, -100, 1e4, -1e4, 3.5, -3.5};
  (void)state;
  FlowModel m = StartFlow("stack: [rqs_coupling], repeat: 2, standardize: no", 2, 0, NULL, NULL, ROWS, 0);
  RheoVal v[3], loss;
  double x[ROWS * 2], z[ROWS * 2], log_det[ROWS], *gradient;
  v[0] = rx_flow_forward(m.flow, m.scope, m.x, RHEO_NONE, &v[1]);
  loss = rx_mean_all(v[1]);
  DrawFlow(&m, 0.3);
  v[2] = rx_grad_params(loss, m.params);
  gradient = malloc(m.n_params * sizeof(double));
  for (int k = 0; k < ROWS * 2; k++) x[k] = far[k / 2];
  for (int precision = RHEO_SINGLE; precision <= RHEO_DOUBLE; precision++) {
    RunFlow(&m, (RheoPrecision)precision, (const double *[]){x, x}, 3, v, (double *[]){z, log_det, gradient});
    for (int k = 0; k < ROWS * 2; k++) AssertNear(z[k], (float)x[k], 1e-3 * fabs(x[k]) * FLT_EPSILON);
    for (int r = 0; r < ROWS; r++) assert_true(log_det[r] == 0);
    for (size_t i = 0; i < m.n_params; i++) assert_true(gradient[i] == 0);
  }
  free(gradient);
  FinishFlow(&m);
}

/* Everywhere in between, the knots and ends included, single agrees with double. */
static void splines_are_smooth_in_single(void **state)
{
  enum { ROWS = 2001 };
  (void)state;
  FlowModel m = StartFlow("stack: [rqs_coupling], repeat: 1, standardize: no", 1, 0, NULL, NULL, ROWS, 0);
  RheoVal v[2];
  static double x[ROWS], z[2][ROWS], log_det[2][ROWS];
  v[0] = rx_flow_forward(m.flow, m.scope, m.x, RHEO_NONE, &v[1]);
  DrawFlow(&m, 1.0);
  for (int r = 0; r < ROWS; r++) x[r] = (float)(-4 + 8. * r / (ROWS - 1));
  for (int precision = RHEO_SINGLE; precision <= RHEO_DOUBLE; precision++)
    RunFlow(&m, (RheoPrecision)precision, (const double *[]){x, x}, 2, v,
            (double *[]){z[precision], log_det[precision]});
  for (int r = 0; r < ROWS; r++) {
    AssertNear(z[0][r], z[1][r], 1e-4);
    AssertNear(log_det[0][r], log_det[1][r], 2e-3);
    if (r) assert_true(z[0][r] >= z[0][r - 1]);
  }
  FinishFlow(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(densities_integrate_to_one),   cmocka_unit_test(samples_stay_inside),
      cmocka_unit_test(bounds_themselves_are_inside), cmocka_unit_test(tails_are_the_identity),
      cmocka_unit_test(splines_are_smooth_in_single),
  };
  return RUN_TESTS(argc, argv, tests);
}
