/* Every coupling of the table: a pure function of batch and stream that names rows of the batch; then each by what it is for. */
#include "cnf/coupling.h"
#include "check.h"
#include "cnf/assignment.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 96, D = 2, C = 2 };

typedef struct {
  RheoPairs pairs;
  float x0[N * D], x1[N * D], y[N * C];
  const RheoCouplingType *type;
  void *config;
  int32_t source[N];
  float weight[N];
} Case;

static const RheoCouplingType *Find(const char *name)
{
  for (int k = 0; RheoCouplingTypes[k]; k++)
    if (!strcmp(RheoCouplingTypes[k]->name, name)) return RheoCouplingTypes[k];
  fail_msg("there is no coupling %s", name);
  return NULL;
}

/* A batch of n rows with classes in y, or with continuous conditions; text is the coupling's section in a deck. */
static Case *Start(const char *name, int64_t n, int classes, const char *text)
{
  Case *c = calloc(1, sizeof *c);
  char deck_text[256];
  RheoDeck deck;
  assert_non_null(c);
  c->type = Find(name);
  RheoStreamFillNormal(3, RHEO_STREAM_TEST, 0, N, NULL, 0, D, c->x0);
  RheoStreamFillNormal(3, RHEO_STREAM_TEST, 1, N, NULL, 0, D, c->x1);
  RheoStreamFillNormal(3, RHEO_STREAM_TEST, 2, N, NULL, 0, C, c->y);
  for (int i = 0; i < N * C; i++) {
    if (classes) c->y[i] = (float)(i / C % classes);
    c->x1[i] += 2 * c->y[i];
  }
  c->pairs = (RheoPairs){.n = n, .d = D, .c = C, .x0 = c->x0, .x1 = c->x1, .y = c->y};
  if (!c->type->keys) return c;
  c->config = calloc(1, c->type->size);
  assert_non_null(c->config);
  snprintf(deck_text, sizeof deck_text, "cnf: {%s: {%s}}\n", name, text ? text : "");
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  if (text) OK(RheoDeckLoadText(deck, "test", deck_text));
  snprintf(deck_text, sizeof deck_text, "cnf.%s", name);
  OK(RheoDeckRead(deck, deck_text, c->type->keys, c->config));
  OK(RheoDeckDestroy(&deck));
  return c;
}

static PetscErrorCode Pair(Case *c, uint64_t key)
{
  RheoStream stream = RheoStreamMake(key, RHEO_STREAM_TEST, 5, 0);
  for (int i = 0; i < N; i++) {
    c->source[i] = -1;
    c->weight[i] = NAN;
  }
  return c->type->pair(c->config, &stream, &c->pairs, c->source, c->weight);
}

static void Free(Case *c)
{
  free(c->config);
  free(c);
}

static int IsPermutation(const Case *c)
{
  int seen[N] = {0};
  for (int i = 0; i < c->pairs.n; i++)
    if (c->source[i] < 0 || c->source[i] >= c->pairs.n || seen[c->source[i]]++) return 0;
  return 1;
}

/* Sum over rows of |x1_i - x0_source|^2, or of |y_i - y_source|^2. */
static double Cost(const Case *c, const float *from, const float *to, int width)
{
  double sum = 0;
  for (int i = 0; i < c->pairs.n; i++)
    for (int k = 0; k < width; k++) sum += pow((double)from[i * width + k] - to[c->source[i] * width + k], 2);
  return sum;
}

static void EveryTypeIsAPureFunction(void **state)
{
  (void)state;
  for (int k = 0; RheoCouplingTypes[k]; k++) {
    const RheoCouplingType *type = RheoCouplingTypes[k];
    assert_true(type->name && type->summary && type->reference);
    assert_true(!type->keys == !type->size);
    assert_true(!type->pair == !(type->couples || type->n_weights));
    for (int64_t n = 1; type->pair && n <= N; n += 19) {
      Case *c = Start(type->name, n, 4, NULL), *again = Start(type->name, n, 4, NULL);
      double mean = 0;
      OK(Pair(c, 1));
      OK(Pair(again, 2));
      OK(Pair(again, 1));
      assert_memory_equal(c->source, again->source, (size_t)n * sizeof *c->source);
      if (type->n_weights) assert_memory_equal(c->weight, again->weight, (size_t)n * sizeof *c->weight);
      for (int64_t i = 0; i < n; i++) {
        assert_in_range(c->source[i], 0, n - 1);
        if (!type->couples) assert_int_equal(c->source[i], i);
        if (type->n_weights) mean += (double)c->weight[i] / (double)n;
      }
      if (type->n_weights) assert_true(fabs(mean - 1) < 1e-5);
      Free(c);
      Free(again);
    }
  }
}

