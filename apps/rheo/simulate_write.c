/* Writing what was simulated, out of memory or piece by piece out of the journal. */
#include "simulate_impl.h"
#include <string.h>

enum { ON_THE_WAY = 1 << 24 }; /* bytes */

typedef struct {
  const Work *work;
  int64_t begin; /* the first row of this rank's share */
  double *rows;  /* (RowsOnTheWay, RowWidth) of the journal */
} Share;

int64_t RowsOnTheWay(const Work *w)
{
  return PetscMax(1, ON_THE_WAY / (RowWidth(w) * (int64_t)sizeof(double)));
}

/* What failed, over all ranks; the first reason of each kind comes from the lowest rank that has one. */
static PetscErrorCode ReportFailures(const Work *w, const int64_t *mine)
{
  const MPI_Comm comm = w->run->comm;
  const long long n_all = w->config.n;
  int64_t all[RHEO_SIMULATION_STATUSES];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
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

/* What became of the rows of this rank's share. */
static PetscErrorCode CountStatuses(const Share *share, int64_t end, int64_t *count)
{
  const Work *w = share->work;
  const int width = RowWidth(w);

  PetscFunctionBeginUser;
  if (w->in_memory) {
    for (int64_t i = 0; i < end - share->begin; i++) count[w->status[i]]++;
    PetscFunctionReturn(RHEO_OK);
  }
  for (int64_t first = share->begin, n; first < end; first += n) {
    n = PetscMin(RowsOnTheWay(w), end - first);
    PetscCall(RheoJournalRead(w->journal, first, first + n, share->rows));
    for (int64_t i = 0; i < n; i++) {
      const int s = (int)share->rows[(i + 1) * width - 1];
      if (s >= 0 && s < RHEO_SIMULATION_STATUSES) count[s]++;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Blocks are parameters, data, status, in the order of a row of the journal. */
static int Pull(void *context, int b, int64_t first, int64_t n, double *value)
{
  const Share *share = context;
  const Work *w = share->work;
  const int widths[] = {w->study->d, w->study->c, 1}, width = widths[b], row = RowWidth(w),
            offset = b == 0   ? 0
                     : b == 1 ? w->study->d
                              : row - 1;

  if (w->in_memory) { /* status alone is asked for: parameters and data have their values */
    for (int64_t i = 0; i < n; i++) value[i] = w->status[first + i];
    return 0;
  }
  for (int64_t done = 0, piece; done < n; done += piece) {
    const int64_t from = share->begin + first + done;
    piece = PetscMin(RowsOnTheWay(w), n - done);
    if (RheoJournalRead(w->journal, from, from + piece, share->rows)) return -1;
    for (int64_t i = 0; i < piece; i++)
      memcpy(value + (done + i) * width, share->rows + i * row + offset, (size_t)width * sizeof *value);
  }
  return 0;
}

static PetscErrorCode WriteTable(Share *share, int64_t end, const char *path)
{
  static const char *const status_name[] = {"status"};
  const Work *w = share->work;
  const Study *study = w->study;
  RheoTable table = {
      .kind = "dataset", .verb = "simulate", .n = w->config.n, .begin = share->begin, .end = end};
  const char **parameter, **unit, **data;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(study->d, &parameter, study->d, &unit, study->c, &data));
  for (int k = 0; k < study->d; k++) {
    parameter[k] = RheoPriorName(study->prior, k);
    unit[k] = RheoPriorUnit(study->prior, k);
  }
  for (int k = 0; k < study->c; k++) data[k] = RheoSimulatorDataName(study->simulator, k);
  PetscCall(RheoDeckGetText(w->run->deck, &table.deck));
  table.n_blocks = 3;
  table.block[0] = (RheoBlock){"parameters", study->d, RHEO_STORE_DOUBLE, parameter, unit, w->theta};
  table.block[1] = (RheoBlock){"data", study->c, RHEO_STORE_DOUBLE, data, NULL, w->x};
  table.block[2] = (RheoBlock){"status", 1, RHEO_STORE_INT8, status_name, NULL, NULL};
  table.pull = Pull;
  table.context = share;
  table.pulled_from = w->folder;
  PetscCall(RheoTableWrite(w->run->comm, path, &table));
  PetscCall(PetscFree3(parameter, unit, data));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SimulationsWrite(Work *w, int64_t begin, int64_t end, const char *path)
{
  Share share = {.work = w, .begin = begin};
  int64_t count[RHEO_SIMULATION_STATUSES] = {0};

  PetscFunctionBeginUser;
  if (!w->in_memory) PetscCall(PetscMalloc1(RowsOnTheWay(w) * RowWidth(w), &share.rows));
  PetscCall(CountStatuses(&share, end, count));
  PetscCall(ReportFailures(w, count));
  PetscCall(WriteTable(&share, end, path));
  PetscCall(PetscFree(share.rows));
  PetscFunctionReturn(RHEO_OK);
}
