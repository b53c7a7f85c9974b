/* Asking a posterior one question at a time. */
#include "posterior_impl.h"
#include <math.h>

struct RheoPosteriorOne_ {
  RheoPosterior posterior;
  RheoDensityOne density;
  float *context; /* (C) */
  double *score;  /* (D) */
};

PetscBool RheoPosteriorHasOne(RheoPosterior posterior)
{
  return RheoDensityHasOne(posterior->density);
}

PetscErrorCode RheoPosteriorOneCreate(RheoPosterior p, RheoPosteriorOne *one)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(one));
  (*one)->posterior = p;
  PetscCall(PetscMalloc2(p->c, &(*one)->context, p->d, &(*one)->score));
  PetscCall(RheoDensityOneCreate(p->density, &(*one)->density));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorOneDestroy(RheoPosteriorOne *one)
{
  PetscFunctionBeginUser;
  if (!*one) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree2((*one)->context, (*one)->score));
  PetscCall(RheoDensityOneDestroy(&(*one)->density));
  PetscCall(PetscFree(*one));
  PetscFunctionReturn(RHEO_OK);
}

/* Sets the context; the place of a value that is not finite. */
static int Observe(RheoPosteriorOne one, const double *x)
{
  RheoPosteriorTransformData(one->posterior, 1, x, one->context);
  for (int k = 0; k < one->posterior->c; k++)
    if (!isfinite(one->context[k])) return k + 1;
  return 0;
}

int RheoPosteriorOneSample(RheoPosteriorOne one, const double *x, uint64_t seed, uint64_t number,
                           double *theta, double *log_prob)
{
  const int wrong = Observe(one, x);
  double log_q;
  if (wrong) return wrong;
  RheoDensityOneSample(one->density, one->context, seed, number, one->score, &log_q);
  log_q = RheoPosteriorFromScores(one->posterior, one->score, log_q, theta);
  if (log_prob) *log_prob = log_q;
  return 0;
}

int RheoPosteriorOneLogProb(RheoPosteriorOne one, const double *x, const double *theta, double *log_prob)
{
  const int wrong = Observe(one, x);
  double log_q;
  if (wrong) return wrong;
  const double change = RheoPosteriorToScores(one->posterior, theta, one->score);
  RheoDensityOneLogProb(one->density, one->context, one->score, &log_q);
  *log_prob = change + log_q;
  return 0;
}
