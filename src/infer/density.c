#include "density_impl.h"
#include <stdlib.h>
#include <string.h>

PetscErrorCode RheoDensityCreate(RheoDeck deck, const RheoDensityType *type, const char *objective,
                                 int n_features, int n_context, uint64_t seed, RheoDensity *density)
{
  RheoDensity q;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&q));
  *density = q;
  q->type = type;
  q->d = n_features;
  q->c = n_context;
  if (objective) PetscCall(RheoObjectiveFind(objective, &q->objective));
  PetscCall(RheoParamsCreate(&q->params));
  PetscCall(type->create(q, deck));
  PetscCall(RheoParamsAllocate(q->params, &q->values));
  PetscCall(RheoParamsInit(q->params, seed, q->values));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityDestroy(RheoDensity *density)
{
  RheoDensity q = *density;

  PetscFunctionBeginUser;
  if (!q) PetscFunctionReturn(RHEO_OK);
  if (q->data) PetscCall(q->type->destroy(q));
  PetscCall(RheoPlanDestroy(&q->one_sample));
  PetscCall(RheoPlanDestroy(&q->one_log_prob));
  PetscCall(RheoParamsDestroy(&q->params));
  free(q->values);
  PetscCall(PetscFree(*density));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityFit(RheoDensity q, int64_t n, const float *z, const float *context)
{
  PetscFunctionBeginUser;
  PetscCall(q->type->fit(q, n, z, context));
  PetscFunctionReturn(RHEO_OK);
}

int RheoDensityHills(RheoDensity density)
{
  return density->type->hills;
}
PetscErrorCode RheoDensitySetSolver(RheoDensity q, RheoDeck deck)
{
  PetscFunctionBeginUser;
  if (q->type->set_solver) PetscCall(q->type->set_solver(q, deck));
  PetscFunctionReturn(RHEO_OK);
}

const RheoObjectiveType *RheoDensityObjective(RheoDensity density)
{
  return density->objective;
}
RheoObjectiveModel *RheoDensityModel(RheoDensity density)
{
  return &density->model;
}
const char *RheoDensityScope(RheoDensity density)
{
  return density->type->name;
}
RheoParams RheoDensityParams(RheoDensity density)
{
  return density->params;
}
float *RheoDensityValues(RheoDensity density)
{
  return density->values;
}

void RheoDensityContext(RheoDensity q, const RheoDensityRows *rows, int64_t first, int64_t n, float *context)
{
  const size_t row = (size_t)q->c * sizeof *context;
  if (!q->c) return;
  if (!rows->shared)
    memcpy(context, rows->context + first * q->c, (size_t)n * row);
  else
    for (int64_t i = 0; i < n; i++) memcpy(context + i * q->c, rows->context, row);
}

void RheoDensityNoise(const RheoDensityRows *rows, RheoInputKind kind, int d, int64_t first, int64_t n,
                      float *noise)
{
  const uint64_t *index = rows->index ? rows->index + first : NULL, number = rows->first + (uint64_t)first;
  if (kind == RHEO_INPUT_NOISE_NORMAL)
    RheoStreamFillNormal(rows->seed, RHEO_STREAM_SAMPLE, 0, (size_t)n, index, number, (size_t)d, noise);
  else
    RheoStreamFillUniform(rows->seed, RHEO_STREAM_SAMPLE, 0, (size_t)n, index, number, (size_t)d, noise);
}

void RheoDensityStarts(const RheoDensityRows *rows, int source, int d, int64_t first, int64_t n, float *noise,
                       double *start)
{
  const PetscBool uniform = (PetscBool)(source == RHEO_SOURCE_UNIFORM);
  RheoDensityNoise(rows, uniform ? RHEO_INPUT_NOISE_UNIFORM : RHEO_INPUT_NOISE_NORMAL, d, first, n, noise);
  for (int64_t i = 0; i < n * d; i++) start[i] = uniform ? 2 * (double)noise[i] - 1 : noise[i];
}

PetscErrorCode RheoDensitySample(RheoDensity q, const RheoDensityRows *rows, double *z, double *log_q)
{
  PetscFunctionBeginUser;
  if (rows->n > 0) PetscCall(q->type->sample(q, rows, z, log_q));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityLogProb(RheoDensity q, const RheoDensityRows *rows, const double *z, double *log_q,
                                  double *variance)
{
  PetscFunctionBeginUser;
  for (int64_t i = 0; variance && i < rows->n; i++) variance[i] = 0;
  if (rows->n > 0) PetscCall(q->type->log_prob(q, rows, z, log_q, variance));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityPointCreate(RheoDensity q, const float *context, RheoDensityPoint *point)
{
  RheoDensityPoint p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  *point = p;
  p->q = q;
  PetscCall(PetscMalloc1(q->c, &p->context));
  for (int k = 0; k < q->c; k++) p->context[k] = context[k];
  PetscCall(q->type->point_create(p));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityPointDestroy(RheoDensityPoint *point)
{
  PetscFunctionBeginUser;
  if (!*point) PetscFunctionReturn(RHEO_OK);
  if ((*point)->data) PetscCall((*point)->q->type->point_destroy(*point));
  PetscCall(PetscFree((*point)->context));
  PetscCall(PetscFree(*point));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDensityPointEvaluate(RheoDensityPoint point, const double *z, double *log_q,
                                        double *gradient)
{
  PetscFunctionBeginUser;
  PetscCall(point->q->type->point_evaluate(point, z, log_q, gradient));
  PetscFunctionReturn(RHEO_OK);
}
