/* Kernels of distances between samples: sums over one row of squared distances. */
#pragma once

double sum_of_roots(int n, const double *restrict square);
/* sum_j exp(rate square[j]) */
double sum_of_exponentials(int n, double rate, const double *restrict square);
