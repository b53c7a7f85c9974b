#include "../base/memory.h"
#include "train_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(RheoTrainConfig, name)
const RheoKey RheoTrainKeys[] = {
    {"batch", RHEO_KEY_COUNT, FIELD(batch), "200", "[1, inf)", "rows of a step, over all ranks"},
    {"shards", RHEO_KEY_INT, FIELD(shards), "4", "[1, 1000000]",
     "pieces of a batch, each worked on by one rank; results depend on it, on ranks they do not"},
    {"window", RHEO_KEY_COUNT, FIELD(window), "0", "[0, inf)",
     "training rows that are shuffled together; 0: as many as take 128 MB. Larger data sets are shuffled by "
     "chunks first"},
    {"chunk", RHEO_KEY_COUNT, FIELD(chunk), "0", "[0, inf)",
     "rows that stay together on their way into a window; 0: 1/64 of a window"},
    {"epochs", RHEO_KEY_COUNT, FIELD(epochs), "1000", "[1, inf)", "passes over the training rows, at most"},
    {"steps", RHEO_KEY_COUNT, FIELD(steps), "0", "[0, inf)", "optimiser steps, at most; 0: no limit"},
    {"lr", RHEO_KEY_REAL, FIELD(lr), "5e-4", "(0, inf)", "learning rate"},
    {"schedule", RHEO_KEY_CHOICE, FIELD(schedule), "constant", "constant|cosine|plateau",
     "of the learning rate"},
    {"warmup", RHEO_KEY_COUNT, FIELD(warmup), "0", "[0, inf)",
     "steps in which the learning rate grows linearly"},
    {"lr_final", RHEO_KEY_REAL, FIELD(lr_final), "0", "[0, 1]", "fraction of lr at the end of the cosine"},
    {"plateau", RHEO_KEY_COUNT, FIELD(plateau), "10", "[1, inf)",
     "epochs without improvement before lr is cut"},
    {"plateau_factor", RHEO_KEY_REAL, FIELD(plateau_factor), "0.5", "(0, 1)",
     "what lr is multiplied by then"},
    {"beta1", RHEO_KEY_REAL, FIELD(beta1), "0.9", "[0, 1)", "AdamW: memory of the gradient's mean"},
    {"beta2", RHEO_KEY_REAL, FIELD(beta2), "0.999", "[0, 1)", "AdamW: memory of the gradient's mean square"},
    {"epsilon", RHEO_KEY_REAL, FIELD(epsilon), "1e-8", "(0, inf)",
     "AdamW: added to the root of the mean square"},
    {"decay", RHEO_KEY_REAL, FIELD(decay), "0", "[0, inf)", "AdamW: decoupled weight decay"},
    {"clip", RHEO_KEY_REAL, FIELD(clip), "5", "[0, inf)", "largest norm of the gradient; 0: none"},
    {"ema", RHEO_KEY_REAL, FIELD(ema), "0", "[0, 1)", "decay of the running average of parameters; 0: none"},
    {"validation", RHEO_KEY_REAL, FIELD(validation), "0.1", "[0, 1)", "fraction of rows held out"},
    {"patience", RHEO_KEY_COUNT, FIELD(patience), "20", "[0, inf)",
     "epochs without improvement before stopping; 0: never"},
    {"tolerance", RHEO_KEY_REAL, FIELD(tolerance), "0", "[0, inf)",
     "by how much an improvement must lower the loss"},
    {0}};
#undef FIELD

