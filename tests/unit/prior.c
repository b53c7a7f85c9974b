/* Priors: densities, distribution functions, samples and inverses agree with each other, truncated and far
 * out too; what is said to mistakes. */
#include "sim/prior_impl.h"
#include "sim_deck.h"
#include <float.h>
#include <gsl/gsl_integration.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Every family, whole and truncated. A family that is missing here fails EveryFamilyHasCases. */
static const char *const cases[] = {
    "family: uniform, lower: -1, upper: 3",
    "family: normal, mean: 0.4, sd: 0.5",
    "family: normal, mean: 0.4, sd: 0.5, lower: 0",
    "family: normal, mean: 2, sd: 1, upper: -1",
    "family: normal, mean: 0, sd: 1, lower: 0.1, upper: 0.11",
    "family: normal, mean: 0, sd: 1, lower: 30",
    "family: normal, mean: 0, sd: 1, lower: -21, upper: -20",
    "family: truncated_normal, mean: 1, sd: 2, lower: 0, upper: 5",
    "family: log_normal, log_mean: -1, log_sd: 0.5",
    "family: log_normal, log_mean: 0, log_sd: 1, lower: 20, upper: 30",
    "family: log_uniform, lower: 1e-3, upper: 10",
    "family: exponential, rate: 5",
    "family: exponential, rate: 2, lower: 100, upper: 101",
    "family: gamma, shape: 2.5, rate: 3",
    "family: gamma, shape: 0.5, rate: 1, lower: 0.2",
    "family: gamma, shape: 20, rate: 1, lower: 100",
    "family: beta, alpha: 2, beta: 5",
    "family: beta, alpha: 2, beta: 5, lower: 0.2, upper: 0.6",
    "family: beta, alpha: 2, beta: 30, lower: 0.8",
    "family: half_normal, sd: 2",
    "family: half_normal, sd: 1, upper: 1e-4",
    "family: student_t, df: 3, location: 1, scale: 2",
    "family: student_t, df: 1, location: 0, scale: 1, lower: 1000",
};
enum { N_CASES = sizeof cases / sizeof cases[0], N_DRAWS = 5000 };

static RheoPrior CasePrior(int i)
{
  char text[256];
  snprintf(text, sizeof text, "prior: {x: {%s}}\n", cases[i]);
  return PriorOf(text);
}

static double Draw(RheoPrior prior, uint64_t index)
{
  double x;
  RheoStream stream = RheoStreamMake(7, RHEO_STREAM_PRIOR, 0, index);
  RheoPriorSample(prior, &stream, &x);
  return x;
}

static void EveryFamilyHasCases(void **state)
{
  (void)state;
  for (int t = 0; RheoPriorTypes[t]; ++t) {
    int found = 0;
    char begin[64];
    snprintf(begin, sizeof begin, "family: %s,", RheoPriorTypes[t]->name);
    for (int i = 0; i < N_CASES; ++i) found |= !strncmp(cases[i], begin, strlen(begin));
    if (!found) fail_msg("no case for the family %s", RheoPriorTypes[t]->name);
    assert_non_null(RheoPriorTypes[t]->summary);
  }
}

static void SamplesFollowTheirCdf(void **state)
{
  static double u[N_DRAWS];
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    double lower, upper;
    RheoPrior prior = CasePrior(i);
    OK(RheoPriorGetBounds(prior, &lower, &upper));
    for (int k = 0; k < N_DRAWS; ++k) {
      const double x = Draw(prior, (uint64_t)k);
      assert_true(isfinite(x) && x > lower && x < upper);
      assert_true(isfinite(RheoPriorLogDensity(prior, &x)));
      u[k] = RheoPriorMarginalCdf(prior, 0, x);
    }
    const double distance = KsDistance(N_DRAWS, u);
    if (!(distance < 1.95)) fail_msg("%s: distance %g", cases[i], distance);
    OK(RheoPriorDestroy(&prior));
  }
}

