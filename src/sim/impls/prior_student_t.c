/* Student's t with df degrees of freedom, shifted and scaled. */
#include "../prior_impl.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

extern const RheoPriorType RheoPriorType_StudentT;

static const char *student_t_check(const double *a)
{
  if (!(a[0] > 0 && isfinite(a[0]))) return "df must be above 0";
  if (!isfinite(a[1])) return "location must be finite";
  return a[2] > 0 && isfinite(a[2]) ? NULL : "scale must be above 0";
}

static void student_t_support(const double *a, double *lower, double *upper)
{
  (void)a;
  *lower = -INFINITY;
  *upper = INFINITY;
}

static double student_t_sample(const gsl_rng *rng, const double *a)
{
  return a[1] + a[2] * gsl_ran_tdist(rng, a[0]);
}

static double student_t_log_pdf(double x, const double *a)
{
  const double z = (x - a[1]) / a[2];
  return lgamma((a[0] + 1) / 2) - lgamma(a[0] / 2) - 0.5 * log(a[0] * M_PI) - log(a[2]) -
         (a[0] + 1) / 2 * log1p(z * z / a[0]);
}

static double student_t_cdf(double x, const double *a)
{
  return gsl_cdf_tdist_P((x - a[1]) / a[2], a[0]);
}

static double student_t_upper_cdf(double x, const double *a)
{
  return gsl_cdf_tdist_Q((x - a[1]) / a[2], a[0]);
}

static double student_t_quantile(double p, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_StudentT, a, p, 0);
}

static double student_t_upper_quantile(double q, const double *a)
{
  return RheoPriorInvert(&RheoPriorType_StudentT, a, q, 1);
}

const RheoPriorType RheoPriorType_StudentT = {.name = "student_t",
                                              .summary = "Student's t with df, location and scale",
                                              .parameter = {"df", "location", "scale"},
                                              .check = student_t_check,
                                              .support = student_t_support,
                                              .sample = student_t_sample,
                                              .log_pdf = student_t_log_pdf,
                                              .cdf = student_t_cdf,
                                              .upper_cdf = student_t_upper_cdf,
                                              .quantile = student_t_quantile,
                                              .upper_quantile = student_t_upper_quantile};