static void ExactIsTheAssignment(void **state)
{
  (void)state;
  static double cost[N * N];
  double total;
  int32_t column[N];
  Case *c = Start("exact", N, 0, NULL);
  OK(Pair(c, 1));
  assert_true(IsPermutation(c));
  RheoSquaredDistances(N, N, D, c->x1, c->x0, cost);
  OK(RheoAssign(N, cost, column, &total));
  assert_true(fabs(Cost(c, c->x1, c->x0, D) - total) < 1e-9 * total);
  c->x1[5] = NAN;
  REJECTS(Pair(c, 1), "not finite");
  Free(c);
}

/* Over many draws each partner comes as often as the plan says. */
static void SinkhornDrawsFromThePlan(void **state)
{
  (void)state;
  enum { M = 6, DRAWS = 4000 };
  const RheoSinkhornConfig config = {1.5, 1e-3, 2000};
  double cost[M * M], plan[M * M], error, count[M * M] = {0};
  int iterations;
  Case *c = Start("sinkhorn", M, 0, "regularisation: 1.5");
  RheoSquaredDistances(M, M, D, c->x1, c->x0, cost);
  OK(RheoSinkhorn(M, cost, &config, plan, &iterations, &error));
  for (uint64_t key = 0; key < DRAWS; key++) {
    OK(Pair(c, key));
    for (int i = 0; i < M; i++) count[i * M + c->source[i]]++;
  }
  for (int k = 0; k < M * M; k++) {
    const double p = M * plan[k];
    assert_true(fabs(count[k] / DRAWS - p) < 5 * sqrt(p * (1 - p) / DRAWS) + 1e-9);
  }
  Free(c);
}

/* Where the deck says nothing, pairs of a Schroedinger bridge of diffusion 0.5 are drawn from the plan of 2 sigma^2. */
static void SinkhornKnowsTheBridge(void **state)
{
  (void)state;
  enum { M = 6, DRAWS = 4000 };
  double count[2][M] = {{0}}, p[M], cost[M * M], plan[M * M], error, wrong[M * M], far = 0;
  const RheoSinkhornConfig config = {2 * 0.5 * 0.5, 1e-3, 2000}, fixed = {2, 1e-3, 2000};
  char text[RHEO_ADVICE];
  int iterations;
  Case *c = Start("sinkhorn", M, 0, NULL), *given = Start("sinkhorn", M, 0, "regularisation: 2");
  c->pairs.sigma = given->pairs.sigma = 0.5;
  RheoSquaredDistances(M, M, D, c->x1, c->x0, cost);
  OK(RheoSinkhorn(M, cost, &config, plan, &iterations, &error));
  OK(RheoSinkhorn(M, cost, &fixed, wrong, &iterations, &error));
  for (uint64_t key = 0; key < DRAWS; key++) {
    OK(Pair(c, key));
    OK(Pair(given, key));
    count[0][c->source[0]]++;
    count[1][given->source[0]]++;
  }
  for (int j = 0; j < M; j++) {
    p[j] = M * plan[j];
    assert_true(fabs(count[0][j] / DRAWS - p[j]) < 5 * sqrt(p[j] * (1 - p[j]) / DRAWS) + 1e-9);
    assert_true(fabs(count[1][j] / DRAWS - M * wrong[j]) < 5 * sqrt(0.25 / DRAWS));
    far = fmax(far, fabs(p[j] - M * wrong[j]));
  }
  assert_true(far > 10 * sqrt(0.25 / DRAWS)); /* the two can be told apart */

  c->type->advise(c->config, &c->pairs, text);
  assert_string_equal(text, "");
  given->type->advise(given->config, &given->pairs, text);
  assert_non_null(strstr(text, "cnf.sinkhorn.regularisation is 2"));
  assert_non_null(strstr(text, "2 cnf.sigma^2 = 0.5"));
  assert_true(strlen(text) < RHEO_ADVICE - 1);
  given->pairs.sigma = 1;
  given->type->advise(given->config, &given->pairs, text);
  assert_string_equal(text, "");
  given->pairs.sigma = 0;
  given->type->advise(given->config, &given->pairs, text);
  assert_string_equal(text, "");
  Free(c);
  Free(given);
}

