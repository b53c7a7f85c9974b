/* Posterior predictive check. */
#include "../base/event.h"
#include "../base/log.h"
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

/* All simulated rows on every rank, in order. */
static PetscErrorCode SimulateAll(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator,
                                  uint64_t seed, int64_t n, const double *theta, double *x)
{
  const int d = RheoPosteriorSize(posterior), c = RheoPosteriorDataSize(posterior);
  int64_t begin, end;
  int8_t *status;
  char(*message)[256];
  double *t;

  PetscFunctionBeginUser;
  RheoRange(comm, n, &begin, &end);
  PetscCall(PetscMalloc3(end - begin, &status, RHEO_SIMULATION_STATUSES, &message, (end - begin) * d, &t));
  PetscCall(PetscArraycpy(t, theta + begin * d, (end - begin) * d));
  PetscCall(RheoSimulate(simulator, RheoPosteriorPrior(posterior), seed, PredictiveFirst + (uint64_t)begin,
                         end - begin, 0, t, x + begin * c, status, message));
  PetscCall(RheoGatherRows(comm, end - begin, c, x + begin * c, x));
  PetscCall(PetscFree3(status, message, t));
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
