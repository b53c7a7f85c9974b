/* The exact posterior of the influenza study, against which `rheo infer` is held: converged, of the deck's own model, and
 * with draws that follow it. */
#include "flu_exact.h"
#include "sim_deck.h"
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static RheoDeck FluDeck(void)
{
  RheoDeck deck;
  char path[2048];
  snprintf(path, sizeof path, "%s/inputs/flu/flu.yaml", getenv("RHEO_SOURCE") ? getenv("RHEO_SOURCE") : ".");
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadFile(deck, path));
  return deck;
}

static int Sir(double t, const double y[], double dydt[], void *parameters)
{
  const double *p = parameters, infections = p[0] * y[0] * y[1] / 763;
  (void)t;
  dydt[0] = -infections;
  dydt[1] = infections - p[1] * y[1];
  return 0;
}

/* The same posterior from other parts: GSL's solver and negative binomial, the deck's prior. */
static double OtherLogPosterior(RheoPrior prior, const double *theta)
{
  double p[2] = {theta[0], theta[1]}, t = 0, y[2] = {762, 1}, sum = RheoPriorLogDensity(prior, theta);
  gsl_odeiv2_system system = {Sir, NULL, 2, p};
  gsl_odeiv2_driver *driver =
      gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-3, 1e-10, 1e-10);
  for (int day = 0; day < FLU_EXACT_DAYS; ++day) {
    assert_int_equal(gsl_odeiv2_driver_apply(driver, &t, day + 1, y), 0);
    const double success = 1 / (1 + theta[2] * y[1]);
    sum += log(gsl_ran_negative_binomial_pdf((unsigned)FluExactObservation[day], success, 1 / theta[2]));
  }
  gsl_odeiv2_driver_free(driver);
  return sum;
}

static void PosteriorIsThatOfTheDeck(void **state)
{
  enum { N = 100 };
  double x[FLU_EXACT_DAYS], theta[3 * N], constant = 0;
  RheoPrior prior;
  RheoDeck deck = FluDeck();
  (void)state;
  OK(RheoObservationRead(deck, FLU_EXACT_DAYS, x));
  for (int day = 0; day < FLU_EXACT_DAYS; ++day) assert_true(x[day] == FluExactObservation[day]);
  OK(RheoPriorCreate(&prior));
  OK(RheoPriorSetFromDeck(prior, deck, "prior"));
  FluExact exact = FluExactCreate(32);
  FluExactDraw(exact, 1, N, theta);
  for (int i = 0; i < N; ++i) {
    const double difference = FluExactLogPosterior(theta + 3 * i) - OtherLogPosterior(prior, theta + 3 * i);
    if (i == 0) constant = difference;
    assert_true(fabs(difference - constant) < 1e-5);
  }
  FluExactDestroy(&exact);
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
}

static void QuadratureHasConverged(void **state)
{
  FluExact coarse = FluExactCreate(96), fine = FluExactCreate(192);
  (void)state;
  print_message("%-14s %9s %9s %9s %9s %9s\n", "quantity", "mean", "sd", "q025", "median", "q975");
  for (int q = 0; q < FLU_EXACT_QUANTITIES; ++q) {
    const FluExactSummary a = FluExactSummarize(coarse, q), b = FluExactSummarize(fine, q);
    print_message("%-14s %9.5g %9.4g %9.5g %9.5g %9.5g\n", FluExactNames[q], b.mean, b.sd, b.q025, b.median,
                  b.q975);
    assert_true(fabs(a.mean - b.mean) < 1e-3 * b.sd);
    assert_true(fabs(a.sd - b.sd) < 1e-3 * b.sd);
    assert_true(fabs(a.median - b.median) < 5e-2 * b.sd);
    assert_true(fabs(a.q025 - b.q025) < 5e-2 * b.sd && fabs(a.q975 - b.q975) < 5e-2 * b.sd);
    assert_true(b.q025 < b.median && b.median < b.q975);
  }
  FluExactDestroy(&coarse);
  FluExactDestroy(&fine);
}

static int CompareReals(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void DrawsFollowThePosterior(void **state)
{
  enum { N = 40000 };
  static double theta[3 * N], value[N];
  FluExact exact = FluExactCreate(128);
  (void)state;
  FluExactDraw(exact, 2, N, theta);
  for (int q = 0; q < FLU_EXACT_QUANTITIES; ++q) {
    const FluExactSummary summary = FluExactSummarize(exact, q);
    double mean = 0, variance = 0;
    for (int i = 0; i < N; ++i) {
      const double *t = theta + 3 * i;
      const double all[FLU_EXACT_QUANTITIES] = {t[0], t[1], t[2], 1 / t[2], t[0] / t[1], 1 / t[1]};
      mean += (value[i] = all[q]) / N;
    }
    for (int i = 0; i < N; ++i) variance += (value[i] - mean) * (value[i] - mean) / N;
    qsort(value, N, sizeof *value, CompareReals);
    assert_true(fabs(mean - summary.mean) < 4.5 * summary.sd / sqrt(N));
    assert_true(fabs(sqrt(variance) / summary.sd - 1) < 0.02);
    assert_true(fabs(value[N / 2] - summary.median) < 0.03 * summary.sd);
    assert_true(fabs(value[N / 40] - summary.q025) < 0.06 * summary.sd);
    assert_true(fabs(value[N - N / 40] - summary.q975) < 0.1 * summary.sd);
  }
  int repeats = 0;
  for (int i = 1; i < N; ++i) repeats += value[i] == value[i - 1];
  assert_int_equal(repeats, 0); /* continuous: no two draws alike */
  FluExactDestroy(&exact);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(PosteriorIsThatOfTheDeck),
      cmocka_unit_test(QuadratureHasConverged),
      cmocka_unit_test(DrawsFollowThePosterior),
  };
  return RUN_TESTS(argc, argv, tests);
}
