/* Checkpoints of a training, and stopping at one.
 *
 * A checkpoint holds everything that the rest of a training depends on and that does not follow from deck and rows, so that
 * a training that was cut off ends in the same bits as one that was not, on any other number of ranks. It is written to a
 * temporary file, flushed to disk and renamed, so that a folder holds whole checkpoints only, whatever happens; the checksum
 * finds what a disk or a copy has done to one since.
 *
 * The file stepNNNNNNNNNNNN.checkpoint, by the machine's byte order:
 *   head         RheoCheckpointHead: what it is of, sizes, and the state's numbers
 *   p, m, v      (P) float each: parameters and the optimiser's moments
 *   best         (P) float: the parameters that are kept
 *   average      (P) float, with train.ema only
 *   norm         (batch) double: norms of the gradient in the steps of the epoch so far
 *   loss         (shards, batch) double: losses of the epoch so far, shard by shard
 *   history      (6, epochs) double: the columns of RheoHistory
 *   checksum     uint64: FNV-1a of all before
 * Nothing in it knows the number of ranks.
 */
#pragma once
#include "train.h"

/* Section `train`, beside RheoTrainKeys; none of it changes a result, or stands in a model file. */
typedef struct {
  int64_t steps; /* between checkpoints; 0: not by steps */
  double minutes;
  int keep;
  double time_limit; /* minutes of the program's wall time */
  PetscBool restart;
} RheoCheckpointConfig;
extern const RheoKey RheoCheckpointKeys[];

/* What keeps a training from being lost. */
typedef struct {
  RheoCheckpointConfig config;
  const char *folder; /* of this training's checkpoints and no other's; NULL: none are written */
  /* Whether this rank was asked to stop: called once a step, on every rank; must be quick. One rank that says so is enough.
   * NULL: nobody asks. */
  PetscBool (*asked)(void *context);
  void *context;
} RheoSafeguard;

/* Reads the section `train` of a deck; folder is copied. Collective. */
PetscErrorCode RheoSafeguardRead(RheoDeck deck, const char *folder, RheoSafeguard *guard);

/* With a safeguard Run continues from the latest checkpoint in its folder that is not damaged (warning of those that are),
 * writes them as the configuration says, and one when training ends, from which a later Run has the result at once. One that
 * cannot be written is a warning; the others stay. Checkpoints of another training, which differs in rows, configuration,
 * seed, layout, start, objective or identity (a text of what else decides the result, NULL: nothing), are RHEO_ERR_INPUT.
 *
 * When a rank is asked to stop, or time is nearly up (time_limit; SLURM_JOB_END_TIME), all ranks finish the same step and Run
 * returns RHEO_STOPPED, with a checkpoint where there is a folder; RHEO_ERR_INPUT where there is a folder and no checkpoint
 * could ever be written. The library installs no signal handler: `asked` is where a program's own comes in. Collective. */
PetscErrorCode RheoTrainerSetSafeguard(RheoTrainer trainer, const RheoSafeguard *guard, const char *identity);

/* Takes the checkpoints of a folder away, and the folder if nothing else is in it: for when the result is safe. A folder that
 * does not exist is none. Collective. */
PetscErrorCode RheoCheckpointsRemove(MPI_Comm comm, const char *folder);

/* What a checkpoint says of its training. */
typedef struct {
  const char *version; /* of Rheo, with the commit; interned */
  int64_t parameters, shards, step, epoch, batch, skipped, best_epoch;
  double best_loss;
  PetscBool ended;
} RheoCheckpointFacts;
/* Reads all of it, and its checksum; wrong: NULL, or what is wrong with it. Collective. */
PetscErrorCode RheoCheckpointRead(MPI_Comm comm, const char *path, RheoCheckpointFacts *facts,
                                  const char **wrong);
