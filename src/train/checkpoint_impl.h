/* Private to src/train: the parts of checkpointing. */
#pragma once
#include "train_impl.h"

enum { RHEO_CHECKPOINT_PATH = 4096 };

typedef struct {
  char magic[8];
  uint64_t order, bytes; /* a mark; of the file, with the checksum */
  uint64_t fingerprint;
  char version[64];
  int64_t n_params, shards, n_history, averaged, ended, reason;
  int64_t step, update, epoch, batch, skipped, skipped_row, best_epoch, stale, stale_plateau, unfit;
  double lr_factor, best_loss;
} RheoCheckpointHead;

/* ---- checkpoint_file.c: a file, on the one rank that reads or writes it ---- */
typedef struct {
  FILE *file;
  uint64_t sum;
  int error; /* of errno, the first one; later calls do nothing */
} RheoCheckpointFile;

void RheoCheckpointHeadStart(RheoCheckpointHead *head); /* zero, but for what marks such a file */
uint64_t RheoCheckpointBytes(
    const RheoCheckpointHead *head); /* of the file, by the head's other sizes; 0: they cannot be */
void RheoCheckpointFileCreate(const char *path, RheoCheckpointFile *file); /* the temporary one */
void RheoCheckpointFilePut(RheoCheckpointFile *file, const void *data, size_t bytes);
/* Adds the checksum, flushes to disk and gives the file its name. Returns 0 or errno; the temporary file is gone. */
int RheoCheckpointFileCommit(RheoCheckpointFile *file, const char *path);

/* Reads head and body once to see that they are whole; then stands behind the head. NULL, or what is wrong: then nothing is
 * open. */
const char *RheoCheckpointFileOpen(const char *path, RheoCheckpointFile *file, RheoCheckpointHead *head);
void RheoCheckpointFileGet(RheoCheckpointFile *file, void *data, size_t bytes);
int RheoCheckpointFileClose(RheoCheckpointFile *file);

/* ---- checkpoint_folder.c: on one rank ---- */
void RheoCheckpointPath(const char *folder, int64_t step, char path[RHEO_CHECKPOINT_PATH]);
/* Steps (n) of the checkpoints in a folder, the latest first; freed with free. */
int RheoCheckpointList(const char *folder, int64_t **steps);
void RheoCheckpointPrune(const char *folder, int keep);

/* ---- checkpoint.c ---- */
/* The fingerprint of what is trained, on what and how. Collective. */
PetscErrorCode RheoCheckpointFingerprint(RheoTrainer trainer, const char *identity, uint64_t *fingerprint);
/* error: errno, the same on all ranks. Collective. */
PetscErrorCode RheoCheckpointWrite(RheoTrainer trainer, const char *path, PetscBool ended, int *error);
/* Of what RheoCheckpointFileOpen has opened on rank 0: the trainer's state, but for the losses of a begun epoch, which are
 * kept in guard.loss. Collective. */
PetscErrorCode RheoCheckpointLoad(RheoTrainer trainer, RheoCheckpointFile *file,
                                  const RheoCheckpointHead *head);
