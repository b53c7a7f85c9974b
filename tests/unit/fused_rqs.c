/* Splines where libraries break: at the knots and the ends in single precision, whole batches in the tails,
 * raw parameters without measure, infinities and NaN; round trips, monotonicity, log-determinants, the
 * identity at raw = 0. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "program/program_impl.h"

enum { BINS = 10, RAW = 3 * BINS - 1, MOST = 4096 };
static const double BOUND = 3;

static float xs[MOST], ys[MOST], lds[MOST], back[MOST], back_ld[MOST], raws[MOST * RAW], ones[MOST],
    dxs[MOST], draws[MOST * RAW];
static double xd[MOST], yd[MOST], ldd[MOST], backd[MOST], back_ldd[MOST], rawd[MOST * RAW];

static unsigned state_of_draws = 7;
static double uniform(void) /* on (-1, 1) */
{
  state_of_draws = state_of_draws * 1664525u + 1013904223u;
  return (double)(state_of_draws >> 8) / 8388608. - 1;
}

static void run_single(int n, int inverse, const float *x, float *y, float *log_det)
{
  static float scratch[RAW * 64];
  const RheoNode node = {.i = {inverse}, .r = {BOUND}};
  const RheoShape shape[] = {{1, {n}}, {2, {n, RAW}}};
  assert_true(RheoFusedType_RQS.scratch(&node, shape) <= sizeof scratch / sizeof *scratch);
  RheoFusedType_RQS.run_single(&node, shape, (const float *[]){x, raws}, (float *[]){y, log_det}, scratch);
}

static void run_double(int n, int inverse, const double *x, double *y, double *log_det)
{
  static double scratch[RAW * 64];
  const RheoNode node = {.i = {inverse}, .r = {BOUND}};
  const RheoShape shape[] = {{1, {n}}, {2, {n, RAW}}};
  RheoFusedType_RQS.run_double(&node, shape, (const double *[]){x, rawd}, (double *[]){y, log_det}, scratch);
}

static void derive_single(int n, int inverse, const float *x, const float *dy, const float *dlog_det)
{
  static float scratch[RAW * 64];
  const RheoNode node = {.i = {inverse}, .r = {BOUND}};
  const RheoShape shape[] = {{1, {n}}, {2, {n, RAW}}, {1, {n}}, {1, {n}}};
  RheoFusedType_RQSVJP.run_single(&node, shape, (const float *[]){x, raws, dy, dlog_det},
                                  (float *[]){dxs, draws}, scratch);
}

/* Every element the same raw parameters, +-size each. */
static void same_raw(double size, int all_signs)
{
  double one[RAW];
  for (int k = 0; k < RAW; k++) {
    const double u = uniform();
    one[k] = all_signs ? (u < 0 ? -size : size) : size * u;
  }
  for (int j = 0; j < MOST; j++)
    for (int k = 0; k < RAW; k++) raws[j * RAW + k] = (float)(rawd[j * RAW + k] = (float)one[k]);
}

static void grid(int n)
{
  for (int j = 0; j < n; j++) xs[j] = (float)(xd[j] = (float)(BOUND * (2. * j / (n - 1) - 1)));
}

/* Knots (BINS + 1) of raw sizes, in double. */
static void knots(const double *raw, double *knot)
{
  double top = raw[0], sum = 0;
  for (int k = 1; k < BINS; k++) top = fmax(top, raw[k]);
  for (int k = 0; k < BINS; k++) sum += exp(raw[k] - top);
  knot[0] = -BOUND;
  for (int k = 0; k < BINS; k++)
    knot[k + 1] = knot[k] + 2 * BOUND * (1e-3 + (1 - 1e-3 * BINS) * exp(raw[k] - top) / sum);
}

static void check_finite(int n)
{
  for (int j = 0; j < n; j++) {
    assert_true(isfinite(ys[j]) && isfinite(lds[j]) && isfinite(dxs[j]));
    assert_true(fabsf(ys[j]) <= (float)BOUND);
  }
  for (int j = 0; j < n * RAW; j++) assert_true(isfinite(draws[j]));
}

static const double SIZES[] = {0.3, 3, 50, 1e4, 1e30, FLT_MAX};
enum { N_SIZE = sizeof SIZES / sizeof *SIZES };

