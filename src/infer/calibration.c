/* Simulation-based calibration and expected coverage from one set of draws. */
#include "calibration.h"
#include "../base/event.h"
#include "../base/log.h"
#include "../base/stop.h"
#include "summary.h"
#include <math.h>

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
/* Simulations and posterior samples that are worked on at a time, so that memory does not grow with their numbers. */
enum { GROUP = 8, PIECE = 8192, LEVELS = 19 };

typedef struct {
  const RheoConditional *q;
  uint64_t seed;
  int samples;
  /* of one piece */
  double *x, *theta, *log_prob;
  uint64_t *index;
} Ranker;

/* Counts the samples below each true parameter, those of higher density, and those that are lost, of simulations first ..
 * first + n - 1 (n <= GROUP). theta (n, D), x (n, C), truth (n): log densities of the true parameters; rank (n, D), density (n). */
static PetscErrorCode RankGroup(Ranker *r, uint64_t first, int n, const double *theta, const double *x,
                                const double *truth, double *rank, double *density, int *lost)
{
  const int d = r->q->d, c = r->q->c;
  const int64_t total = (int64_t)n * r->samples;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(rank, n * d));
  PetscCall(PetscArrayzero(density, n));
  PetscCall(PetscArrayzero(lost, n));
  for (int64_t begin = 0; begin < total; begin += PIECE) {
    const int64_t rows = PetscMin(PIECE, total - begin);
    for (int64_t s = 0; s < rows; s++) {
      PetscCall(PetscArraycpy(r->x + s * c, x + (begin + s) / r->samples * c, c));
      r->index[s] = first * (uint64_t)r->samples + (uint64_t)(begin + s);
    }
    PetscCall(r->q->sample(r->q->context, rows, r->x, r->seed, r->index, r->theta, r->log_prob));
    for (int64_t s = 0; s < rows; s++) {
      const int64_t i = (begin + s) / r->samples;
      for (int k = 0; k < d; k++) rank[i * d + k] += r->theta[s * d + k] < theta[i * d + k];
      density[i] += r->log_prob[s] > truth[i];
      lost[i] += isnan(r->log_prob[s]) != 0;
    }
  }
  for (int i = 0; i < n; i++) density[i] /= r->samples;
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's share: (rank (d), density, place) of each simulation that was done, one behind the other. Without data, or
 * with data that have no density, there is nothing to rank, and a rank among fewer samples than the others' is none. */
static PetscErrorCode RankShare(Ranker *r, RheoPrior prior, RheoSimulator simulator, int64_t begin,
                                int64_t end, double *out, int64_t *n_out, int64_t *n_lost)
{
  const int d = r->q->d, c = r->q->c, width = d + 2;
  double *theta, *x, *ranks, truth[GROUP], density[GROUP];
  int8_t status[GROUP];
  int lost[GROUP];
  char(*message)[256];
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  *n_out = *n_lost = 0;
  PetscCall(
      PetscMalloc4(GROUP * d, &theta, GROUP * c, &x, GROUP * d, &ranks, RHEO_SIMULATION_STATUSES, &message));
  for (int64_t first = begin; first < end && !stop; first += GROUP) {
    const int n = (int)PetscMin(GROUP, end - first);
    PetscCall(RheoSimulate(simulator, prior, r->seed, CheckFirst + (uint64_t)first, n, 1, theta, x, status,
                           message));
    PetscCall(r->q->log_prob(r->q->context, n, theta, x, truth));
    PetscCall(RankGroup(r, CheckFirst + (uint64_t)first, n, theta, x, truth, ranks, density, lost));
    for (int i = 0; i < n; i++) {
      double *row = out + *n_out * width;
      if (status[i]) continue;
      if (isnan(truth[i]) || lost[i]) {
        ++*n_lost;
        continue;
      }
      PetscCall(PetscArraycpy(row, ranks + i * d, d));
      row[d] = density[i];
      row[d + 1] = (double)(first + i);
      ++*n_out;
    }
    PetscCall(RheoStopPoll(&stop));
  }
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
    RheoSortAscending(c->n, u);
    c->ks_p[k] = RheoKolmogorovSmirnov(c->n, u);
    c->chi2_p[k] = RheoChiSquareUniform(c->bins, c->counts + k * c->bins);
  }
  for (int64_t i = 0; i < c->n; i++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_CHECK, (uint32_t)d, (uint64_t)id[i]);
    u[i] = (c->density[i] * c->samples + RheoStreamUniform(&stream)) / (c->samples + 1);
  }
  RheoSortAscending(c->n, u);
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

