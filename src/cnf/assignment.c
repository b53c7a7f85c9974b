/* Linear assignment in two stages.
 *
 * 1. Auction (Bertsekas 1988). A row without a column bids for the one of least cost minus price, and lowers its price by
 *    what it prefers it to the next, plus a stake eps; who had it must bid again. (Prices are negative here: a column that
 *    is wanted becomes dearer by a lower price.) Phases with falling eps, each from the prices of the one before. It ends
 *    within n eps of the optimum; all that is kept are the prices, so single precision will do and bids may be limited.
 * 2. Shortest augmenting paths (Jonker & Volgenant 1987; Crouse 2016). Any prices v are a feasible dual with u_i = min_j
 *    (c_ij - v_j). Rows take the column where that is attained; each row that is left over gets one by Dijkstra's algorithm
 *    on reduced costs, after which v is feasible again. A row's u_i is not stored but read off its own column, so that
 *    complementary slackness holds exactly; with integer costs no operation of a path rounds.
 *
 * With prices from stage 1 a path looks at some ten rows, from scratch at hundreds: at n = 1024, for a normal and a circle of
 * Gaussians, 200 000 rows are looked at without, 5000 with it, and a bid looks at a row several times as fast. */
#include "assignment.h"
#include "kernels/assignment.h"
#include <math.h>
#include <stdlib.h>

void RheoSquaredDistances(int64_t n0, int64_t n1, int d, const float *x0, const float *x1, double *cost)
{
  enum { COLUMNS = 64, DEPTH = 32 };
  for (int64_t begin = 0; begin < n1; begin += COLUMNS) {
    const int m = (int)PetscMin(COLUMNS, n1 - begin);
    for (int from = 0; from < d; from += DEPTH) {
      const int depth = PetscMin(DEPTH, d - from);
      double y[DEPTH * COLUMNS], x[DEPTH], part[COLUMNS];
      for (int j = 0; j < m; j++)
        for (int k = 0; k < depth; k++) y[k * COLUMNS + j] = x1[(begin + j) * d + from + k];
      for (int64_t i = 0; i < n0; i++) {
        double *to = cost + i * n1 + begin;
        for (int k = 0; k < depth; k++) x[k] = x0[i * d + from + k];
        squared_distances(m, depth, x, y, COLUMNS, from ? part : to);
        for (int j = 0; from && j < m; j++) to[j] += part[j];
      }
    }
  }
}

typedef struct {
  int n, padded;      /* padded: to ASSIGNMENT_LANES */
  const double *cost; /* (n, n), or NULL: distances of points as they are needed */
  float *scaled;      /* (n, padded): cost for the auction, likewise */
  /* points: x (n, d), y (d, n); and scaled, (n, d), (d, padded) */
  int d;
  const double *x;
  double *y;
  float *x_scaled, *y_scaled;
  double *row;       /* (n) room for a row of costs */
  float *row_scaled; /* (padded) */
  double unit;       /* one unit of the scaled costs; 0: all costs are equal */

  float *bid_price;     /* (padded) */
  double *price, *open; /* v; and with the columns that Dijkstra is done with at -infinity */
  double *distance, *done_distance;
  int32_t *from, *column, *owner; /* owner: of a column, -1 for none */
  int32_t *left, *done, *vacant;  /* rows left over, columns done, columns without an owner */
  int n_vacant;
} Solver;

static const double *Row(const Solver *s, int i)
{
  if (s->cost) return s->cost + (size_t)i * (size_t)s->n;
  squared_distances(s->n, s->d, s->x + (size_t)i * (size_t)s->d, s->y, s->n, s->row);
  return s->row;
}

static const float *ScaledRow(const Solver *s, int i)
{
  if (s->scaled) return s->scaled + (size_t)i * (size_t)s->padded;
  squared_distances_single(s->padded, s->d, s->x_scaled + (size_t)i * (size_t)s->d, s->y_scaled, s->padded,
                           s->row_scaled);
  return s->row_scaled;
}

/* ---- Auction ---- */

enum {
  LEAST_ROWS = 24,
  BIDS = 200
}; /* below: paths alone are as fast; bids for a row at most, all phases together */

/* In units of the mean cost: stakes of the first phase, from phase to phase, and n times that of the last one. */
static const float FirstStake = 0.05f, StakeRatio = 6, LastStake = 0.3f;

static void Phase(Solver *s, float stake, int64_t *bids)
{
  int n_left = s->n;
  for (int i = 0; i < s->n; i++) {
    s->owner[i] = -1;
    s->left[i] = s->n - 1 - i;
  }
  while (n_left > 0 && (*bids)-- > 0) {
    const int i = s->left[--n_left];
    float least, second;
    const int j = two_minima_single(s->padded, ScaledRow(s, i), s->bid_price, &least, &second);
    s->bid_price[j] -= second - least + stake;
    if (s->owner[j] >= 0) s->left[n_left++] = s->owner[j];
    s->owner[j] = i;
  }
}

