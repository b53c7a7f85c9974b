/* The batch stage of flow matching: which source row goes with which data row. */
#include "../base/log.h"
#include "../base/random.h"
#include "match_impl.h"
#include <stdio.h>
#include <string.h>

/* Streams of the stage: the pairs', the source's noise. */
enum { OF_PAIRS = RHEO_STREAM_COUPLE, OF_SOURCE = RHEO_STREAM_COUPLE | 1 << 8 };

static const RheoCouplingType *coupling_of(const RheoObjectiveModel *model)
{
  return RheoCouplingTypes[RheoCnfGetConfig(model->cnf)->coupling];
}

static int needs_batch(const RheoObjectiveModel *model)
{
  return coupling_of(model)->couples || coupling_of(model)->n_weights;
}

/* What the coupling is told of pairs besides their rows. */
static RheoPairs pairs_of(RheoCnf cnf)
{
  const RheoCnfConfig *config = RheoCnfGetConfig(cnf);
  return (RheoPairs){.d = RheoCnfFeatures(cnf),
                     .c = RheoCnfContext(cnf),
                     .sigma = RheoPathTypes[config->path]->bridge ? config->sigma : 0};
}

static int64_t steps(const RheoObjectiveModel *model)
{
  const int64_t rows = RheoCnfGetConfig(model->cnf)->coupling_batch;
  if (!needs_batch(model)) return 0;
  return rows > model->batch && model->batch > 0 ? rows / model->batch : 1;
}

static int width(const RheoObjectiveModel *model)
{
  if (!model->cnf) return 0;
  if (!needs_batch(model) && RheoCnfGetConfig(model->cnf)->source != RHEO_SOURCE_DATA) return 0;
  return RheoCnfFeatures(model->cnf) + (coupling_of(model)->n_weights > 0);
}

/* Noise belongs to the row it is for. */
static PetscErrorCode draw_source(const RheoObjectiveModel *model, const RheoBatch *batch, float *x0)
{
  const size_t n = (size_t)batch->n, d = (size_t)RheoCnfFeatures(model->cnf);
  const uint32_t step = (uint32_t)batch->step;
  PetscFunctionBeginUser;
  switch ((RheoSource)RheoCnfGetConfig(model->cnf)->source) {
  case RHEO_SOURCE_NORMAL:
    RheoStreamFillNormal(batch->seed, OF_SOURCE, step, n, batch->index, 0, d, x0);
    break;
  case RHEO_SOURCE_UNIFORM:
    RheoStreamFillUniform(batch->seed, OF_SOURCE, step, n, batch->index, 0, d, x0);
    for (size_t k = 0; k < n * d; k++) x0[k] = 2 * x0[k] - 1;
    break;
  case RHEO_SOURCE_DATA:
    memcpy(x0, batch->origin, n * d * sizeof *x0);
    break;
  }
  PetscFunctionReturn(RHEO_OK);
}

static void standardize(size_t n, int d, const double *mean, const double *sd, const float *x, float *z)
{
  for (size_t r = 0; r < n; r++)
    for (int k = 0; k < d; k++)
      z[r * (size_t)d + (size_t)k] = (float)(((double)x[r * (size_t)d + (size_t)k] - mean[k]) / sd[k]);
}

/* Costs are of standardised rows, as the loss sees them, but for what the context moves (cnf.shift). */
static PetscErrorCode couple(const RheoObjectiveModel *model, const RheoBatch *batch, const float *x0,
                             int32_t *source, float *weight)
{
  const RheoCnfConfig *config = RheoCnfGetConfig(model->cnf);
  const RheoCnfMoments *m = RheoCnfGetMoments(model->cnf);
  const size_t n = (size_t)batch->n;
  const int d = RheoCnfFeatures(model->cnf), c = RheoCnfContext(model->cnf);
  const float *from = x0;
  float *z0, *z1, *y;
  RheoStream stream = RheoStreamMake(batch->seed, OF_PAIRS, (uint32_t)batch->step, 0);

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n * (size_t)d, &z0, n * (size_t)d, &z1, n * (size_t)c, &y));
  standardize(n, d, m->mean, m->sd, batch->column[0], z1);
  if (config->source == RHEO_SOURCE_DATA) {
    standardize(n, d, m->mean, m->sd, x0, z0);
    from = z0;
  }
  if (c) standardize(n, c, m->context_mean, m->context_sd, batch->column[1], y);
  RheoPairs pairs = pairs_of(model->cnf);
  pairs.n = batch->n;
  pairs.x0 = from;
  pairs.x1 = z1;
  pairs.y = c ? y : NULL;
  PetscCall(coupling_of(model)->pair(RheoCnfCouplingConfig(model->cnf), &stream, &pairs, source, weight));
  PetscCall(PetscFree3(z0, z1, y));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode run(const RheoObjectiveModel *model, const RheoBatch *batch, float *given)
{
  const size_t n = (size_t)batch->n, d = (size_t)RheoCnfFeatures(model->cnf), w = (size_t)width(model);
  float *x0, *weight;
  int32_t *source;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n * d, &x0, n, &weight, n, &source));
  PetscCall(draw_source(model, batch, x0));
  for (size_t r = 0; r < n; r++) {
    source[r] = (int32_t)r;
    weight[r] = 1;
  }
  if (needs_batch(model)) PetscCall(couple(model, batch, x0, source, weight));
  for (size_t r = 0; r < n; r++) {
    memcpy(given + r * w, x0 + (size_t)source[r] * d, d * sizeof *given);
    if (w > d) given[r * w + d] = weight[r];
  }
  PetscCall(PetscFree3(x0, weight, source));
  PetscFunctionReturn(RHEO_OK);
}

static void advise(MPI_Comm comm, RheoCnf cnf, const RheoCouplingType *coupling)
{
  const RheoPairs pairs = pairs_of(cnf);
  char text[RHEO_ADVICE] = "";

  if (coupling->advise) coupling->advise(RheoCnfCouplingConfig(cnf), &pairs, text);
  if (text[0]) RheoLog(comm, RHEO_LOG_WARNING, "%s", text);
}

PetscBool RheoMatchMistake(const RheoObjectiveModel *model, RheoMistake *mistake)
{
  const RheoCnfConfig *config = RheoCnfGetConfig(model->cnf);
  const RheoCouplingType *coupling = coupling_of(model);

  if (coupling->needs_condition && !RheoCnfContext(model->cnf)) {
    mistake->key = "cnf.coupling";
    snprintf(mistake->text, sizeof mistake->text,
             "%s couples within conditions, and there are none; take exact, or name conditions",
             coupling->name);
    return PETSC_TRUE;
  }
  if (config->coupling_batch % PetscMax(model->batch, 1)) {
    mistake->key = "cnf.coupling_batch";
    snprintf(mistake->text, sizeof mistake->text, "must be a multiple of train.batch = %lld, got %lld",
             (long long)model->batch, (long long)config->coupling_batch);
    return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

PetscErrorCode RheoMatchCheck(MPI_Comm comm, const RheoObjectiveModel *model)
{
  PetscFunctionBeginUser;
  if (!model->cnf) PetscFunctionReturn(RHEO_OK);
  RheoInputCheck(RheoCnfGetConfig(model->cnf)->source != RHEO_SOURCE_DATA ||
                     model->origin == RheoCnfFeatures(model->cnf),
                 comm, "cnf.source is data, but there are no source data of %d dimensions",
                 RheoCnfFeatures(model->cnf));
  advise(comm, model->cnf, coupling_of(model));
  PetscFunctionReturn(RHEO_OK);
}

const RheoBatchStage RheoMatchStage = {.steps = steps, .width = width, .run = run};
