/* Distances between samples: closed forms, naive twins, laws of the estimators, the same number on any number of ranks.
 * ranks: 1 3 */
#include "infer/distance.h"
#include "base/random.h"
#include "check.h"
#include "infer/summary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *Normal(int64_t n, int d, double mean, double sd, uint64_t key)
{
  double *x = malloc((size_t)(n * d) * sizeof *x);
  RheoStream stream = RheoStreamMake(key, RHEO_STREAM_TEST, 0, 0);
  for (int64_t i = 0; i < n * d; i++) x[i] = mean + sd * RheoStreamNormal(&stream);
  return x;
}

/* Moving every point by s costs |s|, for any sample. */
static void AShiftIsItsLength(void **state)
{
  (void)state;
  enum { N = 200, D = 3 };
  const double shift[D] = {1, -2, 2};
  double *x = Normal(N, D, 0, 1, 1), y[N * D], w2;
  for (int i = 0; i < N; i++) {
    const int to = (int)RheoPermute(1, RHEO_STREAM_TEST, 0, N, (uint64_t)i);
    for (int k = 0; k < D; k++) y[to * D + k] = x[i * D + k] + shift[k];
  }
  OK(RheoWasserstein(PETSC_COMM_WORLD, D, N, x, y, &w2));
  assert_true(fabs(w2 - 3) < 1e-12);
  OK(RheoWasserstein(PETSC_COMM_WORLD, D, N, x, x, &w2));
  assert_true(w2 == 0);
  /* A projection of the shift is |s| cos, whose mean square is |s|^2 / D. */
  OK(RheoSlicedWasserstein(PETSC_COMM_WORLD, D, N, x, N, y, 4000, 1, &w2));
  assert_true(fabs(w2 * w2 - 9.0 / D) < 5 * 9 * sqrt(4.0 / 45 / 4000)); /* var cos^2 = 4/45 on the sphere */
  free(x);
}

/* In one dimension sorting is optimal, and there is but one direction. */
static void OneDimensionIsSorted(void **state)
{
  (void)state;
  enum { N = 300 };
  double *x = Normal(N, 1, 0, 1, 2), *y = Normal(N, 1, 1, 2, 3), w2, sliced, sum = 0;
  OK(RheoWasserstein(PETSC_COMM_WORLD, 1, N, x, y, &w2));
  OK(RheoSlicedWasserstein(PETSC_COMM_WORLD, 1, N, x, N, y, 3, 1, &sliced));
  RheoSortAscending(N, x);
  RheoSortAscending(N, y);
  for (int i = 0; i < N; i++) sum += (x[i] - y[i]) * (x[i] - y[i]) / N;
  assert_true(fabs(w2 - sqrt(sum)) < 1e-12);
  assert_true(fabs(sliced - sqrt(sum)) < 1e-12);
  free(x);
  free(y);
}

/* Samples of different size: as if each row stood there several times. */
static void SlicesOfUnequalSamples(void **state)
{
  (void)state;
  enum { N0 = 40, N1 = 60, D = 2 };
  double *x = Normal(N0, D, 0, 1, 4), *y = Normal(N1, D, 0.5, 1, 5), x3[3 * N0 * D], y2[2 * N1 * D], w2,
         repeated;
  for (int i = 0; i < 3 * N0; i++) memcpy(x3 + (ptrdiff_t)i * D, x + (ptrdiff_t)(i / 3) * D, D * sizeof *x);
  for (int i = 0; i < 2 * N1; i++) memcpy(y2 + (ptrdiff_t)i * D, y + (ptrdiff_t)(i / 2) * D, D * sizeof *y);
  OK(RheoSlicedWasserstein(PETSC_COMM_WORLD, D, N0, x, N1, y, 20, 1, &w2));
  OK(RheoSlicedWasserstein(PETSC_COMM_WORLD, D, 3 * N0, x3, 2 * N1, y2, 20, 1, &repeated));
  assert_true(fabs(w2 - repeated) < 1e-12);
  free(x);
  free(y);
}

