#include "ceiling.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "gemm.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#ifdef RHEO_HAVE_DNNL
#include <dnnl.h>
#endif

typedef void Product(int ta, int tb, int m, int n, int k, const float *a, const float *b, float *c,
                     float *scratch);

static void Own(int ta, int tb, int m, int n, int k, const float *a, const float *b, float *c, float *scratch)
{
  gemm_single(ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, 0, c, n, scratch);
}

static void Cblas(int ta, int tb, int m, int n, int k, const float *a, const float *b, float *c,
                  float *scratch)
{
  (void)scratch;
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1, a,
              ta ? m : k, b, tb ? k : n, 0, c, n);
}

#ifdef RHEO_HAVE_DNNL
static void OneDnn(int ta, int tb, int m, int n, int k, const float *a, const float *b, float *c,
                   float *scratch)
{
  (void)scratch;
  dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, a, ta ? m : k, b, tb ? k : n, 0, c, n);
}
#endif

static const struct {
  const char *name;
  Product *run;
} candidates[] = {{"Rheo", Own},
#ifdef RHEO_HAVE_DNNL
                  {"oneDNN", OneDnn},
#endif
                  {"CBLAS", Cblas}};

static double Rate(Product *run, int ta, int tb, int m, int n, int k, const float *a, const float *b,
                   float *c, float *scratch, double seconds)
{
  const double flops = 2.0 * m * n * k, start = MPI_Wtime();
  double best = 0;
  run(ta, tb, m, n, k, a, b, c, scratch); /* libraries set up at the first call */
  while (MPI_Wtime() - start < seconds) {
    const double begin = MPI_Wtime();
    int done = 0;
    while (MPI_Wtime() - begin < 0.01) {
      run(ta, tb, m, n, k, a, b, c, scratch);
      done++;
    }
    const double rate = flops * done / (MPI_Wtime() - begin);
    best = rate > best ? rate : best;
  }
  return best;
}

static float *Floats(size_t n)
{
  float *memory = RheoAligned(n * sizeof(float));
  if (!memory) abort();
  for (size_t i = 0; i < n; i++) memory[i] = (float)(i % 17) * 0.1f - 0.8f;
  return memory;
}

double RheoProductCeiling(int m, int n, int k, double seconds, const char **library)
{
  float *a = Floats((size_t)m * (size_t)k), *b = Floats((size_t)k * (size_t)n),
        *c = Floats((size_t)m * (size_t)n);
  float *scratch = Floats(gemm_scratch(n, k) + 1);
  double best = 0;

  *library = "";
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
    for (int orientation = 0; orientation < 3; orientation++) {
      const double rate =
          Rate(candidates[i].run, orientation == 2, orientation == 1, m, n, k, a, b, c, scratch, seconds);
      if (rate <= best) continue;
      best = rate;
      *library = candidates[i].name;
    }
  free(a);
  free(b);
  free(c);
  free(scratch);
  return best;
}
