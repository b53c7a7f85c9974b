#include "convert.h"
#include <math.h>

void convert_to_single(size_t n, const double *restrict x, float *restrict y)
{
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
}

size_t convert_from_single(size_t n, double a, double limit, const float *restrict x, double *restrict y)
{
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) {
    y[i] = a * x[i];
    wrong += !(fabs((double)x[i]) < limit);
  }
  return wrong;
}

size_t convert_in_place(size_t n, double a, double limit, double *restrict x)
{
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) {
    wrong += !(fabs(x[i]) < limit);
    x[i] *= a;
  }
  return wrong;
}

double weighted_maximum(size_t n, double atol, double rtol, const double *restrict x,
                        const double *restrict y)
{
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    const double e = fabs(x[i]) / (atol + rtol * fabs(y[i]));
    most = e > most ? e : most;
  }
  return most;
}