/* d cdf / dx = exp(log density), at draws; the step is small against the scale on which the density changes.
 */
static void DensityIsTheDerivativeOfTheCdf(void **state)
{
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    RheoPrior prior = CasePrior(i);
    for (int k = 0; k < 50; ++k) {
      const double x = Draw(prior, (uint64_t)k), density = exp(RheoPriorMarginalLogDensity(prior, 0, x));
      const double p = RheoPriorMarginalCdf(prior, 0, x), room = fmin(p, 1 - p);
      if (room < 0.02) continue; /* too near an end for a central difference */
      const double h = 1e-3 * room / density;
      const double slope =
          (RheoPriorMarginalCdf(prior, 0, x + h) - RheoPriorMarginalCdf(prior, 0, x - h)) / (2 * h);
      if (!(fabs(slope / density - 1) < 1e-5)) fail_msg("%s at %g: %g, %g", cases[i], x, slope, density);
    }
    OK(RheoPriorDestroy(&prior));
  }
}

static double Density(double x, void *prior)
{
  return exp(RheoPriorMarginalLogDensity(prior, 0, x));
}

static void DensityIntegratesToOne(void **state)
{
  gsl_integration_workspace *work = gsl_integration_workspace_alloc(2000);
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    double lower, upper, left = 0, right = 0, error;
    RheoPrior prior = CasePrior(i);
    gsl_function f = {Density, prior};
    OK(RheoPriorGetBounds(prior, &lower, &upper));
    const double middle = Draw(prior, 1); /* both halves have an end where the mass is */
    if (isfinite(lower))
      gsl_integration_qags(&f, lower, middle, 0, 1e-9, 2000, work, &left, &error);
    else
      gsl_integration_qagil(&f, middle, 0, 1e-9, 2000, work, &left, &error);
    if (isfinite(upper))
      gsl_integration_qags(&f, middle, upper, 0, 1e-9, 2000, work, &right, &error);
    else
      gsl_integration_qagiu(&f, middle, 0, 1e-9, 2000, work, &right, &error);
    if (!(fabs(left + right - 1) < 1e-7)) fail_msg("%s: integral %.12g", cases[i], left + right);
    OK(RheoPriorDestroy(&prior));
  }
  gsl_integration_workspace_free(work);
}

static void NothingOutsideTheBounds(void **state)
{
  RheoPrior prior =
      PriorOf("prior: {a: {family: normal, mean: 2, sd: 1, lower: 0}, b: {family: beta, alpha: 1, beta: 2}}");
  double theta[2] = {-1e-9, 0.5};
  (void)state;
  assert_true(RheoPriorLogDensity(prior, theta) == -INFINITY);
  theta[0] = 2;
  theta[1] = 1.5;
  assert_true(RheoPriorLogDensity(prior, theta) == -INFINITY);
  theta[1] = NAN;
  assert_true(RheoPriorLogDensity(prior, theta) == -INFINITY);
  theta[1] = 0.5; /* normal at its mean over Phi(2), beta(1, 2) at 1/2 */
  assert_true(fabs(RheoPriorLogDensity(prior, theta) - (-0.5 * log(2 * M_PI) - log(0.9772498680518208))) <
              1e-12);
  assert_true(RheoPriorMarginalCdf(prior, 0, -1) == 0 && RheoPriorMarginalCdf(prior, 1, 2) == 1);
  OK(RheoPriorDestroy(&prior));
}

/* To the last digits, or to the resolution of x where that is coarser. */
static void CheckInverse(const RheoPriorType *type, const double *a, double p, int upper)
{
  const double x = upper ? type->upper_quantile(p, a) : type->quantile(p, a);
  const double back = upper ? type->upper_cdf(x, a) : type->cdf(x, a);
  const double resolution = 4 * fmax(fabs(x) * DBL_EPSILON, DBL_MIN) * exp(type->log_pdf(x, a));
  if (!isfinite(x) || !(fabs(back - p) <= 1e-9 * p + resolution)) {
    fail_msg("%s(%g, %g, %g), %s tail: p = %g gives x = %.17g, back %g", type->name, a[0], a[1], a[2],
             upper ? "upper" : "lower", p, x, back);
  }
}

