/* Toy distributions: samples are a pure function of seed, set and index and follow the density that the type claims, which
 * integrates to 1; sets of a given size hold every place once; conditions, scale and shift; mistakes.
 * timeout: 120 */
#include "sim/toy.h"
#include "sim_deck.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static RheoToy toy_of(const char *section, uint32_t set)
{
  char text[512];
  RheoToy toy;
  snprintf(text, sizeof text, "target: {%s}\n", section);
  RheoDeck deck = DeckOf(text);
  OK(RheoToyCreate(deck, "target", set, &toy));
  OK(RheoDeckDestroy(&deck));
  return toy;
}

/* Names of all types, from the rule of the key. */
static int all_names(char names[32][32])
{
  const RheoKey *keys;
  int n = 0;
  OK(RheoToyGetKeys(&keys));
  assert_string_equal(keys[0].name, "toy");
  for (const char *at = keys[0].rule; at; at = strchr(at, '|')) {
    at += *at == '|';
    snprintf(names[n++], 32, "%.*s", (int)strcspn(at, "|"), at);
  }
  assert_true(n >= 11);
  return n;
}

static void pure(void **state)
{
  (void)state;
  enum { N = 60 };
  char names[32][32], section[128];
  const int n_names = all_names(names);
  for (int t = 0; t < n_names; t++)
    for (int of = 0; of <= 50; of += 50) {
      double x[2 * N], piece[2 * N], other[2 * N], differ = 0, differ_set = 0;
      snprintf(section, sizeof section, "toy: %.31s, of: %d", names[t], of);
      RheoToy toy = toy_of(section, 0), set = toy_of(section, 1);
      assert_int_equal(RheoToySize(toy), 2);
      assert_string_equal(RheoToyName(toy), names[t]);
      RheoToySample(toy, 7, 0, N, x, NULL);
      RheoToySample(toy, 7, 20, N - 20, piece, NULL);
      assert_memory_equal(x + 40, piece, (N - 20) * 2 * sizeof *x);
      RheoToySample(toy, 8, 0, N, other, NULL);
      for (int i = 0; i < 2 * N; i++) differ += other[i] != x[i];
      RheoToySample(set, 7, 0, N, other, NULL);
      for (int i = 0; i < 2 * N; i++) differ_set += other[i] != x[i];
      assert_true(differ > 1.9 * N && differ_set > 1.9 * N);
      OK(RheoToyDestroy(&toy));
      OK(RheoToyDestroy(&set));
    }
}

/* Over a grid that holds all samples with a margin: the integral of p, and the entropy, which the mean of -log p over
 * samples must be. */
static void check_density(const char *section, int grid, double margin)
{
  enum { N = 4000 };
  static double x[2 * N], log_prob[N];
  double lower[2] = {INFINITY, INFINITY}, upper[2] = {-INFINITY, -INFINITY}, mean = 0, square = 0, mass = 0,
         entropy = 0, step[2];
  RheoToy toy = toy_of(section, 0);
  assert_true(RheoToyHasLogProb(toy));
  RheoToySample(toy, 3, 0, N, x, NULL);
  RheoToyLogProb(toy, N, x, log_prob);
  for (int i = 0; i < N; i++) {
    assert_true(isfinite(log_prob[i]));
    mean -= log_prob[i] / N;
    square += log_prob[i] * log_prob[i] / N;
    for (int k = 0; k < 2; k++) {
      lower[k] = fmin(lower[k], x[2 * i + k] - margin);
      upper[k] = fmax(upper[k], x[2 * i + k] + margin);
    }
  }
  for (int k = 0; k < 2; k++) step[k] = (upper[k] - lower[k]) / grid;
  for (int i = 0; i < grid; i++)
    for (int j = 0; j < grid; j++) {
      const double at[2] = {lower[0] + (i + 0.5) * step[0], lower[1] + (j + 0.5) * step[1]};
      double l;
      RheoToyLogProb(toy, 1, at, &l);
      if (l < -700) continue;
      mass += exp(l) * step[0] * step[1];
      entropy -= l * exp(l) * step[0] * step[1];
    }
  if (fabs(mass - 1) > 2e-3) fail_msg("%s: the density integrates to %.6g", section, mass);
  const double error = sqrt(fmax(0, square - mean * mean) / N);
  if (fabs(mean - entropy) > 4.5 * error + 2e-3)
    fail_msg("%s: entropy %.5g from the density, %.5g +- %.2g from samples", section, entropy, mean, error);
  OK(RheoToyDestroy(&toy));
}

