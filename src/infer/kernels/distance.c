#include "distance.h"
#include "../../program/kernels/vmath.h"

double sum_of_roots(int n, const double *restrict square)
{
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < n; j++) sum += sqrt(square[j]);
  return sum;
}

double sum_of_exponentials(int n, double rate, const double *restrict square)
{
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < n; j++) sum += exp(rate * square[j]);
  return sum;
}
