/* Matrix products through CBLAS: double precision always, single precision where there is no oneDNN. */
#include "gemm.h"
#include <cblas.h>

void gemm_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                 double beta, double *c, int ldc)
{
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0, a,
              lda, b, ldb, beta, c, ldc);
}

#ifndef RHEO_HAVE_DNNL
void gemm_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc)
{
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a,
              lda, b, ldb, beta, c, ldc);
}
#endif
