/* Conditional optimal transport (C2OT, Cheng & Schwing 2025). Plain OT within a batch sends source and condition to places
 * that depend on each other, which no sampler knows; here an assignment pays for a change of condition as well:
 *   cost_ij = |x1_i - x0_j|^2 + w C(y_i, y_j),   x0_j having come with y_j.
 * classes: C counts unequal conditions and w is beyond all distances (the paper takes 1e6 to 1e8). Rows then change places
 *   within their class only, so that the assignment falls apart into one a class, which is what is solved: no weight, no
 *   rounding, and less work.
 * continuous: C = |y_i - y_j|^2, and w is such that a share `ratio` of all pairs costs no more than row i's own pair. The
 *   paper carries w from batch to batch; here each batch finds its own, so that a batch's pairs depend on nothing else. */
#include "../assignment.h"
#include "../coupling_impl.h"
#include "../kernels/assignment.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES, CONTINUOUS };

typedef struct {
  int condition;
  double ratio;
} Config;

static const RheoKey Keys[] = {
    {"condition", RHEO_KEY_CHOICE, offsetof(Config, condition), "classes", "classes|continuous",
     "classes: pairs change within rows of equal condition; continuous: towards near conditions"},
    {"ratio", RHEO_KEY_REAL, offsetof(Config, ratio), "0.05", "(0, 1)",
     "continuous: share of pairs that cost no more than the pair drawn; small keeps to the condition"},
    {0}};

/* ---- Classes ---- */

typedef struct {
  const float *y;
  int c;
  int64_t i;
} Member;

static int SameClass(const Member *a, const Member *b)
{
  return !memcmp(a->y, b->y, (size_t)a->c * sizeof(float));
}

/* By the bits of the condition, then by the row: any order that is total serves. */
static int ByClass(const void *p, const void *q)
{
  const Member *a = p, *b = q;
  const int order = memcmp(a->y, b->y, (size_t)a->c * sizeof(float));
  return order ? order : (a->i > b->i) - (a->i < b->i);
}

/* Rows of x (., d) that are members -> packed (m, d) */
static void Gather(int64_t m, const Member *member, int d, const float *x, float *packed)
{
  for (int64_t i = 0; i < m; i++) memcpy(packed + i * d, x + member[i].i * d, (size_t)d * sizeof(float));
}

static PetscErrorCode PairClass(const RheoPairs *pairs, int64_t m, const Member *member, int32_t *source)
{
  float *x0, *x1;
  int32_t *column;
  double *cost;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(m * pairs->d, &x0, m * pairs->d, &x1, m * m, &cost, m, &column));
  Gather(m, member, pairs->d, pairs->x0, x0);
  Gather(m, member, pairs->d, pairs->x1, x1);
  RheoSquaredDistances(m, m, pairs->d, x1, x0, cost);
  PetscCall(RheoAssign(m, cost, column, NULL));
  for (int64_t i = 0; i < m; i++) source[member[i].i] = (int32_t)member[column[i]].i;
  PetscCall(PetscFree4(x0, x1, cost, column));
  PetscFunctionReturn(RHEO_OK);
}

/* A batch of this many rows that has no two of one class has no classes, by all odds. */
enum { TELLING = 64 };

static PetscErrorCode PairClasses(const RheoPairs *pairs, int32_t *source)
{
  const int64_t n = pairs->n;
  int64_t n_class = 0;
  Member *member;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &member));
  for (int64_t i = 0; i < n; i++) member[i] = (Member){pairs->y + i * pairs->c, pairs->c, i};
  qsort(member, (size_t)n, sizeof *member, ByClass);
  for (int64_t begin = 0, end; begin < n; begin = end) {
    for (end = begin + 1; end < n && SameClass(&member[begin], &member[end]); end++) continue;
    PetscCall(PairClass(pairs, end - begin, member + begin, source));
    n_class++;
  }
  PetscCall(PetscFree(member));
  RheoInputCheck(n < TELLING || n_class < n, PETSC_COMM_SELF,
                 "cnf.c2ot.condition: classes, but the %lld rows of a batch are of as many classes; take "
                 "continuous, or a larger cnf.coupling_batch",
                 (long long)n);
  PetscFunctionReturn(RHEO_OK);
}

