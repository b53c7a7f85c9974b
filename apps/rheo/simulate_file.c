/* A data set from the simulator, in a run that may end at any moment. What is done is kept row by row in a journal; when no row is
 * missing any more the file is written, and since row i is a function of (deck, i) it is the file of a run that never stopped. */
#include "signals.h"
#include "simulate_impl.h"
#include <base/checksum.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Rows that a rank holds before they have to go to the journal: smaller data sets never see it but every few seconds. */
enum { LONGEST_PIECE = 4096, HELD_BYTES = 1 << 26 };

/* ---- The journal ---- */
static void PackRow(const Work *w, int64_t i, double *row)
{
  const int d = w->study->d, c = w->study->c;
  memcpy(row, w->theta + i * d, (size_t)d * sizeof *row);
  memcpy(row + d, w->x + i * c, (size_t)c * sizeof *row);
  row[d + c] = w->status[i];
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
  PetscCall(PetscMalloc1(PetscMin(RowsOnTheWay(w), w->done - w->kept) * width, &rows));
  for (int64_t r = 0, at = 0; r < w->n_ranges; at += w->range[r].end - w->range[r].begin, r++) {
    const int64_t end = PetscMin(w->done, at + w->range[r].end - w->range[r].begin);
    while (w->kept < end) {
      const int64_t n = PetscMin(RowsOnTheWay(w), end - w->kept);
      for (int64_t i = 0; i < n; i++) PackRow(w, w->kept - w->base + i, rows + i * width);
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
  for (int64_t i = w->done - w->base; i < w->done - w->base + n; i++)
    if (w->status[i] == RHEO_SIMULATION_CRASHED) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* Rows first .. first + n - 1, the next of this rank's. */
static PetscErrorCode SimulatePiece(Work *w, int64_t first, int64_t n, PetscBool *stop)
{
  char reason[RHEO_SIMULATION_STATUSES][256] = {{0}};

  PetscFunctionBeginUser;
  if (w->done - w->base + n > w->capacity) { /* no room: what is there makes place */
    PetscCall(Keep(w));
    w->base = w->done;
  }
  const int64_t at = w->done - w->base;
  PetscCall(RheoSimulate(w->study->simulator, w->study->prior, w->seed, (uint64_t)first, n, 1,
                         w->theta + at * w->study->d, w->x + at * w->study->c, w->status + at, reason));
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
      const int64_t n = PetscMin(PetscMin(piece, w->capacity), w->range[r].end - first), before = w->done;
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
  w->done = w->kept = w->base = 0;
  w->capacity = PetscMin(n, PetscMax(1, HELD_BYTES / (RowWidth(w) * (int64_t)sizeof(double))));
  PetscCall(PetscMalloc3(w->capacity * w->study->d, &w->theta, w->capacity * w->study->c, &w->x, w->capacity,
                         &w->status));
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

/* All rows. A run from the start, whose ranks can hold what they simulate, keeps it in memory too, and that is their shares of the
 * table. In others, what is missing is cut over the ranks, and all goes through the journal. */
static PetscErrorCode SimulateRows(Work *w)
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
    PetscCall(RheoAgree(w->run->comm, (PetscBool)(from_start && w->base == 0), &w->in_memory));
    if (w->in_memory) PetscFunctionReturn(RHEO_OK);
    PetscCall(Keep(w));
    PetscCall(Free(w));
    PetscCall(RheoJournalDestroy(&w->journal));
    PetscCall(OpenJournal(w)); /* where the disk has lost what it took, there is more to do */
  }
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
  int64_t begin, end;

  PetscFunctionBeginUser;
  RheoRange(run->comm, w->config.n, &begin, &end);
  PetscCall(PetscCalloc1(RHEO_SIMULATION_STATUSES, &w->message));
  if (!w->config.restart) PetscCall(RheoJournalRemove(run->comm, w->folder));
  SignalsCatch();
  PetscCall(SimulateRows(w));
  PetscCall(SimulationsWrite(w, begin, end, path));
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
