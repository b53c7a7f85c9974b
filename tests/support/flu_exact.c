/* The likelihood needs the epidemic only once per (beta, gamma), and lgamma once per inv_phi. The box is narrowed to where
 * the posterior is; for a smooth density that vanishes at the ends the plain sum then converges faster than any power
 * of the spacing. */
#include "flu_exact.h"
#include "base/random.h"
#include "sim/sir.h"
#include <gsl/gsl_math.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sort.h>
#include <stdlib.h>

const char *const FluExactNames[FLU_EXACT_QUANTITIES] = {"beta", "gamma", "inv_phi",
                                                         "phi",  "R0",    "recovery_time"};
const double FluExactObservation[FLU_EXACT_DAYS] = {3,   8,   26,  76, 225, 298, 258,
                                                    233, 189, 128, 68, 29,  14,  4};

/* Nats below the maximum at which the box ends: what is cut off moves means by less than 1e-4 sd. */
static const double depth = 17;

typedef struct {
  double lower, upper;
} Range;

struct FluExact_ {
  int n;
  Range range[3];     /* of beta, gamma, log inv_phi */
  double *weight;     /* (n, n, n), sums to 1 */
  double *cumulative; /* (n^3) */
};

static double Node(const FluExact exact, int axis, int i)
{
  const Range range = exact->range[axis];
  return range.lower + (range.upper - range.lower) * i / (exact->n - 1);
}

/* Of the terms without mu: sum of lgamma(y + phi) - lgamma(phi) - lgamma(y + 1). */
static double Gammas(double phi)
{
  double sum = 0;
  for (int t = 0; t < FLU_EXACT_DAYS; ++t) {
    const double y = FluExactObservation[t];
    sum += gsl_sf_lngamma(y + phi) - gsl_sf_lngamma(phi) - gsl_sf_lngamma(y + 1);
  }
  return sum;
}

/* Of the terms with mu: sum of y log(mu / (mu + phi)) + phi log(phi / (mu + phi)). */
static double Powers(const double *mu, double phi)
{
  double sum = 0;
  for (int t = 0; t < FLU_EXACT_DAYS; ++t) {
    sum -= FluExactObservation[t] * log1p(phi / mu[t]) + phi * log1p(mu[t] / phi);
  }
  return sum;
}

static double LogPrior(double beta, double gamma, double inv_phi)
{
  return -0.5 * gsl_pow_2(beta - 2) - 0.5 * gsl_pow_2((gamma - 0.4) / 0.5) - 5 * inv_phi;
}

static double LogPosterior(const double *mu, double beta, double gamma, double inv_phi, double gammas)
{
  return Powers(mu, 1 / inv_phi) + gammas + LogPrior(beta, gamma, inv_phi);
}

double FluExactLogPosterior(const double *theta)
{
  double mu[FLU_EXACT_DAYS];
  if (!(theta[0] > 0 && theta[1] > 0 && theta[2] > 0)) return -INFINITY;
  if (rheo_sir_infected(theta[0], theta[1], 763, 1, FLU_EXACT_DAYS, mu)) return -INFINITY;
  return LogPosterior(mu, theta[0], theta[1], theta[2], Gammas(1 / theta[2]));
}

/* The logarithm of the density with respect to the grid's coordinates, into weight; returns its maximum. */
static double Fill(FluExact exact)
{
  const int n = exact->n;
  double *gammas = malloc((size_t)n * sizeof *gammas), best = -INFINITY;
  for (int k = 0; k < n; ++k) gammas[k] = Gammas(exp(-Node(exact, 2, k)));
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const double beta = Node(exact, 0, i), gamma = Node(exact, 1, j);
      double mu[FLU_EXACT_DAYS], *row = exact->weight + ((size_t)i * n + j) * n;
      const int failed = rheo_sir_infected(beta, gamma, 763, 1, FLU_EXACT_DAYS, mu);
      for (int k = 0; k < n; ++k) {
        const double l = Node(exact, 2, k);
        row[k] = failed ? -INFINITY
                        : LogPosterior(mu, beta, gamma, exp(l), gammas[k]) + l; /* d inv_phi = inv_phi dl */
        best = fmax(best, row[k]);
      }
    }
  }
  free(gammas);
  return best;
}

/* Shrinks the box to the nodes within `depth` of the maximum, and one more on each side. */
static void Narrow(FluExact exact, double best)
{
  const int n = exact->n;
  int first[3] = {n, n, n}, last[3] = {0, 0, 0};
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      for (int k = 0; k < n; ++k) {
        if (exact->weight[((size_t)i * n + j) * n + k] < best - depth) continue;
        const int at[3] = {i, j, k};
        for (int axis = 0; axis < 3; ++axis) {
          if (at[axis] < first[axis]) first[axis] = at[axis];
          if (at[axis] > last[axis]) last[axis] = at[axis];
        }
      }
    }
  }
  for (int axis = 0; axis < 3; ++axis) {
    const double lower = Node(exact, axis, GSL_MAX(first[axis] - 1, 0));
    const double upper = Node(exact, axis, GSL_MIN(last[axis] + 1, n - 1));
    exact->range[axis] = (Range){lower, upper};
  }
}

