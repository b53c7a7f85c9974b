/* Simulations of a host into a data set, in bounded memory.
 *
 * A rank keeps its records, in the order they come, in a nameless file beside the one to be. At the end the range of indices is
 * cut into as many slices as there are ranks; records go to the rank of their slice in rounds of at most `capacity` rows, into a
 * second nameless file; there only (index, place) is sorted, and the table's writer pulls rows in that order. */
#include "../base/deck.h"
#include "../base/flush.h"
#include "../io/table.h"
#include "embed_impl.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  int came, sorted;  /* nameless files; -1: none */
  int64_t n, held;   /* records: in the file `came`, in the buffer */
  double *buffer;    /* (capacity, width) */
  int64_t low, high; /* indices over all ranks */
  int64_t n_slice, room;
  EmbedPlace *slice;
  int error; /* errno of the first trouble with a file; ranks go on together and tell at the end */
} File;

/* ---- Files ---- */

/* Whole transfers or an error; reading and writing only differ in what moves. */
static void Transfer(File *file, int to, int writes, void *memory, size_t bytes, int64_t at)
{
  char *from = memory;
  while (bytes > 0 && !file->error) {
    const ssize_t moved = writes ? pwrite(to, from, bytes, (off_t)at) : pread(to, from, bytes, (off_t)at);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) {
      file->error = moved ? errno : EIO;
      return;
    }
    from += moved;
    bytes -= (size_t)moved;
    at += moved;
  }
}

static size_t Bytes(const rheo_feed *f, int64_t n)
{
  return (size_t)n * (size_t)f->width * sizeof(double);
}

static void Flush(rheo_feed *f)
{
  File *file = f->data;
  Transfer(file, file->came, 1, file->buffer, Bytes(f, file->held), (int64_t)Bytes(f, file->n));
  if (!file->error) file->n += file->held;
  if (!file->error) file->held = 0;
}

/* ---- While the host runs ---- */

static PetscErrorCode Begin(rheo_feed *f)
{
  File *file;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&file));
  f->data = file;
  file->came = file->sorted = -1;
  file->low = INT64_MAX;
  file->high = -1;
  PetscCall(PetscMalloc1(f->capacity * f->width, &file->buffer));
  PetscFunctionReturn(RHEO_OK);
}

