/* Kernels that work element by element, along an axis or by strides, against plain loops over the functions of libm:
 * odd sizes, both precisions, what is not finite. */
#include "check.h"
#include "program/kernels/kernels.h"
#include "program/kernels/vmath.h"
#include "program/program_impl.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 320, SPECIAL = 16 };

static const double special[SPECIAL] = {NAN,    INFINITY, -INFINITY, 0.,  -0.,  1.,   -1.,   1e-30,
                                        -1e-30, 20.,      -20.,      80., -80., 200., -200., 0.5};

static double naive(RheoOp op, double x, double y, double z)
{
  switch (op) {
  case RHEO_OP_NEG:
    return -x;
  case RHEO_OP_ABS:
    return fabs(x);
  case RHEO_OP_SIGN:
    return (x > 0) - (x < 0);
  case RHEO_OP_FLOOR:
    return floor(x);
  case RHEO_OP_SQUARE:
    return x * x;
  case RHEO_OP_SQRT:
    return sqrt(x);
  case RHEO_OP_RECIP:
    return 1 / x;
  case RHEO_OP_EXP:
    return exp(x);
  case RHEO_OP_EXPM1:
    return expm1(x);
  case RHEO_OP_LOG:
    return log(x);
  case RHEO_OP_LOG1P:
    return log1p(x);
  case RHEO_OP_TANH:
    return tanh(x);
  case RHEO_OP_SIGMOID:
    return 1 / (1 + exp(-x));
  case RHEO_OP_SOFTPLUS:
    return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
  case RHEO_OP_SIN:
    return sin(x);
  case RHEO_OP_COS:
    return cos(x);
  case RHEO_OP_ERF:
    return erf(x);
  case RHEO_OP_ADD:
    return x + y;
  case RHEO_OP_SUB:
    return x - y;
  case RHEO_OP_MUL:
    return x * y;
  case RHEO_OP_DIV:
    return x / y;
  case RHEO_OP_MAX:
    return x < y ? y : x;
  case RHEO_OP_MIN:
    return y < x ? y : x;
  case RHEO_OP_LESS:
    return x < y;
  case RHEO_OP_LESS_EQUAL:
    return x <= y;
  case RHEO_OP_EQUAL:
    return x == y;
  case RHEO_OP_SELECT:
    return x != 0 ? y : z;
  default:
    fail_msg("no twin for %s", RheoOps[op].name);
    return 0;
  }
}

/* Within a few ulp of the right value rounded to the type at hand; NaN for NaN, infinity for infinity. */
static int agrees(double y, double right, double epsilon, double most, double least)
{
  if (isnan(right) || isnan(y)) return isnan(right) && isnan(y);
  if (fabs(right) > most) return y == (right > 0 ? INFINITY : -INFINITY) || fabs(y) > 0.999 * most;
  if (isinf(y)) return 0;
  return fabs(y - right) <= 8 * epsilon * fabs(right) + least;
}

static const struct {
  RheoOp op;
  tile_function_single single;
  tile_function_double twice;
} table[] = {
#define TILE(symbol, expression) {RHEO_OP_##symbol, tile_##symbol##_single, tile_##symbol##_double},
#include "program/kernels/tile.def"
#undef TILE
};

static void tiles(void **state)
{
  static float x[N], y[N], z[N], out[N];
  static double dx[N], dy[N], dz[N], dout[N];
  (void)state;
  for (int i = 0; i < N; i++) {
    dx[i] = x[i] = i < SPECIAL * SPECIAL ? (float)special[i / SPECIAL] : (float)(sin(i) * 9);
    dy[i] = y[i] = i < SPECIAL * SPECIAL ? (float)special[i % SPECIAL] : (float)(cos(3 * i) * 4);
    dz[i] = z[i] = (float)i;
  }
  for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
    table[t].single(N, x, y, z, out);
    table[t].twice(N, dx, dy, dz, dout);
    for (int i = 0; i < N; i++) {
      const double right = naive(table[t].op, dx[i], dy[i], dz[i]);
      if (!agrees(out[i], right, FLT_EPSILON, FLT_MAX, FLT_MIN) ||
          !agrees(dout[i], right, DBL_EPSILON, DBL_MAX, DBL_MIN))
        fail_msg("%s(%g, %g, %g): %.9g and %.17g, not %.17g", RheoOps[table[t].op].name, dx[i], dy[i], dz[i],
                 (double)out[i], dout[i], right);
    }
    table[t].single(N, x, y, z, y); /* in place of an argument */
    assert_memory_equal(y, out, sizeof y);
    for (int i = 0; i < N; i++) y[i] = (float)dy[i];
  }
}

/* The vectors of libm are called: an element's value does not depend on its place among the lanes. */
static void place_in_tile_is_nothing(void **state)
{
  static float x[N], out[N];
  (void)state;
  for (size_t t = 0; t < sizeof table / sizeof *table; t++)
    for (int k = 0; k < 40; k++) {
      for (int i = 0; i < N; i++) x[i] = (float)(0.3 + 0.07 * k);
      table[t].single(N, x, x, x, out);
      for (int i = 1; i < N; i++) assert_memory_equal(out, out + i, sizeof(float));
    }
}

static void fill(size_t n, float *x)
{
  for (size_t i = 0; i < n; i++) x[i] = (float)(sin(1. + (double)i) * 3);
}

