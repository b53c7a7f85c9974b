/* A data set from the simulator, in a run that may end at any moment. What is done is kept row by row in a journal; when no row is
 * missing any more the file is written, and since row i is a function of (deck, i) it is the file of a run that never stopped. */
#include "signals.h"
#include "verb.h"
#include <base/checksum.h>
#include <io/journal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_PIECE = 4096, PACK_BYTES = 1 << 24 };

typedef struct {
  Run *run;
  const Study *study;
  RheoSimulateConfig config;
  uint64_t seed;
  const char *folder;
  RheoJournal journal;
  int64_t n_ranges;
  const RheoRowRange *range; /* the rows that this rank is to simulate */
  int64_t n, done, kept;     /* how many, how many of them are simulated, how many in the journal */
  double *theta, *x;         /* (n, d), (n, c) */
  int8_t *status;
  char (*message)[256];
} Work;

/* What failed, over all ranks; the first reason of each kind comes from the lowest rank that has one. */
static PetscErrorCode ReportFailures(const Work *w, int64_t n)
{
  const MPI_Comm comm = w->run->comm;
  const long long n_all = w->config.n;
  int64_t mine[RHEO_SIMULATION_STATUSES] = {0}, all[RHEO_SIMULATION_STATUSES];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  for (int64_t i = 0; i < n; i++) mine[w->status[i]]++;
  PetscCallMPI(MPI_Allreduce(mine, all, RHEO_SIMULATION_STATUSES, MPI_INT64_T, MPI_SUM, comm));
  for (int s = 1; s < RHEO_SIMULATION_STATUSES; s++) {
    PetscMPIInt from = w->message[s][0] ? rank : INT32_MAX, lowest;
    if (!all[s]) continue;
    PetscCallMPI(MPI_Allreduce(&from, &lowest, 1, MPI_INT, MPI_MIN, comm));
    if (lowest < INT32_MAX) PetscCallMPI(MPI_Bcast(w->message[s], 256, MPI_CHAR, lowest, comm));
    RheoLog(comm, RHEO_LOG_WARNING, "%lld of %lld simulations: %s%s%s", (long long)all[s], n_all,
            RheoSimulationStatusName((RheoSimulationStatus)s), w->message[s][0] ? ": " : "", w->message[s]);
  }
  if (!all[0]) PetscCall(RheoJournalRemove(comm, w->folder)); /* nobody wants to go on from there */
  RheoInputCheck(all[0] > 0, comm, "none of %lld simulations succeeded (%s)", n_all,
                 all[1] && w->message[1][0] ? w->message[1] : "see the warnings above");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode WriteDataSet(Run *run, const Study *study, const char *path, RheoTable *table,
                                   double *theta, double *x, const int8_t *status)
{
  static const char *const status_name[] = {"status"};
  const int64_t n = table->end - table->begin;
  const char **parameter, **unit, **data;
  double *s;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(study->d, &parameter, study->d, &unit, study->c, &data, n, &s));
  for (int k = 0; k < study->d; k++) {
    parameter[k] = RheoPriorName(study->prior, k);
    unit[k] = RheoPriorUnit(study->prior, k);
  }
  for (int k = 0; k < study->c; k++) data[k] = RheoSimulatorDataName(study->simulator, k);
  for (int64_t i = 0; i < n; i++) s[i] = status[i];
  table->kind = "dataset";
  table->verb = "simulate";
  PetscCall(RheoDeckGetText(run->deck, &table->deck));
  table->n_blocks = 3;
  table->block[0] = (RheoBlock){"parameters", study->d, RHEO_STORE_DOUBLE, parameter, unit, theta};
  table->block[1] = (RheoBlock){"data", study->c, RHEO_STORE_DOUBLE, data, NULL, x};
  table->block[2] = (RheoBlock){"status", 1, RHEO_STORE_INT8, status_name, NULL, s};
  PetscCall(RheoTableWrite(run->comm, path, table));
  PetscCall(PetscFree4(parameter, unit, data, s));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Rows of the journal: parameters, data, status ---- */
static int RowWidth(const Work *w)
{
  return w->study->d + w->study->c + 1;
}

static int64_t RowsAtOnce(const Work *w)
{
  return PetscMax(1, PACK_BYTES / (RowWidth(w) * (int)sizeof(double)));
}

static void PackRow(const Work *w, int64_t i, double *row)
{
  const int d = w->study->d, c = w->study->c;
  memcpy(row, w->theta + i * d, (size_t)d * sizeof *row);
  memcpy(row + d, w->x + i * c, (size_t)c * sizeof *row);
  row[d + c] = w->status[i];
}

static void UnpackRow(Work *w, int64_t i, const double *row)
{
  const int d = w->study->d, c = w->study->c;
  memcpy(w->theta + i * d, row, (size_t)d * sizeof *row);
  memcpy(w->x + i * c, row + d, (size_t)c * sizeof *row);
  w->status[i] = (int8_t)row[d + c];
}

/* What the rows depend on: those of another deck, or of another program, are not mixed in. */
static PetscErrorCode JournalKey(const Work *w, uint64_t *key)
{
  static const char *const sections[] = {"prior:", "simulator:"};
  const int64_t size[3] = {(int64_t)w->seed, w->study->d, w->study->c};
  const char *text;
  PetscBool counts = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetText(w->run->deck, &text));
  *key = RheoChecksum(RHEO_CHECKSUM_START, size, sizeof size);
  *key = RheoChecksum(*key, RheoVersion(), strlen(RheoVersion()) + 1);
  *key = RheoChecksum(*key, RheoCommit(), strlen(RheoCommit()) + 1);
  while (*text) {
    const size_t line = strcspn(text, "\n");
    if (*text != ' ') counts = PETSC_FALSE; /* a new section */
    for (int s = 0; s < 2; s++)
      if (!strncmp(text, sections[s], strlen(sections[s]))) counts = PETSC_TRUE;
    if (counts) *key = RheoChecksum(*key, text, line);
    text += line + (text[line] != 0);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OpenJournal(Work *w)
{
  uint64_t key = 0;

  PetscFunctionBeginUser;
  PetscCall(JournalKey(w, &key));
  PetscCall(RheoJournalOpen(w->run->comm, w->folder, key, (size_t)RowWidth(w) * sizeof(double), w->config.n,
                            &w->journal));
  PetscFunctionReturn(RHEO_OK);
}

/* Puts into the journal what is done and not there yet. */
static PetscErrorCode Keep(Work *w)
{
  const int width = RowWidth(w);
  double *rows;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(PetscMin(RowsAtOnce(w), w->done - w->kept) * width, &rows));
  for (int64_t r = 0, at = 0; r < w->n_ranges; at += w->range[r].end - w->range[r].begin, r++) {
    const int64_t end = PetscMin(w->done, at + w->range[r].end - w->range[r].begin);
    while (w->kept < end) {
      const int64_t n = PetscMin(RowsAtOnce(w), end - w->kept);
      for (int64_t i = 0; i < n; i++) PackRow(w, w->kept + i, rows + i * width);
      PetscCall(RheoJournalAppend(w->journal, w->range[r].begin + w->kept - at, n, rows));
      w->kept += n;
    }
  }
  PetscCall(PetscFree(rows));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Simulating ---- */
/* A signal to all processes of a job may have ended an external simulator too, which is no result. */
static PetscBool HasCrashed(const Work *w, int64_t n)
{
  for (int64_t i = w->done; i < w->done + n; i++)
    if (w->status[i] == RHEO_SIMULATION_CRASHED) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* Rows first .. first + n - 1, the next of this rank's. */
static PetscErrorCode SimulatePiece(Work *w, int64_t first, int64_t n, PetscBool *stop)
{
  char reason[RHEO_SIMULATION_STATUSES][256] = {{0}};

  PetscFunctionBeginUser;
  PetscCall(RheoSimulate(w->study->simulator, w->study->prior, w->seed, (uint64_t)first, n, 1,
                         w->theta + w->done * w->study->d, w->x + w->done * w->study->c, w->status + w->done,
                         reason));
  PetscCall(SignalsPoll(w->run->comm, stop));
  if (*stop && HasCrashed(w, n)) PetscFunctionReturn(RHEO_OK);
  for (int s = 0; s < RHEO_SIMULATION_STATUSES; s++)
    if (!w->message[s][0]) memcpy(w->message[s], reason[s], sizeof reason[s]);
  w->done += n;
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's missing rows, in pieces of some tenths of a second: a signal is answered after one, the bar moves, and a run that is
 * killed loses little. Ranks have equal parts, so that the first one speaks for all. */
static PetscErrorCode SimulateMissing(Work *w)
{
  const int64_t missing = w->config.n - RheoJournalCount(w->journal);
  const double longest = PetscMin(0.4, w->config.keep_every); /* seconds of a piece, about */
  double kept_at = MPI_Wtime();
  RheoProgress progress;
  PetscBool stop = PETSC_FALSE;
  int64_t piece = 8;

  PetscFunctionBeginUser;
  PetscCall(RheoProgressCreate(w->run->comm, "simulate", "simulations", missing, &progress));
  for (int64_t r = 0; r < w->n_ranges && !stop; r++) {
    for (int64_t first = w->range[r].begin; first < w->range[r].end && !stop;) {
      const int64_t n = PetscMin(piece, w->range[r].end - first), before = w->done;
      const double start = MPI_Wtime();
      PetscCall(SimulatePiece(w, first, n, &stop));
      const double now = MPI_Wtime(), took = now - start;
      first += w->done - before;
      if (took < longest / 4) piece = PetscMin(2 * piece, LONGEST_PIECE);
      if (took > longest) piece = PetscMax(piece / 2, 1);
      if (now - kept_at >= w->config.keep_every) {
        PetscCall(Keep(w));
        kept_at = MPI_Wtime();
      }
      const double share = (double)w->done / (double)w->n;
      PetscCall(RheoProgressUpdate(progress, (int64_t)((double)missing * share), NULL));
    }
  }
  PetscCall(RheoProgressDestroy(&progress));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Allocate(Work *w, int64_t n)
{
  PetscFunctionBeginUser;
  w->n = n;
  w->done = w->kept = 0;
  PetscCall(PetscMalloc3(n * w->study->d, &w->theta, n * w->study->c, &w->x, n, &w->status));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Free(Work *w)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(w->theta, w->x, w->status));
  PetscFunctionReturn(RHEO_OK);
}

/* Where a signal came before all rows were there: keeps what is done and ends the run. */
static PetscErrorCode StopIfAsked(Work *w)
{
  PetscBool stop, all_done;
  int64_t rows;

  PetscFunctionBeginUser;
  PetscCall(SignalsAgree(w->run->comm, &stop));
  PetscCall(RheoAgree(w->run->comm, (PetscBool)(w->done == w->n), &all_done));
  if (all_done) PetscFunctionReturn(RHEO_OK);
  PetscCall(Keep(w));
  PetscCallMPI(MPI_Allreduce(&w->kept, &rows, 1, MPI_INT64_T, MPI_SUM, w->run->comm));
  rows += RheoJournalCount(w->journal);
  PetscCall(RheoJournalDestroy(&w->journal));
  SETERRQ(w->run->comm, RHEO_STOPPED,
          "%lld of %lld simulations are kept in %s; the same command goes on from there", (long long)rows,
          (long long)w->config.n, w->folder);
}

/* ---- Going on ---- */
static void TellWhatIsThere(const Work *w)
{
  const MPI_Comm comm = w->run->comm;
  const long long there = RheoJournalCount(w->journal), damaged = RheoJournalDamaged(w->journal),
                  foreign = RheoJournalForeign(w->journal);

  if (there)
    RheoLog(comm, RHEO_LOG_INFO, "%s: %lld of %lld simulations are there", w->folder, there,
            (long long)w->config.n);
  if (damaged)
    RheoLog(comm, RHEO_LOG_WARNING, "%s: damaged in %lld place%s; what stood there is simulated again",
            w->folder, damaged, damaged > 1 ? "s" : "");
  if (foreign)
    RheoLog(comm, RHEO_LOG_WARNING,
            "%s: %lld file%s of another deck, simulator or build of Rheo: not used, and removed when this "
            "run is done",
            w->folder, foreign, foreign > 1 ? "s are" : " is");
}

static int64_t RowsIn(int64_t n_ranges, const RheoRowRange *range)
{
  int64_t n = 0;
  for (int64_t r = 0; r < n_ranges; r++) n += range[r].end - range[r].begin;
  return n;
}

static PetscErrorCode ReadShare(Work *w, int64_t begin, int64_t end)
{
  const int width = RowWidth(w);
  double *rows;

  PetscFunctionBeginUser;
  PetscCall(Allocate(w, end - begin));
  PetscCall(PetscMalloc1(PetscMin(RowsAtOnce(w), end - begin) * width, &rows));
  for (int64_t first = begin; first < end; first += RowsAtOnce(w)) {
    const int64_t n = PetscMin(RowsAtOnce(w), end - first);
    PetscCall(RheoJournalRead(w->journal, first, first + n, rows));
    for (int64_t i = 0; i < n; i++) UnpackRow(w, first - begin + i, rows + i * width);
  }
  PetscCall(PetscFree(rows));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows begin .. end - 1, this rank's share of the table. A run from the start simulates just these and keeps them in memory too. In
 * one that goes on, what is missing is cut over the ranks anew, and all goes through the journal. */
static PetscErrorCode SimulateShare(Work *w, int64_t begin, int64_t end)
{
  PetscFunctionBeginUser;
  PetscCall(OpenJournal(w));
  TellWhatIsThere(w);
  while (RheoJournalCount(w->journal) < w->config.n) {
    const PetscBool from_start = (PetscBool)(RheoJournalCount(w->journal) == 0);
    PetscCall(RheoJournalMissing(w->journal, &w->n_ranges, &w->range));
    PetscCall(Allocate(w, RowsIn(w->n_ranges, w->range)));
    PetscCall(SimulateMissing(w));
    PetscCall(StopIfAsked(w));
    if (from_start) PetscFunctionReturn(RHEO_OK);
    PetscCall(Keep(w));
    PetscCall(Free(w));
    PetscCall(RheoJournalDestroy(&w->journal));
    PetscCall(OpenJournal(w)); /* where the disk has lost what it took, there is more to do */
  }
  PetscCall(ReadShare(w, begin, end));
  PetscFunctionReturn(RHEO_OK);
}

/* The run with a deck of its own, which says what program it is of. */
static PetscErrorCode OfThisProgram(Run *run, Run *own)
{
  const char *text, *name;

  PetscFunctionBeginUser;
  *own = *run;
  PetscCall(RheoDeckGetText(run->deck, &text));
  PetscCall(RheoDeckGetName(run->deck, &name));
  PetscCall(RheoDeckCreate(run->comm, &own->deck));
  PetscCall(RheoDeckLoadText(own->deck, name, text));
  PetscCall(RheoSimulatorPinProgram(own->deck));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SimulateAll(Run *run, Work *w, const char *path)
{
  RheoTable table = {.n = w->config.n};

  PetscFunctionBeginUser;
  RheoRange(run->comm, table.n, &table.begin, &table.end);
  PetscCall(PetscCalloc1(RHEO_SIMULATION_STATUSES, &w->message));
  if (!w->config.restart) PetscCall(RheoJournalRemove(run->comm, w->folder));
  SignalsCatch();
  PetscCall(SimulateShare(w, table.begin, table.end));
  PetscCall(ReportFailures(w, table.end - table.begin));
  PetscCall(WriteDataSet(run, w->study, path, &table, w->theta, w->x, w->status));
  PetscCall(RheoJournalDestroy(&w->journal));
  PetscCall(RheoJournalRemove(run->comm, w->folder));
  SignalsRelease();
  PetscCall(Free(w));
  PetscCall(PetscFree(w->message));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SimulateToFile(Run *run, const Study *study, const char *path)
{
  Run own;
  Work work = {.run = &own, .study = study};
  char folder[PETSC_MAX_PATH_LEN];
  RheoRunConfig config;
  PetscBool there = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &config));
  PetscCall(RheoDeckRead(run->deck, "simulate", RheoSimulateKeys, &work.config));
  work.seed = (uint64_t)config.seed;
  snprintf(folder, sizeof folder, "%s.parts", path);
  work.folder = RheoIntern(folder);
  PetscCall(OfThisProgram(run, &own));
  if (run->resumed && work.config.restart)
    PetscCall(SimulationsAreThere(&own, path, work.folder, work.config.n, &there));
  if (!there) PetscCall(SimulateAll(&own, &work, path));
  PetscCall(RheoDeckDestroy(&own.deck));
  PetscFunctionReturn(RHEO_OK);
}
