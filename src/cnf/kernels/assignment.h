/* Kernels of the linear assignment problem: sweeps over one row of costs. n >= 1. */
#pragma once
#include <stdint.h>

/* Rows in single precision are padded to a multiple of this, with infinite costs. */
enum { ASSIGNMENT_LANES = 64 };

/* cost[j] = sum_k (x[k] - y[k * ldy + j])^2 for j < n: from one point x (d) to points y (d, n), stored by coordinates. */
void squared_distances(int n, int d, const double *restrict x, const double *restrict y, int64_t ldy,
                       double *restrict cost);
void squared_distances_single(int n, int d, const float *restrict x, const float *restrict y, int64_t ldy,
                              float *restrict cost);

/* to[j] = (cost[j] - offset) scale */
void scale_row(int n, double offset, double scale, const double *restrict cost, float *restrict to);
/* *least = min(*least, min cost[j]); returns the sum. */
double sum_and_least(int n, const double *restrict cost, double *restrict least);

/* The column where cost[j] - price[j] is least (one of them), that value, and the least of the other columns. n is a
 * multiple of ASSIGNMENT_LANES. */
int two_minima_single(int n, const float *restrict cost, const float *restrict price, float *restrict least,
                      float *restrict second);
/* The first column where cost[j] - price[j] is least. */
int least_column(int n, const double *restrict cost, const double *restrict price);

/* A step of Dijkstra's: distance[j] = min(distance[j], base + cost[j] - price[j]), with the row it came from; columns that
 * are done have price -infinity and distance +infinity. Returns the first column of least distance. */
int relax_row(int n, const double *restrict cost, double base, const double *restrict price, int32_t row,
              double *restrict distance, int32_t *restrict from);

/* limit[j]: up to which weight w distance[j] + w change[j] <= own; -1 for never, infinity for always. */
void exchange_limits(int n, double own, const double *restrict distance, const double *restrict change,
                     float *restrict limit);
int count_at_least(int n, const float *restrict x, float bar);
