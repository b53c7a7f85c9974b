/* Truncation: the box holds the samples' bulk, stays inside the prior, and cuts nothing where the prior ends. ranks: 1 2 */
#include "check.h"
#include <math.h>
#include <rheo.h>
#include <stdlib.h>

enum { N = 4000 };

static const char deck_text[] = "prior:\n"
                                "  a: {family: normal, mean: 2, sd: 1, lower: 0}\n"
                                "  b: {family: exponential, rate: 5}\n"
                                "  c: {family: uniform, lower: -1, upper: 1}\n";

/* a narrow, b at its lower end, c as wide as its prior. */
static void Draw(RheoPrior prior, double *theta)
{
  for (int i = 0; i < N; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    theta[3 * i] = 1.7 + 0.05 * RheoStreamNormal(&stream);
    theta[3 * i + 1] = RheoPriorFromNormal(prior, 1, -3 + 0.5 * RheoStreamNormal(&stream));
    theta[3 * i + 2] = RheoPriorFromNormal(prior, 2, RheoStreamNormal(&stream));
  }
}

static void Box(void **state)
{
  (void)state;
  RheoTruncateConfig config;
  RheoDeck deck;
  RheoPrior prior, cut;
  double theta[3 * N], lower[3], upper[3];
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "test", deck_text));
  OK(RheoPriorCreate(&prior));
  OK(RheoPriorSetFromDeck(prior, deck, "prior"));
  OK(RheoDeckRead(deck, "truncate", RheoTruncateKeys, &config));
  assert_int_equal(config.rounds, 0);
  Draw(prior, theta);
  OK(RheoTruncatePrior(deck, prior, &config, N, theta));
  OK(RheoPriorCreate(&cut));
  OK(RheoPriorSetFromDeck(cut, deck, "prior"));
  OK(RheoPriorGetBounds(cut, lower, upper));
  for (int k = 0; k < 3; k++) {
    int inside = 0;
    for (int i = 0; i < N; i++) inside += theta[3 * i + k] > lower[k] && theta[3 * i + k] < upper[k];
    assert_true(inside >= N - 2);
  }
  /* 99 % of a normal is 2.58 sd on either side; half of that width again makes 5.15. */
  assert_true(fabs(lower[0] - (1.7 - 5.15 * 0.05)) < 0.03);
  assert_true(fabs(upper[0] - (1.7 + 5.15 * 0.05)) < 0.03);
  /* b's samples reach beyond 4 sd of its prior's lower tail: that side stays the prior's own; the upper one is cut. */
  assert_true(lower[1] == 0);
  assert_true(upper[1] < 0.3);
  /* c's box would be wider than its prior. */
  assert_true(lower[2] == -1 && upper[2] == 1);
  OK(RheoPriorDestroy(&cut));
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
}

/* Where nothing but the range is cut, ratios of densities stay as they were. */
static void Unweighted(void **state)
{
  (void)state;
  RheoTruncateConfig config;
  RheoDeck deck;
  RheoPrior prior, cut;
  double theta[3 * N];
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "test", deck_text));
  OK(RheoPriorCreate(&prior));
  OK(RheoPriorSetFromDeck(prior, deck, "prior"));
  OK(RheoDeckRead(deck, "truncate", RheoTruncateKeys, &config));
  Draw(prior, theta);
  OK(RheoTruncatePrior(deck, prior, &config, N, theta));
  OK(RheoPriorCreate(&cut));
  OK(RheoPriorSetFromDeck(cut, deck, "prior"));
  const double at[2][3] = {{1.65, 0.001, -0.5}, {1.75, 0.002, 0.5}};
  const double before = RheoPriorLogDensity(prior, at[0]) - RheoPriorLogDensity(prior, at[1]);
  const double after = RheoPriorLogDensity(cut, at[0]) - RheoPriorLogDensity(cut, at[1]);
  assert_true(isfinite(before) && fabs(before - after) < 1e-9);
  assert_true(RheoPriorLogDensity(cut, at[0]) > RheoPriorLogDensity(prior, at[0]) + 0.5);
  OK(RheoPriorDestroy(&cut));
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Box), cmocka_unit_test(Unweighted)};
  return RUN_TESTS(argc, argv, tests);
}
