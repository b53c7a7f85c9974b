/* Exponential with the given rate (mean 1 / rate), on [0, infinity). */
#include "../prior.h"
#include <gsl/gsl_randist.h>
#include <math.h>

static const char *exponential_check(const double *a)
{
  return a[0] > 0 && isfinite(a[0]) ? NULL : "rate must be above 0";
}

static void exponential_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = 0;
  *upper = INFINITY;
}

static double exponential_sample(const gsl_rng *rng, const double *a)
{
  return gsl_ran_exponential(rng, 1 / a[0]);
}

static double exponential_log_pdf(double x, const double *a)
{
  return x >= 0 ? log(a[0]) - a[0] * x : -INFINITY;
}

static double exponential_cdf(double x, const double *a)
{
  return x > 0 ? -expm1(-a[0] * x) : 0;
}

static double exponential_upper_cdf(double x, const double *a)
{
  return x > 0 ? exp(-a[0] * x) : 1;
}

static double exponential_quantile(double p, const double *a)
{
  return -log1p(-p) / a[0];
}

static double exponential_upper_quantile(double q, const double *a)
{
  return -log(q) / a[0];
}

const RheoPriorType RheoPriorType_Exponential = {.name = "exponential",
                                                 .summary = "density rate exp(-rate x), mean 1 / rate",
                                                 .parameter = {"rate"},
                                                 .check = exponential_check,
                                                 .support = exponential_support,
                                                 .sample = exponential_sample,
                                                 .log_pdf = exponential_log_pdf,
                                                 .cdf = exponential_cdf,
                                                 .upper_cdf = exponential_upper_cdf,
                                                 .quantile = exponential_quantile,
                                                 .upper_quantile = exponential_upper_quantile};
