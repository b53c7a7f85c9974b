/* Beta(alpha, beta) on [0, 1]. */
#include "../prior_impl.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

extern const RheoPriorType RheoPriorType_Beta;

static const char *beta_check(const double *a)
{
  if (!(a[0] > 0 && isfinite(a[0]))) return "alpha must be above 0";
  return a[1] > 0 && isfinite(a[1]) ? NULL : "beta must be above 0";
}

static void beta_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = 0;
  *upper = 1;
}

static double beta_sample(const gsl_rng *rng, const double *a)
{
  return gsl_ran_beta(rng, a[0], a[1]);
}

static double beta_log_pdf(double x, const double *a)
{
  if (!(x >= 0 && x <= 1)) return -INFINITY;
  const double left = a[0] == 1 ? 0 : (a[0] - 1) * log(x); /* 0 log 0 is 0 */
  const double right = a[1] == 1 ? 0 : (a[1] - 1) * log1p(-x);
  return left + right + lgamma(a[0] + a[1]) - lgamma(a[0]) - lgamma(a[1]);
}

static double beta_cdf(double x, const double *a)
{
  return gsl_cdf_beta_P(x, a[0], a[1]);
}

static double beta_upper_cdf(double x, const double *a)
{
  return gsl_cdf_beta_Q(x, a[0], a[1]);
}

static double beta_quantile(double p, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_Beta, a, p, 0);
}

static double beta_upper_quantile(double q, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_Beta, a, q, 1);
}

const RheoPriorType RheoPriorType_Beta = {.name = "beta",
                                          .summary = "beta with exponents alpha and beta, on [0, 1]",
                                          .parameter = {"alpha", "beta"},
                                          .check = beta_check,
                                          .support = beta_support,
                                          .sample = beta_sample,
                                          .log_pdf = beta_log_pdf,
                                          .cdf = beta_cdf,
                                          .upper_cdf = beta_upper_cdf,
                                          .quantile = beta_quantile,
                                          .upper_quantile = beta_upper_quantile};