static FluExact NewGrid(int points, const Range *range)
{
  FluExact exact = calloc(1, sizeof *exact);
  const size_t cells = (size_t)points * points * points;
  exact->n = points;
  for (int axis = 0; axis < 3; ++axis) exact->range[axis] = range[axis];
  exact->weight = malloc(cells * sizeof(double));
  exact->cumulative = malloc(cells * sizeof(double));
  return exact;
}

FluExact FluExactCreate(int points)
{
  static const Range wide[3] = {{0.05, 8}, {0.01, 4}, {-9, 3}};
  FluExact scout = NewGrid(48, wide);
  for (int i = 0; i < 6; ++i) Narrow(scout, Fill(scout));
  FluExact exact = NewGrid(points, scout->range);
  FluExactDestroy(&scout);
  const size_t cells = (size_t)points * points * points;
  const double best = Fill(exact);
  double sum = 0;
  for (size_t c = 0; c < cells; ++c) sum += exact->weight[c] = exp(exact->weight[c] - best);
  double below = 0;
  for (size_t c = 0; c < cells; ++c) {
    exact->weight[c] /= sum;
    exact->cumulative[c] = below += exact->weight[c];
  }
  return exact;
}

void FluExactDestroy(FluExact *exact)
{
  if (!*exact) return;
  free((*exact)->weight);
  free((*exact)->cumulative);
  free(*exact);
  *exact = NULL;
}

static double Quantity(int quantity, double beta, double gamma, double inv_phi)
{
  switch (quantity) {
  case 0:
    return beta;
  case 1:
    return gamma;
  case 2:
    return inv_phi;
  case 3:
    return 1 / inv_phi;
  case 4:
    return beta / gamma;
  default:
    return 1 / gamma;
  }
}

/* Of values sorted, each with its weight in the middle of its share of probability; linear in between. */
static double WeightedQuantile(size_t n, const double *value, const double *weight, double p)
{
  double below = 0, before = 0;
  for (size_t i = 0; i < n; ++i) {
    const double middle = below + weight[i] / 2;
    if (middle >= p)
      return i ? value[i - 1] + (value[i] - value[i - 1]) * (p - before) / (middle - before) : value[0];
    before = middle;
    below += weight[i];
  }
  return value[n - 1];
}

/* Adds up the weights of equal values of a sorted list; how many are left. */
static size_t Merge(size_t n, double *value, double *weight)
{
  size_t last = 0;
  for (size_t i = 1; i < n; ++i) {
    if (value[i] == value[last]) {
      weight[last] += weight[i];
    } else {
      value[++last] = value[i];
      weight[last] = weight[i];
    }
  }
  return last + 1;
}

/* The quantities depend on (beta, gamma) or on inv_phi only; one list of values and weights serves both. */
FluExactSummary FluExactSummarize(FluExact exact, int quantity)
{
  const int n = exact->n, of_phi = quantity == 2 || quantity == 3;
  const size_t size = of_phi ? (size_t)n : (size_t)n * n;
  double *value = calloc(size, sizeof *value), *weight = calloc(size, sizeof *weight);
  FluExactSummary summary = {0};
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      for (int k = 0; k < n; ++k) {
        const size_t at = of_phi ? (size_t)k : (size_t)i * n + j;
        value[at] = Quantity(quantity, Node(exact, 0, i), Node(exact, 1, j), exp(Node(exact, 2, k)));
        weight[at] += exact->weight[((size_t)i * n + j) * n + k];
      }
    }
  }
  for (size_t i = 0; i < size; ++i) summary.mean += weight[i] * value[i];
  for (size_t i = 0; i < size; ++i) summary.sd += weight[i] * gsl_pow_2(value[i] - summary.mean);
  summary.sd = sqrt(summary.sd);
  gsl_sort2(value, 1, weight, 1, size);
  const size_t n_distinct = Merge(size, value, weight);
  summary.q025 = WeightedQuantile(n_distinct, value, weight, 0.025);
  summary.median = WeightedQuantile(n_distinct, value, weight, 0.5);
  summary.q975 = WeightedQuantile(n_distinct, value, weight, 0.975);
  free(value);
  free(weight);
  return summary;
}

static size_t FindCell(const FluExact exact, double u)
{
  size_t low = 0, high = (size_t)exact->n * exact->n * exact->n - 1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (exact->cumulative[middle] > u) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

void FluExactDraw(FluExact exact, uint64_t seed, int64_t n, double *theta)
{
  const size_t points = (size_t)exact->n;
  for (int64_t i = 0; i < n; ++i) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, (uint64_t)i);
    const size_t cell = FindCell(exact, RheoStreamUniform(&stream));
    const size_t node[3] = {cell / points / points, cell / points % points, cell % points};
    for (int axis = 0; axis < 3; ++axis) { /* the hat function of a node: a sum of two uniforms */
      const Range range = exact->range[axis];
      const double spacing = (range.upper - range.lower) / (double)(points - 1);
      const double hat = RheoStreamUniform(&stream) + RheoStreamUniform(&stream) - 1;
      theta[3 * i + axis] = range.lower + spacing * ((double)node[axis] + hat);
    }
    theta[3 * i + 2] = exp(theta[3 * i + 2]);
  }
}
