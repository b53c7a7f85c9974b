/* The data-parallel training loop: any loss that is a sum over rows, any number of ranks, the same bits.
 *
 * The global batch is cut into `shards`; each rank runs its shards through a program compiled for one shard, sums run in
 * the order of reduce.h, the optimiser steps on the slice a rank owns, and an allgather puts the parameters together.
 * The order of an epoch, the split and all noise are pure functions of (seed, purpose, step, sample).
 * An objective's batch stage (objective.h) sees groups of rows before the shards do; its runner takes the program's place.
 *
 * A step's loss is the sum of weight times loss over the rows of its batch, divided by the sum of their weights. Rows that
 * do not fill a batch are left out of their epoch (the next one has another order), unless there are fewer rows than one
 * batch in all: then these are the batch. Validation runs without training noise; noise that belongs to the loss itself is
 * the same in every validation.
 */
#pragma once
#include "../base/deck.h"
#include "../base/reduce.h"
#include "../objective/objective.h"
#include "source.h"

typedef struct RheoTrainer_ *RheoTrainer;

typedef enum { RHEO_SCHEDULE_CONSTANT, RHEO_SCHEDULE_COSINE, RHEO_SCHEDULE_PLATEAU } RheoSchedule;

typedef struct {
  int64_t batch;   /* rows of a step, over all ranks */
  int shards;      /* the run's parallel grain; at most batch; at least the number of ranks */
  int64_t window;  /* training rows that are shuffled together; 0: as many as take 128 MB, at most 2^22 */
  int64_t chunk;   /* rows that stay together on their way into a window; 0: 1/64 of a window */
  int64_t epochs;  /* at most */
  int64_t steps;   /* at most; 0: no limit */
  double lr;       /* learning rate */
  int schedule;    /* RheoSchedule */
  int64_t warmup;  /* steps of linear warm-up */
  double lr_final; /* fraction of lr at the end of the cosine */
  int64_t plateau; /* epochs without improvement before lr is multiplied by plateau_factor */
  double plateau_factor;
  double beta1, beta2, epsilon, decay; /* AdamW */
  double clip;                         /* largest norm of the gradient; 0: none */
  double ema;                          /* decay of the average of weights; 0: none */
  double validation;                   /* fraction held out */
  int64_t
      patience; /* epochs without improvement before stopping; 0: never. Watches the validation loss and keeps the best
                          * parameters; where validation is 0, the training loss, and keeps the last */
  double tolerance; /* what counts as improvement: the watched loss falls by more than this */
} RheoTrainConfig;
extern const RheoKey RheoTrainKeys[]; /* section `train` */

/* How many training rows such a configuration shuffles together. */
int64_t RheoTrainWindowRows(const RheoTrainConfig *config, const RheoRowLayout *layout);

/* The step that noise and batch stages are given in validation: the same in every epoch. */
#define RHEO_VALIDATION_STEP UINT32_MAX

/* One entry an epoch. */
typedef struct {
  int64_t n;
  double *epoch, *step, *train_loss, *validation_loss, *lr, *gradient_norm;
} RheoHistory;
/* The entry with the lowest validation loss; 0 where there is none. Not collective. */
int64_t RheoHistoryBest(const RheoHistory *history);

typedef enum {
  RHEO_TRAIN_EPOCHS,
  RHEO_TRAIN_STEPS,
  RHEO_TRAIN_PATIENCE,
  RHEO_TRAIN_NOT_FINITE
} RheoTrainReason;

/* Create, SetConfig (or SetFromDeck), SetRows, SetObjective, SetParams, Run, get, Destroy. Collective on comm throughout. */
PetscErrorCode RheoTrainerCreate(MPI_Comm comm, RheoTrainer *trainer);
PetscErrorCode RheoTrainerDestroy(RheoTrainer *trainer);
PetscErrorCode RheoTrainerSetFromDeck(RheoTrainer trainer, RheoDeck deck, const char *prefix);
PetscErrorCode RheoTrainConfigDefaults(RheoTrainConfig *config); /* what a deck without `train` gives */
PetscErrorCode RheoTrainerSetConfig(RheoTrainer trainer, const RheoTrainConfig *config);
PetscErrorCode RheoTrainerSetSeed(RheoTrainer trainer, uint64_t seed);
/* Rows in memory, or any source of them, which is borrowed. */
PetscErrorCode RheoTrainerSetRows(RheoTrainer trainer, const RheoRows *rows);
PetscErrorCode RheoTrainerSetSource(RheoTrainer trainer, RheoRowSource source);
/* A second data set, of one column: the batch stage is given one of its rows with each row of a step (RheoBatch.origin). Each of
 * them comes once before any comes again, in another random order every time; which one depends on the step and the place in
 * its batch alone. Its arrays must stay; NULL: none. */
PetscErrorCode RheoTrainerSetOrigin(RheoTrainer trainer, const RheoRows *origin);
/* scope_name: where the model's parameters are ("flow"). */
PetscErrorCode RheoTrainerSetObjective(RheoTrainer trainer, const RheoObjectiveType *type,
                                       const RheoObjectiveModel *model, const char *scope_name);
/* values (P), in: the start, out: the best (validation) or last parameters, averaged where ema is on. Borrowed. */
PetscErrorCode RheoTrainerSetParams(RheoTrainer trainer, RheoParams params, float *values);
PetscErrorCode RheoTrainerSetQuiet(RheoTrainer trainer,
                                   PetscBool quiet); /* no progress, for inner trainings */

/* Trains. A loss that is not finite skips and counts the step; 10 in a row, or several that are more than 1 % of an epoch's,
 * end the training with the best parameters so far and a message that says what to try; so does a validation loss that is not
 * finite in 10 epochs in a row or in all of them. An error of a batch stage or a runner on one rank is returned on all. Each
 * Run starts afresh from the parameters as they are. */
PetscErrorCode RheoTrainerRun(RheoTrainer trainer);
PetscErrorCode RheoTrainerGetReason(RheoTrainer trainer, RheoTrainReason *reason);
PetscErrorCode RheoTrainerGetHistory(RheoTrainer trainer,
                                     const RheoHistory **history); /* owned by the trainer */
/* Optimiser state gathered on every rank: first and second moments (P) each, and the step count. Caller's arrays. */
PetscErrorCode RheoTrainerGetState(RheoTrainer trainer, float *m, float *v, int64_t *step);
/* Of the last Run: rows per second in the steps themselves, waiting for rows included, and the share of time in communication. */
PetscErrorCode RheoTrainerGetSpeed(RheoTrainer trainer, double *rows_per_second, double *communication);
