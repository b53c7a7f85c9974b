#include "sinkhorn.h"
#include "../../program/kernels/vmath.h"
#include <stddef.h>

double largest(int n, const double *restrict log_weight)
{
  double most = -INFINITY;
#pragma omp simd reduction(max : most)
  for (int j = 0; j < n; j++) most = log_weight[j] > most ? log_weight[j] : most;
  return most;
}

double log_sum_row(int n, const double *restrict log_weight, const double *restrict g)
{
  double most = -INFINITY, sum = 0;
#pragma omp simd reduction(max : most)
  for (int j = 0; j < n; j++) {
    const double w = log_weight[j] + g[j];
    most = w > most ? w : most;
  }
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < n; j++) sum += exp(log_weight[j] + g[j] - most);
  return most + log(sum);
}

void log_sum_columns(int n, const double *restrict log_weight, const double *restrict f, double *restrict sum,
                     double *restrict most)
{
  for (int j = 0; j < n; j++) most[j] = -INFINITY;
  for (int i = 0; i < n; i++) {
    const double *restrict row = log_weight + (size_t)i * (size_t)n;
#pragma omp simd
    for (int j = 0; j < n; j++) most[j] = row[j] + f[i] > most[j] ? row[j] + f[i] : most[j];
  }
  for (int j = 0; j < n; j++) sum[j] = 0;
  for (int i = 0; i < n; i++) {
    const double *restrict row = log_weight + (size_t)i * (size_t)n;
#pragma omp simd
    for (int j = 0; j < n; j++) sum[j] += exp(row[j] + f[i] - most[j]);
  }
#pragma omp simd
  for (int j = 0; j < n; j++) sum[j] = most[j] + log(sum[j]);
}

void weigh_row(int n, const double *restrict log_weight, double f, const double *restrict g,
               double *restrict weight)
{
#pragma omp simd
  for (int j = 0; j < n; j++) weight[j] = exp(log_weight[j] + f + g[j]);
}

double weighted_sum(int n, const double *restrict weight, const double *restrict b)
{
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int j = 0; j < n; j++) sum += weight[j] * b[j];
  return sum;
}

void add_scaled(int n, double a, const double *restrict weight, double *restrict sum)
{
#pragma omp simd
  for (int j = 0; j < n; j++) sum[j] += a * weight[j];
}
