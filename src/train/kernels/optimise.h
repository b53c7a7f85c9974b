/* Kernels of the optimiser, on pieces of the flat parameter array. */
#pragma once
#include <stddef.h>

/* What AdamW needs of a step, worked out once in double. */
typedef struct {
  float scale;        /* of the gradient: 1 / sum of weights, times the clip */
  float beta1, rest1; /* of the first moment, and 1 - beta1 */
  float beta2, rest2;
  float step; /* lr / (1 - beta1^t) */
  float root; /* 1 / sqrt(1 - beta2^t) */
  float epsilon;
  float keep; /* 1 - lr decay; 1 where weight decay leaves a parameter alone */
} adamw_constants;

/* One step of AdamW on n parameters p with gradient g and moments m, v. */
void adamw_update(adamw_constants c, size_t n, const float *restrict g, float *restrict p, float *restrict m,
                  float *restrict v);

/* average += rate (p - average) */
void average_update(float rate, size_t n, const float *restrict p, float *restrict average);

/* Sum of squares in double, in an order that is a function of n alone. */
double sum_of_squares(size_t n, const float *restrict x);
