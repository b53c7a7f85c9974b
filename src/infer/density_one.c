/* One row at a time: plans of one row whose parameters stay, and a workspace for each caller. */
#include "density_impl.h"

struct RheoDensityOne_ {
  RheoDensity q;
  RheoWork sample, log_prob;
  RheoInputKind kind;
  float *noise, *z; /* (D) each */
};

PetscBool RheoDensityHasOne(RheoDensity q)
{
  return (PetscBool)(q->type->one_compile != NULL);
}

PetscErrorCode RheoDensityOneCreate(RheoDensity q, RheoDensityOne *one)
{
  RheoDensityOne o;

  PetscFunctionBeginUser;
  PetscCheck(q->type->one_compile, PETSC_COMM_SELF, PETSC_ERR_SUP, "%s: not one row at a time",
             q->type->name);
  if (!q->one_log_prob) PetscCall(q->type->one_compile(q));
  PetscCall(PetscNew(&o));
  *one = o;
  o->q = q;
  o->kind = q->type->noise(q);
  PetscCall(PetscMalloc2(q->d, &o->noise, q->d, &o->z));
  PetscCall(RheoWorkCreate(q->one_sample, &o->sample));
  PetscCall(RheoWorkCreate(q->one_log_prob, &o->log_prob));
  RheoPlanPrepare(q->one_sample, o->sample, q->values);
  RheoPlanPrepare(q->one_log_prob, o->log_prob, q->values);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityOneDestroy(RheoDensityOne *one)
{
  PetscFunctionBeginUser;
  if (!*one) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree2((*one)->noise, (*one)->z));
  PetscCall(RheoWorkDestroy(&(*one)->sample));
  PetscCall(RheoWorkDestroy(&(*one)->log_prob));
  PetscCall(PetscFree(*one));
  PetscFunctionReturn(RHEO_OK);
}

void RheoDensityOneSample(RheoDensityOne o, const float *context, uint64_t seed, uint64_t number, double *z,
                          double *log_q)
{
  const RheoDensityRows rows = {.n = 1, .seed = seed, .first = number};
  const int d = o->q->d;
  float lp;
  RheoDensityNoise(&rows, o->kind, d, 0, 1, o->noise);
  RheoPlanRunPrepared(o->q->one_sample, o->sample, o->q->values, (const void *const[]){o->noise, context},
                      (void *const[]){o->z, &lp});
  for (int k = 0; k < d; k++) z[k] = o->z[k];
  if (log_q) *log_q = lp;
}

void RheoDensityOneLogProb(RheoDensityOne o, const float *context, const double *z, double *log_q)
{
  const int d = o->q->d;
  float lp;
  for (int k = 0; k < d; k++) o->z[k] = (float)z[k];
  RheoPlanRunPrepared(o->q->one_log_prob, o->log_prob, o->q->values, (const void *const[]){o->z, context},
                      (void *const[]){&lp});
  *log_q = lp;
}