static void reductions(void **state)
{
  const size_t sizes[][3] = {{1, 1, 1},    {3, 5, 1},   {1, 7, 3},  {2, 130, 1},  {1, 1500, 1},
                             {1, 200, 50}, {4, 63, 70}, {5, 64, 2}, {2, 65, 129}, {7, 1, 9}};
  static float x[40000], out[40000];
  (void)state;
  fill(40000, x);
  for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++) {
    const size_t outer = sizes[q][0], length = sizes[q][1], inner = sizes[q][2];
    assert_true(outer * length * inner <= 40000);
    for (int kind = 0; kind < 4; kind++) {
      if (kind == 0) sum_single(outer, length, inner, x, out);
      if (kind == 1) amax_single(outer, length, inner, x, out);
      if (kind > 1) cumsum_single(outer, length, inner, kind == 3, x, out);
      for (size_t o = 0; o < outer; o++)
        for (size_t c = 0; c < inner; c++) {
          double sum = 0, most = -INFINITY;
          for (size_t k = 0; k < length; k++) {
            const size_t r = kind == 3 ? length - 1 - k : k;
            const double e = x[(o * length + r) * inner + c];
            sum += e;
            most = fmax(most, e);
            if (kind > 1) assert_true(fabs(out[(o * length + r) * inner + c] - sum) < 2e-4);
          }
          if (kind == 0) assert_true(fabs(out[o * inner + c] - sum) < 2e-5);
          if (kind == 1) assert_true(out[o * inner + c] == most);
        }
    }
  }
}

/* What a running sum in single precision loses: a million small terms. */
static void long_sums_keep_their_digits(void **state)
{
  enum { MANY = 1000000 };
  float *x = malloc(MANY * sizeof *x), rows, columns[2];
  (void)state;
  for (int i = 0; i < MANY; i++) x[i] = 0.1f;
  sum_single(1, MANY, 1, x, &rows);
  sum_single(1, MANY / 2, 2, x, columns);
  assert_true(fabs(rows - 0.1f * (double)MANY) < 1e-6 * MANY);
  assert_true(fabs(columns[0] - 0.1f * (double)MANY / 2) < 2e-5 * MANY / 2);
  assert_true(columns[0] == columns[1]);
  free(x);
}

static void not_finite_in_sums_and_maxima(void **state)
{
  float x[40], out;
  (void)state;
  for (int at = 0; at < 40; at++) {
    for (int i = 0; i < 40; i++) x[i] = i == at ? NAN : (float)i;
    amax_single(1, 40, 1, x, &out);
    assert_true(isnan(out));
    sum_single(1, 40, 1, x, &out);
    assert_true(isnan(out));
    x[at] = -INFINITY;
    sum_single(1, 40, 1, x, &out);
    assert_true(out == -INFINITY);
  }
}

static void gather_and_scatter(void **state)
{
  enum { OUTER = 3, LENGTH = 7, INNER = 5, COUNT = 9 };
  const float index[COUNT] = {0, 6, 3, 3, 1, -2, 99, NAN, 5};
  const int place[COUNT] = {0, 6, 3, 3, 1, 0, 6, 0, 5}; /* outside: the nearest */
  float x[OUTER * LENGTH * INNER], y[OUTER * COUNT * INNER], z[OUTER * LENGTH * INNER];
  (void)state;
  fill(OUTER * LENGTH * INNER, x);
  gather_single(OUTER, LENGTH, INNER, COUNT, x, index, y);
  scatter_add_single(OUTER, LENGTH, INNER, COUNT, y, index, z);
  for (int o = 0; o < OUTER; o++)
    for (int c = 0; c < INNER; c++) {
      double sum[LENGTH] = {0};
      for (int j = 0; j < COUNT; j++) {
        const float e = x[(o * LENGTH + place[j]) * INNER + c];
        assert_true(y[(o * COUNT + j) * INNER + c] == e);
        sum[place[j]] += e;
      }
      for (int k = 0; k < LENGTH; k++) assert_true(fabs(z[(o * LENGTH + k) * INNER + c] - sum[k]) < 1e-5);
    }
}

/* Every stretch of a walk over three axes with a broadcast one and a reversed order of the others. */
static void walks(void **state)
{
  enum { D0 = 3, D1 = 4, D2 = 5, SIZE = D0 * D1 * D2 };
  const int64_t d[3] = {D0, D1, D2},
                strides[][3] = {{20, 5, 1}, {1, 0, 7}, {0, 3, 1}, {40, 6, 1}, {1, 3, 12}};
  float x[200], y[SIZE], back[200];
  (void)state;
  fill(200, x);
  for (size_t s = 0; s < sizeof strides / sizeof *strides; s++)
    for (int begin = 0; begin < SIZE; begin++)
      for (int n = 1; n <= SIZE - begin; n++) {
        walk_read_single(3, d, strides[s], (size_t)begin, (size_t)n, x, y);
        memset(back, 0, sizeof back);
        walk_write_single(3, d, strides[s], (size_t)begin, (size_t)n, y, back);
        for (int e = 0; e < n; e++) {
          const int at = begin + e;
          const int64_t place =
              at / (D1 * D2) * strides[s][0] + at / D2 % D1 * strides[s][1] + at % D2 * strides[s][2];
          assert_true(y[e] == x[place] && back[place] == x[place]);
        }
      }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tiles),
      cmocka_unit_test(place_in_tile_is_nothing),
      cmocka_unit_test(reductions),
      cmocka_unit_test(long_sums_keep_their_digits),
      cmocka_unit_test(not_finite_in_sums_and_maxima),
      cmocka_unit_test(gather_and_scatter),
      cmocka_unit_test(walks),
  };
  return RUN_TESTS(argc, argv, tests);
}
