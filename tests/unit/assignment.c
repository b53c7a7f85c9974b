/* Optimal assignment: against all permutations, against duality, and where costs tie, are huge, tiny or not numbers. */
#include "cnf/assignment.h"
#include "base/random.h"
#include "check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void FillUniform(uint64_t key, int64_t n, double *x)
{
  RheoStream stream = RheoStreamMake(key, RHEO_STREAM_TEST, 0, 0);
  for (int64_t i = 0; i < n; i++) x[i] = RheoStreamUniform(&stream);
}

static double Total(int64_t n, const double *cost, const int32_t *column)
{
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += cost[i * n + column[i]];
  return total;
}

static void IsPermutation(int64_t n, const int32_t *column)
{
  char *seen = calloc((size_t)n, 1);
  for (int64_t i = 0; i < n; i++) {
    assert_true(column[i] >= 0 && column[i] < n);
    assert_false(seen[column[i]]++);
  }
  free(seen);
}

/* Nothing is cheaper: in the graph of exchanges, where row i may take the column of row k at the price of cost[i, column[k]]
 * - cost[i, column[i]], no cycle has negative length (Bellman and Ford). Independent of any duals that the solver had. */
static void IsOptimal(int64_t n, const double *cost, const int32_t *column)
{
  double *length = calloc((size_t)n, sizeof *length), scale = 0;
  int changed = 1;
  for (int64_t k = 0; k < n * n; k++) scale = fmax(scale, fabs(cost[k]));
  for (int64_t round = 0; round < n && changed; round++) {
    changed = 0;
    for (int64_t i = 0; i < n; i++) {
      for (int64_t k = 0; k < n; k++) {
        const double there = length[i] + cost[i * n + column[k]] - cost[i * n + column[i]];
        if (there >= length[k] - 1e-12 * scale) continue;
        length[k] = there;
        changed = 1;
      }
    }
  }
  assert_false(changed);
  free(length);
}

static void Permute(int n, int k, int *order, const double *cost, double sum, double *least)
{
  if (k == n) {
    *least = fmin(*least, sum);
    return;
  }
  for (int j = k; j < n; j++) {
    const int at = order[j];
    order[j] = order[k];
    order[k] = at;
    Permute(n, k + 1, order, cost, sum + cost[k * n + at], least);
    order[k] = order[j];
    order[j] = at;
  }
}

static void AgreesWithAllPermutations(void **state)
{
  (void)state;
  static const double scales[] = {1, 1e-150, 1e150};
  for (int n = 1; n <= 7; n++) {
    for (uint64_t key = 0; key < 60; key++) {
      double cost[49], least = INFINITY, total;
      int order[7];
      int32_t column[7];
      FillUniform(100 * key + (uint64_t)n, n * n, cost);
      for (int k = 0; k < n * n; k++) {
        if (key % 3 == 1) cost[k] = floor(4 * cost[k]); /* ties */
        cost[k] = (cost[k] - (key % 2 ? 0.5 : 0)) * scales[key % 5 % 3];
      }
      for (int i = 0; i < n; i++) order[i] = i;
      Permute(n, 0, order, cost, 0, &least);
      OK(RheoAssign(n, cost, column, &total));
      IsPermutation(n, column);
      assert_true(fabs(total - least) <= 1e-14 * n * scales[key % 5 % 3]);
      assert_true(fabs(total - Total(n, cost, column)) <= 1e-14 * n * scales[key % 5 % 3]);
    }
  }
}