static void densities(void **state)
{
  (void)state;
  check_density("toy: normal, mean: 1, sd: 0.5", 80, 1.5);
  check_density("toy: eight_gaussians, radius: 3, sd: 0.5, scale: 2", 120, 2);
  check_density("toy: gaussian_grid, sd: 0.4, spacing: 1", 100, 1);
  check_density("toy: moons, noise: 0.2, scale: 2, shift: [-1, 0]", 60, 1);
  check_density("toy: scurve, noise: 0.2", 60, 0.5);
  check_density("toy: swissroll, noise: 0.4", 60, 1);
  check_density("toy: circles, noise: 0.15, factor: 0.4", 80, 0.4);
  check_density("toy: rings, noise: 0.1, scale: 3", 100, 0.9);
  check_density("toy: two_spirals, noise: 0.35", 60, 1);
  /* Discontinuous; the grid must fall in with the squares. */
  RheoToy board = toy_of("toy: checkerboard", 0);
  double mass = 0;
  for (int i = 0; i < 200; i++)
    for (int j = 0; j < 200; j++) {
      const double at[2] = {-5 + (i + 0.5) / 20, -5 + (j + 0.5) / 20};
      double l;
      RheoToyLogProb(board, 1, at, &l);
      mass += exp(l) / 400;
    }
  assert_true(fabs(mass - 1) < 1e-10);
  double x[2000], l[1000], share = 0;
  RheoToySample(board, 1, 0, 1000, x, NULL);
  RheoToyLogProb(board, 1000, x, l);
  for (int i = 0; i < 1000; i++) {
    assert_true(l[i] == -log(32));
    share += x[2 * i] > 0 && x[2 * i + 1] > 0;
  }
  assert_in_range((int)share, 195, 305); /* a quarter, within four standard deviations */
  OK(RheoToyDestroy(&board));
  RheoToy none = toy_of("toy: pinwheel", 0), jitter = toy_of("toy: moons, jitter: diagonal", 0);
  assert_false(RheoToyHasLogProb(none) || RheoToyHasLogProb(jitter));
  OK(RheoToyDestroy(&none));
  OK(RheoToyDestroy(&jitter));
}

/* The quadrature along a curve against a million of its points. */
static void quadrature(void **state)
{
  (void)state;
  enum { N = 1000000 };
  const double at[3][2] = {{0.1, 0.4}, {-1, 0.02}, {2.3, -0.6}};
  RheoToy toy = toy_of("toy: moons, noise: 0.1", 0);
  for (int k = 0; k < 3; k++) {
    double sum = 0, log_prob;
    for (int i = 0; i < N; i++) {
      const double a = M_PI * (i + 0.5) / N, c = cos(a), s = sin(a);
      sum += exp(-(pow(at[k][0] - c, 2) + pow(at[k][1] - s, 2)) / 0.02);
      sum += exp(-(pow(at[k][0] - 1 + c, 2) + pow(at[k][1] - 0.5 + s, 2)) / 0.02);
    }
    RheoToyLogProb(toy, 1, at[k], &log_prob);
    assert_true(fabs(log_prob - log(sum / (2.0 * N) / (2 * M_PI * 0.01))) < 1e-9);
  }
  OK(RheoToyDestroy(&toy));
}

static int ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The rows of a set are those of make_moons: angles at even steps, the ends included, half of them in each class. */
static void even_sets(void **state)
{
  (void)state;
  enum { OF = 101 };
  double x[2 * OF], y[OF], angle[2][OF];
  int n[2] = {0, 0};
  RheoToy toy = toy_of("toy: moons, noise: 1e-9, of: 101, condition: class", 0);
  for (int copy = 0; copy < 2; copy++) {
    n[0] = n[1] = 0;
    RheoToySample(toy, 5, (uint64_t)(copy * OF), OF, x, y);
    for (int i = 0; i < OF; i++) {
      const int label = (int)y[i];
      angle[label][n[label]++] = acos(fmin(1, fmax(-1, label ? 1 - x[2 * i] : x[2 * i])));
      assert_true(fabs((label ? 0.5 - x[2 * i + 1] : x[2 * i + 1]) -
                       sin(acos(fmin(1, fmax(-1, label ? 1 - x[2 * i] : x[2 * i]))))) < 1e-3);
    }
    assert_int_equal(n[0], 50);
    assert_int_equal(n[1], 51);
    for (int label = 0; label < 2; label++) {
      qsort(angle[label], (size_t)n[label], sizeof(double), ascending);
      for (int i = 0; i < n[label]; i++)
        assert_true(fabs(angle[label][i] - M_PI * i / (n[label] - 1)) < 1e-3);
    }
  }
  OK(RheoToyDestroy(&toy));
  toy = toy_of("toy: eight_gaussians, of: 80, condition: class", 0);
  int count[8] = {0};
  RheoToySample(toy, 5, 80, 80, x, y);
  for (int i = 0; i < 80; i++) count[(int)y[i]]++;
  for (int k = 0; k < 8; k++) assert_int_equal(count[k], 10);
  OK(RheoToyDestroy(&toy));
}

