/* Summaries of samples. Not collective. */
#pragma once
#include <stdint.h>

typedef struct {
  double mean, sd, q025, q16, median, q84, q975;
  int64_t n; /* rows that it is of */
} RheoSummary;

/* Of column k of samples (n, d) without the rows that are NaN there (lost on the way); all NaN where none is left. Quantiles by linear interpolation of order statistics (type 7). */
RheoSummary RheoSummarize(int64_t n, int d, const double *samples, int k);
void RheoSortAscending(int64_t n, double *values);
double RheoQuantile(int64_t n, const double *sorted, double p);

/* p-values: chi-square of counts against equal expectation; Kolmogorov-Smirnov of sorted values in (0, 1)
 * against the uniform (Kolmogorov's asymptotic series with Stephens' 1970 correction for finite n). */
double RheoChiSquareUniform(int n, const double *counts);
double RheoKolmogorovSmirnov(int64_t n, const double *sorted);
