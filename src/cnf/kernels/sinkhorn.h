/* Kernels of entropic optimal transport: sweeps over a square matrix of log-weights (n, n), row-major. */
#pragma once

/* max_j log_weight[j] of one row */
double largest(int n, const double *restrict log_weight);

/* log sum_j exp(log_weight[j] + g[j]) over one row. */
double log_sum_row(int n, const double *restrict log_weight, const double *restrict g);

/* sum[j] = log sum_i exp(log_weight[i, j] + f[i]) for all columns; most (n) is scratch. */
void log_sum_columns(int n, const double *restrict log_weight, const double *restrict f, double *restrict sum,
                     double *restrict most);

/* weight[j] = exp(log_weight[j] + f + g[j]) of one row. */
void weigh_row(int n, const double *restrict log_weight, double f, const double *restrict g,
               double *restrict weight);

/* sum_j weight[j] b[j] of one row. */
double weighted_sum(int n, const double *restrict weight, const double *restrict b);

/* sum[j] += a weight[j] */
void add_scaled(int n, double a, const double *restrict weight, double *restrict sum);