static void Auction(Solver *s)
{
  const float last = LastStake / (float)s->n;
  int64_t bids = (int64_t)BIDS * s->n;
  for (int j = 0; j < s->padded; j++) s->bid_price[j] = 0;
  for (float stake = FirstStake; stake > last; stake /= StakeRatio) Phase(s, stake, &bids);
  Phase(s, last, &bids);
  for (int j = 0; j < s->n; j++) s->price[j] = s->unit * s->bid_price[j];
}

/* ---- Shortest augmenting paths ---- */

/* Every row asks for a column where its reduced cost is least; one that the auction gave it is preferred over others' wishes.
 * Returns how many rows are left over. */
static int TakeLeast(Solver *s)
{
  int n_left = 0;
  for (int i = 0; i < s->n; i++) s->column[i] = least_column(s->n, Row(s, i), s->price);
  for (int j = 0; j < s->n; j++)
    if (s->owner[j] >= 0 && s->column[s->owner[j]] != j) s->owner[j] = -1;
  for (int i = 0; i < s->n; i++) {
    const int j = s->column[i];
    if (s->owner[j] < 0) s->owner[j] = i;
    if (s->owner[j] != i) s->left[n_left++] = i;
  }
  s->n_vacant = 0;
  for (int j = 0; j < s->n; j++)
    if (s->owner[j] < 0) s->vacant[s->n_vacant++] = j;
  return n_left;
}

/* A column that nobody owns, no farther than reached; -1 where there is none. */
static int FindVacant(const Solver *s, double reached)
{
  for (int k = 0; k < s->n_vacant; k++)
    if (s->distance[s->vacant[k]] <= reached) return s->vacant[k];
  return -1;
}

static void Occupy(Solver *s, int j)
{
  int k = 0;
  while (s->vacant[k] != j) k++;
  s->vacant[k] = s->vacant[--s->n_vacant];
}

static void Augment(Solver *s, int start)
{
  const int n = s->n;
  const double *cost = Row(s, start);
  double base = 0, reached = -INFINITY;
  int i = start, j, n_done = 0;
  for (int k = 0; k < n; k++) {
    s->open[k] = s->price[k];
    s->distance[k] = INFINITY;
  }
  for (;;) {
    const double before = reached;
    j = relax_row(n, cost, base, s->open, i, s->distance, s->from);
    reached = s->distance[j];
    if (reached <= before) { /* a tie; where costs have many, only a look at its end ends it soon */
      const int vacant = FindVacant(s, reached);
      if (vacant >= 0) j = vacant;
    }
    if (s->owner[j] < 0) break;
    s->done[n_done] = j;
    s->done_distance[n_done++] = reached;
    s->open[j] = -INFINITY;
    s->distance[j] = INFINITY;
    i = s->owner[j];
    cost = Row(s, i);
    base = reached - (cost[j] - s->price[j]);
  }
  Occupy(s, j);
  for (int k = 0; k < n_done; k++) s->price[s->done[k]] += s->done_distance[k] - reached;
  do {
    const int next = s->column[i = s->from[j]];
    s->owner[j] = i;
    s->column[i] = j;
    j = next;
  } while (i != start);
}

/* ---- Set-up ---- */

