/* How good a transport is: samples and densities against test points. */
#include "../base/stop.h"
#include "distance.h"
#include "summary.h"
#include "transport_impl.h"
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

/* The integral of |dx/dt|^2 along row i's path (steps + 1, n, d), from its places after every `stride` steps. */
static double Chords(int steps, int stride, int64_t n, int d, int64_t i, const double *path)
{
  const int pieces = steps / stride;
  double energy = 0;

  for (int k = 0; k < pieces; k++)
    for (int j = 0; j < d; j++)
      energy +=
          pieces * pow(path[((k + 1) * stride * n + i) * d + j] - path[(k * stride * n + i) * d + j], 2);
  return energy;
}

/* What chords miss is a series in even powers of their length; three lengths take the first two powers out (Romberg). */
static double Smooth(int steps, int64_t n, int d, int64_t i, const double *path)
{
  const double fine = Chords(steps, 1, n, d, i, path), middle = Chords(steps, 2, n, d, i, path),
               coarse = Chords(steps, 4, n, d, i, path), one = fine + (fine - middle) / 3;
  return one + (one - (middle + (middle - coarse) / 3)) / 15;
}

/* energy (n): the integral of |dx/dt|^2 along a row's path in the data's coordinates, which the solver's own, of the field's,
 * is not where features are standardised. Of fixed steps it is over their chords, as publications have it; of an adaptive
 * solve, which goes along a curve, over that curve. Every stop costs a step. */