static void QuantilesInvertTheCdf(void **state)
{
  static const double tails[] = {1e-60, 1e-30, 1e-10, 1e-5, 0.01, 0.2, 0.5, 0.8, 0.99};
  static const double shapes[][3] = {{0.5, 0.5, 1}, {0.5, 3, 1}, {1, 2, 0.5},
                                     {2, 5, 2},     {30, 4, 1},  {200, 15, 1}};
  (void)state;
  for (int t = 0; RheoPriorTypes[t]; ++t) {
    int n_checked = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; ++s) {
      if (RheoPriorTypes[t]->check(shapes[s])) continue;
      for (size_t i = 0; i < sizeof tails / sizeof tails[0]; ++i) {
        double lower, upper;
        RheoPriorTypes[t]->support(shapes[s], &lower, &upper);
        CheckInverse(RheoPriorTypes[t], shapes[s], tails[i], 0);
        /* near a finite upper end other than 0, x has no room for small tails */
        if (!isfinite(upper) || tails[i] > 1e-6) CheckInverse(RheoPriorTypes[t], shapes[s], tails[i], 1);
        ++n_checked;
      }
    }
    assert_true(n_checked > 0);
  }
}

/* The families' samplers draw numbers by rejection; a draw must still depend on its own stream only. */
static void DrawsDependOnTheirIndexOnly(void **state)
{
  (void)state;
  for (int i = 0; i < N_CASES; ++i) {
    RheoPrior prior = CasePrior(i);
    double forward[20];
    for (int k = 0; k < 20; ++k) forward[k] = Draw(prior, (uint64_t)k);
    for (int k = 19; k >= 0; --k) assert_true(Draw(prior, (uint64_t)k) == forward[k]);
    assert_true(forward[0] != forward[1]);
    OK(RheoPriorDestroy(&prior));
  }
}

/* Shapes so small that GSL's samplers give NaN. */
static void TinyShapesGiveFiniteDraws(void **state)
{
  RheoPrior prior = PriorOf("prior: {a: {family: beta, alpha: 0.002, beta: 0.002}, "
                            "b: {family: student_t, df: 0.02, location: 0, scale: 1}}");
  (void)state;
  for (uint64_t k = 0; k < 500; ++k) {
    double theta[2];
    RheoStream stream = RheoStreamMake(3, RHEO_STREAM_PRIOR, 0, k);
    RheoPriorSample(prior, &stream, theta);
    assert_true(theta[0] > 0 && theta[0] < 1 && isfinite(theta[1]));
  }
  OK(RheoPriorDestroy(&prior));
}

static void NamesLabelsAndUnits(void **state)
{
  RheoPrior prior =
      PriorOf("prior:\n  gamma: {family: exponential, rate: 1, label: '{/Symbol g}', unit: 1/day}\n"
              "  alpha: {family: exponential, rate: 1}\n");
  (void)state;
  assert_int_equal(RheoPriorSize(prior), 2);
  assert_string_equal(RheoPriorName(prior, 0), "gamma");
  assert_string_equal(RheoPriorLabel(prior, 0), "{/Symbol g}");
  assert_string_equal(RheoPriorUnit(prior, 0), "1/day");
  assert_string_equal(RheoPriorLabel(prior, 1), "alpha");
  assert_string_equal(RheoPriorUnit(prior, 1), "");
  OK(RheoPriorDestroy(&prior));
}

static PetscErrorCode Try(const char *text)
{
  RheoPrior prior;
  RheoDeck deck = DeckOf(text);
  OK(RheoPriorCreate(&prior));
  const PetscErrorCode code = RheoPriorSetFromDeck(prior, deck, "prior");
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
  return code;
}

