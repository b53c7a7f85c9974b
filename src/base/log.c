#include "log.h"
#include "base_impl.h"
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

static RheoLogLevel log_level = RHEO_LOG_INFO;
static PetscBool terminal_occupied;

void RheoLogSetLevel(RheoLogLevel level)
{
  log_level = level;
}

RheoLogLevel RheoLogGetLevel(void)
{
  return log_level;
}

PetscBool RheoLogIsOn(void)
{
  return log_level >= RHEO_LOG_INFO ? PETSC_TRUE : PETSC_FALSE;
}

double RheoSeconds(void)
{
  static double start = -1;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  if (start < 0) start = seconds;
  return seconds - start;
}

void RheoTerminalOccupied(PetscBool occupied)
{
  terminal_occupied = occupied;
}

void RheoTerminalClear(void)
{
  if (!terminal_occupied) return;
  fputs("\r\033[K", stderr);
  terminal_occupied = PETSC_FALSE;
}

void RheoLog(MPI_Comm comm, RheoLogLevel level, const char *format, ...)
{
  static const char *const prefix[] = {"error: ", "warning: ", "", ""};
  int running = 0, rank = 0;
  if (level > log_level) return;
  MPI_Initialized(&running);
  if (running && comm != MPI_COMM_NULL) MPI_Comm_rank(comm, &rank);
  if (rank) return;
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int n = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (n < 0) return;
  RheoTerminalClear();
  fprintf(stderr, "[%6.1f s] %s%s\n", RheoSeconds(), prefix[level], text); /* one call: lines stay whole */
  free(text);
}
