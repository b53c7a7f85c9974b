#include "differences.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double place[4] = {-2., -1., 1., 2.}, quotient[4] = {1. / 12., -8. / 12., 8. / 12., -1. / 12.};
static const double step = 1e-3;

static double weighted_sum(RheoVal y, const double *weight, InterpretMode mode, const double *param,
                           const double *const *in)
{
  Interpretation result = interpret(y.program, mode, param, in, 1, &y);
  const double *value = interpreted(result, y);
  double sum = 0.;
  for (size_t j = 0; j < RheoShapeSize(rx_shape(y)); j++) sum += (weight ? weight[j] : 1.) * value[j];
  interpretation_free(result);
  return sum;
}

/* Relative to the largest derivative, or to what rounding leaves of one where all are tiny. */
static double relative(double worst, double largest)
{
  return worst / fmax(largest, 1e-3);
}

double difference_error(RheoVal y, const double *weight, RheoVal x, double *at, RheoVal dx,
                        InterpretMode mode, const double *param, const double *const *in)
{
  double worst = 0., largest = 0.;
  Interpretation result = interpret(y.program, mode, param, in, 1, &dx);
  const double *exact = interpreted(result, dx);
  for (size_t j = 0; j < RheoShapeSize(rx_shape(x)); j++) {
    double x_j = at[j], difference = 0.;
    for (int k = 0; k < 4; k++) {
      at[j] = x_j + place[k] * step;
      difference += quotient[k] / step * weighted_sum(y, weight, mode, param, in);
    }
    at[j] = x_j;
    double error = fabs(exact[j] - difference);
    worst = error <= worst ? worst : error; /* keeps a NaN */
    largest = fmax(largest, fabs(difference));
  }
  interpretation_free(result);
  return relative(worst, largest);
}

double tangent_error(RheoVal y, RheoVal x, double *at, const double *v, RheoVal tangent, InterpretMode mode,
                     const double *param, const double *const *in)
{
  size_t n_x = RheoShapeSize(rx_shape(x)), n_y = RheoShapeSize(rx_shape(y));
  double *start = malloc(n_x * sizeof *start), *value = malloc(n_y * sizeof *value);
  double *difference = calloc(n_y, sizeof *difference), worst = 0., largest = 0.;
  memcpy(start, at, n_x * sizeof *at);
  for (int k = 0; k < 4; k++) {
    for (size_t j = 0; j < n_x; j++) at[j] = start[j] + place[k] * step * v[j];
    interpret_value(y, mode, param, in, value);
    for (size_t j = 0; j < n_y; j++) difference[j] += quotient[k] / step * value[j];
  }
  memcpy(at, start, n_x * sizeof *at);
  interpret_value(tangent, mode, param, in, value);
  for (size_t j = 0; j < n_y; j++) {
    double error = fabs(value[j] - difference[j]);
    worst = error <= worst ? worst : error;
    largest = fmax(largest, fabs(difference[j]));
  }
  free(start);
  free(value);
  free(difference);
  return relative(worst, largest);
}
