/* The folder of a training's checkpoints. */
#include "checkpoint.h"
#include "checkpoint_impl.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = ".checkpoint";

void RheoCheckpointPath(const char *folder, int64_t step, char path[RHEO_CHECKPOINT_PATH])
{
  snprintf(path, RHEO_CHECKPOINT_PATH, "%s/step%012lld%s", folder, (long long)step, suffix);
}

/* The step of such a name, and what follows it; -1 for other names. */
static int64_t StepOf(const char *name, const char **rest)
{
  char *end;

  if (strncmp(name, "step", 4) || strspn(name + 4, "0123456789") < 12) return -1;
  const long long step = strtoll(name + 4, &end, 10);
  if (strncmp(end, suffix, sizeof suffix - 1)) return -1;
  *rest = end + sizeof suffix - 1;
  return step;
}

static int Descending(const void *a, const void *b)
{
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x > y ? -1 : x < y;
}

int RheoCheckpointList(const char *folder, int64_t **steps)
{
  DIR *all = opendir(folder);
  const struct dirent *entry;
  const char *rest;
  int n = 0, size = 0;

  *steps = NULL;
  while (all && (entry = readdir(all))) {
    const int64_t step = StepOf(entry->d_name, &rest);
    if (step < 0 || *rest) continue;
    if (n == size) {
      size = 2 * size + 8;
      int64_t *more = realloc(*steps, (size_t)size * sizeof *more);
      if (!more) break;
      *steps = more;
    }
    (*steps)[n++] = step;
  }
  if (all) closedir(all);
  if (n) qsort(*steps, (size_t)n, sizeof **steps, Descending);
  return n;
}

/* Removes checkpoints and what belongs to them: everything, or what a kill in the middle of writing has left. */
static void Sweep(const char *folder, PetscBool everything)
{
  char path[RHEO_CHECKPOINT_PATH];
  const struct dirent *entry;
  const char *rest;
  DIR *all = opendir(folder);

  if (!all) return;
  while ((entry = readdir(all))) {
    if (StepOf(entry->d_name, &rest) < 0 || !(everything || !strcmp(rest, ".tmp"))) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    unlink(path);
  }
  closedir(all);
}

void RheoCheckpointPrune(const char *folder, int keep)
{
  char path[RHEO_CHECKPOINT_PATH];
  int64_t *steps;
  const int n = RheoCheckpointList(folder, &steps);

  for (int i = keep; i < n; i++) {
    RheoCheckpointPath(folder, steps[i], path);
    unlink(path);
  }
  free(steps);
  Sweep(folder, PETSC_FALSE);
}

PetscErrorCode RheoCheckpointsRemove(MPI_Comm comm, const char *folder)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) {
    Sweep(folder, PETSC_TRUE);
    rmdir(folder);
  }
  PetscCallMPI(MPI_Barrier(comm));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCheckpointRead(MPI_Comm comm, const char *path, RheoCheckpointFacts *facts,
                                  const char **wrong)
{
  RheoCheckpointFile file;
  RheoCheckpointHead head = {.step = 0};
  PetscMPIInt rank;
  char why[256] = "";

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) {
    const char *reason = RheoCheckpointFileOpen(path, &file, &head);
    if (reason)
      snprintf(why, sizeof why, "%s", reason);
    else
      RheoCheckpointFileClose(&file);
  }
  PetscCallMPI(MPI_Bcast(why, sizeof why, MPI_CHAR, 0, comm));
  PetscCallMPI(MPI_Bcast(&head, sizeof head, MPI_BYTE, 0, comm));
  *wrong = *why ? RheoIntern(why) : NULL;
  *facts = (RheoCheckpointFacts){.version = RheoIntern(head.version),
                                 .parameters = head.n_params,
                                 .shards = head.shards,
                                 .step = head.step,
                                 .epoch = head.epoch,
                                 .batch = head.batch,
                                 .skipped = head.skipped,
                                 .best_epoch = head.best_epoch,
                                 .best_loss = head.best_loss,
                                 .ended = (PetscBool)head.ended};
  PetscFunctionReturn(RHEO_OK);
}
