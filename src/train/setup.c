#include "../base/log.h"
#include "train_impl.h"
#include <stdlib.h>

enum {
  VALIDATION_ROWS = 256
}; /* of a block: enough for matrix products to run at full rate, few enough for the cache */

static PetscErrorCode SetUpSampler(RheoTrainer trainer)
{
  const RheoTrainConfig *config = &trainer->config;
  RheoSampler *sampler = &trainer->sampler;

  PetscFunctionBeginUser;
  PetscCall(
      RheoSamplerCreate(trainer->seed, RheoRowSourceCount(trainer->source), config->validation, sampler));
  RheoInputCheck(
      sampler->n_train > 0, trainer->comm,
      "train.validation = %g leaves none of the %lld rows to train on; give more rows or a smaller fraction",
      config->validation, (long long)RheoRowSourceCount(trainer->source));
  if (config->validation > 0 && sampler->n_validation == 0)
    RheoLog(trainer->comm, RHEO_LOG_WARNING,
            "train.validation = %g of %lld rows is no row: training without validation", config->validation,
            (long long)RheoRowSourceCount(trainer->source));
  trainer->batch = PetscMin(config->batch, sampler->n_train);
  trainer->steps = sampler->n_train / trainer->batch;
  trainer->total = config->epochs > INT64_MAX / trainer->steps ? INT64_MAX : config->epochs * trainer->steps;
  if (config->steps > 0) trainer->total = PetscMin(trainer->total, config->steps);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetUpTraining(RheoTrainer trainer)
{
  int64_t begin, end;

  PetscFunctionBeginUser;
  RheoShardRange(trainer->batch, trainer->config.shards, 0, &begin, &end); /* the first is the largest */
  PetscCall(RheoTrainProgramCreate(trainer, 1, (int)(end - begin), end - begin, &trainer->training));
  PetscFunctionReturn(RHEO_OK);
}

/* Weights of the validation rows [first, ...), and their sum over all shards, in the order of the tree. */
static PetscErrorCode ValidationWeights(RheoTrainer trainer, int64_t first, int64_t n, const float *record)
{
  const int n_shards = trainer->config.shards;
  const RheoRowLayout *layout = &trainer->layout;
  int64_t begin, end;
  double *sum;

  PetscFunctionBeginUser;
  trainer->validation_weight = (double)trainer->sampler.n_validation;
  if (layout->weight < 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoTrainAllocate((size_t)n, &trainer->row_weight));
  for (int64_t i = 0; i < n; i++) trainer->row_weight[i] = record[i * layout->size + layout->weight];
  PetscCall(PetscCalloc1((size_t)(trainer->end - trainer->first), &sum));
  for (int shard = trainer->first; shard < trainer->end; shard++) {
    RheoShardRange(trainer->sampler.n_validation, n_shards, shard, &begin, &end);
    for (int64_t i = begin; i < end; i++)
      sum[shard - trainer->first] += (double)trainer->row_weight[i - first];
  }
  PetscCall(RheoReduceScalars(trainer->reduce, 1, sum, &trainer->validation_weight));
  PetscCall(PetscFree(sum));
  PetscFunctionReturn(RHEO_OK);
}

/* Gathers this rank's validation rows once; they stay in place. */
static PetscErrorCode SetUpValidation(RheoTrainer trainer)
{
  const RheoSampler *sampler = &trainer->sampler;
  int n_shards = trainer->config.shards;
  int64_t begin, end, first, n;
  RheoValidationRows held;
  float *given;

  PetscFunctionBeginUser;
  if (!sampler->n_validation) PetscFunctionReturn(RHEO_OK);
  RheoShardRange(sampler->n_validation, n_shards, 0, &begin, &end);
  int rows = (int)PetscMin(end - begin, VALIDATION_ROWS);
  RheoShardsRange(sampler->n_validation, n_shards, trainer->first, trainer->end, &first, &end);
  n = end - first;
  PetscCall(RheoTrainProgramCreate(trainer, 0, rows, n, &trainer->validating));
  PetscCall(RheoTrainAllocate((size_t)n * (size_t)trainer->stage.width, &given));
  PetscCall(RheoValidationRowsCreate(trainer, 0, &held));
  PetscCall(RheoStageValidation(trainer, first, &held, given));
  RheoTrainProgramFill(&trainer->validating, &(RheoFeedSource){.layout = &trainer->layout,
                                                               .seed = trainer->seed,
                                                               .step = RHEO_VALIDATION_STEP,
                                                               .n = n,
                                                               .n_real = n,
                                                               .place = first,
                                                               .batch = sampler->n_validation,
                                                               .record = held.record,
                                                               .index = held.index,
                                                               .given = given});
  PetscCall(ValidationWeights(trainer, first, n, held.record));
  free(given);
  RheoValidationRowsFree(&held);
  PetscCall(RheoTrainAllocate((size_t)n, &trainer->row_loss));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetUpState(RheoTrainer trainer)
{
  RheoTrainState *state = &trainer->state;
  size_t begin, end, steps = (size_t)trainer->steps, n_shards = (size_t)(trainer->end - trainer->first);

  PetscFunctionBeginUser;
  PetscCall(RheoReduceGetSlice(trainer->reduce, &begin, &end));
  PetscCall(RheoOptimiserCreate(trainer->params, trainer->config.decay > 0, begin, end, &trainer->optimiser));
  PetscCall(RheoTrainAllocate(end - begin, &state->m));
  PetscCall(RheoTrainAllocate(end - begin, &state->v));
  PetscCall(RheoTrainAllocate(end - begin, &state->best));
  PetscCall(RheoTrainAllocate(RheoParamsSize(trainer->params), &trainer->p));
  state->p = trainer->p + begin;
  if (trainer->config.ema > 0) {
    PetscCall(RheoTrainAllocate(end - begin, &state->average));
    PetscCall(RheoTrainAllocate(RheoParamsSize(trainer->params), &trainer->averaged));
  }
  PetscCall(PetscCalloc5(n_shards * steps, &state->loss, steps, &state->weight, steps, &state->norm, steps,
                         &trainer->sums, n_shards * PetscMin(steps, RHEO_SUM_STEPS), &trainer->piece));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetUp(RheoTrainer trainer)
{
  RheoMistake mistake;

  PetscFunctionBeginUser;
  if (trainer->ready) PetscFunctionReturn(RHEO_OK);
  PetscCheck(trainer->objective && trainer->params && trainer->values && trainer->source, trainer->comm,
             PETSC_ERR_ARG_WRONGSTATE, "a trainer needs rows, an objective and parameters before Run");
  PetscCall(RheoTrainerSetConfig(trainer, &trainer->config)); /* defaults may not fit the number of ranks */
  trainer->model.batch = trainer->config.batch;
  trainer->model.origin = trainer->origin ? RheoRowSourceLayout(trainer->origin)->size : 0;
  if (RheoObjectiveMistake(trainer->objective, &trainer->model, &mistake))
    RheoInputError(trainer->comm, "%s: %s", mistake.key, mistake.text);
  if (trainer->objective->check) PetscCall(trainer->objective->check(trainer->comm, &trainer->model));
  PetscCall(SetUpSampler(trainer));
  PetscCall(RheoReduceCreate(trainer->comm, trainer->config.shards, RheoParamsSize(trainer->params),
                             &trainer->reduce));
  PetscCall(RheoReduceGetShards(trainer->reduce, &trainer->first, &trainer->end));
  PetscCall(RheoStageCreate(trainer));
  PetscCall(RheoWindowCreate(trainer));
  PetscCall(SetUpTraining(trainer));
  PetscCall(SetUpValidation(trainer));
  PetscCall(SetUpState(trainer));
  trainer->ready = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerReset(RheoTrainer trainer)
{
  RheoTrainState *state = &trainer->state;
  float *owned[] = {state->m,          state->v,          state->average,      state->best,
                    trainer->row_loss, trainer->averaged, trainer->row_weight, trainer->p};

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  trainer->gradient = trainer->row_loss = trainer->averaged = trainer->row_weight = trainer->p = NULL;
  PetscCall(PetscFree5(state->loss, state->weight, state->norm, trainer->sums, trainer->piece));
  *state = (RheoTrainState){0};
  PetscCall(RheoOptimiserDestroy(&trainer->optimiser));
  PetscCall(RheoTrainProgramDestroy(trainer, &trainer->training));
  PetscCall(RheoTrainProgramDestroy(trainer, &trainer->validating));
  PetscCall(RheoStageDestroy(trainer));
  PetscCall(RheoWindowDestroy(trainer));
  PetscCall(RheoSamplerDestroy(&trainer->sampler));
  PetscCall(RheoReduceDestroy(&trainer->reduce));
  trainer->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}