/* Fewer than TELLING rows do not tell, and pair with themselves; many rows of the training set do. */
static void Advise(const void *config, const RheoPairs *pairs, char text[RHEO_ADVICE])
{
  const Config *c = config;

  text[0] = 0;
  if (c->condition != CLASSES || pairs->n < TELLING) return;
  for (int64_t i = 0; i < pairs->n; i++)
    for (int64_t j = 0; j < i; j++)
      if (!memcmp(pairs->y + i * pairs->c, pairs->y + j * pairs->c, (size_t)pairs->c * sizeof(float))) return;
  snprintf(
      text, RHEO_ADVICE,
      "cnf.c2ot.condition is classes, but the first %lld rows to train on are of as many classes: pairs stay "
      "as they are drawn, as of cnf.coupling independent; take continuous",
      (long long)pairs->n);
}

/* ---- Continuous conditions ---- */

/* Of all pairs, those that cost no more than row i's own at weight w. */
static double Share(int64_t n, const float *limit, double w)
{
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) count += count_at_least((int)n, limit + i * n, (float)w);
  return (double)count / ((double)n * (double)n);
}

/* The share falls with w. Doubling or halving finds two weights around the ratio, halving of the interval the one between.
 * Where no weight gives the ratio (few rows: each is at least its own) the last one stands. */
static double FindWeight(int64_t n, const float *limit, double start, double ratio)
{
  enum { DOUBLINGS = 40, HALVINGS = 20 };
  double low = start, high = start;
  if (Share(n, limit, start) > ratio) {
    for (int k = 0; k < DOUBLINGS && Share(n, limit, high) > ratio; k++) {
      low = high;
      high *= 2;
    }
  } else {
    for (int k = 0; k < DOUBLINGS && Share(n, limit, low) <= ratio; k++) {
      high = low;
      low /= 2;
    }
  }
  for (int k = 0; k < HALVINGS; k++) {
    const double middle = 0.5 * (low + high), share = Share(n, limit, middle);
    if (fabs(share - ratio) <= 1e-3 * ratio) return middle;
    if (share > ratio)
      low = middle;
    else
      high = middle;
  }
  return high;
}

static PetscErrorCode PairContinuous(const RheoPairs *pairs, double ratio, int32_t *source)
{
  const int64_t n = pairs->n;
  double *cost, *change, mean_cost = 0, mean_change = 0;
  float *limit;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n * n, &cost, n * n, &change, n * n, &limit));
  RheoSquaredDistances(n, n, pairs->d, pairs->x1, pairs->x0, cost);
  RheoSquaredDistances(n, n, pairs->c, pairs->y, pairs->y, change);
  for (int64_t k = 0; k < n * n; k++) {
    mean_cost += cost[k];
    mean_change += change[k];
  }
  if (mean_change > 0 && mean_cost > 0) {
    for (int64_t i = 0; i < n; i++)
      exchange_limits((int)n, cost[i * n + i], cost + i * n, change + i * n, limit + i * n);
    const double w = FindWeight(n, limit, mean_cost / mean_change, ratio);
    for (int64_t k = 0; k < n * n; k++) cost[k] += w * change[k];
  }
  PetscCall(RheoAssign(n, cost, source, NULL));
  PetscCall(PetscFree3(cost, change, limit));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Pair(const void *config, RheoStream *stream, const RheoPairs *pairs, int32_t *source,
                           float *weight)
{
  const Config *c = config;

  PetscFunctionBeginUser;
  (void)stream;
  (void)weight;
  RheoInputCheck(pairs->c > 0, PETSC_COMM_SELF,
                 "cnf.coupling: c2ot couples within conditions, and this flow has none; take exact");
  if (c->condition == CLASSES)
    PetscCall(PairClasses(pairs, source));
  else
    PetscCall(PairContinuous(pairs, c->ratio, source));
  PetscFunctionReturn(RHEO_OK);
}

const RheoCouplingType RheoCouplingType_C2ot = {
    .name = "c2ot",
    .summary = "optimal assignment that keeps to the condition: within classes, or among near conditions",
    .reference = "Cheng & Schwing 2025 (C2OT)",
    .keys = Keys,
    .size = sizeof(Config),
    .couples = 1,
    .needs_condition = 1,
    .pair = Pair,
    .advise = Advise,
};
