/* Matrix products: C (m, n) = op(A) (m, k) op(B) (k, n), or C += .., row-major, one thread, no allocation.
 *
 * ta, tb: 1 where the factor is stored transposed; lda, ldb, ldc: elements from one stored row to the next.
 * accumulate: 1 where the product is added to C. scratch has gemm_scratch(n, k) elements.
 *
 * With 256- or 512-bit vectors kernels/product_impl.h does it: at the sizes of small networks it is ahead of oneDNN
 * (1.2 to 1.5 times at 50 wide) and of OpenBLAS (where B is transposed), and at the others about level with the better
 * of the two; neither of them promises not to allocate, or that a row's last bit does not depend on its place. On other
 * processors it is a library: gemm_dnnl.c where oneDNN was found (single precision), else gemm_cblas.c. */
#pragma once
#include <stddef.h>

size_t gemm_scratch(int n, int k);
void gemm_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                 int accumulate, float *c, int ldc, float *scratch);
void gemm_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                 int accumulate, double *c, int ldc, double *scratch);

/* The same by a library. */
void gemm_library_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                         int ldb, int accumulate, float *c, int ldc);
void gemm_library_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b,
                         int ldb, int accumulate, double *c, int ldc);
