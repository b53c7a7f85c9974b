/* Normal scores of parameters: inverse of each other, with the slope that the densities say, strictly inside the support,
 * for every family, whole and truncated, far into the tails. */
#include "sim/prior_impl.h"
#include "sim_deck.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const cases[] = {
    "family: uniform, lower: -1, upper: 3",
    "family: uniform, lower: 0, upper: 1",
    "family: normal, mean: 0.4, sd: 0.5",
    "family: normal, mean: 0.4, sd: 0.5, lower: 0",
    "family: normal, mean: 2, sd: 1, upper: -1",
    "family: normal, mean: 0, sd: 1, lower: -1, upper: 0.5",
    "family: normal, mean: 0, sd: 1, lower: 20",
    "family: truncated_normal, mean: 1, sd: 2, lower: 0, upper: 5",
    "family: log_normal, log_mean: -1, log_sd: 0.5",
    "family: log_normal, log_mean: 0, log_sd: 1, lower: 0.5, upper: 30",
    "family: log_uniform, lower: 1e-3, upper: 10",
    "family: exponential, rate: 5",
    "family: exponential, rate: 2, lower: 1",
    "family: gamma, shape: 2.5, rate: 3",
    "family: gamma, shape: 0.5, rate: 1",
    "family: gamma, shape: 0.5, rate: 1, lower: 0.2",
    "family: beta, alpha: 2, beta: 5",
    "family: beta, alpha: 2, beta: 5, lower: 0.2, upper: 0.6",
    "family: half_normal, sd: 2",
    "family: half_normal, sd: 1, upper: 0.5",
    "family: student_t, df: 3, location: 1, scale: 2",
    "family: student_t, df: 3, location: 1, scale: 2, lower: 0",
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static RheoPrior CasePrior(int i)
{
  char text[256];
  snprintf(text, sizeof text, "prior: {x: {%s}}\n", cases[i]);
  return PriorOf(text);
}

static void EveryFamily(void **state)
{
  (void)state;
  for (int t = 0; RheoPriorTypes[t]; ++t) {
    char begin[64];
    int found = 0;
    snprintf(begin, sizeof begin, "family: %s,", RheoPriorTypes[t]->name);
    for (int i = 0; i < N_CASES; ++i) found |= !strncmp(cases[i], begin, strlen(begin));
    if (!found) fail_msg("no case for the family %s", RheoPriorTypes[t]->name);
  }
}

/* What digits leave open of the score z at x: a step between neighbouring numbers x, and of the distribution function, which
 * a truncation may start from anywhere. */
static double Grain(RheoPrior prior, double x, double z)
{
  const double up = RheoPriorToNormal(prior, 0, nextafter(x, INFINITY)),
               down = RheoPriorToNormal(prior, 0, nextafter(x, -INFINITY));
  return fabs(up - down) + DBL_EPSILON * exp(0.5 * z * z + 0.91893853320467274178);
}

static void Inverse(void **state)
{
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    RheoPrior prior = CasePrior(i);
    double before = -INFINITY;
    int tried = 0;
    for (int k = -160; k <= 160; ++k) {
      const double z = k / 20.0, x = RheoPriorFromNormal(prior, 0, z), back = RheoPriorToNormal(prior, 0, x);
      const double grain = Grain(prior, x, z);
      if (!(x >= before)) fail_msg("%s: not rising at z = %g: %g after %g", cases[i], z, x, before);
      before = x;
      if (!(grain < 0.1)) continue; /* next to a bound that is not 0 doubles are further apart than scores */
      tried++;
      if (!(fabs(back - z) < 1e-7 + 20 * grain))
        fail_msg("%s: %g -> %.17g -> %g, grain %g", cases[i], z, x, back, grain);
    }
    if (tried < 270) fail_msg("%s: only %d scores tried", cases[i], tried);
    OK(RheoPriorDestroy(&prior));
  }
}

/* dx/dz = phi(z) / p(x): with it a density of scores becomes one of parameters. */
static void Slope(void **state)
{
  const double h = 1e-4;
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    RheoPrior prior = CasePrior(i);
    for (int k = -45; k <= 45; ++k) {
      const double z = k / 10.0, x = RheoPriorFromNormal(prior, 0, z);
      const double slope =
          (RheoPriorFromNormal(prior, 0, z + h) - RheoPriorFromNormal(prior, 0, z - h)) / (2 * h);
      const double want =
          exp(-0.5 * z * z - 0.91893853320467274178 - RheoPriorMarginalLogDensity(prior, 0, x));
      if (!(fabs(slope / want - 1) < 1e-4 + 10 * DBL_EPSILON * fabs(x) / (h * want)))
        fail_msg("%s at z = %g: %g, density says %g", cases[i], z, slope, want);
    }
    OK(RheoPriorDestroy(&prior));
  }
}

static void StrictlyInside(void **state)
{
  static const double far[] = {8.2, 9, 20, 38, 40, 100, 1e10, DBL_MAX, INFINITY};
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    RheoPrior prior = CasePrior(i);
    double lower, upper;
    OK(RheoPriorGetBounds(prior, &lower, &upper));
    for (size_t k = 0; k < 2 * sizeof far / sizeof *far; ++k) {
      const double z = k % 2 ? -far[k / 2] : far[k / 2], x = RheoPriorFromNormal(prior, 0, z);
      if (!(x > lower && x < upper && isfinite(x))) fail_msg("%s: %g gives %g", cases[i], z, x);
      if (isnan(RheoPriorMarginalLogDensity(prior, 0, x))) fail_msg("%s: no density at %g", cases[i], x);
    }
    assert_true(isnan(RheoPriorFromNormal(prior, 0, NAN)));
    assert_true(isnan(RheoPriorToNormal(prior, 0, NAN)));
    assert_true(RheoPriorToNormal(prior, 0, lower) == -INFINITY);
    assert_true(RheoPriorToNormal(prior, 0, upper) == INFINITY);
    if (isfinite(lower)) assert_true(RheoPriorToNormal(prior, 0, lower - 1) == -INFINITY);
    if (isfinite(upper)) assert_true(RheoPriorToNormal(prior, 0, upper + 1) == INFINITY);
    OK(RheoPriorDestroy(&prior));
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(EveryFamily), cmocka_unit_test(Inverse),
                                     cmocka_unit_test(Slope), cmocka_unit_test(StrictlyInside)};
  return RUN_TESTS(argc, argv, tests);
}