/* N(0, 1) and N(m, s^2), independent coordinates: W2^2 = D (m^2 + (1 - s)^2). A finite sample is off by its own distance to
 * its law, of order n^-1/2 in two dimensions. */
static void NormalsTendToTheClosedForm(void **state)
{
  (void)state;
  enum { N = 1500, D = 2 };
  double *x = Normal(N, D, 0, 1, 6), *y = Normal(N, D, 2, 1.5, 7), w2;
  OK(RheoWasserstein(PETSC_COMM_WORLD, D, N, x, y, &w2));
  assert_true(fabs(w2 - sqrt(D * (4 + 0.25))) < 0.1);
  free(x);
  free(y);
}

static double Naive(int same, int d, int n0, const double *x, int n1, const double *y, double h)
{
  double sum = 0;
  for (int i = 0; i < n0; i++) {
    for (int j = 0; j < n1; j++) {
      double square = 0;
      for (int k = 0; k < d; k++) square += pow(x[i * d + k] - y[j * d + k], 2);
      if (!same || i != j) sum += h > 0 ? exp(-square / (2 * h * h)) : sqrt(square);
    }
  }
  return sum / ((double)n0 * (same ? n1 - 1 : n1));
}

static void AgreesWithPlainSums(void **state)
{
  (void)state;
  enum { N0 = 70, N1 = 131, D = 5 };
  double *x = Normal(N0, D, 0, 1, 8), *y = Normal(N1, D, 0.3, 1, 9), found;
  OK(RheoMmd(PETSC_COMM_WORLD, D, N0, x, N1, y, 1.7, &found));
  assert_true(fabs(found - Naive(1, D, N0, x, N0, x, 1.7) - Naive(1, D, N1, y, N1, y, 1.7) +
                   2 * Naive(0, D, N0, x, N1, y, 1.7)) < 1e-13);
  OK(RheoEnergyDistance(PETSC_COMM_WORLD, D, N0, x, N1, y, &found));
  assert_true(fabs(found + Naive(1, D, N0, x, N0, x, 0) + Naive(1, D, N1, y, N1, y, 0) -
                   2 * Naive(0, D, N0, x, N1, y, 0)) < 1e-12);
  free(x);
  free(y);
}

/* The median of four points in a row 0, 1, 3, 7: distances 1 2 3 4 6 7, the upper one of the middle two. */
static void TheBandwidthIsTheMedian(void **state)
{
  (void)state;
  const double x[2] = {0, 3}, y[2] = {7, 1};
  double by_median, given;
  OK(RheoMmd(PETSC_COMM_WORLD, 1, 2, x, 2, y, 0, &by_median));
  OK(RheoMmd(PETSC_COMM_WORLD, 1, 2, x, 2, y, 4, &given));
  assert_true(by_median == given);
}

/* Without bias: over many pairs of samples of one law the mean is 0; of two laws it is not. */
static void MeansAreZeroForOneLawOnly(void **state)
{
  (void)state;
  enum { REPEATS = 300, N = 30, D = 2 };
  double sum[4] = {0}, squares[2] = {0};
  for (uint64_t r = 0; r < REPEATS; r++) {
    double *x = Normal(N, D, 0, 1, 1000 + 3 * r), *y = Normal(N, D, 0, 1, 1001 + 3 * r);
    double *z = Normal(N, D, 1, 1, 1002 + 3 * r), found[4];
    OK(RheoMmd(PETSC_COMM_SELF, D, N, x, N, y, 1.5, &found[0]));
    OK(RheoEnergyDistance(PETSC_COMM_SELF, D, N, x, N, y, &found[1]));
    OK(RheoMmd(PETSC_COMM_SELF, D, N, x, N, z, 1.5, &found[2]));
    OK(RheoEnergyDistance(PETSC_COMM_SELF, D, N, x, N, z, &found[3]));
    for (int k = 0; k < 4; k++) sum[k] += found[k] / REPEATS;
    for (int k = 0; k < 2; k++) squares[k] += found[k] * found[k] / REPEATS;
    free(x);
    free(y);
    free(z);
  }
  for (int k = 0; k < 2; k++) {
    assert_true(fabs(sum[k]) < 4 * sqrt(squares[k] / REPEATS));
    assert_true(sum[2 + k] > 20 * sqrt(squares[k] / REPEATS));
  }
  /* Gaussian kernel, normals shifted by m in each coordinate: 2 (h^2/(h^2+2))^(D/2) (1 - exp(-D m^2 / (2 (h^2 + 2)))). */
  const double h2 = 1.5 * 1.5, exact = 2 * h2 / (h2 + 2) * (1 - exp(-D / (2 * (h2 + 2))));
  assert_true(fabs(sum[2] - exact) < 0.02);
}

