#include "base_impl.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct RheoProgress_ {
  PetscBool prints, terminal;
  char title[64], unit[32], note[192];
  int64_t total, begun, done;
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

void RheoAmount(double x, char text[32])
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

PetscErrorCode RheoProgressBegin(RheoProgress progress, int64_t done)
{
  PetscFunctionBeginUser;
  progress->begun = progress->done = done;
  PetscFunctionReturn(RHEO_OK);
}

PetscBool RheoProgressIsDue(RheoProgress p)
{
  return (PetscBool)(p->prints && RheoSeconds() - p->last >= (p->terminal ? redraw_terminal : redraw_batch));
}

/* "12k/100k samples, 3.4k samples/s, 26 s left, loss 1.23" */
static void Describe(const RheoProgress p, double now, char *text, size_t size)
{
  char done[32], total[32], rate[32], left[32];
  double speed = now > p->start ? (double)(p->done - p->begun) / (now - p->start) : 0;
  RheoAmount((double)p->done, done);
  RheoAmount((double)p->total, total);
  RheoAmount(speed, rate);
  int n = snprintf(text, size, "%s/%s %s, %s %s/s", done, total, p->unit, rate, p->unit);
  if (speed > 0 && p->done < p->total && n >= 0 && (size_t)n < size) {
    Duration((double)(p->total - p->done) / speed, left);
    n += snprintf(text + n, size - (size_t)n, ", %s left", left);
  }
  if (*p->note && n >= 0 && (size_t)n < size) snprintf(text + n, size - (size_t)n, ", %s", p->note);
}

/* Columns of the terminal; 0 where it does not tell. */
static int TerminalWidth(void)
{
  struct winsize size = {0};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

/* A line that is wider than the terminal could not be wiped out again. */
static void DrawBar(const RheoProgress p, const char *text)
{
  enum { WIDTH = 24, NARROW = 10 };
  const int columns = TerminalWidth(), width = columns && columns < 120 ? NARROW : WIDTH;
  char bar[WIDTH + 1] = "", line[512];
  double fraction = p->total > 0 ? (double)p->done / (double)p->total : 0;

  memset(bar, '.', (size_t)width);
  memset(bar, '#', (size_t)(width * (fraction > 1 ? 1 : fraction)));
  snprintf(line, sizeof line, "%s [%s] %3.0f%% %s", p->title, bar, 100 * fraction, text);
  if (columns > 1 && columns < (int)sizeof line) line[columns - 1] = 0;
  fprintf(stderr, "\r\033[K%s", line);
  fflush(stderr);
  RheoTerminalOccupied(PETSC_TRUE);
}

PetscErrorCode RheoProgressUpdate(RheoProgress progress, int64_t done, const char *note)
{
  RheoProgress p = progress;
  char text[384];
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
    const double n = (double)(p->done - p->begun);
    RheoAmount(n, done);
    RheoAmount(seconds > 0 ? n / seconds : 0, rate);
    Duration(seconds, time);
    RheoLog(PETSC_COMM_SELF, RHEO_LOG_INFO, "%s: %s %s in %s, %s %s/s%s%s", p->title, done, p->unit, time,
            rate, p->unit, *p->note ? ", " : "", p->note);
  }
  PetscCall(PetscFree(*progress));
  PetscFunctionReturn(RHEO_OK);
}
