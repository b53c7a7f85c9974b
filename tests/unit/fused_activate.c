/* Activations: kernels against closed forms in long double, their derivatives against differences of these,
 * NaN, large arguments, and that an element's result does not depend on its place. */
#include "program/program_impl.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { N = 211 }; /* no multiple of a vector's length */

static long double exact(int activation, long double x)
{
  switch (activation) {
  case RHEO_ACT_RELU:
    return fmaxl(x, 0);
  case RHEO_ACT_LEAKY_RELU:
    return x > 0 ? x : 0.01L * x;
  case RHEO_ACT_TANH:
    return tanhl(x);
  case RHEO_ACT_SILU:
    return x / (1 + expl(-x));
  case RHEO_ACT_GELU:
    return 0.5L * x * erfcl(-x / sqrtl(2));
  case RHEO_ACT_SOFTPLUS:
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
  case RHEO_ACT_ELU:
    return x > 0 ? x : expm1l(x);
  case RHEO_ACT_SIGMOID:
    return 1 / (1 + expl(-x));
  case RHEO_ACT_SELU: /* the paper's alpha and lambda */
    return 1.05070098735548049342L * (x > 0 ? x : 1.67326324235437728482L * expm1l(x));
  default:
    return x;
  }
}

static long double exact_slope(int activation, long double x)
{
  const long double e = 1e-6L;
  return (exact(activation, x + e) - exact(activation, x - e)) / (2 * e);
}

static int from_argument(int activation)
{
  return activation == RHEO_ACT_SILU || activation == RHEO_ACT_GELU;
}

static double argument(int k)
{
  return k == 0 ? -40 : k == 1 ? 40 : 0.0625 * (k - N / 2) + 0.01;
}

static void values(void **state)
{
  (void)state;
  for (int activation = RHEO_ACT_NONE; activation <= RHEO_ACT_SELU; activation++) {
    const RheoNode node = {.i = {activation}};
    double x[N], y[N], dy[N], dx[N];
    float xs[N], ys[N], dys[N], dxs[N];
    for (int k = 0; k < N; k++) {
      xs[k] = (float)argument(k);
      x[k] = xs[k];
      dy[k] = dys[k] = (float)(1 + k % 3);
    }
    RheoFusedType_Activate.tile_double(&node, N, (const double *[]){x}, y);
    RheoFusedType_Activate.tile_single(&node, N, (const float *[]){xs}, ys);
    const int z = from_argument(activation);
    RheoFusedType_ActivateVJP.tile_double(&node, N, (const double *[]){z ? x : y, dy}, dx);
    RheoFusedType_ActivateVJP.tile_single(&node, N, (const float *[]){z ? xs : ys, dys}, dxs);
    for (int k = 0; k < N; k++) {
      const double value = (double)exact(activation, x[k]),
                   slope = dy[k] * (double)exact_slope(activation, x[k]);
      assert_true(fabs(y[k] - value) <= 1e-14 * (1 + fabs(value)));
      assert_true(fabs(ys[k] - value) <= 1e-6 * (1 + fabs(value)));
      assert_true(fabs(dx[k] - slope) <= 1e-9 * (1 + fabs(slope)));
      assert_true(fabs(dxs[k] - slope) <= 2e-6 * (1 + fabs(slope)));
    }
  }
}

static void extremes(void **state)
{
  (void)state;
  const float x[] = {-1e30f, -1e4f, -0.f, 0, 1e4f, 1e30f}, dy[] = {1, 1, 1, 1, 1, 1};
  const float nan_in[] = {NAN, 1}, nan_dy[] = {1, 1};
  for (int activation = RHEO_ACT_NONE; activation <= RHEO_ACT_SELU; activation++) {
    const RheoNode node = {.i = {activation}};
    float y[6], dx[6];
    RheoFusedType_Activate.tile_single(&node, 6, (const float *[]){x}, y);
    RheoFusedType_ActivateVJP.tile_single(&node, 6, (const float *[]){from_argument(activation) ? x : y, dy},
                                          dx);
    for (int k = 0; k < 6; k++) assert_true(isfinite(y[k]) && isfinite(dx[k]));
    RheoFusedType_Activate.tile_single(&node, 2, (const float *[]){nan_in}, y);
    assert_true(isnan(y[0]) && !isnan(y[1]));
    if (activation == RHEO_ACT_NONE || activation == RHEO_ACT_RELU || activation == RHEO_ACT_LEAKY_RELU)
      continue;
    RheoFusedType_ActivateVJP.tile_single(&node, 2, (const float *[]){nan_in, nan_dy}, dx);
    assert_true(isnan(dx[0]) || activation == RHEO_ACT_ELU || activation == RHEO_ACT_SELU);
  }
}

static void place_does_not_matter(void **state)
{
  (void)state;
  for (int activation = RHEO_ACT_NONE; activation <= RHEO_ACT_SELU; activation++) {
    const RheoNode node = {.i = {activation}};
    float x[N], y[N], again[N];
    for (int k = 0; k < N; k++) x[k] = (float)argument(k);
    RheoFusedType_Activate.tile_single(&node, N, (const float *[]){x}, y);
    for (int first = 1; first < 40; first++) {
      RheoFusedType_Activate.tile_single(&node, (size_t)(N - first), (const float *[]){x + first}, again);
      assert_memory_equal(again, y + first, (size_t)(N - first) * sizeof(float));
    }
    memcpy(again, x, sizeof x);
    RheoFusedType_Activate.tile_single(&node, N, (const float *[]){again}, again); /* in place */
    assert_memory_equal(again, y, sizeof y);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values),
      cmocka_unit_test(extremes),
      cmocka_unit_test(place_does_not_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