static void any_raw_is_finite_and_monotone(void **state)
{
  (void)state;
  for (int s = 0; s < 4 * N_SIZE; s++)
    for (int inverse = 0; inverse < 2; inverse++) {
      same_raw(SIZES[s % N_SIZE], s >= N_SIZE);
      grid(MOST);
      run_single(MOST, inverse, xs, ys, lds);
      derive_single(MOST, inverse, xs, ones, ones);
      check_finite(MOST);
      for (int j = 1; j < MOST; j++)
        assert_true(ys[j] >= ys[j - 1] - 4 * FLT_EPSILON * BOUND); /* to rounding */
      run_double(MOST, inverse, xd, yd, ldd);
      for (int j = 1; j < MOST; j++) assert_true(yd[j] >= yd[j - 1] - 4 * DBL_EPSILON * BOUND);
      assert_true(ys[0] == (float)-BOUND && ys[MOST - 1] == (float)BOUND);
      assert_true(yd[0] == -BOUND && yd[MOST - 1] == BOUND);
      assert_true(fabs(lds[0]) < 1e-5 && fabs(lds[MOST - 1]) < 1e-5);
      assert_true(fabs(ldd[0]) < 1e-13 && fabs(ldd[MOST - 1]) < 1e-13);
    }
}

/* Where the curve is so flat that neighbouring x have the same rounded y, any of them is right: forward again
 * is then y. Where it is steep, rounding of x is what limits that. */
static void inverse_undoes_forward(void **state)
{
  (void)state;
  static float again[MOST], again_ld[MOST];
  static double againd[MOST], again_ldd[MOST];
  for (int s = 0; s < 4 * N_SIZE; s++) {
    const double size = SIZES[s % N_SIZE];
    same_raw(size, s >= N_SIZE);
    grid(MOST);
    run_single(MOST, 0, xs, ys, lds);
    run_single(MOST, 1, ys, back, back_ld);
    run_single(MOST, 0, back, again, again_ld);
    run_double(MOST, 0, xd, yd, ldd);
    run_double(MOST, 1, yd, backd, back_ldd);
    run_double(MOST, 0, backd, againd, again_ldd);
    for (int j = 0; j < MOST; j++) {
      const double steep = 1 + exp(again_ldd[j]);
      assert_true(fabs(back[j] - xs[j]) <= 1e-4 || fabs(again[j] - ys[j]) <= 4 * FLT_EPSILON * BOUND * steep);
      assert_true(fabs(backd[j] - xd[j]) <= 1e-10 ||
                  fabs(againd[j] - yd[j]) <= 4 * DBL_EPSILON * BOUND * steep);
      if (size > 3) continue;
      const double flat = 1 + exp(-ldd[j]);
      assert_true(fabs(back[j] - xs[j]) <= 4 * FLT_EPSILON * BOUND * flat);
      assert_true(fabs(backd[j] - xd[j]) <= 4 * DBL_EPSILON * BOUND * flat);
      assert_true(fabs(back_ldd[j] + ldd[j]) <= 1e-9);
      assert_true(size > 1 || fabs(back_ld[j] + lds[j]) <= 1e-4);
    }
  }
}

static void knots_are_safe(void **state)
{
  (void)state;
  for (int s = 0; s < 2 * N_SIZE; s++) {
    double x_knot[BINS + 1], y_knot[BINS + 1];
    same_raw(SIZES[s % N_SIZE], s >= N_SIZE);
    knots(rawd, x_knot);
    knots(rawd + BINS, y_knot);
    int n = 0;
    for (int k = 0; k <= BINS; k++)
      for (int side = -1; side <= 1; side++) {
        const float x = (float)x_knot[k];
        xs[n++] = side ? nextafterf(x, side < 0 ? -10 : 10) : x;
      }
    for (int inverse = 0; inverse < 2; inverse++) {
      run_single(n, inverse, xs, ys, lds);
      derive_single(n, inverse, xs, ones, ones);
      for (int j = 0; j < n; j++) assert_true(isfinite(ys[j]) && isfinite(lds[j]) && isfinite(dxs[j]));
      for (int j = 0; j < n * RAW; j++) assert_true(isfinite(draws[j]));
    }
    for (int k = 0; k <= BINS; k++) xd[k] = fmax(-BOUND, fmin(BOUND, x_knot[k]));
    run_double(BINS + 1, 0, xd, yd, ldd);
    for (int k = 0; k <= BINS && SIZES[s % N_SIZE] <= 50; k++) assert_true(fabs(yd[k] - y_knot[k]) < 1e-9);
  }
}

static void tails_are_the_identity(void **state)
{
  (void)state;
  enum { N = 77 };
  float dy[N], dld[N];
  same_raw(50, 1);
  for (int j = 0; j < N; j++) {
    xs[j] = (j % 2 ? 1 : -1) * (nextafterf((float)BOUND, 10) + (float)(j / 4));
    dy[j] = 1 + (float)j;
    dld[j] = 2;
  }
  xs[5] = INFINITY;
  xs[6] = -INFINITY;
  for (int inverse = 0; inverse < 2; inverse++) {
    run_single(N, inverse, xs, ys, lds);
    derive_single(N, inverse, xs, dy, dld);
    for (int j = 0; j < N; j++) assert_true(ys[j] == xs[j] && lds[j] == 0 && dxs[j] == dy[j]);
    for (int j = 0; j < N * RAW; j++) assert_true(draws[j] == 0);
  }
}