/* The file itself is made when all has been simulated, too late to learn that it may not be. */
PetscErrorCode EmbedFeedFileOpen(rheo_feed *f, const char *path)
{
  PetscBool good;
  File *file;

  PetscFunctionBeginUser;
  f->path = RheoIntern(path ? path : "");
  PetscCall(EmbedAgree(f->comm, Begin(f) ? PETSC_ERR_MEM : RHEO_OK, "the rows that a feed holds"));
  file = f->data;
  file->came = RheoNamelessFile(f->path);
  PetscCall(RheoAgree(f->comm, (PetscBool)(file->came >= 0 || errno != EISDIR), &good));
  RheoInputCheck(good, f->comm, "'%s' is no name for a file", f->path);
  PetscCall(RheoAgree(f->comm, (PetscBool)(file->came >= 0), &good));
  RheoInputCheck(good, f->comm, "%s: no file can be made beside it; is the folder there and writable?",
                 f->path);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Room(rheo_feed *f, double **to)
{
  File *file = f->data;

  PetscFunctionBeginUser;
  if (file->held == f->capacity) Flush(f);
  PetscCheck(!file->error, PETSC_COMM_SELF, PETSC_ERR_FILE_WRITE, "%s: rows cannot be kept beside it: %s",
             f->path, strerror(file->error));
  *to = file->buffer + file->held * f->width;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Added(rheo_feed *f)
{
  File *file = f->data;
  const int64_t index = EmbedIndex(file->buffer + file->held++ * f->width);

  PetscFunctionBeginUser;
  file->low = PetscMin(file->low, index);
  file->high = PetscMax(file->high, index);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(rheo_feed *f)
{
  File *file = f->data;

  PetscFunctionBeginUser;
  if (file->came >= 0) close(file->came);
  if (file->sorted >= 0) close(file->sorted);
  PetscCall(PetscFree(file->buffer));
  PetscCall(PetscFree(file->slice));
  PetscCall(PetscFree(f->data));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- To the ranks of the slices ---- */

typedef struct {
  int *n_to, *n_from, *at_to, *at_from; /* (ranks): records and their places */
  double *read, *to, *from;             /* (piece), (piece), (ranks piece) records */
} Exchange;

static int SliceOf(const rheo_feed *f, int64_t index)
{
  const File *file = f->data;
  const uint64_t width = (uint64_t)(file->high - file->low) / (uint64_t)f->size + 1;
  return (int)((uint64_t)(index - file->low) / width);
}

static PetscErrorCode Keep(rheo_feed *f, int64_t n, double *record)
{
  File *file = f->data;

  PetscFunctionBeginUser;
  if (file->n_slice + n > file->room) {
    file->room = PetscMax(file->n_slice + n, file->room + file->room / 8);
    if (PetscRealloc((size_t)file->room * sizeof *file->slice, &file->slice)) file->error = ENOMEM;
  }
  if (file->error) PetscFunctionReturn(RHEO_OK);
  for (int64_t i = 0; i < n; i++)
    file->slice[file->n_slice + i] = (EmbedPlace){EmbedIndex(record + i * f->width), file->n_slice + i};
  Transfer(file, file->sorted, 1, record, Bytes(f, n), (int64_t)Bytes(f, file->n_slice));
  file->n_slice += n;
  PetscFunctionReturn(RHEO_OK);
}

/* n records, already read, each to the rank of its slice. */
static PetscErrorCode Round(rheo_feed *f, int64_t n, Exchange *e)
{
  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(e->n_to, f->size));
  for (int64_t i = 0; i < n; i++) e->n_to[SliceOf(f, EmbedIndex(e->read + i * f->width))]++;
  PetscCallMPI(MPI_Alltoall(e->n_to, 1, MPI_INT, e->n_from, 1, MPI_INT, f->comm));
  for (int r = 0, to = 0, from = 0; r < f->size; r++) {
    e->at_to[r] = to;
    e->at_from[r] = from;
    to += e->n_to[r];
    from += e->n_from[r];
    e->n_to[r] = 0;
  }
  for (int64_t i = 0; i < n; i++) {
    const double *record = e->read + i * f->width;
    const int r = SliceOf(f, EmbedIndex(record));
    PetscCall(PetscArraycpy(e->to + (e->at_to[r] + e->n_to[r]++) * (int64_t)f->width, record, f->width));
  }
  PetscCallMPI(
      MPI_Alltoallv(e->to, e->n_to, e->at_to, f->record, e->from, e->n_from, e->at_from, f->record, f->comm));
  PetscCall(Keep(f, e->at_from[f->size - 1] + e->n_from[f->size - 1], e->from));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Rounds(rheo_feed *f, int64_t piece, Exchange *e)
{
  File *file = f->data;
  int64_t rounds = (file->n + piece - 1) / piece;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &rounds, 1, MPI_INT64_T, MPI_MAX, f->comm));
  for (int64_t k = 0; k < rounds; k++) {
    int64_t n = PetscMax(0, PetscMin(piece, file->n - k * piece));
    Transfer(file, file->came, 0, e->read, Bytes(f, n), (int64_t)Bytes(f, k * piece));
    if (file->error) n = 0;
    PetscCall(Round(f, n, e));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ToSlices(rheo_feed *f)
{
  File *file = f->data;
  int64_t piece = PetscMax(1, f->capacity / (f->size + 2)); /* the three buffers take what one took before */
  Exchange e = {0};

  PetscFunctionBeginUser;
  /* What one rank sends another has to have room for: ranks need not have the same capacity. */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &piece, 1, MPI_INT64_T, MPI_MIN, f->comm));
  PetscCall(PetscFree(file->buffer));
  PetscErrorCode code =
      PetscMalloc4(f->size, &e.n_to, f->size, &e.n_from, f->size, &e.at_to, f->size, &e.at_from);
  if (!code)
    code =
        PetscMalloc3(piece * f->width, &e.read, piece * f->width, &e.to, piece * f->size * f->width, &e.from);
  code = EmbedAgree(f->comm, code ? PETSC_ERR_MEM : RHEO_OK, "the rows of a feed on their way into the file");
  if (!code) code = Rounds(f, piece, &e);
  PetscCall(PetscFree3(e.read, e.to, e.from));
  PetscCall(PetscFree4(e.n_to, e.n_from, e.at_to, e.at_from));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- The table ---- */

static int Pull(void *context, int block, int64_t first, int64_t n, double *value)
{
  const rheo_feed *f = context;
  File *file = f->data;
  const int width = block == 0   ? f->d
                    : block == 1 ? f->c
                                 : 1,
            at = block == 0   ? 2
                 : block == 1 ? 2 + f->d
                              : 1;
  for (int64_t i = 0; i < n; i++) {
    const int64_t place = (int64_t)Bytes(f, file->slice[first + i].place) + at * (int64_t)sizeof(double);
    Transfer(file, file->sorted, 0, value + i * width, (size_t)width * sizeof(double), place);
  }
  return file->error ? -1 : 0;
}

static PetscErrorCode WriteTable(rheo_feed *f, int64_t n)
{
  static const char *const status[] = {"status"};
  File *file = f->data;
  RheoTable table = {.kind = "dataset", .verb = "feed", .n = n, .n_blocks = 3, .pull = Pull, .context = f};

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Exscan(&file->n_slice, &table.begin, 1, MPI_INT64_T, MPI_SUM, f->comm));
  if (f->rank == 0) table.begin = 0;
  table.end = table.begin + file->n_slice;
  table.block[0] = (RheoBlock){"parameters", f->d, RHEO_STORE_DOUBLE, f->name, NULL, NULL};
  table.block[1] = (RheoBlock){"data", f->c, RHEO_STORE_DOUBLE, f->name + f->d, NULL, NULL};
  table.block[2] = (RheoBlock){"status", 1, RHEO_STORE_INT8, status, NULL, NULL};
  PetscCall(RheoTableWrite(f->comm, f->path, &table));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Close(rheo_feed *f, int64_t *rows)
{
  File *file = f->data;
  int64_t lowest, ends[2] = {-file->low, file->high}, twice;
  PetscBool good;

  PetscFunctionBeginUser;
  Flush(f);
  file->sorted = RheoNamelessFile(f->path);
  if (file->sorted < 0 && !file->error) file->error = errno;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MAX, f->comm));
  file->low = -ends[0];
  file->high = ends[1];
  RheoInputCheck(file->high >= 0, f->comm, "%s: no simulation was put", f->path);
  PetscCall(ToSlices(f));
  EmbedSort(file->n_slice, file->slice, &twice);
  PetscCall(RheoAgree(f->comm, (PetscBool)!file->error, &good));
  PetscCheck(good, f->comm, PETSC_ERR_FILE_WRITE, "%s: rows cannot be kept beside it%s%s", f->path,
             file->error ? ": " : "", file->error ? strerror(file->error) : "");
  PetscCallMPI(MPI_Allreduce(&twice, &lowest, 1, MPI_INT64_T, MPI_MIN, f->comm));
  RheoInputCheck(lowest == INT64_MAX, f->comm, "%s: simulation %lld was put more than once", f->path,
                 (long long)lowest);
  PetscCallMPI(MPI_Allreduce(&file->n_slice, rows, 1, MPI_INT64_T, MPI_SUM, f->comm));
  PetscCall(WriteTable(f, *rows));
  PetscFunctionReturn(RHEO_OK);
}

const EmbedFeedType EmbedFeedFile = {.room = Room, .added = Added, .close = Close, .destroy = Destroy};
