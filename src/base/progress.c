#include "base_impl.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct RheoProgress_ {
  PetscBool prints, terminal;
  char title[64], unit[32], note[96];
  int64_t total, done;
  double start, last; /* seconds */
};

static const double redraw_terminal = 0.1, redraw_batch = 30;

/* 12.3 s, 4:05 min, 3:07 h */
static void Duration(double seconds, char text[32])
{
  if (seconds < 60)
    snprintf(text, 32, "%.1f s", seconds);
  else if (seconds < 3600)
    snprintf(text, 32, "%d:%02d min", (int)seconds / 60, (int)seconds % 60);
  else
    snprintf(text, 32, "%lld:%02d h", (long long)(seconds / 3600), (int)(seconds / 60) % 60);
}

/* Four figures with k, M or G. */
static void Amount(double x, char text[32])
{
  static const char *const suffix[] = {"", "k", "M", "G", "T"};
  int i = 0;
  while (x >= 1e4 && i < 4) {
    x /= 1e3;
    ++i;
  }
  snprintf(text, 32, x >= 100 || (i == 0 && x == (double)(long long)x) ? "%.0f%s" : "%.3g%s", x, suffix[i]);
}

PetscErrorCode RheoProgressCreate(MPI_Comm comm, const char *title, const char *unit, int64_t total,
                                  RheoProgress *progress)
{
  int rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(PetscNew(progress));
  RheoProgress p = *progress;
  p->prints = rank == 0 && RheoLogIsOn() ? PETSC_TRUE : PETSC_FALSE;
  p->terminal = isatty(STDERR_FILENO) ? PETSC_TRUE : PETSC_FALSE;
  snprintf(p->title, sizeof p->title, "%s", title);
  snprintf(p->unit, sizeof p->unit, "%s", unit);
  p->total = total;
  p->start = p->last = RheoSeconds();
  PetscFunctionReturn(RHEO_OK);
}

/* "12k/100k samples, 3.4k samples/s, 26 s left, loss 1.23" */
static void Describe(const RheoProgress p, double now, char *text, size_t size)
{
  char done[32], total[32], rate[32], left[32];
  double speed = now > p->start ? (double)p->done / (now - p->start) : 0;
  Amount((double)p->done, done);
  Amount((double)p->total, total);
  Amount(speed, rate);
  int n = snprintf(text, size, "%s/%s %s, %s %s/s", done, total, p->unit, rate, p->unit);
  if (speed > 0 && p->done < p->total && n >= 0 && (size_t)n < size) {
    Duration((double)(p->total - p->done) / speed, left);
    n += snprintf(text + n, size - (size_t)n, ", %s left", left);
  }
  if (*p->note && n >= 0 && (size_t)n < size) snprintf(text + n, size - (size_t)n, ", %s", p->note);
}

static void DrawBar(const RheoProgress p, const char *text)
{
  enum { WIDTH = 24 };
  char bar[WIDTH + 1];
  double fraction = p->total > 0 ? (double)p->done / (double)p->total : 0;
  int full = (int)(WIDTH * (fraction > 1 ? 1 : fraction));
  memset(bar, '.', WIDTH);
  memset(bar, '#', (size_t)full);
  bar[WIDTH] = 0;
  fprintf(stderr, "\r\033[K%s [%s] %3.0f%% %s", p->title, bar, 100 * fraction, text);
  fflush(stderr);
  RheoTerminalOccupied(PETSC_TRUE);
}

PetscErrorCode RheoProgressUpdate(RheoProgress progress, int64_t done, const char *note)
{
  RheoProgress p = progress;
  char text[256];
  PetscFunctionBeginUser;
  p->done = done;
  if (!p->prints) PetscFunctionReturn(RHEO_OK);
  snprintf(p->note, sizeof p->note, "%s", note ? note : "");
  double now = RheoSeconds();
  if (now - p->last < (p->terminal ? redraw_terminal : redraw_batch)) PetscFunctionReturn(RHEO_OK);
  p->last = now;
  Describe(p, now, text, sizeof text);
  if (p->terminal)
    DrawBar(p, text);
  else
    RheoLog(PETSC_COMM_SELF, RHEO_LOG_INFO, "%s: %s", p->title, text);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoProgressDestroy(RheoProgress *progress)
{
  RheoProgress p = *progress;
  char done[32], rate[32], time[32];
  PetscFunctionBeginUser;
  if (!p) PetscFunctionReturn(RHEO_OK);
  if (p->prints) {
    double seconds = RheoSeconds() - p->start;
    Amount((double)p->done, done);
    Amount(seconds > 0 ? (double)p->done / seconds : 0, rate);
    Duration(seconds, time);
    RheoLog(PETSC_COMM_SELF, RHEO_LOG_INFO, "%s: %s %s in %s, %s %s/s%s%s", p->title, done, p->unit, time,
            rate, p->unit, *p->note ? ", " : "", p->note);
  }
  PetscCall(PetscFree(*progress));
  PetscFunctionReturn(RHEO_OK);
}
