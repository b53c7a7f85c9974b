/* Asking a posterior: samples and densities. Nothing here communicates. */
#include "../base/stop.h"
#include "posterior_impl.h"
#include <math.h>

/* Rows are worked on in pieces, so that memory does not grow with the number of samples. */
enum { PIECE = 4096 };

/* Scores and their densities become parameters and theirs, in place. */
static void FromScores(RheoPosterior p, int64_t n, double *theta, double *log_prob)
{
  for (int64_t i = 0; i < n; i++) {
    const double log_q =
        RheoPosteriorFromScores(p, theta + i * p->d, log_prob ? log_prob[i] : 0, theta + i * p->d);
    if (log_prob) log_prob[i] = log_q;
  }
}

PetscErrorCode RheoPosteriorSampleRows(RheoPosterior p, int64_t n, const double *x, uint64_t seed,
                                       const uint64_t *index, double *theta, double *log_prob)
{
  const int64_t most = PetscMin(n, PIECE);
  float *context;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(most * p->c, &context));
  for (int64_t first = 0; first < n; first += most) {
    const RheoDensityRows rows = {
        .n = PetscMin(most, n - first), .context = context, .seed = seed, .index = index + first};
    RheoPosteriorTransformData(p, rows.n, x + first * p->c, context);
    PetscCall(RheoDensitySample(p->density, &rows, theta + first * p->d, log_prob ? log_prob + first : NULL));
  }
  FromScores(p, n, theta, log_prob);
  PetscCall(PetscFree(context));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSample(RheoPosterior p, const double *x, uint64_t seed, uint64_t first, int64_t n,
                                   double *theta, double *log_prob)
{
  RheoDensityRows rows = {.n = n, .shared = PETSC_TRUE, .seed = seed, .first = first};
  float *context;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(p->c, &context));
  rows.context = context;
  PetscErrorCode code = RheoPosteriorObserve(p, x, context);
  if (!code) code = RheoDensitySample(p->density, &rows, theta, log_prob);
  PetscCall(PetscFree(context));
  PetscCall(code);
  FromScores(p, n, theta, log_prob);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorLogProb(RheoPosterior p, int64_t n, const double *theta, const double *x,
                                    PetscBool shared, double *log_prob)
{
  PetscFunctionBeginUser;
  PetscCall(RheoPosteriorEstimateLogProb(p, n, theta, x, shared, 0, log_prob, NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorEstimateLogProb(RheoPosterior p, int64_t n, const double *theta, const double *x,
                                            PetscBool shared, uint64_t seed, double *log_prob,
                                            double *variance)
{
  const int64_t most = PetscMin(n, PIECE);
  double *score, *change;
  float *context;
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (n < 1) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc3(most * p->d, &score, most, &change, shared ? p->c : most * p->c, &context));
  if (shared) PetscCall(RheoPosteriorObserve(p, x, context));
  for (int64_t first = 0; first < n && !stop; first += most) {
    const RheoDensityRows rows = {.n = PetscMin(most, n - first),
                                  .context = context,
                                  .shared = shared,
                                  .seed = seed,
                                  .first = (uint64_t)first};
    if (!shared) RheoPosteriorTransformData(p, rows.n, x + first * p->c, context);
    for (int64_t i = 0; i < rows.n; i++)
      change[i] = RheoPosteriorToScores(p, theta + (first + i) * p->d, score + i * p->d);
    PetscCall(
        RheoDensityLogProb(p->density, &rows, score, log_prob + first, variance ? variance + first : NULL));
    for (int64_t i = 0; i < rows.n; i++) log_prob[first + i] = change[i] + log_prob[first + i];
    for (int64_t i = 0; variance && i < rows.n; i++)
      if (isinf(change[i])) variance[first + i] = 0; /* outside the prior, whatever the density */
    PetscCall(RheoStopPoll(&stop));
  }
  PetscCall(PetscFree3(score, change, context));
  PetscFunctionReturn(RHEO_OK);
}
