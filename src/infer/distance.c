#include "distance.h"
#include "../base/random.h"
#include "../base/reduce.h"
#include "../cnf/assignment.h"
#include "../cnf/kernels/assignment.h"
#include "kernels/distance.h"
#include "summary.h"
#include <math.h>

static PetscErrorCode Check(MPI_Comm comm, const char *what, int64_t least, int d, int64_t n0,
                            const double *x, int64_t n1, const double *y)
{
  int finite = 1;

  PetscFunctionBeginUser;
  PetscCheck(d > 0 && n0 <= INT32_MAX && n1 <= INT32_MAX, comm, PETSC_ERR_ARG_OUTOFRANGE,
             "%s of %lld and %lld rows of %d", what, (long long)n0, (long long)n1, d);
  RheoInputCheck(n0 >= least && n1 >= least, comm, "%s needs samples of at least %d rows, got %lld and %lld",
                 what, (int)least, (long long)n0, (long long)n1);
  for (int64_t i = 0; i < n0 * d; i++) finite &= isfinite(x[i]) != 0;
  for (int64_t i = 0; i < n1 * d; i++) finite &= isfinite(y[i]) != 0;
  RheoInputCheck(finite, comm, "%s needs finite samples; some numbers are NaN or infinite", what);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoWasserstein(MPI_Comm comm, int d, int64_t n, const double *x, const double *y, double *w2)
{
  int32_t *column;
  double total;

  PetscFunctionBeginUser;
  PetscCall(Check(comm, "the Wasserstein distance", 1, d, n, x, n, y));
  PetscCall(PetscMalloc1(n, &column));
  PetscCall(RheoAssignPoints(n, d, x, y, column, &total));
  PetscCall(PetscFree(column));
  *w2 = sqrt(total / (double)n);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Sliced ---- */

static void Project(int d, int64_t n, const double *x, const double *direction, double *place)
{
  for (int64_t i = 0; i < n; i++) {
    place[i] = 0;
    for (int k = 0; k < d; k++) place[i] += x[i * d + k] * direction[k];
  }
  RheoSortAscending(n, place);
}

/* Between sorted samples; a[i] holds the quantiles [i / n0, (i + 1) / n0), b[j] likewise, and the common pieces of both are
 * walked through in units of 1 / (n0 n1). */
static double Squared1d(int64_t n0, const double *a, int64_t n1, const double *b)
{
  double sum = 0;
  int64_t i = 0, j = 0, at = 0;
  while (i < n0 && j < n1) {
    const int64_t end0 = (i + 1) * n1, end1 = (j + 1) * n0, end = PetscMin(end0, end1);
    sum += (double)(end - at) * (a[i] - b[j]) * (a[i] - b[j]);
    at = end;
    i += end == end0;
    j += end == end1;
  }
  return sum / ((double)n0 * (double)n1);
}

PetscErrorCode RheoSlicedWasserstein(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1,
                                     const double *y, int directions, uint64_t seed, double *w2)
{
  double *mine, *all, *direction, *a, *b, sum = 0;
  int64_t begin, end;

  PetscFunctionBeginUser;
  PetscCall(Check(comm, "the sliced Wasserstein distance", 1, d, n0, x, n1, y));
  RheoInputCheck(directions > 0, comm,
                 "the sliced Wasserstein distance needs a positive number of directions, got %d", directions);
  PetscCall(PetscCalloc2(directions, &mine, directions, &all));
  PetscCall(PetscMalloc3(d, &direction, n0, &a, n1, &b));
  RheoRange(comm, directions, &begin, &end);
  for (int64_t l = begin; l < end; l++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_CHECK, 0, (uint64_t)l);
    double norm = 0;
    for (int k = 0; k < d; k++) {
      direction[k] = RheoStreamNormal(&stream);
      norm += direction[k] * direction[k];
    }
    for (int k = 0; k < d; k++) direction[k] /= sqrt(norm);
    Project(d, n0, x, direction, a);
    Project(d, n1, y, direction, b);
    mine[l] = Squared1d(n0, a, n1, b);
  }
  /* Each entry comes from one rank and is zero elsewhere, so that this sum is exact. */
  PetscCallMPI(MPI_Allreduce(mine, all, directions, MPI_DOUBLE, MPI_SUM, comm));
  for (int l = 0; l < directions; l++) sum += all[l];
  *w2 = sqrt(sum / directions);
  PetscCall(PetscFree3(direction, a, b));
  PetscCall(PetscFree2(mine, all));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Double sums ---- */

static PetscErrorCode Transpose(int64_t n, int d, const double *x, double **by_coordinate)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n * d, by_coordinate));
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < d; k++) (*by_coordinate)[k * n + i] = x[i * d + k];
  PetscFunctionReturn(RHEO_OK);
}

