/* rheo info of what is no HDF5 file: the series of a training, a checkpoint, run.yaml, a deck, a folder. */
#include "verb.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT = 1 << 16 };

/* ---- series.csv ---- */
static void PutIfKnown(RheoYaml *yaml, const RheoSeries *s, RheoSeriesColumn k)
{
  for (int64_t i = s->n - 1; i >= 0; i--)
    if (!isnan(s->column[k][i])) {
      RheoYamlReal(yaml, RheoSeriesName(k), s->column[k][i]);
      return;
    }
}

/* Time over the turns of the latest training. */
static double SecondsInAll(const RheoSeries *s)
{
  const double *turn = s->column[RHEO_SERIES_TURN], *seconds = s->column[RHEO_SERIES_SECONDS];
  double sum = 0;
  for (int64_t i = RheoSeriesLatest(s); i < s->n; i++)
    if (i + 1 == s->n || turn[i + 1] != turn[i]) sum += seconds[i];
  return sum;
}

static PetscErrorCode InfoSeries(Run *run, RheoYaml *yaml)
{
  RheoSeries s;
  const char *wrong;

  PetscFunctionBeginUser;
  PetscCall(RheoSeriesRead(run->comm, run->target, &s, &wrong));
  RheoInputCheck(!wrong, run->comm, "%s: %s", run->target, wrong);
  PetscCall(InfoHead(run, yaml, "series",
                     "how a training went, or goes, on the machine that it ran on: appended to row by row"));
  RheoYamlInt(yaml, "rows", s.n);
  if (s.n) {
    const int64_t last = s.n - 1;
    RheoYamlInt(yaml, "turns", (long long)s.column[RHEO_SERIES_TURN][last]);
    RheoYamlText(yaml, "finished",
                 s.column[RHEO_SERIES_LEFT][last] == 0
                     ? "yes"
                     : "no: it is still running, or it was stopped (the same command continues it)");
    RheoYamlOpen(yaml, "latest");
    for (int k = RHEO_SERIES_EPOCH; k < RHEO_SERIES_COLUMNS; k++)
      if (k != RHEO_SERIES_SECONDS) PutIfKnown(yaml, &s, (RheoSeriesColumn)k);
    RheoYamlReal(yaml, "seconds_of_all_turns", SecondsInAll(&s));
    RheoYamlClose(yaml);
  }
  RheoYamlOpen(yaml, "columns");
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++)
    RheoYamlText(yaml, RheoSeriesName((RheoSeriesColumn)k), RheoSeriesMeaning((RheoSeriesColumn)k));
  RheoYamlClose(yaml);
  RheoYamlOpen(yaml, "next");
  InfoNext(yaml, "draw_it", "plot %s", run->target);
  RheoYamlClose(yaml);
  PetscCall(RheoSeriesFree(&s));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A checkpoint ---- */
static PetscErrorCode InfoCheckpoint(Run *run, RheoYaml *yaml)
{
  RheoCheckpointFacts facts;
  const char *wrong;

  PetscFunctionBeginUser;
  PetscCall(RheoCheckpointRead(run->comm, run->target, &facts, &wrong));
  RheoInputCheck(!wrong, run->comm, "%s: no good checkpoint: %s", run->target, wrong);
  PetscCall(InfoHead(run, yaml, "checkpoint",
                     "a training that was saved on its way; it is whole, its checksum fits"));
  RheoYamlText(yaml, "finished",
               facts.ended ? "training yes, the run that it belongs to no" : "no: training goes on from it");
  RheoYamlText(yaml, "version", facts.version);
  RheoYamlInt(yaml, "parameters", facts.parameters);
  RheoYamlInt(yaml, "shards", facts.shards);
  RheoYamlInt(yaml, "steps", facts.step);
  RheoYamlInt(yaml, "epochs", facts.epoch);
  RheoYamlInt(yaml, "steps_of_the_next_epoch", facts.batch);
  RheoYamlInt(yaml, "skipped_steps", facts.skipped);
  RheoYamlInt(yaml, "best_epoch", facts.best_epoch);
  if (facts.best_epoch) RheoYamlReal(yaml, "best_validation_loss", facts.best_loss);
  RheoYamlOpen(yaml, "next");
  RheoYamlText(yaml, "continue",
               "the command that began the training, again: on any number of ranks, to the same bits");
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- run.yaml, decks ---- */
static PetscErrorCode ReadText(Run *run, char *text)
{
  PetscMPIInt rank;
  int error = 0;

  PetscFunctionBeginUser;
  memset(text, 0, TEXT);
  PetscCallMPI(MPI_Comm_rank(run->comm, &rank));
  if (rank == 0) {
    FILE *file = fopen(run->target, "r");
    if (!file || (fread(text, 1, TEXT - 1, file) == 0 && ferror(file))) error = errno ? errno : EIO;
    if (file) fclose(file);
  }
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, run->comm));
  PetscCallMPI(MPI_Bcast(text, TEXT, MPI_CHAR, 0, run->comm));
  RheoInputCheck(!error, run->comm, "%s: cannot be read: %s", run->target, strerror(error));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode InfoYaml(Run *run, RheoYaml *yaml)
{
  PetscBool of_data_set;
  RheoDeck deck;
  RunConfig config;
  char *text;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(TEXT, &text));
  PetscCall(ReadText(run, text));
  if (!strncmp(text, "verb: ", 6) && strstr(text, "\nranks: ")) {
    PetscCall(
        InfoHead(run, yaml, "run",
                 "how the run that made this folder went: what machine, when, how long; written when it "
                 "was done. The last run counts"));
    RheoYamlText(yaml, "finished", "yes");
    RheoYamlBlock(yaml, "run", text);
  } else {
    PetscCall(RheoDeckCreate(run->comm, &deck));
    PetscCall(RheoDeckLoadFile(deck, run->target));
    PetscCall(RheoDeckRead(deck, "", RunKeys, &config));
    PetscCall(RheoTransportIsDeck(deck, &of_data_set));
    PetscCall(InfoHead(run, yaml, "deck",
                       of_data_set ? "a study to be run: a model of a data set"
                                   : "a study to be run: parameters, a simulator, an observation"));
    if (config.title) RheoYamlText(yaml, "title", config.title);
    RheoYamlOpen(yaml, "next");
    InfoNext(yaml, "run_all_of_it", "infer %s -output DIR", run->target);
    InfoNext(yaml, "explain_its_keys", "infer -help");
    RheoYamlClose(yaml);
    PetscCall(RheoDeckDestroy(&deck));
  }
  PetscCall(PetscFree(text));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- A folder ---- */
