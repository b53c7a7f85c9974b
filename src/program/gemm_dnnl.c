/* Matrix products in single precision through oneDNN, which chooses instructions when it runs. */
#include "gemm.h"

#ifdef RHEO_HAVE_DNNL
#include <dnnl.h>

void gemm_library_single(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                         int ldb, int accumulate, float *c, int ldc)
{
  dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, (float)accumulate, c, ldc);
}
#else
typedef int gemm_dnnl_is_not_here; /* a translation unit may not be empty */
#endif
