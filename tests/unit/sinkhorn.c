/* Entropic plans: marginals, the plain kernel form where that works, the exact plan where epsilon is small, and an honest
 * account of what was not reached. */
#include "base/random.h"
#include "check.h"
#include "cnf/assignment.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
  int n;
  double *cost, *plan;
} Problem;

static Problem Make(int n, int d, double shift, uint64_t key)
{
  Problem p = {.n = n,
               .cost = malloc((size_t)n * (size_t)n * sizeof(double)),
               .plan = malloc((size_t)n * (size_t)n * sizeof(double))};
  float *x = malloc((size_t)n * (size_t)d * sizeof *x), *y = malloc((size_t)n * (size_t)d * sizeof *y);
  RheoStreamFillNormal(key, RHEO_STREAM_TEST, 0, (size_t)n, NULL, 0, (size_t)d, x);
  RheoStreamFillNormal(key, RHEO_STREAM_TEST, 1, (size_t)n, NULL, 0, (size_t)d, y);
  for (int i = 0; i < n * d; i++) y[i] += (float)(shift * (i % 3));
  RheoSquaredDistances(n, n, d, x, y, p.cost);
  free(x);
  free(y);
  return p;
}

static void Free(Problem *p)
{
  free(p->cost);
  free(p->plan);
}

static void Solve(Problem *p, double epsilon, double tolerance, int most, int *iterations, double *error)
{
  const RheoSinkhornConfig config = {epsilon, tolerance, most};
  OK(RheoSinkhorn(p->n, p->cost, &config, p->plan, iterations, error));
}

static double ColumnError(const Problem *p)
{
  double error = 0;
  for (int j = 0; j < p->n; j++) {
    double sum = 0;
    for (int i = 0; i < p->n; i++) sum += p->plan[i * p->n + j];
    error += fabs(sum - 1.0 / p->n);
  }
  return error;
}

static void RowsAreExact(const Problem *p)
{
  for (int i = 0; i < p->n; i++) {
    double sum = 0;
    for (int j = 0; j < p->n; j++) sum += p->plan[i * p->n + j];
    assert_true(fabs(sum * p->n - 1) < 1e-12);
  }
}

static void MarginalsAreUniform(void **state)
{
  (void)state;
  static const double epsilons[] = {100, 2, 0.3, 0.05};
  for (int e = 0; e < 4; e++) {
    for (int n = 1; n <= 130; n += 43) {
      Problem p = Make(n, 2, 1, (uint64_t)n);
      double error;
      int iterations;
      Solve(&p, epsilons[e], 1e-6, 100000, &iterations, &error);
      RowsAreExact(&p);
      assert_true(error <= 1.001e-6);
      assert_true(fabs(ColumnError(&p) - error) < 1e-12);
      assert_in_range(iterations, 1, 100000);
      Free(&p);
    }
  }
}

/* Plain iteration on the kernel K = exp(-cost / epsilon): plan u K v in `plan` (n, n). Returns the steps after which at most
 * `tolerance` was wrongly placed in the rows. */
static int Plain(const Problem *p, double epsilon, double tolerance, double *plan)
{
  const int n = p->n;
  double *u = calloc((size_t)n, sizeof *u), *v = malloc((size_t)n * sizeof *v), error = 2;
  int steps = 0;
  for (int j = 0; j < n; j++) v[j] = 1;
  for (int k = 0; k < n * n; k++) plan[k] = exp(-p->cost[k] / epsilon);
  for (; error > tolerance && steps < 100000; steps++) {
    error = 0;
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (int j = 0; j < n; j++) sum += plan[i * n + j] * v[j];
      error += fabs(u[i] * sum - 1.0 / n);
      u[i] = 1 / (n * sum);
    }
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int i = 0; i < n; i++) sum += plan[i * n + j] * u[i];
      v[j] = 1 / (n * sum);
    }
  }
  for (int k = 0; k < n * n; k++) plan[k] *= u[k / n] * v[k % n];
  free(u);
  free(v);
  return steps;
}

static void AgreesWithTheKernelForm(void **state)
{
  (void)state;
  enum { N = 60 };
  Problem p = Make(N, 3, 0.5, 7);
  double plain[N * N], error;
  int iterations;
  Solve(&p, 5, 1e-13, 100000, &iterations, &error);
  Plain(&p, 5, 1e-13, plain);
  for (int k = 0; k < N * N; k++) assert_true(fabs(p.plan[k] - plain[k]) < 1e-11 / N);
  Free(&p);
}

