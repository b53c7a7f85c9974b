/* Taylor series of high order: the right-hand side is one product, so all derivatives follow from a
 * convolution (Jorba and Zou, Experimental Mathematics 14, 2005, whose step size from the last terms is used
 * here), steps are long, and the days are read off the polynomial. This runs once per simulation; GSL's
 * solvers take ten times as long for it. */
#include "sir.h"
#include <float.h>
#include <math.h>

enum { ORDER = 16, MAX_STEPS = 20000 };

/* s, i (ORDER + 1): coefficients of S and I about the present; s[0] and i[0] are given. */
static void expand(double contact, double gamma, double *s, double *i)
{
  for (int n = 0; n < ORDER; ++n) {
    double even = 0, odd = 0; /* two chains of additions */
    int k = 0;
    for (; k < n; k += 2) {
      even += s[k] * i[n - k];
      odd += s[k + 1] * i[n - k - 1];
    }
    if (k == n) even += s[n] * i[0];
    const double infections = contact * (even + odd), weight = 1. / (n + 1);
    s[n + 1] = -infections * weight;
    i[n + 1] = (infections - gamma * i[n]) * weight;
  }
}

static double evaluate(const double *a, double t)
{
  double sum = a[ORDER];
  for (int n = ORDER - 1; n >= 0; --n) sum = sum * t + a[n];
  return sum;
}

/* The last two terms stay below the tolerance: of I relative to itself, however small, of S to the
 * population. */
static double step_size(const double *s, const double *i, double population)
{
  static const double tolerance = 1e-9;
  const double last = fmax(fabs(i[ORDER]) / i[0], fabs(s[ORDER]) / population);
  const double before = fmax(fabs(i[ORDER - 1]) / i[0], fabs(s[ORDER - 1]) / population);
  return fmin(pow(tolerance / fmax(last, DBL_MIN), 1. / ORDER),
              pow(tolerance / fmax(before, DBL_MIN), 1. / (ORDER - 1)));
}

int rheo_sir_infected(double beta, double gamma, double population, double initial, int n_days,
                      double *infected)
{
  double s[ORDER + 1] = {population - initial}, i[ORDER + 1] = {initial}, t = 0;
  int day = 0;
  if (!(beta >= 0 && gamma >= 0 && isfinite(beta + gamma))) return 1;
  for (int n = 0; n < MAX_STEPS && i[0] > DBL_MIN; ++n) {
    expand(beta / population, gamma, s, i);
    const double h = step_size(s, i, population);
    if (!(h > 0)) return 1;
    for (; day < n_days && day + 1 <= t + h; ++day) infected[day] = evaluate(i, day + 1 - t);
    if (day == n_days) return 0;
    s[0] = evaluate(s, h);
    i[0] = evaluate(i, h);
    t += h;
  }
  if (!(fabs(i[0]) <= DBL_MIN)) return 1;
  for (; day < n_days; ++day) infected[day] = 0; /* below the smallest double */
  return 0;
}
