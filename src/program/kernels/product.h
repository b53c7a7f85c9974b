/* C (m, n) = op(A) (m, k) op(B) (k, n), or C += .., row-major; see gemm.h for the arguments. scratch has
 * product_scratch(n, k) elements. */
#pragma once
#include <stddef.h>

/* Whether the processor at hand has 256- or 512-bit vectors. */
int product_is_fast(void);

size_t product_scratch_single(int n, int k);
size_t product_scratch_double(int n, int k);
void product_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                    int accumulate, float *c, int ldc, float *scratch);
void product_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                    int accumulate, double *c, int ldc, double *scratch);

/* By width of the registers: one file each. */
size_t product_scratch_avx512_single(int n, int k);
void product_avx512_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                           int ldb, int accumulate, float *c, int ldc, float *scratch);
size_t product_scratch_avx512_double(int n, int k);
void product_avx512_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b,
                           int ldb, int accumulate, double *c, int ldc, double *scratch);
size_t product_scratch_avx2_single(int n, int k);
void product_avx2_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                         int ldb, int accumulate, float *c, int ldc, float *scratch);
size_t product_scratch_avx2_double(int n, int k);
void product_avx2_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b,
                         int ldb, int accumulate, double *c, int ldc, double *scratch);
size_t product_scratch_plain_single(int n, int k);
void product_plain_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                          int ldb, int accumulate, float *c, int ldc, float *scratch);
size_t product_scratch_plain_double(int n, int k);
void product_plain_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b,
                          int ldb, int accumulate, double *c, int ldc, double *scratch);