/* The scale of a matrix of costs, each row above its least one; and that they are finite. */
static PetscErrorCode Survey(Solver *s)
{
  double sum = 0;

  PetscFunctionBeginUser;
  for (int i = 0; i < s->n; i++) {
    double least = INFINITY;
    const double of_row = sum_and_least(s->n, Row(s, i), &least) / s->n;
    if (!isfinite(of_row - least)) {
      const double *row = Row(s, i);
      for (int j = 0; j < s->n; j++)
        if (!isfinite(row[j]))
          RheoInputError(PETSC_COMM_SELF,
                         "an assignment needs finite costs; that of row %d and column %d is not finite (%g)",
                         i, j, row[j]);
    }
    sum += of_row - least;
  }
  s->unit = sum / s->n;
  if (!(isfinite(s->unit) && isfinite(1 / s->unit)))
    s->unit = 0; /* beyond what can be added up: paths alone */
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ScaleMatrix(Solver *s)
{
  const size_t padded = (size_t)s->padded;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)s->n * padded, &s->scaled));
  for (int i = 0; i < s->n; i++) {
    float *to = s->scaled + (size_t)i * padded;
    double least = INFINITY;
    sum_and_least(s->n, Row(s, i), &least);
    scale_row(s->n, least, 1 / s->unit, Row(s, i), to);
    for (int j = s->n; j < s->padded; j++) to[j] = INFINITY;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Points about their common mean, in units of the root of the mean cost: single precision then loses nothing of note. */
static PetscErrorCode ScalePoints(Solver *s)
{
  const int n = s->n, d = s->d;
  double sum = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3((size_t)n * (size_t)d, &s->x_scaled, (size_t)s->padded * (size_t)d, &s->y_scaled,
                         s->padded, &s->row_scaled));
  for (int64_t k = 0, step = PetscMax(1, n / 64); k < n; k += step) {
    double least = INFINITY;
    sum += sum_and_least(n, Row(s, (int)k), &least) * (double)step / n;
  }
  s->unit = sum / n;
  if (!(isfinite(s->unit) && isfinite(1 / s->unit))) s->unit = 0;
  const double scale = s->unit > 0 ? 1 / sqrt(s->unit) : 0;
  for (int k = 0; k < d; k++) {
    double mean = 0;
    for (int64_t i = 0; i < n; i++)
      mean += (s->x[i * d + k] + s->y[(size_t)k * (size_t)n + (size_t)i]) / (2.0 * n);
    for (int64_t i = 0; i < n; i++) s->x_scaled[i * d + k] = (float)((s->x[i * d + k] - mean) * scale);
    float *to = s->y_scaled + (size_t)k * (size_t)s->padded;
    for (int i = 0; i < s->padded; i++)
      to[i] = i < n ? (float)((s->y[(size_t)k * (size_t)n + (size_t)i] - mean) * scale) : INFINITY;
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Solve(Solver *s, int32_t *column, double *total)
{
  const int n = s->n;

  PetscFunctionBeginUser;
  s->column = column;
  PetscCall(PetscMalloc5(s->padded, &s->bid_price, n, &s->price, n, &s->open, n, &s->distance, n,
                         &s->done_distance));
  PetscCall(PetscMalloc5(n, &s->from, n, &s->owner, n, &s->left, n, &s->done, n, &s->vacant));
  for (int j = 0; j < n; j++) {
    s->price[j] = 0;
    s->owner[j] = -1;
  }
  if (s->unit > 0 && n >= LEAST_ROWS) Auction(s);
  const int n_left = TakeLeast(s);
  for (int k = 0; k < n_left; k++) Augment(s, s->left[k]);
  if (total) {
    *total = 0;
    for (int i = 0; i < n; i++) *total += Row(s, i)[column[i]];
  }
  PetscCall(PetscFree5(s->bid_price, s->price, s->open, s->distance, s->done_distance));
  PetscCall(PetscFree5(s->from, s->owner, s->left, s->done, s->vacant));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckRows(int64_t n)
{
  PetscFunctionBeginUser;
  PetscCheck(n > 0 && n <= INT32_MAX - ASSIGNMENT_LANES, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "An assignment of %lld rows", (long long)n);
  PetscFunctionReturn(RHEO_OK);
}

static int Padded(int64_t n)
{
  return (int)((n + ASSIGNMENT_LANES - 1) / ASSIGNMENT_LANES * ASSIGNMENT_LANES);
}

PetscErrorCode RheoAssign(int64_t n, const double *cost, int32_t *column, double *total)
{
  Solver s = {.n = (int)n, .cost = cost};

  PetscFunctionBeginUser;
  PetscCall(CheckRows(n));
  s.padded = Padded(n);
  PetscCall(Survey(&s));
  if (s.unit > 0 && n >= LEAST_ROWS) PetscCall(ScaleMatrix(&s));
  PetscCall(Solve(&s, column, total));
  PetscCall(PetscFree(s.scaled));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoAssignPoints(int64_t n, int d, const double *x0, const double *x1, int32_t *column,
                                double *total)
{
  Solver s = {.n = (int)n, .d = d, .x = x0};
  double *stored = NULL;
  int finite = 1;

  PetscFunctionBeginUser;
  PetscCall(CheckRows(n));
  s.padded = Padded(n);
  for (int64_t i = 0; i < n * d; i++) finite &= isfinite(x0[i]) && isfinite(x1[i]);
  RheoInputCheck(finite, PETSC_COMM_SELF, "an assignment needs finite points; some are not finite");
  PetscCall(PetscMalloc2(n * d, &s.y, n, &s.row));
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < d; k++) s.y[k * n + i] = x1[i * d + k];
  if (d > RHEO_ASSIGN_STORED) {
    PetscCall(PetscMalloc1(n * n, &stored));
    for (int64_t i = 0; i < n; i++) squared_distances((int)n, d, x0 + i * d, s.y, n, stored + i * n);
    PetscCall(RheoAssign(n, stored, column, total));
    PetscCall(PetscFree(stored));
  } else {
    PetscCall(ScalePoints(&s));
    PetscCall(Solve(&s, column, total));
    PetscCall(PetscFree3(s.x_scaled, s.y_scaled, s.row_scaled));
  }
  PetscCall(PetscFree2(s.y, s.row));
  PetscFunctionReturn(RHEO_OK);
}