/* The mean over all pairs of a row of x and one of y, or of two rows of x where y is NULL, of exp(*rate distance^2), or of
 * the distance where rate is NULL. */
static PetscErrorCode MeanOverPairs(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1,
                                    const double *y, const double *rate, double *mean)
{
  const int64_t partners = y ? n1 : n0 - 1;
  double *mine, *all, *square, *to, sum = 0;
  int64_t begin, end;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc2(n0, &mine, n0, &all));
  if (!y) {
    y = x;
    n1 = n0;
  }
  PetscCall(PetscMalloc1(n1, &square));
  PetscCall(Transpose(n1, d, y, &to));
  RheoRange(comm, n0, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    squared_distances((int)n1, d, x + i * d, to, n1, square);
    mine[i] = rate ? sum_of_exponentials((int)n1, *rate, square) : sum_of_roots((int)n1, square);
    if (partners < n1 && rate) mine[i] -= 1; /* itself */
  }
  PetscCallMPI(MPI_Allreduce(mine, all, (int)n0, MPI_DOUBLE, MPI_SUM, comm)); /* exact, as above */
  for (int64_t i = 0; i < n0; i++) sum += all[i];
  *mean = sum / (double)n0 / (double)partners;
  PetscCall(PetscFree(to));
  PetscCall(PetscFree(square));
  PetscCall(PetscFree2(mine, all));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode MedianDistance(int d, int64_t n0, const double *x, int64_t n1, const double *y,
                                     double *median)
{
  enum { MOST = 1000 };
  const int64_t m0 = PetscMin(n0, MOST), m1 = PetscMin(n1, MOST), m = m0 + m1;
  double *rows, *to, *square, *pair;
  int64_t count = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(m * d, &rows, m, &square, m * (m - 1) / 2, &pair));
  for (int64_t i = 0; i < m0; i++) PetscCall(PetscArraycpy(rows + i * d, x + i * n0 / m0 * d, d));
  for (int64_t i = 0; i < m1; i++) PetscCall(PetscArraycpy(rows + (m0 + i) * d, y + i * n1 / m1 * d, d));
  PetscCall(Transpose(m, d, rows, &to));
  for (int64_t i = 0; i < m; i++) {
    squared_distances((int)m, d, rows + i * d, to, m, square);
    for (int64_t j = i + 1; j < m; j++) pair[count++] = square[j];
  }
  RheoSortAscending(count, pair);
  *median = sqrt(pair[count / 2]);
  PetscCall(PetscFree(to));
  PetscCall(PetscFree3(rows, square, pair));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoMmd(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1, const double *y,
                       double bandwidth, double *mmd2)
{
  double xx, yy, xy;

  PetscFunctionBeginUser;
  PetscCall(Check(comm, "the maximum mean discrepancy", 2, d, n0, x, n1, y));
  RheoInputCheck(
      bandwidth >= 0 && isfinite(bandwidth), comm,
      "the bandwidth of the maximum mean discrepancy must be positive, or 0 for the median distance, got %g",
      bandwidth);
  if (bandwidth == 0) PetscCall(MedianDistance(d, n0, x, n1, y, &bandwidth));
  if (!(bandwidth > 0)) bandwidth = 1; /* half of all rows are one point: any scale tells it from others */
  const double rate = -0.5 / (bandwidth * bandwidth);
  PetscCall(MeanOverPairs(comm, d, n0, x, 0, NULL, &rate, &xx));
  PetscCall(MeanOverPairs(comm, d, n1, y, 0, NULL, &rate, &yy));
  PetscCall(MeanOverPairs(comm, d, n0, x, n1, y, &rate, &xy));
  *mmd2 = xx + yy - 2 * xy;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoEnergyDistance(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1,
                                  const double *y, double *energy)
{
  double xx, yy, xy;

  PetscFunctionBeginUser;
  PetscCall(Check(comm, "the energy distance", 2, d, n0, x, n1, y));
  PetscCall(MeanOverPairs(comm, d, n0, x, 0, NULL, NULL, &xx));
  PetscCall(MeanOverPairs(comm, d, n1, y, 0, NULL, NULL, &yy));
  PetscCall(MeanOverPairs(comm, d, n0, x, n1, y, NULL, &xy));
  *energy = 2 * xy - xx - yy;
  PetscFunctionReturn(RHEO_OK);
}

double RheoPathEnergyExcess(double energy, double w2)
{
  return fabs(energy - w2 * w2) / (w2 * w2);
}
