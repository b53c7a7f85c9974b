/* Matrix products against the plain triple loop: odd sizes, transposed factors, leading dimensions, sums onto
 * C. */
#include "check.h"
#include "program/gemm.h"
#include "program/kernels/product.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
  size_t (*scratch)(int, int);
  void (*single)(int, int, int, int, int, const float *, int, const float *, int, int, float *, int, float *);
  void (*twice)(int, int, int, int, int, const double *, int, const double *, int, int, double *, int,
                double *);
} Product;

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t scratch_plain(int n, int k)
{
  return larger(product_scratch_plain_single(n, k), product_scratch_plain_double(n, k));
}

#if defined __x86_64__
static size_t scratch_avx2(int n, int k)
{
  return larger(product_scratch_avx2_single(n, k), product_scratch_avx2_double(n, k));
}

static size_t scratch_avx512(int n, int k)
{
  return larger(product_scratch_avx512_single(n, k), product_scratch_avx512_double(n, k));
}
#endif

static int products(Product product[4])
{
  int n = 0;
  product[n++] = (Product){gemm_scratch, gemm_single, gemm_double}; /* what the executor calls */
  product[n++] = (Product){scratch_plain, product_plain_single, product_plain_double};
#if defined __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    product[n++] = (Product){scratch_avx2, product_avx2_single, product_avx2_double};
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    product[n++] = (Product){scratch_avx512, product_avx512_single, product_avx512_double};
#endif
  return n;
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

static void *allocate(size_t n, size_t size)
{
  void *memory = malloc(n * size);
  assert_non_null(memory);
  return memory;
}

static void compare(const Case *s, const double *a, const double *b, const double *before, const double *c,
                    const float *fc)
{
  for (int i = 0; i < s->m; i++)
    for (int j = 0; j < s->ldc; j++) {
      const size_t at = (size_t)i * (size_t)s->ldc + (size_t)j;
      double right = before[at]; /* what lies between the rows of C stays */
      if (j < s->n) right = exact(s, a, b, i, j) + (s->accumulate ? right : 0);
      if (c[at] != right || (double)fc[at] != right)
        fail_msg("%d%d %d x %d x %d, ld %d %d %d, onto %d: (%d, %d) is %g and %g, not %g", s->ta, s->tb, s->m,
                 s->n, s->k, s->lda, s->ldb, s->ldc, s->accumulate, i, j, c[at], (double)fc[at], right);
    }
}

static void check_product(const Case *s, const Product *p)
{
  const size_t size_c = (size_t)s->m * (size_t)s->ldc, scratch = p->scratch(s->n, s->k);
  double *a = allocate(rows_a(s), sizeof *a), *b = allocate(rows_b(s), sizeof *b),
         *c = allocate(size_c, sizeof *c);
  double *before = allocate(size_c, sizeof *before), *own = allocate(scratch, sizeof *own);
  float *fa = allocate(rows_a(s), sizeof *fa), *fb = allocate(rows_b(s), sizeof *fb);
  float *fc = allocate(size_c, sizeof *fc), *f_own = allocate(scratch, sizeof *f_own);
  fill(rows_a(s), a, fa);
  fill(rows_b(s), b, fb);
  fill(size_c, c, fc);
  memcpy(before, c, size_c * sizeof *c);
  p->twice(s->ta, s->tb, s->m, s->n, s->k, a, s->lda, b, s->ldb, s->accumulate, c, s->ldc, own);
  p->single(s->ta, s->tb, s->m, s->n, s->k, fa, s->lda, fb, s->ldb, s->accumulate, fc, s->ldc, f_own);
  compare(s, a, b, before, c, fc);
  free(a), free(b), free(c), free(before), free(own), free(fa), free(fb), free(fc), free(f_own);
}

static void check(const Case *s)
{
  Product product[4];
  for (int n = products(product), k = 0; k < n; k++) check_product(s, &product[k]);
}

static Case make(int ta, int tb, int m, int n, int k, int gap, int accumulate)
{
  return (Case){ta, tb, m, n, k, (ta ? m : k) + gap, (tb ? k : n) + gap, n + gap, accumulate};
}

static void small(void **state)
{
  (void)state;
  for (int t = 0; t < 800; t++) {
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

/* A row's result may not depend on where in the block it stands: the last bit decides whether samples are the same
 * whatever batch they come in. Libraries do not promise it. */
static void place_of_row_is_nothing(void **state)
{
  enum { M = 45, N = 50, K = 61 };
  static float a[M * K], b[K * N], c[M * N];
  Product product[4];
  (void)state;
  for (int i = 0; i < K * N; i++) b[i] = (float)sin(i);
  for (int i = 0; i < M * K; i++) a[i] = (float)cos(i % K * 1.7);
  for (int n = products(product), k = product_is_fast() ? 0 : 1; k < n; k++) {
    float *own = allocate(product[k].scratch(N, K), sizeof *own);
    product[k].single(0, 0, M, N, K, a, K, b, N, 0, c, N, own);
    for (int i = 1; i < M; i++) assert_memory_equal(c, c + i * N, N * sizeof *c);
    free(own);
  }
}

/* Nor on how many rows there are: few are multiplied without packing. */
static void number_of_rows_is_nothing(void **state)
{
  enum { M = 45, K = 61, MOST = 300 };
  static float a[M * K], b[K * MOST], c[M * MOST], few[M * MOST];
  Product product[4];
  (void)state;
  for (int i = 0; i < K * MOST; i++) b[i] = (float)sin(i);
  for (int i = 0; i < M * K; i++) a[i] = (float)cos(i * 1.7);
  for (int p = products(product), k = product_is_fast() ? 0 : 1; k < p; k++)
    for (int n = 1; n <= MOST; n += n < 80 ? 1 : 13) {
      float *own = allocate(product[k].scratch(n, K), sizeof *own);
      product[k].single(0, 0, M, n, K, a, K, b, MOST, 0, c, MOST, own);
      for (int m = 1; m <= 9; m++) {
        memset(few, 0, sizeof few);
        product[k].single(0, 0, m, n, K, a, K, b, MOST, 0, few, MOST, own);
        for (int i = 0; i < m; i++) {
          assert_memory_equal(c + i * MOST, few + i * MOST, (size_t)n * sizeof *c);
          for (int j = n; j < MOST; j++) assert_true(few[i * MOST + j] == 0);
        }
      }
      free(own);
    }
}

/* Nor a column on how many there are: few of a sum over the batch are taken one by one. */
static void number_of_columns_is_nothing(void **state)
{
  enum { MOST = 70, N = 12, K = 300 };
  static float a[K * MOST], b[K * N], before[MOST * N], c[MOST * N], few[MOST * N];
  Product product[4];
  (void)state;
  for (int i = 0; i < K * N; i++) b[i] = (float)sin(i);
  for (int i = 0; i < K * MOST; i++) a[i] = (float)cos(i * 1.7);
  for (int i = 0; i < MOST * N; i++) before[i] = (float)sin(i * 2.3);
  for (int p = products(product), q = product_is_fast() ? 0 : 1; q < p; q++)
    for (int m = 1; m <= MOST; m++)
      for (int onto = 0; onto < 2; onto++) {
        float *own = allocate(product[q].scratch(N, K), sizeof *own);
        memcpy(c, before, sizeof c);
        product[q].single(1, 0, m, N, K, a, MOST, b, N, onto, c, N, own);
        for (int n = 1; n < N; n++) {
          memcpy(few, before, sizeof few);
          product[q].single(1, 0, m, n, K, a, MOST, b, N, onto, few, N, own);
          for (int i = 0; i < MOST; i++) {
            assert_memory_equal((i < m ? c : before) + i * N, few + i * N, (size_t)n * sizeof *c);
            assert_memory_equal(before + i * N + n, few + i * N + n, (size_t)(N - n) * sizeof *c);
          }
        }
        free(own);
      }
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

/* An infinity goes to all columns of its row and to no other row, whatever panels the columns fall into and however C is
 * added to: within a product too, where the sum is longer than a block. */
static void infinity_stays_in_its_row(void **state)
{
  enum { M = 9, K = 300, MOST = 80 };
  static float a[M * K], b[K * MOST], c[M * MOST];
  Product product[4];
  (void)state;
  for (int i = 0; i < K * MOST; i++) b[i] = 1 + (float)(i % 3);
  for (int i = 0; i < M * K; i++) a[i] = 1;
  a[3 * K + K - 1] = INFINITY;
  for (int p = products(product), q = 0; q < p; q++)
    for (int n = 1; n <= MOST; n++) {
      float *own = allocate(product[q].scratch(n, K), sizeof *own);
      memset(c, 0, sizeof c);
      product[q].single(0, 0, M, n, K, a, K, b, MOST, n & 1, c, MOST, own);
      for (int i = 0; i < M; i++)
        for (int j = 0; j < n; j++)
          assert_true(i == 3 ? c[i * MOST + j] == INFINITY : isfinite(c[i * MOST + j]));
      free(own);
    }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small),
      cmocka_unit_test(large),
      cmocka_unit_test(place_of_row_is_nothing),
      cmocka_unit_test(number_of_rows_is_nothing),
      cmocka_unit_test(number_of_columns_is_nothing),
      cmocka_unit_test(not_finite),
      cmocka_unit_test(infinity_stays_in_its_row),
  };
  return RUN_TESTS(argc, argv, tests);
}
