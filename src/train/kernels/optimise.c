/* AdamW: Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2. */
#include "optimise.h"
#include <math.h>

void adamw_update(adamw_constants c, size_t n, const float *restrict g, float *restrict p, float *restrict m,
                  float *restrict v)
{
  for (size_t i = 0; i < n; i++) {
    float gradient = c.scale * g[i];
    m[i] = c.beta1 * m[i] + c.rest1 * gradient;
    v[i] = c.beta2 * v[i] + c.rest2 * gradient * gradient;
    p[i] = c.keep * p[i] - c.step * m[i] / (sqrtf(v[i]) * c.root + c.epsilon);
  }
}

void average_update(float rate, size_t n, const float *restrict p, float *restrict average)
{
  for (size_t i = 0; i < n; i++) average[i] += rate * (p[i] - average[i]);
}

/* Sixteen running sums make the order explicit, so that the compiler may use vectors without being allowed to
 * reorder anything. */
double sum_of_squares(size_t n, const float *restrict x)
{
  enum { LANES = 16 };
  double lane[LANES] = {0}, sum = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) lane[k] += (double)x[i + k] * x[i + k];
  for (int k = 0; i < n; i++, k++) lane[k] += (double)x[i] * x[i];
  for (int k = 0; k < LANES; k++) sum += lane[k];
  return sum;
}
