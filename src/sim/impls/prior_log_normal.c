/* Log-normal: log x is normal with mean log_mean and standard deviation log_sd. */
#include "../prior.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

static const char *log_normal_check(const double *a)
{
  if (!isfinite(a[0])) return "log_mean must be finite";
  return a[1] > 0 && isfinite(a[1]) ? NULL : "log_sd must be above 0";
}

static void log_normal_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = 0;
  *upper = INFINITY;
}

static double log_normal_sample(const gsl_rng *rng, const double *a)
{
  return gsl_ran_lognormal(rng, a[0], a[1]);
}

static double log_normal_log_pdf(double x, const double *a)
{
  if (!(x > 0)) return -INFINITY;
  const double z = (log(x) - a[0]) / a[1];
  return -0.5 * z * z - log(x) - log(a[1]) - 0.5 * log(2 * M_PI);
}

/* GSL's log-normal functions take the logarithm of x, so the ends are ours. */
static double log_normal_cdf(double x, const double *a)
{
  return x > 0 ? gsl_cdf_gaussian_P(log(x) - a[0], a[1]) : 0;
}

static double log_normal_upper_cdf(double x, const double *a)
{
  return x > 0 ? gsl_cdf_gaussian_Q(log(x) - a[0], a[1]) : 1;
}

static double log_normal_quantile(double p, const double *a)
{
  return exp(a[0] + gsl_cdf_gaussian_Pinv(p, a[1]));
}

static double log_normal_upper_quantile(double q, const double *a)
{
  return exp(a[0] + gsl_cdf_gaussian_Qinv(q, a[1]));
}

const RheoPriorType RheoPriorType_LogNormal = {.name = "log_normal",
                                               .summary = "log x is normal with mean log_mean and sd log_sd",
                                               .parameter = {"log_mean", "log_sd"},
                                               .check = log_normal_check,
                                               .support = log_normal_support,
                                               .sample = log_normal_sample,
                                               .log_pdf = log_normal_log_pdf,
                                               .cdf = log_normal_cdf,
                                               .upper_cdf = log_normal_upper_cdf,
                                               .quantile = log_normal_quantile,
                                               .upper_quantile = log_normal_upper_quantile};
