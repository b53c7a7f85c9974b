/* C (m, n) = op(A) (m, k) op(B) (k, n), or C += .., row-major; see gemm.h for the arguments. scratch has
 * product_scratch(n, k) elements. */
#pragma once
#include <stddef.h>

int product_is_fast_single(void);
int product_is_fast_double(void);
size_t product_scratch_single(int n, int k);
size_t product_scratch_double(int n, int k);
void product_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                    int accumulate, float *c, int ldc, float *scratch);
void product_double(int ta, int tb, int m, int n, int k, const double *a, int lda, const double *b, int ldb,
                    int accumulate, double *c, int ldc, double *scratch);