static void SinkhornSaysWhereItIsNoPlan(void **state)
{
  (void)state;
  Case *c = Start("sinkhorn", N, 0, "regularisation: 1e-4, most: 2");
  REJECTS(Pair(c, 1), "cnf.sinkhorn.most");
  Free(c);
}

/* Within each class the optimum of that class: as a large weight in one assignment gives it. */
static void ClassesKeepToThemselves(void **state)
{
  (void)state;
  static double cost[N * N];
  int32_t column[N];
  double with_weight = 0;
  Case *c = Start("c2ot", N, 5, "condition: classes");
  OK(Pair(c, 1));
  assert_true(IsPermutation(c));
  RheoSquaredDistances(N, N, D, c->x1, c->x0, cost);
  for (int k = 0; k < N * N; k++)
    cost[k] += 1e6 * (memcmp(c->y + k / N * C, c->y + k % N * C, C * sizeof(float)) != 0);
  OK(RheoAssign(N, cost, column, &with_weight));
  assert_true(Cost(c, c->y, c->y, C) == 0);
  assert_true(fabs(Cost(c, c->x1, c->x0, D) - with_weight) < 1e-9 * with_weight);
  Free(c);
}

/* Nearer conditions than plain OT, nearer points than the pairs drawn; a larger ratio moves from one to the other. */
static void ContinuousConditionsAreTradedForDistance(void **state)
{
  (void)state;
  double last_points = INFINITY, last_conditions = 0;
  Case *c = Start("exact", N, 0, NULL);
  for (int i = 0; i < N; i++) c->source[i] = i;
  const double drawn = Cost(c, c->x1, c->x0, D);
  OK(Pair(c, 1));
  const double best = Cost(c, c->x1, c->x0, D), worst_conditions = Cost(c, c->y, c->y, C);
  Free(c);
  for (int k = 0; k < 3; k++) {
    static const char *const ratios[] = {"condition: continuous, ratio: 0.02", "condition: continuous",
                                         "condition: continuous, ratio: 0.2"};
    c = Start("c2ot", N, 0, ratios[k]);
    OK(Pair(c, 1));
    assert_true(IsPermutation(c));
    const double points = Cost(c, c->x1, c->x0, D), conditions = Cost(c, c->y, c->y, C);
    assert_true(points >= best * (1 - 1e-12) && points < drawn);
    assert_true(points < last_points && conditions > last_conditions && conditions < worst_conditions);
    last_points = points;
    last_conditions = conditions;
    Free(c);
  }
}

/* Of all pairs, those that cost no more than row i's own at weight w. */
static double Share(const double *cost, const double *change, double w)
{
  int count = 0;
  for (int k = 0; k < N * N; k++) count += cost[k] + w * change[k] <= cost[k / N * N + k / N];
  return (double)count / (N * N);
}

/* The weight of a share, which falls with it. */
static double WeightOf(const double *cost, const double *change, double share)
{
  double low = 1e-6, high = 1e6;
  for (int k = 0; k < 100; k++) {
    const double w = sqrt(low * high);
    if (Share(cost, change, w) > share)
      low = w;
    else
      high = w;
  }
  assert_true(fabs(Share(cost, change, high) - share) < 3. / (N * N));
  return high;
}

/* How far the pairs of a case are from the best at weight w, of the latter's cost. */
static double Gap(const Case *c, const double *cost, const double *change, double w)
{
  static double sum[N * N];
  double best, own = 0;
  int32_t column[N];
  for (int k = 0; k < N * N; k++) sum[k] = cost[k] + w * change[k];
  OK(RheoAssign(N, sum, column, &best));
  for (int i = 0; i < N; i++) own += sum[i * N + c->source[i]];
  return own / best - 1;
}