static const struct {
  const char *name, *meaning;
} parts[] = {{"data.h5", "the data set: simulations to train on"},
             {"data.h5.parts", "simulations of a run that has not finished them"},
             {"checkpoint", "saved states of a training whose run has not come to its end"},
             {"model.h5", "the trained model"},
             {"samples.h5", "samples drawn from it"},
             {"logprob.h5", "points and their density"},
             {"series.csv", "how training went: losses, speed, memory, row by row"},
             {"run.yaml", "the machine, ranks, time and memory of the last run"},
             {"figures", "figures, with the scripts and data that draw them"},
             {"round1", "the first round of truncation, a folder like this one"}};
enum { PARTS = sizeof parts / sizeof *parts };

static PetscErrorCode InfoFolder(Run *run, RheoYaml *yaml)
{
  PetscBool there[PARTS];
  int n = 0;

  PetscFunctionBeginUser;
  for (int k = 0; k < PARTS; k++) {
    char path[PETSC_MAX_PATH_LEN];
    snprintf(path, sizeof path, "%s/%s", run->target, parts[k].name);
    PetscCall(PathIs(run->comm, path, F_OK, &there[k]));
    n += there[k];
  }
  RheoInputCheck(n, run->comm, "%s: there is nothing of Rheo's in this folder", run->target);
  PetscCall(InfoHead(run, yaml, "folder", "the results of a run"));
  const PetscBool unfinished = (PetscBool)(there[1] || there[2]);
  RheoYamlText(yaml, "finished",
               unfinished
                   ? "no: a run is at work here, or was stopped; the command that began it, given again, "
                     "goes on from what is there"
                   : "yes, as far as can be seen");
  RheoYamlOpen(yaml, "holds");
  for (int k = 0; k < PARTS; k++)
    if (there[k]) RheoYamlText(yaml, parts[k].name, parts[k].meaning);
  RheoYamlClose(yaml);
  RheoYamlOpen(yaml, "next");
  for (int k = 0; k < PARTS; k++) {
    const PetscBool file = (PetscBool)(EndsWith(parts[k].name, ".h5") || EndsWith(parts[k].name, ".csv"));
    char name[64];
    snprintf(name, sizeof name, "explain_%.*s", (int)strcspn(parts[k].name, "."), parts[k].name);
    if (there[k] && file) InfoNext(yaml, name, "info %s/%s", run->target, parts[k].name);
  }
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode InfoOther(Run *run, RheoYaml *yaml)
{
  PetscMPIInt rank;
  struct stat info = {0};
  int facts[2] = {0}; /* errno, folder */

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(run->comm, &rank));
  if (rank == 0) {
    facts[0] = stat(run->target, &info) ? errno : 0;
    facts[1] = S_ISDIR(info.st_mode);
  }
  PetscCallMPI(MPI_Bcast(facts, 2, MPI_INT, 0, run->comm));
  RheoInputCheck(!facts[0], run->comm, "%s: cannot be read: %s", run->target, strerror(facts[0]));
  if (facts[1])
    PetscCall(InfoFolder(run, yaml));
  else if (EndsWith(run->target, ".csv"))
    PetscCall(InfoSeries(run, yaml));
  else if (EndsWith(run->target, ".checkpoint"))
    PetscCall(InfoCheckpoint(run, yaml));
  else {
    RheoInputCheck(
        EndsWith(run->target, ".yaml") || EndsWith(run->target, ".yml"), run->comm,
        "%s: rheo info needs one of Rheo's HDF5 files, a series.csv, a checkpoint, a deck, run.yaml "
        "or a folder of results",
        run->target);
    PetscCall(InfoYaml(run, yaml));
  }
  PetscFunctionReturn(RHEO_OK);
}