PetscErrorCode RheoTrainAllocate(size_t n, float **array)
{
  const size_t bytes = n * sizeof(float);

  PetscFunctionBeginUser;
  *array = RheoAligned(bytes);
  PetscCheck(*array, PETSC_COMM_SELF, PETSC_ERR_MEM, "training: no memory for %zu bytes", bytes);
  memset(*array, 0, bytes);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerCreate(MPI_Comm comm, RheoTrainer *trainer)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(trainer));
  (*trainer)->comm = comm;
  (*trainer)->scope = "";
  PetscCall(RheoTrainConfigDefaults(&(*trainer)->config));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerDestroy(RheoTrainer *trainer)
{
  PetscFunctionBeginUser;
  if (!*trainer) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoTrainerReset(*trainer));
  if ((*trainer)->owns_source) PetscCall(RheoRowSourceDestroy(&(*trainer)->source));
  PetscCall(RheoRowSourceDestroy(&(*trainer)->origin));
  PetscCall(RheoHistoryClear(&(*trainer)->history));
  PetscCall(PetscFree(*trainer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainConfigDefaults(RheoTrainConfig *config)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckRead(deck, "train", RheoTrainKeys, config));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

/* The same rules as in SetConfig, said with the deck's file and line. */
PetscErrorCode RheoTrainerSetFromDeck(RheoTrainer trainer, RheoDeck deck, const char *prefix)
{
  RheoTrainConfig config;
  PetscMPIInt size;
  char key[256];

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(trainer->comm, &size));
  PetscCall(RheoDeckRead(deck, prefix, RheoTrainKeys, &config));
  snprintf(key, sizeof key, "%s.shards", prefix);
  if (config.shards > config.batch)
    PetscCall(RheoDeckReject(deck, key, "must be at most the batch, %lld", (long long)config.batch));
  if (size > config.shards)
    PetscCall(RheoDeckReject(deck, key,
                             "must be at least the number of ranks, %d; set -train_shards %d or more",
                             (int)size, (int)size));
  PetscCall(RheoTrainerSetConfig(trainer, &config));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetConfig(RheoTrainer trainer, const RheoTrainConfig *config)
{
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(trainer->comm, &size));
  RheoInputCheck(config->batch >= 1, trainer->comm, "train.batch must be in [1, inf), got %lld",
                 (long long)config->batch);
  RheoInputCheck(config->window >= 0 && config->chunk >= 0, trainer->comm,
                 "train.window and train.chunk must not be negative, got %lld and %lld",
                 (long long)config->window, (long long)config->chunk);
  RheoInputCheck(config->shards >= 1 && config->shards <= config->batch, trainer->comm,
                 "train.shards must be at least 1 and at most train.batch = %lld, got %d",
                 (long long)config->batch, config->shards);
  RheoInputCheck(size <= config->shards, trainer->comm,
                 "train.shards is %d, fewer than the %d ranks of this job; set -train_shards %d or more, or "
                 "start fewer ranks",
                 config->shards, (int)size, (int)size);
  trainer->config = *config;
  PetscCall(RheoTrainerReset(trainer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetSeed(RheoTrainer trainer, uint64_t seed)
{
  PetscFunctionBeginUser;
  trainer->seed = seed;
  PetscCall(RheoTrainerReset(trainer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetSource(RheoTrainer trainer, RheoRowSource source)
{
  PetscFunctionBeginUser;
  PetscCall(RheoTrainerReset(trainer));
  if (trainer->owns_source) PetscCall(RheoRowSourceDestroy(&trainer->source));
  trainer->source = source;
  trainer->owns_source = PETSC_FALSE;
  trainer->layout = *RheoRowSourceLayout(source);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetOrigin(RheoTrainer trainer, const RheoRows *origin)
{
  PetscFunctionBeginUser;
  PetscCheck(!origin || (origin->n_columns == 1 && !origin->weight), trainer->comm, PETSC_ERR_ARG_WRONG,
             "a second data set is one column without weights");
  PetscCall(RheoTrainerReset(trainer));
  PetscCall(RheoRowSourceDestroy(&trainer->origin));
  if (origin) PetscCall(RheoRowSourceCreateMemory(trainer->comm, origin, &trainer->origin));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetRows(RheoTrainer trainer, const RheoRows *rows)
{
  RheoRowSource source;

  PetscFunctionBeginUser;
  PetscCall(RheoRowSourceCreateMemory(trainer->comm, rows, &source));
  PetscCall(RheoTrainerSetSource(trainer, source));
  trainer->owns_source = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetObjective(RheoTrainer trainer, const RheoObjectiveType *type,
                                       const RheoObjectiveModel *model, const char *scope_name)
{
  int n_columns = 0;

  PetscFunctionBeginUser;
  while (type->columns[n_columns]) n_columns++;
  PetscCheck(n_columns <= RHEO_TRAIN_COLUMNS, trainer->comm, PETSC_ERR_ARG_OUTOFRANGE,
             "objective %s: %d columns; at most %d", type->name, n_columns, (int)RHEO_TRAIN_COLUMNS);
  PetscCall(RheoTrainerReset(trainer)); /* with the objective that made what is there */
  trainer->objective = type;
  trainer->model = model ? *model : (RheoObjectiveModel){0};
  trainer->scope = scope_name ? RheoIntern(scope_name) : "";
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetParams(RheoTrainer trainer, RheoParams params, float *values)
{
  PetscFunctionBeginUser;
  trainer->params = params;
  trainer->values = values;
  PetscCall(RheoTrainerReset(trainer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetQuiet(RheoTrainer trainer, PetscBool quiet)
{
  PetscFunctionBeginUser;
  trainer->quiet = quiet;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerGetReason(RheoTrainer trainer, RheoTrainReason *reason)
{
  PetscFunctionBeginUser;
  *reason = trainer->reason;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerGetHistory(RheoTrainer trainer, const RheoHistory **history)
{
  PetscFunctionBeginUser;
  *history = &trainer->history.view;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerGetState(RheoTrainer trainer, float *m, float *v, int64_t *step)
{
  PetscFunctionBeginUser;
  PetscCheck(trainer->ready, trainer->comm, PETSC_ERR_ARG_WRONGSTATE,
             "there is no optimiser state before Run");
  PetscCall(RheoReduceAllgather(trainer->reduce, trainer->state.m, m));
  PetscCall(RheoReduceAllgather(trainer->reduce, trainer->state.v, v));
  *step = trainer->state.update;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerGetSpeed(RheoTrainer trainer, double *rows_per_second, double *communication)
{
  const RheoTrainClock *clock = &trainer->clock;

  PetscFunctionBeginUser;
  *rows_per_second = clock->steps > 0 ? (double)clock->rows / clock->steps : 0;
  *communication = clock->steps > 0 ? clock->communication / clock->steps : 0;
  PetscFunctionReturn(RHEO_OK);
}
