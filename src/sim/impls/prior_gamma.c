/* Gamma with shape and rate (mean shape / rate), on [0, infinity). */
#include "../prior_impl.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

extern const RheoPriorType RheoPriorType_Gamma;

static const char *gamma_check(const double *a)
{
  if (!(a[0] > 0 && isfinite(a[0]))) return "shape must be above 0";
  return a[1] > 0 && isfinite(a[1]) ? NULL : "rate must be above 0";
}

static void gamma_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = 0;
  *upper = INFINITY;
}

static double gamma_sample(const gsl_rng *rng, const double *a)
{
  return gsl_ran_gamma(rng, a[0], 1 / a[1]);
}

static double gamma_log_pdf(double x, const double *a)
{
  if (!(x >= 0)) return -INFINITY;
  const double power = a[0] == 1 ? 0 : (a[0] - 1) * log(x); /* 0 log 0 is 0 */
  return power - a[1] * x + a[0] * log(a[1]) - lgamma(a[0]);
}

static double gamma_cdf(double x, const double *a)
{
  return gsl_cdf_gamma_P(x, a[0], 1 / a[1]);
}

static double gamma_upper_cdf(double x, const double *a)
{
  return gsl_cdf_gamma_Q(x, a[0], 1 / a[1]);
}

static double gamma_quantile(double p, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_Gamma, a, p, 0);
}

static double gamma_upper_quantile(double q, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_Gamma, a, q, 1);
}

const RheoPriorType RheoPriorType_Gamma = {.name = "gamma",
                                           .summary = "gamma with shape and rate, mean shape / rate",
                                           .parameter = {"shape", "rate"},
                                           .check = gamma_check,
                                           .support = gamma_support,
                                           .sample = gamma_sample,
                                           .log_pdf = gamma_log_pdf,
                                           .cdf = gamma_cdf,
                                           .upper_cdf = gamma_upper_cdf,
                                           .quantile = gamma_quantile,
                                           .upper_quantile = gamma_upper_quantile};