static PetscErrorCode PathEnergies(RheoTransport t, const RheoTransportRows *rows,
                                   const RheoSolveConfig *solve, double *energy)
{
  enum { ADAPTIVE = 16, AT_ONCE = 1024, NUMBERS = 1 << 24 };
  const int d = RheoTransportSize(t), steps = solve->steps ? (int)solve->steps : ADAPTIVE;
  const int64_t one =
      (int64_t)(steps + 1) * d; /* rows of fixed steps share none, so that few at once go the same way */
  const int64_t at_once = solve->steps ? PetscMax(1, PetscMin(AT_ONCE, NUMBERS / one)) : AT_ONCE;
  const int m = RheoDataSetConditions(t->target);
  double *times, *path;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(steps + 1, &times, at_once * one, &path));
  for (int k = 0; k <= steps; k++) times[k] = (double)k / steps;
  for (int64_t first = 0; first < rows->n; first += at_once) {
    RheoTransportRows some = *rows;
    some.n = PetscMin(at_once, rows->n - first);
    some.source = rows->source + first * d;
    some.condition = m ? rows->condition + first * m : NULL;
    some.first = rows->first + (uint64_t)first;
    PetscCall(RheoTransportPath(t, &some, solve, steps + 1, times, path, NULL));
    PetscCall(RheoStopCheck(t->comm, "while paths were measured"));
    for (int64_t i = 0; i < some.n; i++)
      energy[first + i] =
          solve->steps ? Chords(steps, 1, some.n, d, i, path) : Smooth(steps, some.n, d, i, path);
  }
  PetscCall(PetscFree2(times, path));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestPoints(RheoTransport t, int64_t n, RheoTransportTest *test)
{
  const int d = RheoTransportSize(t), m = RheoDataSetConditions(t->target);

  PetscFunctionBeginUser;
  PetscCall(RheoDataSetRead(t->target));
  n = PetscMin(n, RheoDataSetTestCount(t->target));
  if (t->source) {
    PetscCall(RheoDataSetRead(t->source));
    n = PetscMin(n, RheoDataSetTestCount(t->source));
  }
  *test = (RheoTransportTest){.n = n, .w2_source = NAN, .w2_floor = NAN};
  PetscCall(
      PetscMalloc4(n * d, &test->source, n * d, &test->target, n * m, &test->condition, n * d, &test->start));
  PetscCall(RheoDataSetTest(t->target, 0, n, test->target, test->condition));
  if (t->source)
    PetscCall(RheoDataSetTest(t->source, 0, n, test->source, NULL));
  else
    PetscCall(RheoTransportSource(t, t->seed, UINT64_C(1) << 40, n, test->source));
  if (t->continuous) {
    const RheoTransportRows rows = {n, test->source, test->condition, t->seed, UINT64_C(1) << 40};
    PetscCall(RheoTransportPath(t, &rows, NULL, 1, (const double[]){0}, test->start, NULL));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestCreate(RheoTransport t, int64_t n, RheoTransportTest *test)
{
  const int d = RheoTransportSize(t);
  double *other;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportTestPoints(t, n, test));
  if (t->continuous)
    PetscCall(RheoWasserstein(t->comm, d, test->n, test->start, test->target, &test->w2_source));
  if (RheoDataSetToy(t->target)) {
    PetscCall(PetscMalloc1(test->n * d, &other));
    PetscCall(RheoDataSetTest(t->target, test->n, test->n, other, NULL));
    PetscCall(RheoWasserstein(t->comm, d, test->n, other, test->target, &test->w2_floor));
    PetscCall(PetscFree(other));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestFree(RheoTransportTest *test)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(test->source, test->target, test->condition, test->start));
  PetscFunctionReturn(RHEO_OK);
}

/* KL(N(m, S) | N(mu, v I)) with the moments of x (n, D). */
static PetscErrorCode NormalKl(int64_t n, int d, const double *x, double mu, double v, double *kl)
{
  gsl_matrix *s = gsl_matrix_calloc((size_t)d, (size_t)d);
  double *mean, trace = 0, distance = 0, log_det = 0;

  PetscFunctionBeginUser;
  PetscCheck(s, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for a covariance of %d dimensions", d);
  PetscCall(PetscCalloc1(d, &mean));
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < d; j++) mean[j] += x[i * d + j] / (double)n;
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < d; j++)
      for (int k = 0; k <= j; k++)
        *gsl_matrix_ptr(s, (size_t)j, (size_t)k) +=
            (x[i * d + j] - mean[j]) * (x[i * d + k] - mean[k]) / (double)(n - 1);
  for (int j = 0; j < d; j++) {
    trace += gsl_matrix_get(s, (size_t)j, (size_t)j) / v;
    distance += pow(mean[j] - mu, 2) / v;
  }
  const int singular = gsl_linalg_cholesky_decomp1(s);
  for (int j = 0; j < d; j++) log_det += 2 * log(gsl_matrix_get(s, (size_t)j, (size_t)j));
  *kl = singular ? INFINITY : 0.5 * (trace + distance - d - log_det + d * log(v));
  gsl_matrix_free(s);
  PetscCall(PetscFree(mean));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows of samples that arrived go to the front, with their test points. */
static int64_t Compact(int64_t n, int d, double *x, double *target, double *energy)
{
  int64_t good = 0;
  for (int64_t i = 0; i < n; i++) {
    PetscBool finite = PETSC_TRUE;
    for (int k = 0; k < d; k++) finite = (PetscBool)(finite && isfinite(x[i * d + k]));
    if (!finite) continue;
    memmove(x + good * d, x + i * d, (size_t)d * sizeof *x);
    memmove(target + good * d, target + i * d, (size_t)d * sizeof *x);
    energy[good++] = energy[i];
  }
  return good;
}

static PetscErrorCode Distances(RheoTransport t, int64_t n, const double *x, const double *target,
                                RheoTransportMetrics *m)
{
  enum { DIRECTIONS = 200, PAIRS = 5000 };
  const int d = RheoTransportSize(t);
  const int64_t few = PetscMin(n, PAIRS);
  RheoToy toy = RheoDataSetToy(t->target);
  double mean, sd;

  PetscFunctionBeginUser;
  PetscCall(RheoWasserstein(t->comm, d, n, x, target, &m->w2));
  PetscCall(RheoStopCheck(t->comm, "in the check"));
  PetscCall(RheoSlicedWasserstein(t->comm, d, n, x, n, target, DIRECTIONS, t->seed, &m->sliced_w2));
  PetscCall(RheoMmd(t->comm, d, few, x, few, target, 0, &m->mmd));
  PetscCall(RheoEnergyDistance(t->comm, d, few, x, few, target, &m->energy_distance));
  if (toy && RheoToyIsNormal(toy, &mean, &sd)) PetscCall(NormalKl(n, d, x, mean, sd * sd, &m->normal_kl));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportMeasure(RheoTransport t, const RheoTransportTest *test,
                                    const RheoSolveConfig *solve, RheoTransportMetrics *m)
{
  const int d = RheoTransportSize(t);
  const RheoTransportRows rows = {test->n, test->source, test->condition, t->seed, UINT64_C(1) << 40};
  double *x, *target, *energy;

  PetscFunctionBeginUser;
  *m = (RheoTransportMetrics){0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, {.failed = -1}};
  if (!solve) solve = &t->solve;
  PetscCall(PetscMalloc3(test->n * d, &x, test->n * d, &target, test->n, &energy));
  PetscCall(PetscArraycpy(target, test->target, test->n * d));
  PetscCall(RheoTransportSample(t, &rows, solve, x, NULL, &m->report));
  if (t->continuous) PetscCall(PathEnergies(t, &rows, solve, energy));
  m->n = Compact(test->n, d, x, target, energy);
  m->evaluations = t->continuous ? (double)m->report.evaluations / (double)test->n : NAN;
  if (t->continuous)
    m->path_energy = RheoPathEnergyExcess(RheoSummarize(m->n, 1, energy, 0).mean, test->w2_source);
  if (m->n >= 2) PetscCall(Distances(t, m->n, x, target, m));
  PetscCall(PetscFree3(x, target, energy));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportMeasureDensity(RheoTransport t, const RheoTransportTest *test, double *mean,
                                           double *error, double *exact, int64_t *arrived)
{
  const RheoTransportRows rows = {test->n, NULL, test->condition, t->seed, UINT64_C(1) << 40};
  RheoToy toy = RheoDataSetToy(t->target);
  double *log_prob, *of_toy;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(test->n, &log_prob, test->n, &of_toy));
  PetscCall(RheoTransportLogProb(t, &rows, test->target, log_prob, NULL));
  const RheoSummary s = RheoSummarize(test->n, 1, log_prob, 0);
  *mean = s.mean;
  *error = s.sd / sqrt((double)s.n);
  *arrived = s.n;
  *exact = NAN;
  if (toy && RheoToyHasLogProb(toy) && !RheoDataSetConditions(t->target)) {
    RheoToyLogProb(toy, test->n, test->target, of_toy);
    for (int64_t i = 0; i < test->n; i++)
      if (isnan(log_prob[i])) of_toy[i] = NAN; /* compared are the same points */
    *exact = RheoSummarize(test->n, 1, of_toy, 0).mean;
  }
  PetscCall(PetscFree2(log_prob, of_toy));
  PetscFunctionReturn(RHEO_OK);
}
