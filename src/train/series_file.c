/* The file of a series; series.h has its format. */
#include "train_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 32 * RHEO_SERIES_COLUMNS, TURN_MOST = 1 << 30 };

static const struct {
  const char *name, *format, *meaning;
} columns[] = {
#define RHEO_SERIES(symbol, name, format, meaning) {#name, format, meaning},
#include "series.def"
#undef RHEO_SERIES
};

const char *RheoSeriesName(RheoSeriesColumn column)
{
  return columns[column].name;
}
const char *RheoSeriesMeaning(RheoSeriesColumn column)
{
  return columns[column].meaning;
}

static void Header(char line[LINE])
{
  size_t n = 0;
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++)
    n += (size_t)snprintf(line + n, LINE - n, "%s%s", columns[k].name,
                          k + 1 < RHEO_SERIES_COLUMNS ? "," : "\n");
}

/* ---- Reading, on one rank ---- */
/* A line of as many numbers or empty fields as there are columns, ended by a line feed; anything else is none. */
static PetscBool Parse(const char *line, double value[RHEO_SERIES_COLUMNS])
{
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) {
    char *end = (char *)(uintptr_t)line;
    value[k] = *line == ',' || *line == '\n' ? NAN : strtod(line, &end);
    if (*end != (k + 1 < RHEO_SERIES_COLUMNS ? ',' : '\n')) return PETSC_FALSE;
    line = end + 1;
  }
  return (PetscBool)(value[RHEO_SERIES_TURN] >= 1 && value[RHEO_SERIES_TURN] < TURN_MOST &&
                     value[RHEO_SERIES_STEP] >= 0);
}

/* Rows (n, columns), freed with free; torn: the last line is not whole. NULL, or what is wrong. */
static const char *ReadRows(const char *path, int64_t *n, double **rows, PetscBool *torn)
{
  char header[LINE], *line = NULL;
  size_t room = 0;
  int64_t size = 0;
  ssize_t length;

  *n = 0;
  *rows = NULL;
  *torn = PETSC_FALSE;
  FILE *file = fopen(path, "r");
  if (!file) return strerror(errno);
  Header(header);
  length = getline(&line, &room, file);
  const char *wrong = length < 0 ? (ferror(file) ? strerror(errno) : "it is empty") : NULL;
  if (!wrong && strcmp(line, header)) wrong = "it is not a series of a training as this version writes it";
  while (!wrong && (length = getline(&line, &room, file)) >= 0) {
    if (*n == size) {
      size = size ? 2 * size : 256;
      double *more = realloc(*rows, (size_t)size * RHEO_SERIES_COLUMNS * sizeof *more);
      if (!more) wrong = "there is no memory for it";
      if (!more) break;
      *rows = more;
    }
    *torn = (PetscBool)(line[length - 1] != '\n');
    if (Parse(line, *rows + *n * RHEO_SERIES_COLUMNS)) ++*n;
  }
  free(line);
  fclose(file);
  return wrong;
}

PetscErrorCode RheoSeriesRead(MPI_Comm comm, const char *path, RheoSeries *series, const char **wrong)
{
  char why[256] = "";
  double *rows = NULL, *all;
  PetscMPIInt rank;
  PetscBool torn;

  PetscFunctionBeginUser;
  *series = (RheoSeries){0};
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    const char *reason = ReadRows(path, &series->n, &rows, &torn);
    if (reason) snprintf(why, sizeof why, "%s", reason);
    if (reason) series->n = 0;
  }
  PetscCallMPI(MPI_Bcast(&series->n, 1, MPI_INT64_T, 0, comm));
  PetscCallMPI(MPI_Bcast(why, sizeof why, MPI_CHAR, 0, comm));
  const int64_t n = series->n;
  PetscCall(PetscCalloc1(n * RHEO_SERIES_COLUMNS + 1, &all));
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) {
    series->column[k] = all + k * n;
    for (int64_t i = 0; rank == 0 && i < n; i++) all[k * n + i] = rows[i * RHEO_SERIES_COLUMNS + k];
    PetscCallMPI(MPI_Bcast(all + k * n, (int)n, MPI_DOUBLE, 0, comm));
  }
  free(rows);
  *wrong = *why ? RheoIntern(why) : NULL;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSeriesFree(RheoSeries *series)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(series->column[0]));
  *series = (RheoSeries){0};
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoSeriesLatest(const RheoSeries *series)
{
  const double *turn = series->column[RHEO_SERIES_TURN];
  int64_t first = 0;
  for (int64_t i = 1; i < series->n; i++)
    if (turn[i] != turn[i - 1] && series->column[RHEO_SERIES_STEP][i] == 0) first = i;
  return first;
}

/* ---- Writing, on one rank ---- */
/* One call, so that nobody sees a part of a line; a line that was cut off is ended first. */
static void PutText(RheoSeriesFile *file, const char *text)
{
  char line[LINE + 1];
  const int n = snprintf(line, sizeof line, "%s%s", file->torn ? "\n" : "", text);

  if (file->descriptor < 0) return;
  errno = 0;
  const ssize_t written = write(file->descriptor, line, (size_t)n);
  file->error = written == n ? 0 : errno ? errno : ENOSPC;
  if (written > 0) file->torn = (PetscBool)(written < n && line[written - 1] != '\n');
}

void RheoSeriesFileOpen(const char *path, RheoSeriesFile *file)
{
  double *rows = NULL;
  int64_t n = 0;
  char header[LINE];

  *file = (RheoSeriesFile){.descriptor = -1, .turn = 1};
  const int there = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  const PetscBool empty = (PetscBool)(there >= 0 && lseek(there, 0, SEEK_END) == 0);
  if (there >= 0 && !empty) {
    file->wrong = ReadRows(path, &n, &rows, &file->torn);
    if (n) file->turn = (int64_t)rows[(n - 1) * RHEO_SERIES_COLUMNS + RHEO_SERIES_TURN] + 1;
    free(rows);
    if (file->wrong) {
      close(there);
      return;
    }
  }
  file->descriptor =
      there >= 0 || errno != ENOENT ? there : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file->descriptor < 0) {
    file->error = errno;
    return;
  }
  Header(header);
  if (there < 0 || empty) PutText(file, header);
}

void RheoSeriesFilePut(RheoSeriesFile *file, const double value[RHEO_SERIES_COLUMNS],
                       const PetscBool known[RHEO_SERIES_COLUMNS])
{
  char line[LINE];
  size_t n = 0;

  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) {
    if (known[k]) /* which NaN has a sign is chance */
      n += (size_t)snprintf(line + n, LINE - n, columns[k].format, isnan(value[k]) ? (double)NAN : value[k]);
    n += (size_t)snprintf(line + n, LINE - n, k + 1 < RHEO_SERIES_COLUMNS ? "," : "\n");
  }
  PutText(file, line);
}

void RheoSeriesFileClose(RheoSeriesFile *file)
{
  if (file->descriptor >= 0) close(file->descriptor);
  file->descriptor = -1;
}
