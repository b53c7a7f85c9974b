/* When a training is saved and when it stops. Ranks agree on both by a number that travels with the norm of the gradient, so
 * that a signal that reaches one rank, or a clock that is ahead, costs no message of its own. */
#include "../base/event.h"
#include "../base/log.h"
#include "../base/provenance.h"
#include "checkpoint_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELD(name) offsetof(RheoCheckpointConfig, name)
const RheoKey RheoCheckpointKeys[] = {
    {"checkpoint", RHEO_KEY_COUNT, FIELD(steps), "0", "[0, inf)",
     RHEO_OF_RUN "steps between checkpoints in DIR/checkpoint; 0: not by steps"},
    {"checkpoint_minutes", RHEO_KEY_REAL, FIELD(minutes), "10", "[0, inf)",
     RHEO_OF_RUN "minutes of wall time between checkpoints; 0: not by time"},
    {"checkpoint_keep", RHEO_KEY_INT, FIELD(keep), "2", "[1, 1000000]",
     RHEO_OF_RUN "how many of the latest are kept"},
    {"restart", RHEO_KEY_BOOL, FIELD(restart), "yes", NULL,
     RHEO_OF_RUN
     "continue from the checkpoints of the same run; no: start afresh and remove those that are there"},
    {"time_limit", RHEO_KEY_REAL, FIELD(time_limit), "0", "[0, inf)",
     RHEO_OF_RUN
     "minutes of wall time after the program's start by which training has stopped, with a checkpoint; 0: "
     "none (a Slurm job's own limit is seen by itself)"},
    {0}};
#undef FIELD