/* torchdyn's moons: the same shift in both coordinates. */
static void diagonal_jitter(void **state)
{
  (void)state;
  enum { N = 2000 };
  static double x[2 * N], y[N];
  double mean = 0;
  RheoToy toy =
      toy_of("toy: moons, noise: 0.2, jitter: diagonal, scale: 3, shift: [-1, -1], condition: class", 0);
  RheoToySample(toy, 5, 0, N, x, y);
  for (int i = 0; i < N; i++) {
    /* |x - s (1, 1) - centre|^2 = 1 has the shift as its smaller solution. */
    const double a = (x[2 * i] + 1) / 3 - y[i], b = (x[2 * i + 1] + 1) / 3 - 0.5 * y[i];
    const double half = (a + b) / 2, root = sqrt(fmax(0, half * half - (a * a + b * b - 1) / 2));
    const double one = half - root, two = half + root;
    assert_true((one > -1e-6 && one < 0.2 + 1e-6) || (two > -1e-6 && two < 0.2 + 1e-6));
    mean += (a + b) / N;
  }
  /* E of cos + sin over the upper half circle is 2/pi, of the lower -2/pi; what is left is twice the mean shift. */
  assert_true(fabs(mean - 0.2) < 0.1);
  OK(RheoToyDestroy(&toy));
}

static void conditions(void **state)
{
  (void)state;
  enum { N = 50 };
  double x[2 * N], y[N];
  for (int k = 0; k < 2; k++) {
    RheoToy toy = toy_of(k ? "toy: moons, condition: x2" : "toy: moons, condition: x1, scale: 3", 0);
    assert_int_equal(RheoToyConditionSize(toy), 1);
    RheoToySample(toy, 5, 0, N, x, y);
    for (int i = 0; i < N; i++) assert_true(y[i] == x[2 * i + k]);
    OK(RheoToyDestroy(&toy));
  }
  RheoToy toy = toy_of("toy: normal, dimension: 5, mean: -0.1", 0);
  assert_int_equal(RheoToySize(toy), 5);
  assert_int_equal(RheoToyConditionSize(toy), 0);
  OK(RheoToyDestroy(&toy));
}

static void mistakes(void **state)
{
  (void)state;
  static const char *const wrong[][2] = {{"toy: moons, radius: 3", "target.radius"},
                                         {"toy: moons, noise: 0", "target.noise"},
                                         {"toy: moons, scale: -1", "target.scale"},
                                         {"toy: scurve, condition: class", "no classes"},
                                         {"toy: moons, shift: [1]", "target.shift"},
                                         {"toy: gaussian_grid, n: 24", "the classes of"},
                                         {"toy: moons, of: 3", "target.of"},
                                         {"toy: monos", "target.toy"},
                                         {"toy: normal, dimension: 1, condition: x2", "one coordinate"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char text[128];
    RheoToy toy = NULL;
    snprintf(text, sizeof text, "target: {%s}\n", wrong[i][0]);
    RheoDeck deck = DeckOf(text);
    REJECTS(RheoToyCreate(deck, "target", 0, &toy), wrong[i][1]);
    OK(RheoToyDestroy(&toy));
    OK(RheoDeckDestroy(&deck));
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pure),      cmocka_unit_test(densities),       cmocka_unit_test(quadrature),
      cmocka_unit_test(even_sets), cmocka_unit_test(diagonal_jitter), cmocka_unit_test(conditions),
      cmocka_unit_test(mistakes)};
  return RUN_TESTS(argc, argv, tests);
}
