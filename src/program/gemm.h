/* Matrix products: C (m, n) = op(A) (m, k) op(B) (k, n) + beta C, row-major, one thread.
 *
 * ta, tb: 1 where the factor is stored transposed; lda, ldb, ldc: elements from one stored row to the next. beta is 0
 * (C need not be set) or 1. One file per library: gemm_cblas.c, and gemm_dnnl.c for single precision where oneDNN was
 * found.
 */
#pragma once

void gemm_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb, float beta,
                 float *c, int ldc);
void gemm_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb, double beta,
                 double *c, int ldc);
