#include "summary.h"
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void RheoSortAscending(int64_t n, double *values)
{
  qsort(values, (size_t)n, sizeof *values, Ascending);
}

double RheoQuantile(int64_t n, const double *sorted, double p)
{
  const double place = p * (double)(n - 1);
  const int64_t i = (int64_t)floor(place);
  if (n < 1) return NAN;
  if (i >= n - 1) return sorted[n - 1];
  return sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]);
}

RheoSummary RheoSummarize(int64_t n, int d, const double *samples, int k)
{
  RheoSummary s = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0};
  double *column = malloc((size_t)(n > 0 ? n : 1) * sizeof *column), sum = 0, squares = 0;
  for (int64_t i = 0; column && i < n; i++)
    if (!isnan(samples[i * d + k])) sum += column[s.n++] = samples[i * d + k];
  if (!s.n) {
    free(column);
    return s;
  }
  s.mean = sum / (double)s.n;
  for (int64_t i = 0; i < s.n; i++) squares += (column[i] - s.mean) * (column[i] - s.mean);
  s.sd = s.n > 1 ? sqrt(squares / (double)(s.n - 1)) : NAN;
  RheoSortAscending(s.n, column);
  s.q025 = RheoQuantile(s.n, column, 0.025);
  s.q16 = RheoQuantile(s.n, column, 0.15865525393145707);
  s.median = RheoQuantile(s.n, column, 0.5);
  s.q84 = RheoQuantile(s.n, column, 0.8413447460685429);
  s.q975 = RheoQuantile(s.n, column, 0.975);
  free(column);
  return s;
}

double RheoChiSquareUniform(int n, const double *counts)
{
  double total = 0, chi2 = 0;
  for (int i = 0; i < n; i++) total += counts[i];
  const double expected = total / n;
  for (int i = 0; i < n; i++) chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
  return gsl_cdf_chisq_Q(chi2, n - 1);
}

double RheoKolmogorovSmirnov(int64_t n, const double *sorted)
{
  double distance = 0;
  for (int64_t i = 0; i < n; i++) {
    const double above = (double)(i + 1) / (double)n - sorted[i], below = sorted[i] - (double)i / (double)n;
    if (above > distance) distance = above;
    if (below > distance) distance = below;
  }
  /* Stephens' (1970) argument makes the asymptotic series good from n = 5 or so. */
  const double root = sqrt((double)n), lambda = (root + 0.12 + 0.11 / root) * distance;
  double p = 0;
  if (lambda < 0.3) return 1; /* the series has not converged there, and 1 - p is below 1e-5 */
  for (int j = 1; j <= 100; j++) p += (j % 2 ? 2 : -2) * exp(-2.0 * j * j * lambda * lambda);
  return p < 0 ? 0 : p > 1 ? 1 : p;
}