/* Sizes around the block length of the kernels; continuous, integer and constant costs, equal rows and equal columns. */
static void NothingIsCheaper(void **state)
{
  (void)state;
  static const int64_t sizes[] = {1, 2, 8, 63, 64, 65, 127, 128, 200};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const int64_t n = sizes[s];
    double *cost = malloc((size_t)(n * n) * sizeof *cost), total;
    int32_t *column = malloc((size_t)n * sizeof *column);
    for (int kind = 0; kind < 6; kind++) {
      FillUniform((uint64_t)(10 * n + kind), n * n, cost);
      for (int64_t k = 0; k < n * n; k++) {
        const int64_t i = k / n, j = k % n;
        if (kind == 1) cost[k] = floor(10 * cost[k]);
        if (kind == 2) cost[k] = 3;
        if (kind == 3) cost[k] = cost[i / 3 * 3 * n + j]; /* rows in threes */
        if (kind == 4) cost[k] = cost[i * n + j / 3 * 3];
        if (kind == 5) cost[k] = (double)((i + 1) * (j + 1)); /* the hardest for shortest augmenting paths */
      }
      OK(RheoAssign(n, cost, column, &total));
      IsPermutation(n, column);
      IsOptimal(n, cost, column);
      assert_true(fabs(total - Total(n, cost, column)) <= 1e-12 * fabs(total));
      if (kind == 5)
        assert_true(total == (double)(n * (n + 1) * (n + 2)) / 6); /* i goes with n + 1 - i: exact */
    }
    free(cost);
    free(column);
  }
}

/* x0 (n, d) standard normal; x1 too, or 8 Gaussians on a circle in the first two coordinates, as a coupling sees them. */
static void Draw(int64_t n, int d, int circle, uint64_t key, float *x0, float *x1)
{
  RheoStreamFillNormal(key, RHEO_STREAM_TEST, 0, (size_t)n, NULL, 0, (size_t)d, x0);
  RheoStreamFillNormal(key, RHEO_STREAM_TEST, 1, (size_t)n, NULL, 0, (size_t)d, x1);
  for (int64_t i = 0; circle && i < n; i++) {
    for (int k = 0; k < d; k++) x1[i * d + k] *= 0.3f;
    x1[i * d] += 5 * cosf((float)(i % 8) * 0.7853982f);
    x1[i * d + 1] += 5 * sinf((float)(i % 8) * 0.7853982f);
  }
}

static void DistancesMatchTheirDefinition(void **state)
{
  (void)state;
  static const int sizes[][3] = {{1, 1, 1}, {3, 130, 2}, {70, 64, 10}, {5, 65, 33}};
  for (size_t s = 0; s < 4; s++) {
    const int n0 = sizes[s][0], n1 = sizes[s][1], d = sizes[s][2];
    float *x0 = malloc((size_t)(n0 * d) * sizeof *x0), *x1 = malloc((size_t)(n1 * d) * sizeof *x1);
    double *cost = malloc((size_t)(n0 * n1) * sizeof *cost);
    RheoStreamFillNormal(1, RHEO_STREAM_TEST, 2, (size_t)n0, NULL, 0, (size_t)d, x0);
    RheoStreamFillNormal(1, RHEO_STREAM_TEST, 3, (size_t)n1, NULL, 0, (size_t)d, x1);
    for (int k = 0; k < d; k++) x1[k] = x0[k] = 1e4f + x0[k]; /* a form that cancels would lose these */
    RheoSquaredDistances(n0, n1, d, x0, x1, cost);
    assert_true(cost[0] == 0);
    for (int i = 0; i < n0; i++) {
      for (int j = 0; j < n1; j++) {
        double sum = 0;
        for (int k = 0; k < d; k++) sum += pow((double)x0[i * d + k] - (double)x1[j * d + k], 2);
        assert_true(fabs(cost[i * n1 + j] - sum) <= 1e-14 * sum);
      }
    }
    free(x0);
    free(x1);
    free(cost);
  }
}