/* All ranks get the bits that one rank alone gets. */
static void RanksDoNotMatter(void **state)
{
  (void)state;
  enum { N = 101, D = 3 };
  double *x = Normal(N, D, 0, 1, 10), *y = Normal(N, D, 0.2, 1, 11), alone, together;
  OK(RheoMmd(PETSC_COMM_SELF, D, N, x, N, y, 0, &alone));
  OK(RheoMmd(PETSC_COMM_WORLD, D, N, x, N, y, 0, &together));
  assert_memory_equal(&alone, &together, sizeof alone);
  OK(RheoEnergyDistance(PETSC_COMM_SELF, D, N, x, N, y, &alone));
  OK(RheoEnergyDistance(PETSC_COMM_WORLD, D, N, x, N, y, &together));
  assert_memory_equal(&alone, &together, sizeof alone);
  OK(RheoSlicedWasserstein(PETSC_COMM_SELF, D, N, x, N, y, 17, 5, &alone));
  OK(RheoSlicedWasserstein(PETSC_COMM_WORLD, D, N, x, N, y, 17, 5, &together));
  assert_memory_equal(&alone, &together, sizeof alone);
  free(x);
  free(y);
}

static void BadSamplesAreRejected(void **state)
{
  (void)state;
  double x[4] = {0, 1, NAN, 3}, y[4] = {0, 1, 2, 3}, found;
  REJECTS(RheoWasserstein(PETSC_COMM_WORLD, 2, 2, x, y, &found), "finite");
  REJECTS(RheoWasserstein(PETSC_COMM_WORLD, 2, 0, x, y, &found), "at least 1");
  REJECTS(RheoMmd(PETSC_COMM_WORLD, 2, 1, y, 2, y, 1, &found), "at least 2");
  REJECTS(RheoMmd(PETSC_COMM_WORLD, 2, 2, y, 2, y, -1, &found), "bandwidth");
  REJECTS(RheoEnergyDistance(PETSC_COMM_WORLD, 2, 2, y, 2, x, &found), "finite");
  REJECTS(RheoSlicedWasserstein(PETSC_COMM_WORLD, 2, 2, y, 2, y, 0, 1, &found), "directions");
}

static void EnergyOfThePath(void **state)
{
  (void)state;
  assert_true(RheoPathEnergyExcess(9, 3) == 0);
  assert_true(fabs(RheoPathEnergyExcess(9.9, 3) - 0.1) < 1e-15);
  assert_true(fabs(RheoPathEnergyExcess(8.1, 3) - 0.1) < 1e-15);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(AShiftIsItsLength),         cmocka_unit_test(OneDimensionIsSorted),
      cmocka_unit_test(SlicesOfUnequalSamples),    cmocka_unit_test(NormalsTendToTheClosedForm),
      cmocka_unit_test(AgreesWithPlainSums),       cmocka_unit_test(TheBandwidthIsTheMedian),
      cmocka_unit_test(MeansAreZeroForOneLawOnly), cmocka_unit_test(RanksDoNotMatter),
      cmocka_unit_test(BadSamplesAreRejected),     cmocka_unit_test(EnergyOfThePath),
  };
  return RUN_TESTS(argc, argv, tests);
}
