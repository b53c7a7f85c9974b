/* Simulation-based calibration and expected coverage from one set of draws. */
#include "calibration.h"
#include "summary.h"
#include <math.h>
#include <stdlib.h>

const RheoKey RheoCalibrationKeys[] = {{"simulations", RHEO_KEY_INT,
                                        offsetof(RheoCalibrationConfig, simulations), "1000", "[10, inf)",
                                        "fresh simulations to calibrate against"},
                                       {"samples", RHEO_KEY_INT, offsetof(RheoCalibrationConfig, samples),
                                        "199", "[9, inf)", "posterior samples of each"},
                                       {"bins", RHEO_KEY_INT, offsetof(RheoCalibrationConfig, bins), "20",
                                        "[2, 1000]", "of the rank histogram; must divide samples + 1"},
                                       {0}};

/* Simulations of checks are far from those of training, which count from 0. */
static const uint64_t CheckFirst = UINT64_C(1) << 40;
enum { GROUP = 32, LEVELS = 19 };

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct {
  RheoPosterior posterior;
  uint64_t seed;
  int d, c, samples;
  /* of one group */
  double *rows, *theta, *log_prob, *true_log_prob;
  uint64_t *index;
} Ranker;

/* Ranks of simulations first .. first + n - 1 (n <= GROUP), whose true parameters and data are given. */
static PetscErrorCode RankGroup(Ranker *r, uint64_t first, int n, const double *theta, const double *x,
                                double *rank, double *density)
{
  const int d = r->d, c = r->c, samples = r->samples;

  PetscFunctionBeginUser;
  for (int i = 0; i < n; i++)
    for (int s = 0; s < samples; s++) {
      PetscCall(PetscArraycpy(r->rows + ((int64_t)i * samples + s) * c, x + (int64_t)i * c, c));
      r->index[i * samples + s] = (first + (uint64_t)i) * (uint64_t)samples + (uint64_t)s;
    }
  PetscCall(RheoPosteriorSampleRows(r->posterior, (int64_t)n * samples, r->rows, r->seed, r->index, r->theta,
                                    r->log_prob));
  PetscCall(RheoPosteriorLogProb(r->posterior, n, theta, x, PETSC_FALSE, r->true_log_prob));
  for (int i = 0; i < n; i++) {
    int denser = 0;
    for (int k = 0; k < d; k++) rank[i * d + k] = 0;
    for (int s = 0; s < samples; s++) {
      const double *sample = r->theta + ((int64_t)i * samples + s) * d;
      for (int k = 0; k < d; k++) rank[i * d + k] += sample[k] < theta[i * d + k];
      denser += r->log_prob[i * samples + s] > r->true_log_prob[i];
    }
    density[i] = (double)denser / samples;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's share: (rank (d), density) of each simulation that was done, one behind the other. */
static PetscErrorCode RankShare(Ranker *r, RheoSimulator simulator, int64_t begin, int64_t end, double *out,
                                int *n_out)
{
  const int d = r->d;
  double *theta, *x, *ranks, density[GROUP];
  int8_t status[GROUP];
  char(*message)[256];
  int count = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(GROUP * d, &theta, GROUP * r->c, &x, GROUP * d, &ranks, RHEO_SIMULATION_STATUSES,
                         &message));
  for (int64_t first = begin; first < end; first += GROUP) {
    const int n = (int)PetscMin(GROUP, end - first);
    PetscCall(RheoSimulate(simulator, RheoPosteriorPrior(r->posterior), r->seed, CheckFirst + (uint64_t)first,
                           n, 1, theta, x, status, message));
    /* A failed simulation has no data; give it something finite and leave its ranks out. */
    for (int i = 0; i < n; i++)
      for (int k = 0; status[i] && k < r->c; k++) x[i * r->c + k] = 0;
    PetscCall(RankGroup(r, CheckFirst + (uint64_t)first, n, theta, x, ranks, density));
    for (int i = 0; i < n; i++) {
      if (status[i]) continue;
      PetscCall(PetscArraycpy(out + (int64_t)count * (d + 2), ranks + (int64_t)i * d, d));
      out[(int64_t)count * (d + 2) + d] = density[i];
      out[(int64_t)count * (d + 2) + d + 1] = (double)(first + i);
      count++;
    }
  }
  *n_out = count;
  PetscCall(PetscFree4(theta, x, ranks, message));
  PetscFunctionReturn(RHEO_OK);
}

/* Histograms and p-values. Ranks are discrete: for KS each is moved by a uniform draw within its step. */
static PetscErrorCode Judge(RheoCalibration *c, uint64_t seed, const double *id)
{
  const int d = c->d, width = (c->samples + 1) / c->bins;
  double *u;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(c->n, &u));
  for (int k = 0; k < d; k++) {
    for (int64_t i = 0; i < c->n; i++) {
      RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_CHECK, (uint32_t)k, (uint64_t)id[i]);
      u[i] = (c->rank[i * d + k] + RheoStreamUniform(&stream)) / (c->samples + 1);
      c->counts[k * c->bins + (int)c->rank[i * d + k] / width] += 1;
    }
    qsort(u, (size_t)c->n, sizeof *u, Ascending);
    c->ks_p[k] = RheoKolmogorovSmirnov(c->n, u);
    c->chi2_p[k] = RheoChiSquareUniform(c->bins, c->counts + k * c->bins);
  }
  for (int64_t i = 0; i < c->n; i++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_CHECK, (uint32_t)d, (uint64_t)id[i]);
    u[i] = (c->density[i] * c->samples + RheoStreamUniform(&stream)) / (c->samples + 1);
  }
  qsort(u, (size_t)c->n, sizeof *u, Ascending);
  c->coverage_ks_p = RheoKolmogorovSmirnov(c->n, u);
  c->coverage_error = 0;
  for (int l = 0; l < LEVELS; l++) {
    int64_t inside = 0;
    c->nominal[l] = (l + 1) / (double)(LEVELS + 1);
    while (inside < c->n && u[inside] <= c->nominal[l]) inside++;
    c->observed[l] = (double)inside / (double)c->n;
    c->coverage_error += fabs(c->observed[l] - c->nominal[l]) / LEVELS;
  }
  PetscCall(PetscFree(u));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Gather(MPI_Comm comm, int width, const double *mine, int n, double **all,
                             int64_t *n_all)
{
  PetscMPIInt size, *counts, *starts, count = (PetscMPIInt)(n * width);

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc2(size, &counts, size, &starts));
  PetscCallMPI(MPI_Allgather(&count, 1, MPI_INT, counts, 1, MPI_INT, comm));
  int64_t total = 0;
  for (int r = 0; r < size; r++) {
    starts[r] = (PetscMPIInt)total;
    total += counts[r];
  }
  PetscCall(PetscMalloc1(total, all));
  PetscCallMPI(MPI_Allgatherv(mine, count, MPI_DOUBLE, *all, counts, starts, MPI_DOUBLE, comm));
  *n_all = total / width;
  PetscCall(PetscFree2(counts, starts));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCalibrate(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                             const RheoCalibrationConfig *config, RheoCalibration *c)
{
  const int d = RheoPosteriorSize(posterior), samples = config->samples;
  Ranker r = {.posterior = posterior,
              .seed = seed,
              .d = d,
              .c = RheoPosteriorDataSize(posterior),
              .samples = samples};
  const int64_t rows = (int64_t)GROUP * samples;
  int64_t begin, end, n;
  double *mine, *all, *id;
  int count = 0;

  PetscFunctionBeginUser;
  RheoInputCheck(
      (samples + 1) % config->bins == 0, comm,
      "check.bins must divide check.samples + 1 = %d, got %d (the histogram's bars would differ in width)",
      samples + 1, config->bins);
  RheoRange(comm, config->simulations, &begin, &end);
  PetscCall(PetscMalloc1((end - begin) * (d + 2), &mine));
  PetscCall(PetscMalloc5(rows * r.c, &r.rows, rows * d, &r.theta, rows, &r.log_prob, GROUP, &r.true_log_prob,
                         rows, &r.index));
  PetscCall(RankShare(&r, simulator, begin, end, mine, &count));
  PetscCall(PetscFree5(r.rows, r.theta, r.log_prob, r.true_log_prob, r.index));
  PetscCall(Gather(comm, d + 2, mine, count, &all, &n));
  PetscCall(PetscFree(mine));
  RheoInputCheck(n >= 10, comm, "only %lld of %d check simulations succeeded; calibration needs at least 10",
                 (long long)n, config->simulations);

  *c = (RheoCalibration){.n = n, .d = d, .samples = samples, .bins = config->bins, .n_levels = LEVELS};
  PetscCall(PetscMalloc1(n * d, &c->rank));
  PetscCall(PetscMalloc1(n, &c->density));
  PetscCall(PetscMalloc1(n, &id));
  PetscCall(PetscCalloc5(d * config->bins, &c->counts, d, &c->chi2_p, d, &c->ks_p, LEVELS, &c->nominal,
                         LEVELS, &c->observed));
  for (int64_t i = 0; i < n; i++) {
    PetscCall(PetscArraycpy(c->rank + i * d, all + i * (d + 2), d));
    c->density[i] = all[i * (d + 2) + d];
    id[i] = all[i * (d + 2) + d + 1];
  }
  PetscCall(PetscFree(all));
  PetscCall(Judge(c, seed, id));
  PetscCall(PetscFree(id));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCalibrationFree(RheoCalibration *c)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(c->rank));
  PetscCall(PetscFree(c->density));
  PetscCall(PetscFree5(c->counts, c->chi2_p, c->ks_p, c->nominal, c->observed));
  *c = (RheoCalibration){0};
  PetscFunctionReturn(RHEO_OK);
}