static void MistakesAreNamed(void **state)
{
  (void)state;
  REJECTS(Try("prior:\n  a: {family: gaussian, mean: 0, sd: 1}\n"), "test.yaml:2: prior.a.family");
  REJECTS(Try("prior: {a: {mean: 0, sd: 1}}"), "prior.a.family");
  REJECTS(Try("prior: {a: {family: normal, mean: 0}}"), "prior.a.sd");
  REJECTS(Try("prior:\n  a:\n    family: normal\n    mean: 0\n    sd: -1\n"),
          "test.yaml:5: prior.a.sd = -1: must be above 0");
  REJECTS(Try("prior: {a: {family: normal, mean: 0, sd: 0}}"), "prior.a.sd = 0: must be above 0");
  REJECTS(Try("prior: {a: {family: uniform, lower: 2, upper: 1}}"), "swapped bounds?");
  REJECTS(Try("prior: {a: {family: uniform, lower: 2}}"), "prior.a.upper");
  REJECTS(Try("prior: {a: {family: log_uniform, lower: 0, upper: 1}}"), "prior.a.lower = 0: must be above 0");
  REJECTS(Try("prior: {a: {family: normal, mean: 0, sd: 1, lower: 2, upper: 1}}"), "swapped bounds?");
  REJECTS(Try("prior: {a: {family: exponential, rate: 1, upper: -1}}"),
          "prior.a.upper = -1: leaves no probability");
  REJECTS(Try("prior: {a: {family: beta, alpha: 1, beta: 1, lower: 2}}"), "leaves no probability");
  REJECTS(Try("prior: {a: {family: normal, mean: 0, sd: 1, lower: 60}}"), "leaves no probability");
  REJECTS(Try("prior: {a: {family: uniform, lower: 0, upper: 1, sd: 1}}"),
          "prior.a.sd = 1: is not a parameter of the family uniform");
  REJECTS(Try("prior: {a: {family: normal, mean: zero, sd: 1}}"), "prior.a.mean");
  REJECTS(Try("prior: {a-b: {family: normal, mean: 0, sd: 1}}"), "letters, digits and _");
  REJECTS(Try("prior: {}"), "at least one parameter");
  REJECTS(Try("seed: 1"), "prior");
}

/* The union of all families' keys is what RheoDeckCheck lets pass. */
static void SchemaKnowsAllKeys(void **state)
{
  int n;
  const RheoSection *sections;
  (void)state;
  OK(RheoPriorGetSections(&n, &sections));
  for (int i = 0; i < N_CASES; ++i) {
    char text[256];
    snprintf(text, sizeof text, "prior: {x: {%s, label: a, unit: b}}\n", cases[i]);
    RheoDeck deck = DeckOf(text);
    OK(RheoDeckCheck(deck, n, sections));
    OK(RheoDeckDestroy(&deck));
  }
  RheoDeck deck = DeckOf("prior: {x: {family: normal, maen: 0, sd: 1}}");
  REJECTS(RheoDeckCheck(deck, n, sections), "did you mean prior.x.mean");
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(EveryFamilyHasCases),
      cmocka_unit_test(SamplesFollowTheirCdf),
      cmocka_unit_test(DensityIsTheDerivativeOfTheCdf),
      cmocka_unit_test(DensityIntegratesToOne),
      cmocka_unit_test(NothingOutsideTheBounds),
      cmocka_unit_test(QuantilesInvertTheCdf),
      cmocka_unit_test(DrawsDependOnTheirIndexOnly),
      cmocka_unit_test(TinyShapesGiveFiniteDraws),
      cmocka_unit_test(NamesLabelsAndUnits),
      cmocka_unit_test(MistakesAreNamed),
      cmocka_unit_test(SchemaKnowsAllKeys),
  };
  return RUN_TESTS(argc, argv, tests);
}
