/* A solver's state is double, a field's values may be single. */
#pragma once
#include <stddef.h>

void convert_to_single(size_t n, const double *restrict x, float *restrict y);
/* y = a x; returns how many of x are not smaller than limit in size; NaN counts. */
size_t convert_from_single(size_t n, double a, double limit, const float *restrict x, double *restrict y);
/* x = a x, and the same count. */
size_t convert_in_place(size_t n, double a, double limit, double *restrict x);

/* The largest |x| / (atol + rtol |y|). */
double weighted_maximum(size_t n, double atol, double rtol, const double *restrict x,
                        const double *restrict y);
