#include "model.h"
#include "base/random.h"
#include "check.h"
#include "interpreter.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void FillNormal(uint64_t seed, size_t n, double *x)
{
  RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, 0);
  for (size_t i = 0; i < n; i++) x[i] = RheoStreamNormal(&stream);
}

double *RandomParameters(RheoParams params, uint64_t seed, double noise)
{
  const size_t n = RheoParamsSize(params);
  float *start = malloc((n + 1) * sizeof *start);
  double *values = malloc((n + 1) * sizeof *values);
  assert_true(start && values);
  OK(RheoParamsInit(params, seed, start));
  FillNormal(seed, n, values);
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    for (size_t k = view->offset; k < view->offset + view->size; k++)
      values[k] = start[k] + (view->init.frozen ? 0 : noise * values[k]);
  }
  free(start);
  return values;
}

void Evaluate(RheoVal out, const double *params, const double *const *in, double *y)
{
  if (RheoProgramError(out.program)) fail_msg("%s", RheoProgramError(out.program));
  interpret_value(out, INTERPRET_KERNELS, params, in, y);
}

/* y at params + a * direction (only: -1) or at input `only` + a * direction. */
static double moved(RheoVal y, const double *params, const double *const *in, int only, size_t n,
                    const double *direction, double a)
{
  const double *start = only < 0 ? params : in[only], **inputs = NULL;
  const int n_input = RheoProgramInputCount(y.program);
  double *point = malloc((n + 1) * sizeof *point), value;
  inputs = malloc((size_t)(n_input + 1) * sizeof *inputs);
  assert_true(point && inputs);
  for (size_t i = 0; i < n; i++) point[i] = start[i] + a * direction[i];
  for (int i = 0; i < n_input; i++) inputs[i] = i == only ? point : in[i];
  Evaluate(y, only < 0 ? point : params, inputs, &value);
  free(point);
  free(inputs);
  return value;
}

/* Frozen parameters have no derivative. */
static void keep_frozen(RheoParams params, double *direction)
{
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    for (size_t k = view->offset; view->init.frozen && k < view->offset + view->size; k++) direction[k] = 0;
  }
}

static void check_direction(RheoVal y, RheoParams layout, const double *gradient, const double *params,
                            const double *const *in, int only, size_t n, uint64_t seed, double tolerance)
{
  const double h =
      1e-6; /* short: log-slopes of splines have corners at their knots, and steep flows bring rows close to one */
  double *direction = malloc((n + 1) * sizeof *direction), slope = 0, norm = 0;
  assert_non_null(direction);
  FillNormal(seed, n, direction);
  if (only < 0) keep_frozen(layout, direction);
  for (size_t i = 0; i < n; i++) slope += gradient[i] * direction[i], norm += gradient[i] * gradient[i];
  double difference[2];
  for (int k = 0; k < 2; k++) {
    const double step = h * (k + 1);
    difference[k] =
        (moved(y, params, in, only, n, direction, step) - moved(y, params, in, only, n, direction, -step)) /
        (2 * step);
  }
  difference[0] += (difference[0] - difference[1]) / 3; /* the next order of the error drops out */
  if (!(fabs(slope - difference[0]) <= tolerance * (1 + sqrt(norm))))
    fail_msg("derivative by %s: %.12g, by differences %.12g",
             only < 0 ? "parameters" : RheoProgramInputName(y.program, only), slope, difference[0]);
  free(direction);
}

void CheckGradients(RheoVal y, RheoParams params, const double *values, const double *const *in,
                    double tolerance)
{
  const int n_input = RheoProgramInputCount(y.program);
  RheoVal *input = malloc((size_t)(n_input + 1) * sizeof *input);
  RheoVal *dinput = malloc((size_t)(n_input + 1) * sizeof *dinput);
  assert_true(input && dinput);
  for (int i = 0; i < n_input; i++) input[i] = (RheoVal){y.program, y.program->input[i].node};
  rx_vjp(y, RHEO_NONE, n_input, input, dinput);
  for (int i = RheoParamsSize(params) ? -1 : 0; i < n_input; i++) {
    RheoVal gradient = i < 0 ? rx_grad_params(y, params) : dinput[i];
    const size_t n = RheoShapeSize(rx_shape(gradient));
    double *g = malloc((n + 1) * sizeof *g);
    assert_non_null(g);
    Evaluate(gradient, values, in, g);
    for (uint64_t seed = 1; seed <= 2; seed++)
      check_direction(y, params, g, values, in, i, n, seed, tolerance);
    free(g);
  }
  free(input);
  free(dinput);
}

void AssertNear(double x, double y, double tolerance)
{
  if (!(fabs(x - y) <= tolerance)) fail_msg("%.15g is not within %g of %.15g", x, tolerance, y);
}