PetscErrorCode RheoSafeguardRead(RheoDeck deck, const char *folder, RheoSafeguard *guard)
{
  PetscFunctionBeginUser;
  *guard = (RheoSafeguard){.folder = folder ? RheoIntern(folder) : NULL};
  PetscCall(RheoDeckRead(deck, "train", RheoCheckpointKeys, &guard->config));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerSetSafeguard(RheoTrainer trainer, const RheoSafeguard *guard, const char *identity)
{
  RheoGuard *g = &trainer->guard;

  PetscFunctionBeginUser;
  *g = (RheoGuard){.on = PETSC_TRUE, .given = *guard};
  if (guard->folder) g->given.folder = RheoIntern(guard->folder);
  g->identity = RheoIntern(identity ? identity : "");
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Starting ---- */
/* The end of a batch job is known to Slurm; it kills at once, so that some seconds must be left for leaving. */
static double Deadline(double minutes)
{
  enum { LEAVING = 10 };
  const char *end = getenv("SLURM_JOB_END_TIME");
  double deadline = minutes > 0 ? 60 * minutes : INFINITY;

  if (end && atoll(end) > 0)
    deadline = fmin(deadline, RheoSeconds() + (double)(atoll(end) - (long long)time(NULL)) - LEAVING);
  return deadline;
}

typedef struct {
  int found; /* 0 none, 1 good */
  int n_damaged;
  RheoCheckpointHead head;
  char path[RHEO_CHECKPOINT_PATH];
} Found;

/* On rank 0: opens the latest good one. Those that are damaged get out of the way, so that they do not count among those
 * that are kept. */
static void Find(RheoTrainer trainer, RheoCheckpointFile *file, Found *f)
{
  char aside[RHEO_CHECKPOINT_PATH + 16];
  int64_t *steps;
  const int n = RheoCheckpointList(trainer->guard.given.folder, &steps);

  for (int i = 0; i < n && !f->found; i++) {
    RheoCheckpointPath(trainer->guard.given.folder, steps[i], f->path);
    const char *why = RheoCheckpointFileOpen(f->path, file, &f->head);
    if (!why) {
      f->found = 1;
      break;
    }
    f->n_damaged++;
    RheoLog(PETSC_COMM_SELF, RHEO_LOG_WARNING, "%s: is damaged (%s); %s", f->path, why,
            i + 1 < n ? "trying the one before it" : "there is none before it: training starts afresh");
    snprintf(aside, sizeof aside, "%s.damaged", f->path);
    rename(f->path, aside);
  }
  free(steps);
}

static PetscErrorCode CheckFound(RheoTrainer trainer, const Found *f)
{
  char version[64];

  PetscFunctionBeginUser;
  RheoInputCheck(f->head.fingerprint == trainer->guard.fingerprint, trainer->comm,
                 "%s: is of another training (deck, data, seed or network differ from this run's); take "
                 "another output folder, or -train_restart no to start afresh and remove it",
                 f->path);
  snprintf(version, sizeof version, "%s (%s)", RheoVersion(), RheoCommit());
  if (strcmp(version, f->head.version))
    RheoLog(trainer->comm, RHEO_LOG_WARNING,
            "%s: was written by Rheo %s, this is %s; the result may differ from one that either gives alone",
            f->path, f->head.version, version);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Restore(RheoTrainer trainer)
{
  RheoCheckpointFile file = {0};
  Found f = {0};
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  if (!rank) Find(trainer, &file, &f);
  PetscCallMPI(MPI_Bcast(&f, sizeof f, MPI_BYTE, 0, trainer->comm));
  if (!f.found) PetscFunctionReturn(RHEO_OK);
  PetscCall(CheckFound(trainer, &f));
  PetscCall(RheoCheckpointLoad(trainer, &file, &f.head));
  trainer->guard.last = f.head.step;
  trainer->guard.ended = (PetscBool)f.head.ended;
  if (!trainer->quiet)
    RheoLog(trainer->comm, RHEO_LOG_INFO, f.head.ended ? "%s: training had ended" : "%s: training continues",
            f.path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoGuardStart(RheoTrainer trainer, PetscBool *ends)
{
  RheoGuard *g = &trainer->guard;

  PetscFunctionBeginUser;
  if (!g->on) PetscFunctionReturn(RHEO_OK);
  *g = (RheoGuard){.on = PETSC_TRUE, .given = g->given, .identity = g->identity, .last = -1};
  if (g->given.folder) {
    PetscCall(RheoCheckpointFingerprint(trainer, g->identity, &g->fingerprint));
    if (!g->given.config.restart) PetscCall(RheoCheckpointsRemove(trainer->comm, g->given.folder));
    PetscCall(RheoMakeDirectory(trainer->comm, g->given.folder));
    PetscCall(Restore(trainer));
    *ends = g->ended;
  }
  g->deadline = Deadline(g->given.config.time_limit);
  g->written = RheoSeconds();
  /* Until one has been written: at 100 MB/s. */
  g->writing = g->given.folder ? (double)RheoParamsSize(trainer->params) * 5 * sizeof(float) / 1e8 : 0;
  PetscFunctionReturn(RHEO_OK);
}

void RheoGuardResume(RheoTrainer trainer)
{
  const int64_t n = trainer->state.batch;

  for (int64_t i = 0; i < trainer->end - trainer->first; i++)
    memcpy(trainer->state.loss + i * trainer->steps, trainer->guard.loss + i * n, (size_t)n * sizeof(double));
}

/* ---- Every step ---- */
double RheoGuardWish(RheoTrainer trainer)
{
  RheoGuard *g = &trainer->guard;
  const RheoCheckpointConfig *config = &g->given.config;

  const double otherwise = RheoSeriesDue(trainer) ? RHEO_WISH_ROW : RHEO_WISH_NOTHING;
  if (!g->on) return otherwise;
  const double now = RheoSeconds(), begun = g->begun;
  g->begun = now;
  if (begun > 0) g->longest = fmax(g->longest, now - begun);
  if (g->given.asked && g->given.asked(g->given.context)) return RHEO_WISH_SIGNAL;
  if (now + 2 * g->longest + 3 * g->writing > g->deadline) return RHEO_WISH_TIME;
  if (g->given.folder && config->minutes > 0 && now - g->written > 60 * config->minutes)
    return RHEO_WISH_CHECKPOINT;
  return otherwise;
}

static PetscErrorCode Write(RheoTrainer trainer, PetscBool ended)
{
  RheoGuard *g = &trainer->guard;
  const int64_t step = trainer->state.step;
  const double before = RheoSeconds();
  char path[RHEO_CHECKPOINT_PATH], kept[64];
  const int failed_before = g->error;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  RheoCheckpointPath(g->given.folder, step, path);
  PetscCall(RheoEventBegin(RHEO_EVENT_CHECKPOINT));
  PetscCall(RheoCheckpointWrite(trainer, path, ended, &g->error));
  PetscCall(RheoEventEnd(RHEO_EVENT_CHECKPOINT));
  if (!g->error) {
    g->last = step;
    if (!rank) RheoCheckpointPrune(g->given.folder, g->given.config.keep);
    RheoLog(trainer->comm, RHEO_LOG_DEBUG, "%s: written in %.2f s", path, RheoSeconds() - before);
  } else if (!failed_before) {
    snprintf(kept, sizeof kept, "the last one is that of step %lld", (long long)g->last);
    RheoLog(trainer->comm, RHEO_LOG_WARNING, "%s: cannot be written: %s; training goes on without it, and %s",
            path, strerror(g->error), g->last < 0 ? "there is none so far" : kept);
  }
  g->written = RheoSeconds();
  g->writing = fmax(g->writing, g->written - before);
  g->begun = 0; /* writing is no part of a step's time */
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoGuardStep(RheoTrainer trainer, PetscBool *ends)
{
  RheoGuard *g = &trainer->guard;
  const RheoCheckpointConfig *config = &g->given.config;

  PetscFunctionBeginUser;
  if (!g->on) PetscFunctionReturn(RHEO_OK);
  const PetscBool periodic = (PetscBool)(config->steps > 0 || config->minutes > 0), ended = *ends;
  const PetscBool by_steps = (PetscBool)(config->steps > 0 && trainer->state.step % config->steps == 0);
  if (!ended && g->most >= RHEO_WISH_TIME) g->stopped = *ends = PETSC_TRUE;
  if (g->given.folder && (ended ? periodic : by_steps || g->most >= RHEO_WISH_CHECKPOINT))
    PetscCall(Write(trainer, ended));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoGuardReport(RheoTrainer trainer)
{
  RheoGuard *g = &trainer->guard;
  const char *why = g->most == RHEO_WISH_SIGNAL ? "by a signal" : "ahead of the time limit";
  const long long step = (long long)trainer->state.step;
  char error[128] = "";

  PetscFunctionBeginUser;
  PetscCall(PetscFree(g->loss));
  if (!g->stopped) PetscFunctionReturn(RHEO_OK);
  if (g->error)
    snprintf(error, sizeof error, " (that of this step cannot be written: %s)", strerror(g->error));
  RheoInputCheck(!g->given.folder || g->last >= 0, trainer->comm,
                 "%s: training was stopped %s after step %lld, and no checkpoint could be written: %s",
                 g->given.folder, why, step, strerror(g->error));
  if (!g->given.folder)
    SETERRQ(trainer->comm, RHEO_STOPPED, "training was stopped %s after step %lld", why, step);
  SETERRQ(trainer->comm, RHEO_STOPPED,
          "training was stopped %s after step %lld; give the same command again to continue from the "
          "checkpoint of step %lld in %s%s",
          why, step, (long long)g->last, g->given.folder, error);
}
