/* Matrix products through CBLAS: double precision always, single precision where there is no oneDNN. */
#include "gemm.h"
#include <cblas.h>

void gemm_library_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b,
                         int ldb, int accumulate, double *c, int ldc)
{
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0, a,
              lda, b, ldb, accumulate, c, ldc);
}

#ifndef RHEO_HAVE_DNNL
void gemm_library_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                         int ldb, int accumulate, float *c, int ldc)
{
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a,
              lda, b, ldb, accumulate, c, ldc);
}
#endif
