#include "gemm.h"
#include "kernels/product.h"

size_t gemm_scratch(int n, int k)
{
  const size_t single = product_scratch_single(n, k), twice = product_scratch_double(n, k);
  return single > twice ? single : twice;
}

void gemm_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                 int accumulate, float *c, int ldc, float *scratch)
{
  if (product_is_fast())
    product_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
  else
    gemm_library_single(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

void gemm_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                 int accumulate, double *c, int ldc, double *scratch)
{
  if (product_is_fast())
    product_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc, scratch);
  else
    gemm_library_double(ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}
