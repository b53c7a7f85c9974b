/* Uniform on [lower, upper]: the bounds are its parameters. */
#include "../prior.h"
#include <math.h>

static const char *uniform_check(const double *a)
{
  if (!(a[0] < a[1])) return "lower must be below upper (swapped bounds?)";
  return isfinite(a[1] - a[0]) ? NULL : "upper must be finite, and lower too";
}

static void uniform_support(const double *a, double *lower, double *upper)
{
  *lower = a[0];
  *upper = a[1];
}

static double uniform_quantile(double p, const double *a)
{
  return a[0] + p * (a[1] - a[0]);
}

static double uniform_upper_quantile(double q, const double *a)
{
  return a[1] - q * (a[1] - a[0]);
}

static double uniform_sample(const gsl_rng *rng, const double *a)
{
  return uniform_quantile(gsl_rng_uniform_pos(rng), a);
}

static double uniform_log_pdf(double x, const double *a)
{
  return x >= a[0] && x <= a[1] ? -log(a[1] - a[0]) : -INFINITY;
}

static double uniform_cdf(double x, const double *a)
{
  return fmin(fmax((x - a[0]) / (a[1] - a[0]), 0), 1);
}

static double uniform_upper_cdf(double x, const double *a)
{
  return fmin(fmax((a[1] - x) / (a[1] - a[0]), 0), 1);
}

const RheoPriorType RheoPriorType_Uniform = {.name = "uniform",
                                             .summary = "constant density on [lower, upper]",
                                             .parameter = {"lower", "upper"},
                                             .check = uniform_check,
                                             .support = uniform_support,
                                             .sample = uniform_sample,
                                             .log_pdf = uniform_log_pdf,
                                             .cdf = uniform_cdf,
                                             .upper_cdf = uniform_upper_cdf,
                                             .quantile = uniform_quantile,
                                             .upper_quantile = uniform_upper_quantile};