static void nan_stays_with_its_element(void **state)
{
  (void)state;
  same_raw(2, 0);
  grid(40);
  xs[7] = NAN;
  for (int inverse = 0; inverse < 2; inverse++) {
    run_single(40, inverse, xs, ys, lds);
    derive_single(40, inverse, xs, ones, ones);
    for (int j = 0; j < 40; j++) assert_true(!isnan(ys[j]) == (j != 7) && !isnan(lds[j]) == (j != 7));
    for (int j = 0; j < 40 * RAW; j++) assert_true(isfinite(draws[j]));
  }
}

static void log_det_is_the_slope(void **state)
{
  (void)state;
  enum { N = 500 };
  static double above[N], below[N], unused[N];
  for (int inverse = 0; inverse < 2; inverse++) {
    for (int j = 0; j < N * RAW; j++) rawd[j] = 2 * uniform();
    for (int j = 0; j < N; j++) xd[j] = 1.2 * BOUND * uniform();
    const double step = 1e-6;
    run_double(N, inverse, xd, yd, ldd);
    for (int j = 0; j < N; j++) xd[j] += step;
    run_double(N, inverse, xd, above, unused);
    for (int j = 0; j < N; j++) xd[j] -= 2 * step;
    run_double(N, inverse, xd, below, unused);
    for (int j = 0; j < N; j++) assert_true(fabs(log((above[j] - below[j]) / (2 * step)) - ldd[j]) < 1e-4);
  }
}

static void zero_is_the_identity(void **state)
{
  (void)state;
  same_raw(0, 0);
  grid(1001);
  for (int inverse = 0; inverse < 2; inverse++) {
    run_single(1001, inverse, xs, ys, lds);
    run_double(1001, inverse, xd, yd, ldd);
    for (int j = 0; j < 1001; j++) {
      assert_true(fabs(ys[j] - xs[j]) < 2e-6 && fabs(lds[j]) < 1e-5);
      assert_true(fabs(yd[j] - xd[j]) < 1e-14 && fabs(ldd[j]) < 1e-13);
    }
  }
}

static void place_does_not_matter(void **state)
{
  (void)state;
  enum { N = 101 };
  same_raw(2, 0);
  grid(N);
  run_single(N, 0, xs, ys, lds);
  derive_single(N, 0, xs, ones, ones);
  memcpy(back_ld, dxs, sizeof back_ld);
  float *kept = malloc(sizeof draws);
  memcpy(kept, draws, sizeof draws);
  for (int first = 1; first < 70; first += 3) {
    const int n = N - first;
    float y[N], ld[N];
    run_single(n, 0, xs + first, y, ld);
    derive_single(n, 0, xs + first, ones, ones);
    assert_memory_equal(y, ys + first, (size_t)n * sizeof(float));
    assert_memory_equal(ld, lds + first, (size_t)n * sizeof(float));
    assert_memory_equal(dxs, back_ld + first, (size_t)n * sizeof(float));
    assert_memory_equal(draws, kept + first * RAW, (size_t)n * RAW * sizeof(float));
  }
  free(kept);
}

static void mistakes_are_named(void **state)
{
  (void)state;
  static const struct {
    int n_raw;
    double bound;
    const char *text;
  } cases[] = {{28, 3, "3K - 1"}, {2, 3, "at least 2 bins"}, {29, 0, "bound"}, {29, NAN, "bound"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    RheoProgram p;
    OK(RheoProgramCreate(4, &p));
    rx_rqs(rx_rows(p, "x", 2), rx_input(p, "raw", RX_SHAPE(4, 2, cases[k].n_raw)), cases[k].bound, 0, NULL);
    assert_non_null(RheoProgramError(p));
    assert_non_null(strstr(RheoProgramError(p), cases[k].text));
    assert_non_null(strstr(RheoProgramError(p), "fused_rqs.c"));
    OK(RheoProgramDestroy(&p));
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_raw_is_finite_and_monotone),
      cmocka_unit_test(inverse_undoes_forward),
      cmocka_unit_test(knots_are_safe),
      cmocka_unit_test(tails_are_the_identity),
      cmocka_unit_test(nan_stays_with_its_element),
      cmocka_unit_test(log_det_is_the_slope),
      cmocka_unit_test(zero_is_the_identity),
      cmocka_unit_test(place_does_not_matter),
      cmocka_unit_test(mistakes_are_named),
  };
  for (int j = 0; j < MOST; j++) ones[j] = 1;
  return RUN_TESTS(argc, argv, tests);
}