/* The pairs are the best ones at the weight that gives the share asked for, and not at those of half of it or twice of it. */
static void TheRatioIsTheShareOfPairs(void **state)
{
  (void)state;
  static const double ratios[] = {0.03, 0.05, 0.2}; /* each row has its own pair: 0.0104 at least */
  static double cost[N * N], change[N * N];
  for (int k = 0; k < 3; k++) {
    char text[64];
    snprintf(text, sizeof text, "condition: continuous, ratio: %g", ratios[k]);
    Case *c = Start("c2ot", N, 0, text);
    OK(Pair(c, 1));
    RheoSquaredDistances(N, N, D, c->x1, c->x0, cost);
    RheoSquaredDistances(N, N, C, c->y, c->y, change);
    const double at = Gap(c, cost, change, WeightOf(cost, change, ratios[k])),
                 half = Gap(c, cost, change, WeightOf(cost, change, ratios[k] / 2)),
                 twice = Gap(c, cost, change, WeightOf(cost, change, ratios[k] * 2));
    print_message("ratio %g: from the best %.2g, at half of it %.2g, at twice %.2g\n", ratios[k], at, half,
                  twice);
    assert_true(at < 1e-4 && half > 1e-3 && twice > 1e-3);
    Free(c);
  }
}

static void EqualConditionsLeavePlainTransport(void **state)
{
  (void)state;
  Case *c = Start("c2ot", N, 1, "condition: continuous"), *plain = Start("exact", N, 1, NULL);
  OK(Pair(c, 1));
  OK(Pair(plain, 1));
  assert_true(fabs(Cost(c, c->x1, c->x0, D) - Cost(plain, c->x1, c->x0, D)) <
              1e-9 * Cost(c, c->x1, c->x0, D));
  Free(c);
  Free(plain);
}

static void ConditionsThatCannotServeAreRejected(void **state)
{
  (void)state;
  Case *c = Start("c2ot", N, 0, "condition: classes");
  REJECTS(Pair(c, 1), "continuous");
  char text[RHEO_ADVICE];
  c->type->advise(c->config, &c->pairs, text);
  assert_non_null(strstr(text, "take continuous"));
  assert_true(strlen(text) < RHEO_ADVICE - 1);
  memcpy(c->y + (N - 1) * C, c->y, C * sizeof(float));
  c->type->advise(c->config, &c->pairs, text);
  assert_string_equal(text, "");
  c->pairs.c = 0;
  c->pairs.y = NULL;
  REJECTS(Pair(c, 1), "take exact");
  Free(c);
}

static void WeightsAreGibbs(void **state)
{
  (void)state;
  static const char *const texts[] = {"cost: squared, epsilon: 3", "cost: norm, epsilon: 0.5",
                                      "epsilon: 1e-6", "epsilon: 1e9"};
  static const double epsilons[] = {3, 0.5, 1e-6, 1e9};
  for (int k = 0; k < 4; k++) {
    Case *c = Start("weighted", N, 0, texts[k]);
    double cost[N], least = INFINITY, sum = 0;
    OK(Pair(c, 1));
    for (int i = 0; i < N; i++) {
      cost[i] =
          pow((double)c->x1[2 * i] - c->x0[2 * i], 2) + pow((double)c->x1[2 * i + 1] - c->x0[2 * i + 1], 2);
      if (k == 1) cost[i] = sqrt(cost[i]);
      least = fmin(least, cost[i]);
    }
    for (int i = 0; i < N; i++) sum += exp((least - cost[i]) / epsilons[k]);
    for (int i = 0; i < N; i++)
      assert_true(fabs(c->weight[i] - N * exp((least - cost[i]) / epsilons[k]) / sum) < 1e-5 * N);
    Free(c);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(EveryTypeIsAPureFunction),
      cmocka_unit_test(ExactIsTheAssignment),
      cmocka_unit_test(SinkhornDrawsFromThePlan),
      cmocka_unit_test(SinkhornKnowsTheBridge),
      cmocka_unit_test(SinkhornSaysWhereItIsNoPlan),
      cmocka_unit_test(ClassesKeepToThemselves),
      cmocka_unit_test(ContinuousConditionsAreTradedForDistance),
      cmocka_unit_test(TheRatioIsTheShareOfPairs),
      cmocka_unit_test(EqualConditionsLeavePlainTransport),
      cmocka_unit_test(ConditionsThatCannotServeAreRejected),
      cmocka_unit_test(WeightsAreGibbs),
  };
  return RUN_TESTS(argc, argv, tests);
}
