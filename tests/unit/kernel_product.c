/* Matrix products against the plain triple loop: odd sizes, transposed factors, leading dimensions, sums onto
 * C. */
#include "check.h"
#include "program/gemm.h"
#include <math.h>
#include <stdlib.h>

static unsigned state_of_draws = 1;

static int draw(int n)
{
  state_of_draws = state_of_draws * 1664525u + 1013904223u;
  return (int)((state_of_draws >> 8) % (unsigned)n);
}

/* Small whole numbers: every order of the sums is exact. */
static void fill(size_t n, double *x, float *y)
{
  for (size_t i = 0; i < n; i++) y[i] = (float)(x[i] = draw(7) - 3);
}

typedef struct {
  int ta, tb, m, n, k, lda, ldb, ldc, accumulate;
} Case;

static size_t rows_a(const Case *s)
{
  return (size_t)(s->ta ? s->k : s->m) * (size_t)s->lda;
}

static size_t rows_b(const Case *s)
{
  return (size_t)(s->tb ? s->n : s->k) * (size_t)s->ldb;
}

static double exact(const Case *s, const double *a, const double *b, int i, int j)
{
  double sum = 0;
  for (int p = 0; p < s->k; p++)
    sum += a[s->ta ? p * s->lda + i : i * s->lda + p] * b[s->tb ? j * s->ldb + p : p * s->ldb + j];
  return sum;
}

static void check(const Case *s)
{
  const size_t size_c = (size_t)s->m * (size_t)s->ldc, scratch = gemm_scratch(s->n, s->k);
  double *a = malloc(rows_a(s) * sizeof *a), *b = malloc(rows_b(s) * sizeof *b),
         *c = malloc(size_c * sizeof *c);
  double *d = malloc(size_c * sizeof *d), *e = malloc(scratch * sizeof *e);
  float *fa = malloc(rows_a(s) * sizeof *fa), *fb = malloc(rows_b(s) * sizeof *fb),
        *fc = malloc(size_c * sizeof *fc);
  float *fe = malloc(scratch * sizeof *fe);
  fill(rows_a(s), a, fa);
  fill(rows_b(s), b, fb);
  fill(size_c, c, fc);
  for (size_t i = 0; i < size_c; i++) d[i] = c[i];
  gemm_double(s->ta, s->tb, s->m, s->n, s->k, a, s->lda, b, s->ldb, s->accumulate, c, s->ldc, e);
  gemm_single(s->ta, s->tb, s->m, s->n, s->k, fa, s->lda, fb, s->ldb, s->accumulate, fc, s->ldc, fe);
  for (int i = 0; i < s->m; i++)
    for (int j = 0; j < s->ldc; j++) {
      const size_t at = (size_t)i * (size_t)s->ldc + (size_t)j;
      double right = d[at]; /* what lies between the rows of C stays */
      if (j < s->n) right = exact(s, a, b, i, j) + (s->accumulate ? right : 0);
      if (c[at] != right || (double)fc[at] != right)
        fail_msg("%d%d %d x %d x %d, ld %d %d %d, onto %d: (%d, %d) is %g and %g, not %g", s->ta, s->tb, s->m,
                 s->n, s->k, s->lda, s->ldb, s->ldc, s->accumulate, i, j, c[at], (double)fc[at], right);
    }
  free(a), free(b), free(c), free(d), free(e), free(fa), free(fb), free(fc), free(fe);
}

static Case make(int ta, int tb, int m, int n, int k, int gap, int accumulate)
{
  return (Case){ta, tb, m, n, k, (ta ? m : k) + gap, (tb ? k : n) + gap, n + gap, accumulate};
}

static void small(void **state)
{
  (void)state;
  for (int t = 0; t < 1500; t++) {
    const Case s =
        make(t & 1, t >> 1 & 1, 1 + draw(40), 1 + draw(75), 1 + draw(20), draw(2) * draw(5), t >> 2 & 1);
    check(&s);
  }
}

/* Beyond one block in each direction, and rows of A that would fall on each other in the cache. */
static void large(void **state)
{
  const int sizes[][3] = {{30, 530, 40},  {20, 40, 520}, {17, 1030, 300},
                          {16, 50, 1024}, {512, 48, 20}, {1024, 40, 7}};
  (void)state;
  for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++)
    for (int t = 0; t < 8; t++) {
      const Case s = make(t & 1, t >> 1 & 1, sizes[q][0], sizes[q][1], sizes[q][2], 0, t >> 2 & 1);
      check(&s);
    }
}

/* A row's result may not depend on where in the block it stands: the last bit decides whether samples are the
 * same whatever batch they come in. */
static void place_of_row_is_nothing(void **state)
{
  enum { M = 45, N = 50, K = 61 };
  static float a[M * K], b[K * N], c[M * N];
  float *e = malloc(gemm_scratch(N, K) * sizeof *e);
  (void)state;
  for (int i = 0; i < K * N; i++) b[i] = (float)sin(i);
  for (int i = 0; i < M * K; i++) a[i] = (float)cos(i % K * 1.7);
  gemm_single(0, 0, M, N, K, a, K, b, N, 0, c, N, e);
  for (int i = 1; i < M; i++) assert_memory_equal(c, c + i * N, N * sizeof *c);
  free(e);
}

static void not_finite(void **state)
{
  float a[6] = {1, 2, NAN, 4, 5, 6}, b[6] = {1, INFINITY, 2, 0, 3, 1}, c[4], e[4096];
  (void)state;
  assert_true(gemm_scratch(2, 3) <= 4096);
  gemm_single(0, 0, 2, 2, 3, a, 3, b, 2, 0, c, 2, e);
  assert_true(isnan(c[0]) && isnan(c[1]));
  assert_true(c[2] == 32.f && c[3] == INFINITY);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small),
      cmocka_unit_test(large),
      cmocka_unit_test(place_of_row_is_nothing),
      cmocka_unit_test(not_finite),
  };
  return RUN_TESTS(argc, argv, tests);
}
