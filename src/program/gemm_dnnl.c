/* Matrix products in single precision through oneDNN, whose generated kernels reach the machine's peak at all
 * sizes. */
#include "gemm.h"

#ifdef RHEO_HAVE_DNNL
#include <dnnl.h>

void gemm_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc)
{
  dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}
#else
typedef int gemm_dnnl_is_not_here; /* a translation unit may not be empty */
#endif
