/* Which width of registers there is. */
#include "product.h"

typedef enum { PLAIN, AVX2, AVX512 } Width;

static Width width(void)
{
#if defined __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
#endif
  return PLAIN;
}

int product_is_fast(void)
{
  return width() != PLAIN;
}

#if defined __x86_64__

size_t product_scratch_single(int n, int k)
{
  switch (width()) {
  case AVX512:
    return product_scratch_avx512_single(n, k);
  case AVX2:
    return product_scratch_avx2_single(n, k);
  default:
    return product_scratch_plain_single(n, k);
  }
}

void product_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                    int accumulate, float *c, int ldc, float *scratch)
{
  switch (width()) {
  case AVX512:
    product_avx512_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  case AVX2:
    product_avx2_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  default:
    product_plain_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  }
}

size_t product_scratch_double(int n, int k)
{
  switch (width()) {
  case AVX512:
    return product_scratch_avx512_double(n, k);
  case AVX2:
    return product_scratch_avx2_double(n, k);
  default:
    return product_scratch_plain_double(n, k);
  }
}

void product_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                    int accumulate, double *c, int ldc, double *scratch)
{
  switch (width()) {
  case AVX512:
    product_avx512_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  case AVX2:
    product_avx2_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  default:
    product_plain_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
    break;
  }
}
#else

size_t product_scratch_single(int n, int k)
{
  return product_scratch_plain_single(n, k);
}

void product_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                    int accumulate, float *c, int ldc, float *scratch)
{
  product_plain_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
}

size_t product_scratch_double(int n, int k)
{
  return product_scratch_plain_double(n, k);
}

void product_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                    int accumulate, double *c, int ldc, double *scratch)
{
  product_plain_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
}
#endif