/* The rows that all ranks have done, in order, taken apart. */
static PetscErrorCode Collect(MPI_Comm comm, const RheoCalibrationConfig *config, int d, const double *mine,
                              int64_t count, RheoCalibration *c, double **id)
{
  const int width = d + 2;
  double *all;
  int64_t n = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(&count, &n, 1, MPI_INT64_T, MPI_SUM, comm));
  PetscCall(PetscMalloc1(n * width, &all));
  PetscCall(RheoGatherRows(comm, count, width, mine, all));
  *c =
      (RheoCalibration){.n = n, .d = d, .samples = config->samples, .bins = config->bins, .n_levels = LEVELS};
  PetscCall(PetscMalloc1(n * d, &c->rank));
  PetscCall(PetscMalloc1(n, &c->density));
  PetscCall(PetscMalloc1(n, id));
  PetscCall(PetscCalloc5(d * config->bins, &c->counts, d, &c->chi2_p, d, &c->ks_p, LEVELS, &c->nominal,
                         LEVELS, &c->observed));
  for (int64_t i = 0; i < n; i++) {
    PetscCall(PetscArraycpy(c->rank + i * d, all + i * width, d));
    c->density[i] = all[i * width + d];
    (*id)[i] = all[i * width + d + 1];
  }
  PetscCall(PetscFree(all));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCalibrateConditional(MPI_Comm comm, const RheoConditional *q, RheoPrior prior,
                                        RheoSimulator simulator, uint64_t seed,
                                        const RheoCalibrationConfig *config, RheoCalibration *c)
{
  const int d = q->d, samples = config->samples;
  Ranker r = {.q = q, .seed = seed, .samples = samples};
  int64_t begin, end, count = 0, lost = 0;
  double *mine, *id;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_CALIBRATE));
  RheoInputCheck(
      (samples + 1) % config->bins == 0, comm,
      "check.bins must divide check.samples + 1 = %d, got %d (the histogram's bars would differ in width)",
      samples + 1, config->bins);
  /* A rank takes whole groups, so that what is asked of q in one call is the same on any number of ranks. */
  RheoRange(comm, (config->simulations + GROUP - 1) / GROUP, &begin, &end);
  begin *= GROUP;
  end = PetscMin(end * GROUP, config->simulations);
  PetscCall(PetscMalloc1((end - begin) * (d + 2), &mine));
  PetscCall(PetscMalloc4(PIECE * q->c, &r.x, PIECE * d, &r.theta, PIECE, &r.log_prob, PIECE, &r.index));
  PetscCall(RankShare(&r, prior, simulator, begin, end, mine, &count, &lost));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &lost, 1, MPI_INT64_T, MPI_SUM, comm));
  PetscCall(PetscFree4(r.x, r.theta, r.log_prob, r.index));
  PetscCall(RheoStopCheck(comm, "in the calibration"));
  PetscCall(Collect(comm, config, d, mine, count, c, &id));
  PetscCall(PetscFree(mine));
  const long long n = c->n;
  if (n < 10)
    PetscCall(RheoCalibrationFree(c));
  else
    PetscCall(Judge(c, seed, id));
  PetscCall(PetscFree(id));
  if (n < 10 && lost)
    SETERRQ(
        comm, RHEO_ERR_NOTHING,
        "%lld of %d check simulations cannot be ranked: data that are not finite after data.transform, or "
        "samples that could not be followed to the end; calibration needs at least 10 others",
        (long long)lost, config->simulations);
  RheoInputCheck(n >= 10, comm,
                 "only %lld of %d check simulations can be used; calibration needs at least 10", n,
                 config->simulations);
  if (n < config->simulations)
    RheoLog(
        comm, RHEO_LOG_WARNING,
        "%lld of %d check simulations failed, have data that are not finite after data.transform or samples "
        "that could not be followed; calibration leaves them out",
        config->simulations - n, config->simulations);
  PetscCall(RheoEventEnd(RHEO_EVENT_CALIBRATE));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SamplePosterior(void *posterior, int64_t n, const double *x, uint64_t seed,
                                      const uint64_t *index, double *theta, double *log_prob)
{
  PetscFunctionBeginUser;
  PetscCall(RheoPosteriorSampleRows(posterior, n, x, seed, index, theta, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PosteriorLogProb(void *posterior, int64_t n, const double *theta, const double *x,
                                       double *log_prob)
{
  PetscFunctionBeginUser;
  PetscCall(RheoPosteriorLogProb(posterior, n, theta, x, PETSC_FALSE, log_prob));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCalibrate(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                             const RheoCalibrationConfig *config, RheoCalibration *c)
{
  const RheoConditional q = {.context = posterior,
                             .d = RheoPosteriorSize(posterior),
                             .c = RheoPosteriorDataSize(posterior),
                             .sample = SamplePosterior,
                             .log_prob = PosteriorLogProb};

  PetscFunctionBeginUser;
  PetscCall(RheoCalibrateConditional(comm, &q, RheoPosteriorPrior(posterior), simulator, seed, config, c));
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