/* Where plain steps are many, half of them does; the plan is the same. */
static void LongerStepsAreFewer(void **state)
{
  (void)state;
  enum { N = 90 };
  static const double epsilons[] = {0.3, 0.1, 0.1, 0.2}, tolerances[] = {1e-9, 1e-3, 1e-6, 1e-8};
  static double plain[N * N];
  for (int k = 0; k < 4; k++) {
    Problem p = Make(N, k == 3 ? 3 : 2, 0.5, (uint64_t)k + 1);
    double error, apart = 0;
    int iterations;
    const int steps = Plain(&p, epsilons[k], tolerances[k], plain);
    Solve(&p, epsilons[k], tolerances[k], 100000, &iterations, &error);
    assert_true(steps > 100 && steps < 100000);
    assert_true(2 * iterations < steps);
    assert_true(error <= 1.001 * tolerances[k]);
    for (int l = 0; l < N * N; l++) apart += fabs(p.plan[l] - plain[l]);
    assert_true(apart < 1000 * tolerances[k]);
    Free(&p);
  }
}

/* The plan's mean cost falls to that of the assignment, and lies within epsilon log n of it. */
static void TendsToTheExactPlan(void **state)
{
  (void)state;
  enum { N = 40 };
  Problem p = Make(N, 2, 1, 3);
  int32_t column[N];
  double total, last = INFINITY;
  OK(RheoAssign(N, p.cost, column, &total));
  for (double epsilon = 10; epsilon > 0.04; epsilon /= 4) {
    double error, mean = 0;
    int iterations;
    Solve(&p, epsilon, 1e-6, 200000, &iterations, &error);
    assert_true(error <= 1.001e-6);
    for (int k = 0; k < N * N; k++) mean += p.plan[k] * p.cost[k];
    assert_true(mean > total / N - 1e-4);
    assert_true(mean < total / N + epsilon * log(N) + 1e-4);
    assert_true(mean < last + 1e-6);
    last = mean;
  }
  Free(&p);
}

/* Points three apart on a line, and the same moved by 0.1: the next best exchange costs 18, 180 epsilon. */
static void IsTheExactPlanWhereGapsAreWide(void **state)
{
  (void)state;
  enum { N = 30 };
  Problem p = Make(N, 1, 0, 1);
  double error;
  int iterations;
  for (int k = 0; k < N * N; k++) p.cost[k] = pow(3 * (k / N) - 3 * (k % N * 7 % N) - 0.1, 2);
  Solve(&p, 0.1, 1e-9, 100000, &iterations, &error);
  assert_true(error <= 1.001e-9);
  for (int k = 0; k < N * N; k++) assert_true(fabs(N * p.plan[k] - (k / N == k % N * 7 % N)) < 1e-7);
  Free(&p);
}

/* What a row or a column pays whoever its partner is does not change the plan. */
static void CommonCostsDoNotMatter(void **state)
{
  (void)state;
  enum { N = 50 };
  Problem p = Make(N, 2, 0, 5), q = Make(N, 2, 0, 5);
  double error;
  int iterations;
  for (int k = 0; k < N * N; k++) q.cost[k] += 300.0 * (k / N) - 200.0 * (k % N % 7);
  Solve(&p, 0.5, 1e-12, 100000, &iterations, &error);
  Solve(&q, 0.5, 1e-12, 100000, &iterations, &error);
  for (int k = 0; k < N * N; k++) assert_true(fabs(p.plan[k] - q.plan[k]) < 1e-9);
  Free(&p);
  Free(&q);
}

/* Costs of 1e6 epsilon: nothing overflows, and what was not reached is told. */
static void TellsWhatWasNotReached(void **state)
{
  (void)state;
  Problem p = Make(100, 2, 1, 9);
  double error;
  int iterations;
  Solve(&p, 2, 1e-9, 3, &iterations, &error);
  assert_int_equal(iterations, 3);
  assert_true(error > 1e-9);
  assert_true(fabs(ColumnError(&p) - error) < 1e-12);
  RowsAreExact(&p);
  Free(&p);
  p = Make(100, 2, 1, 9);
  Solve(&p, 1e-5, 1e-9, 50, &iterations, &error);
  assert_int_equal(iterations, 50);
  assert_true(error > 1e-9 && error < 2);
  assert_true(fabs(ColumnError(&p) - error) < 1e-8); /* logarithms of 1e6 have ten digits behind the point */
  Free(&p);
}

static void CostsThatAreNotFiniteAreRejected(void **state)
{
  (void)state;
  const RheoSinkhornConfig config = {1, 1e-3, 10};
  double cost[4] = {0, 1, NAN, 0}, plan[4], error;
  int iterations;
  REJECTS(RheoSinkhorn(2, cost, &config, plan, &iterations, &error), "not finite");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(MarginalsAreUniform),    cmocka_unit_test(AgreesWithTheKernelForm),
      cmocka_unit_test(LongerStepsAreFewer),    cmocka_unit_test(TendsToTheExactPlan),
      cmocka_unit_test(CommonCostsDoNotMatter), cmocka_unit_test(IsTheExactPlanWhereGapsAreWide),
      cmocka_unit_test(TellsWhatWasNotReached), cmocka_unit_test(CostsThatAreNotFiniteAreRejected),
  };
  return RUN_TESTS(argc, argv, tests);
}