/* Costs of typical couplings; from the points or from the matrix, the total is the same, and so are repeats. */
static void PointsAndMatrixAgree(void **state)
{
  (void)state;
  static const struct {
    int64_t n;
    int d, circle;
  } cases[] = {{1, 2, 0}, {2, 3, 0}, {200, 2, 1}, {300, 2, 0}, {200, 10, 0}, {150, 40, 0}, {700, 2, 1}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const int64_t n = cases[c].n, size = n * cases[c].d;
    float *x0 = malloc((size_t)size * sizeof *x0), *x1 = malloc((size_t)size * sizeof *x1);
    double *cost = malloc((size_t)(n * n) * sizeof *cost), total, of_points, again;
    double *points = malloc(2 * (size_t)size * sizeof *points);
    int32_t *column = malloc(2 * (size_t)n * sizeof *column);
    Draw(n, cases[c].d, cases[c].circle, c, x0, x1);
    for (int64_t k = 0; k < size; k++) {
      points[k] = x0[k];
      points[size + k] = x1[k];
    }
    RheoSquaredDistances(n, n, cases[c].d, x0, x1, cost);
    OK(RheoAssign(n, cost, column, &total));
    IsPermutation(n, column);
    if (n <= 300) IsOptimal(n, cost, column);
    OK(RheoAssign(n, cost, column + n, &again));
    assert_memory_equal(column, column + n, (size_t)n * sizeof *column);
    assert_true(again == total);
    OK(RheoAssignPoints(n, cases[c].d, points, points + size, column + n, &of_points));
    IsPermutation(n, column + n);
    assert_true(fabs(of_points - total) <= 1e-12 * total);
    free(x0);
    free(x1);
    free(cost);
    free(points);
    free(column);
  }
}

/* A sample and itself, in another order: every point finds itself. Duplicates tie. */
static void EqualPointsMeet(void **state)
{
  (void)state;
  enum { N = 150 };
  float x0[2 * N], x1[2 * N];
  static double cost[N * N];
  int32_t column[N];
  double total;
  for (int copies = 1; copies <= N; copies *= 5) {
    RheoStreamFillNormal(1, RHEO_STREAM_TEST, 0, N, NULL, 0, 2, x0);
    for (int i = 0; i < N; i++) {
      memcpy(x0 + 2 * (ptrdiff_t)i, x0 + 2 * (ptrdiff_t)(i / copies), 2 * sizeof(float));
      const int to = (int)RheoPermute(1, RHEO_STREAM_TEST, 0, N, (uint64_t)i);
      memcpy(x1 + 2 * (ptrdiff_t)to, x0 + 2 * (ptrdiff_t)i, 2 * sizeof(float));
    }
    RheoSquaredDistances(N, N, 2, x0, x1, cost);
    OK(RheoAssign(N, cost, column, &total));
    IsPermutation(N, column);
    assert_true(total == 0);
    for (int i = 0; i < N; i++)
      assert_memory_equal(x0 + 2 * (ptrdiff_t)i, x1 + 2 * (ptrdiff_t)column[i], 2 * sizeof(float));
  }
}

static void CostsThatAreNotFiniteAreRejected(void **state)
{
  (void)state;
  double cost[9] = {1, 2, 3, 4, NAN, 6, 7, 8, 9}, total, points[4] = {0, 1, 2, INFINITY};
  int32_t column[3];
  REJECTS(RheoAssign(3, cost, column, &total), "row 1");
  cost[4] = INFINITY;
  REJECTS(RheoAssign(3, cost, column, NULL), "not finite");
  cost[4] = -INFINITY;
  REJECTS(RheoAssign(3, cost, column, NULL), "not finite");
  cost[4] = 5;
  OK(RheoAssign(3, cost, column, NULL));
  REJECTS(RheoAssignPoints(2, 1, points, points + 2, column, &total), "not finite");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(AgreesWithAllPermutations),
      cmocka_unit_test(NothingIsCheaper),
      cmocka_unit_test(DistancesMatchTheirDefinition),
      cmocka_unit_test(PointsAndMatrixAgree),
      cmocka_unit_test(EqualPointsMeet),
      cmocka_unit_test(CostsThatAreNotFiniteAreRejected),
  };
  return RUN_TESTS(argc, argv, tests);
}
