/* Log-uniform (reciprocal): log x is uniform on [log lower, log upper]; for scales known up to orders of
 * magnitude. */
#include "../prior.h"
#include <math.h>

static const char *log_uniform_check(const double *a)
{
  if (!(a[0] > 0)) return "lower must be above 0";
  if (!(a[0] < a[1])) return "lower must be below upper (swapped bounds?)";
  return isfinite(a[1]) ? NULL : "upper must be finite";
}

static void log_uniform_support(const double *a, double *lower, double *upper)
{
  *lower = a[0];
  *upper = a[1];
}

/* As differences of logarithms: the ratio upper / lower may overflow. */
static double log_width(const double *a)
{
  return log(a[1]) - log(a[0]);
}

static double log_uniform_quantile(double p, const double *a)
{
  return a[0] * exp(p * log_width(a));
}

static double log_uniform_upper_quantile(double q, const double *a)
{
  return a[1] * exp(-q * log_width(a));
}

static double log_uniform_sample(const gsl_rng *rng, const double *a)
{
  return log_uniform_quantile(gsl_rng_uniform_pos(rng), a);
}

static double log_uniform_log_pdf(double x, const double *a)
{
  return x >= a[0] && x <= a[1] ? -log(x) - log(log_width(a)) : -INFINITY;
}

static double log_uniform_cdf(double x, const double *a)
{
  if (x <= a[0]) return 0;
  return x >= a[1] ? 1 : (log(x) - log(a[0])) / log_width(a);
}

static double log_uniform_upper_cdf(double x, const double *a)
{
  if (x <= a[0]) return 1;
  return x >= a[1] ? 0 : (log(a[1]) - log(x)) / log_width(a);
}

const RheoPriorType RheoPriorType_LogUniform = {.name = "log_uniform",
                                                .summary = "log x is uniform on [log lower, log upper]",
                                                .parameter = {"lower", "upper"},
                                                .check = log_uniform_check,
                                                .support = log_uniform_support,
                                                .sample = log_uniform_sample,
                                                .log_pdf = log_uniform_log_pdf,
                                                .cdf = log_uniform_cdf,
                                                .upper_cdf = log_uniform_upper_cdf,
                                                .quantile = log_uniform_quantile,
                                                .upper_quantile = log_uniform_upper_quantile};
