/* Normal(mean, sd). truncated_normal is the same density by the name under which people look for it: every
 * family is truncated by lower and upper. */
#include "../prior.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

static const char *normal_check(const double *a)
{
  if (!isfinite(a[0])) return "mean must be finite";
  return a[1] > 0 && isfinite(a[1]) ? NULL : "sd must be above 0";
}

static void normal_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = -INFINITY;
  *upper = INFINITY;
}

static double normal_sample(const gsl_rng *rng, const double *a)
{
  return a[0] + gsl_ran_gaussian(rng, a[1]);
}

static double normal_log_pdf(double x, const double *a)
{
  const double z = (x - a[0]) / a[1];
  return -0.5 * z * z - log(a[1]) - 0.5 * log(2 * M_PI);
}

static double normal_cdf(double x, const double *a)
{
  return gsl_cdf_gaussian_P(x - a[0], a[1]);
}

static double normal_upper_cdf(double x, const double *a)
{
  return gsl_cdf_gaussian_Q(x - a[0], a[1]);
}

static double normal_quantile(double p, const double *a)
{
  return a[0] + gsl_cdf_gaussian_Pinv(p, a[1]);
}

static double normal_upper_quantile(double q, const double *a)
{
  return a[0] + gsl_cdf_gaussian_Qinv(q, a[1]);
}

const RheoPriorType RheoPriorType_Normal = {.name = "normal",
                                            .summary = "normal with mean and standard deviation sd",
                                            .parameter = {"mean", "sd"},
                                            .check = normal_check,
                                            .support = normal_support,
                                            .sample = normal_sample,
                                            .log_pdf = normal_log_pdf,
                                            .cdf = normal_cdf,
                                            .upper_cdf = normal_upper_cdf,
                                            .quantile = normal_quantile,
                                            .upper_quantile = normal_upper_quantile};

const RheoPriorType RheoPriorType_TruncatedNormal = {
    .name = "truncated_normal",
    .summary = "normal with mean and sd before truncation to [lower, upper]",
    .parameter = {"mean", "sd"},
    .check = normal_check,
    .support = normal_support,
    .sample = normal_sample,
    .log_pdf = normal_log_pdf,
    .cdf = normal_cdf,
    .upper_cdf = normal_upper_cdf,
    .quantile = normal_quantile,
    .upper_quantile = normal_upper_quantile};
