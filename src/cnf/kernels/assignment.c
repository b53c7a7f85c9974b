/* Minima are found in two turns, since a minimum without its place vectorises well: first by blocks or lanes, then the place
 * in the least of them. */
#include "assignment.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { BLOCK = 64 };

void squared_distances(int n, int d, const double *restrict x, const double *restrict y, int64_t ldy,
                       double *restrict cost)
{
  for (int begin = 0; begin < n; begin += BLOCK) {
    const int m = n - begin < BLOCK ? n - begin : BLOCK;
    double sum[BLOCK] = {0};
    for (int k = 0; k < d; k++) {
      const double *restrict to = y + k * ldy + begin;
      for (int j = 0; j < m; j++) sum[j] += (x[k] - to[j]) * (x[k] - to[j]);
    }
    for (int j = 0; j < m; j++) cost[begin + j] = sum[j];
  }
}

void squared_distances_single(int n, int d, const float *restrict x, const float *restrict y, int64_t ldy,
                              float *restrict cost)
{
  for (int begin = 0; begin < n; begin += BLOCK) {
    const int m = n - begin < BLOCK ? n - begin : BLOCK;
    float sum[BLOCK] = {0};
    for (int k = 0; k < d; k++) {
      const float *restrict to = y + k * ldy + begin;
      for (int j = 0; j < m; j++) sum[j] += (x[k] - to[j]) * (x[k] - to[j]);
    }
    for (int j = 0; j < m; j++) cost[begin + j] = sum[j];
  }
}

void scale_row(int n, double offset, double scale, const double *restrict cost, float *restrict to)
{
  for (int j = 0; j < n; j++) to[j] = (float)((cost[j] - offset) * scale);
}

double sum_and_least(int n, const double *restrict cost, double *restrict least)
{
  double sum = 0, found = *least;
#pragma omp simd reduction(+ : sum) reduction(min : found)
  for (int j = 0; j < n; j++) {
    sum += cost[j];
    found = cost[j] < found ? cost[j] : found;
  }
  *least = found;
  return sum;
}

/* Each lane keeps its own two minima, and the block where its least one was. Vectors are GCC's, and a choice is made by bits:
 * loops over lanes become conditional stores, with a branch each. */
int two_minima_single(int n, const float *restrict cost, const float *restrict price, float *restrict least,
                      float *restrict second)
{
  enum { LANES = ASSIGNMENT_LANES, WIDTH = 16, VECTORS = LANES / WIDTH };
  typedef float Floats __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
  typedef int32_t Ints __attribute__((vector_size(4 * WIDTH)));
  Floats lower[VECTORS], upper[VECTORS];
  Ints where[VECTORS];
  float first[LANES], next[LANES], best = INFINITY, other = INFINITY;
  int32_t block[LANES], lane = LANES;
  for (int v = 0; v < VECTORS; v++) {
    lower[v] = upper[v] = (Floats){0} + INFINITY;
    where[v] = (Ints){0};
  }
  for (int begin = 0; begin < n; begin += LANES) {
    for (int v = 0; v < VECTORS; v++) {
      const Floats reduced =
          *(const Floats *)(cost + begin + v * WIDTH) - *(const Floats *)(price + begin + v * WIDTH);
      const Ints less = reduced < lower[v];
      const Ints larger = (less & (Ints)lower[v]) | (~less & (Ints)reduced);
      const Ints below = (Floats)larger < upper[v];
      lower[v] = (Floats)((less & (Ints)reduced) | (~less & (Ints)lower[v]));
      where[v] = (less & begin) | (~less & where[v]);
      upper[v] = (Floats)((below & larger) | (~below & (Ints)upper[v]));
    }
  }
  memcpy(first, lower, sizeof first);
  memcpy(next, upper, sizeof next);
  memcpy(block, where, sizeof block);
#pragma omp simd reduction(min : best)
  for (int k = 0; k < LANES; k++) best = first[k] < best ? first[k] : best;
#pragma omp simd reduction(min : lane)
  for (int k = 0; k < LANES; k++) {
    const int32_t here = first[k] <= best ? k : LANES;
    lane = here < lane ? here : lane;
  }
#pragma omp simd reduction(min : other)
  for (int k = 0; k < LANES; k++) {
    const float beside = k == lane ? next[k] : first[k];
    other = beside < other ? beside : other;
  }
  *least = best;
  *second = other;
  return block[lane] + lane;
}

static inline __attribute__((always_inline)) double least_reduced(int m, const double *restrict cost,
                                                                  const double *restrict price)
{
  double least = INFINITY;
#pragma omp simd reduction(min : least)
  for (int j = 0; j < m; j++) {
    const double reduced = cost[j] - price[j];
    least = reduced < least ? reduced : least;
  }
  return least;
}

int least_column(int n, const double *restrict cost, const double *restrict price)
{
  double best = INFINITY;
  int j = 0;
  for (int begin = 0; begin < n; begin += BLOCK) {
    const double least = n - begin >= BLOCK ? least_reduced(BLOCK, cost + begin, price + begin)
                                            : least_reduced(n - begin, cost + begin, price + begin);
    if (least < best) {
      best = least;
      j = begin;
    }
  }
  while (cost[j] - price[j] > best) j++;
  return j;
}

static inline __attribute__((always_inline)) double relax_block(int m, const double *restrict cost,
                                                                double base, const double *restrict price,
                                                                int32_t row, double *restrict distance,
                                                                int32_t *restrict from)
{
  double least = INFINITY;
#pragma omp simd reduction(min : least)
  for (int j = 0; j < m; j++) {
    const double reduced = base + (cost[j] - price[j]), before = distance[j];
    const int less = reduced < before;
    const double after = less ? reduced : before;
    distance[j] = after;
    from[j] = less ? row : from[j];
    least = after < least ? after : least;
  }
  return least;
}

int relax_row(int n, const double *restrict cost, double base, const double *restrict price, int32_t row,
              double *restrict distance, int32_t *restrict from)
{
  double best = INFINITY;
  int j = 0;
  for (int begin = 0; begin < n; begin += BLOCK) {
    const double least =
        n - begin >= BLOCK
            ? relax_block(BLOCK, cost + begin, base, price + begin, row, distance + begin, from + begin)
            : relax_block(n - begin, cost + begin, base, price + begin, row, distance + begin, from + begin);
    if (least < best) {
      best = least;
      j = begin;
    }
  }
  while (distance[j] > best) j++;
  return j;
}

void exchange_limits(int n, double own, const double *restrict distance, const double *restrict change,
                     float *restrict limit)
{
#pragma omp simd
  for (int j = 0; j < n; j++) {
    const double less = own - distance[j], w = less / change[j];
    limit[j] = less < 0 ? -1 : change[j] > 0 ? (float)w : INFINITY;
  }
}

int count_at_least(int n, const float *restrict x, float bar)
{
  int count = 0;
#pragma omp simd reduction(+ : count)
  for (int j = 0; j < n; j++) count += x[j] >= bar;
  return count;
}
