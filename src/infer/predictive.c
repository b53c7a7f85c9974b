/* Posterior predictive check. */
#include "../base/event.h"
#include "../base/log.h"
#include "../base/stop.h"
#include "calibration.h"
#include "summary.h"
#include <math.h>

/* Simulations of this check are far from those of training and of calibration. */
static const uint64_t PredictiveFirst = UINT64_C(2) << 40;

/* Column k of the simulations that were done, sorted. */
static int64_t Column(int64_t n, int c, const double *x, int k, double *column)
{
  int64_t m = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(x[i * c + k])) column[m++] = x[i * c + k];
  RheoSortAscending(m, column);
  return m;
}

/* Rows begin .. end - 1, in pieces that grow while they take less than some tenths of a second, so that a request to stop is heard
 * soon and a fast simulator is not called too often. theta from row begin on, x from row 0. */
static PetscErrorCode SimulateShare(RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                                    int64_t begin, int64_t end, double *theta, double *x)
{
  const int d = RheoPosteriorSize(posterior), c = RheoPosteriorDataSize(posterior);
  PetscBool stop = PETSC_FALSE;
  int64_t piece = 8, n;
  int8_t *status;
  char(*message)[256];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(end - begin, &status, RHEO_SIMULATION_STATUSES, &message));
  for (int64_t first = begin; first < end && !stop; first += n) {
    const double start = MPI_Wtime();
    n = PetscMin(piece, end - first);
    PetscCall(RheoSimulate(simulator, RheoPosteriorPrior(posterior), seed, PredictiveFirst + (uint64_t)first,
                           n, 0, theta + (first - begin) * d, x + first * c, status, message));
    if (MPI_Wtime() - start < 0.1) piece *= 2;
    PetscCall(RheoStopPoll(&stop));
  }
  PetscCall(PetscFree2(status, message));
  PetscFunctionReturn(RHEO_OK);
}

/* All simulated rows on every rank, in order. */
static PetscErrorCode SimulateAll(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator,
                                  uint64_t seed, int64_t n, const double *theta, double *x)
{
  const int d = RheoPosteriorSize(posterior), c = RheoPosteriorDataSize(posterior);
  int64_t begin, end;
  double *t;

  PetscFunctionBeginUser;
  RheoRange(comm, n, &begin, &end);
  PetscCall(PetscMalloc1((end - begin) * d, &t));
  PetscCall(PetscArraycpy(t, theta + begin * d, (end - begin) * d));
  PetscCall(SimulateShare(posterior, simulator, seed, begin, end, t, x));
  PetscCall(RheoStopCheck(comm, "in the predictive check"));
  PetscCall(RheoGatherRows(comm, end - begin, c, x + begin * c, x));
  PetscCall(PetscFree(t));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPredictive(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                              int64_t n, const double *theta, const double *observation, double *quantile,
                              double *p)
{
  static const double level[5] = {0.025, 0.25, 0.5, 0.75, 0.975};
  const int c = RheoPosteriorDataSize(posterior);
  double *x, *column;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_PREDICT));
  PetscCall(PetscMalloc2(n * c, &x, n, &column));
  PetscCall(SimulateAll(comm, posterior, simulator, seed, n, theta, x));
  int64_t done = 0;
  for (int64_t i = 0; i < n; i++) done += isfinite(x[i * c]) != 0; /* no data of a failed one are finite */
  if (done < n)
    RheoLog(comm, RHEO_LOG_WARNING,
            "%lld of %lld simulations of the predictive check failed; they are left out",
            (long long)(n - done), (long long)n);
  if (!done) PetscCall(PetscFree2(x, column));
  RheoInputCheck(done > 0, comm, "all %lld simulations of the predictive check failed", (long long)n);
  for (int k = 0; k < c; k++) {
    const int64_t m = Column(n, c, x, k, column);
    int64_t below = 0, above = 0;
    for (int l = 0; l < 5; l++) quantile[l * c + k] = RheoQuantile(m, column, level[l]);
    for (int64_t i = 0; i < m; i++) {
      below += column[i] <= observation[k];
      above += column[i] >= observation[k];
    }
    const double tail = 2.0 * ((double)PetscMin(below, above) + 1) / ((double)m + 1);
    p[k] = tail > 1 ? 1 : tail;
  }
  PetscCall(PetscFree2(x, column));
  PetscCall(RheoEventEnd(RHEO_EVENT_PREDICT));
  PetscFunctionReturn(RHEO_OK);
}
