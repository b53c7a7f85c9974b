/* Half-normal: the absolute value of a normal with mean 0 and standard deviation sd. */
#include "../prior.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

static const char *half_normal_check(const double *a)
{
  return a[0] > 0 && isfinite(a[0]) ? NULL : "sd must be above 0";
}

static void half_normal_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = 0;
  *upper = INFINITY;
}

static double half_normal_sample(const gsl_rng *rng, const double *a)
{
  return fabs(gsl_ran_gaussian(rng, a[0]));
}

static double half_normal_log_pdf(double x, const double *a)
{
  const double z = x / a[0];
  return x >= 0 ? 0.5 * log(2 / M_PI) - log(a[0]) - 0.5 * z * z : -INFINITY;
}

static double half_normal_cdf(double x, const double *a)
{
  return x > 0 ? erf(x / a[0] * M_SQRT1_2) : 0;
}

static double half_normal_upper_cdf(double x, const double *a)
{
  return x > 0 ? erfc(x / a[0] * M_SQRT1_2) : 1;
}

static double half_normal_upper_quantile(double q, const double *a)
{
  return gsl_cdf_gaussian_Qinv(q / 2, a[0]);
}

static double half_normal_quantile(double p, const double *a)
{
  if (p < 1e-5)
    return a[0] * sqrt(M_PI / 2) * p * (1 + M_PI / 12 * p * p); /* 0.5 + p / 2 would lose digits */
  return gsl_cdf_gaussian_Pinv(0.5 + p / 2, a[0]);
}

const RheoPriorType RheoPriorType_HalfNormal = {.name = "half_normal",
                                                .summary = "|x| of a normal with mean 0 and sd",
                                                .parameter = {"sd"},
                                                .check = half_normal_check,
                                                .support = half_normal_support,
                                                .sample = half_normal_sample,
                                                .log_pdf = half_normal_log_pdf,
                                                .cdf = half_normal_cdf,
                                                .upper_cdf = half_normal_upper_cdf,
                                                .quantile = half_normal_quantile,
                                                .upper_quantile = half_normal_upper_quantile};
