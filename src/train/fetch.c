/* Reading rows of files ahead of time. */
#include "../base/event.h"
#include "source_impl.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  PIECE_BYTES = 1 << 20,
  GAP = 8
}; /* bytes at once; rows that are read in vain rather than read apart */

struct RheoFetcher_ {
  MPI_Comm comm;
  RheoRowFile file;
  int size, width[RHEO_SOURCE_BLOCKS];
  int64_t piece;  /* rows at once */
  int64_t n_left; /* rows that are left out: */
  int64_t *left;  /* (n_left) how many good rows come before each */
  double *raw[RHEO_SOURCE_BLOCKS];
  unsigned char *good;
  int64_t *place; /* of the rows of a piece */
  int64_t n, capacity;
  uint64_t *row;
  float *record;
  pthread_t thread;
  PetscBool running, pending; /* by the thread; still to be done */
  atomic_int stop;
  int status;
};

PetscErrorCode RheoFetcherCreate(MPI_Comm comm, const RheoRowFile *file, int size, RheoFetcher *fetcher)
{
  const RheoTable *table = RheoReaderTable(file->reader);
  int64_t bytes = 0;
  RheoFetcher f;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&f));
  *fetcher = f;
  f->comm = comm;
  f->file = *file;
  f->size = size;
  for (int k = 0; k < file->n_blocks; k++) {
    f->width[k] = table->block[file->block[k]].width;
    bytes += f->width[k] * (int64_t)sizeof(double);
  }
  f->piece = PetscMax(1, PIECE_BYTES / PetscMax(bytes, 1));
  for (int k = 0; k < file->n_blocks; k++) PetscCall(PetscMalloc1(f->piece * f->width[k], &f->raw[k]));
  PetscCall(PetscMalloc2(f->piece, &f->good, f->piece, &f->place));
  PetscFunctionReturn(RHEO_OK);
}

void RheoFetcherLeaveOut(RheoFetcher f, int64_t n, int64_t *row)
{
  f->n_left = n;
  f->left = row;
  for (int64_t i = 0; i < n; i++) row[i] -= i;
}

/* A good row's place in the files. */
static int64_t PlaceOf(const struct RheoFetcher_ *f, uint64_t row)
{
  int64_t low = 0, high = f->n_left;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (f->left[middle] <= (int64_t)row)
      low = middle + 1;
    else
      high = middle;
  }
  return (int64_t)row + low;
}

/* How many rows from number k on lie close enough to each other to be read at once, and how many that takes. */
static int64_t Run(const struct RheoFetcher_ *f, int64_t k, int64_t first, int64_t *span)
{
  int64_t end = k + 1, last = first;
  for (; end < f->n; end++) {
    const int64_t place = PlaceOf(f, f->row[end]);
    if (place <= last || place - last > GAP || place - first >= f->piece) break;
    last = place;
  }
  *span = last - first + 1;
  return end - k;
}

/* Returns -1 where rows cannot be read, or are no longer good: the file was changed. */
static int Work(struct RheoFetcher_ *f, int (*read)(RheoReader, int, int64_t, int64_t, double *))
{
  for (int64_t k = 0, n; k < f->n && !atomic_load(&f->stop); k += n) {
    const int64_t first = PlaceOf(f, f->row[k]);
    int64_t span;
    n = Run(f, k, first, &span);
    for (int64_t i = 0; i < n; i++) f->place[i] = PlaceOf(f, f->row[k + i]);
    for (int b = 0; b < f->file.n_blocks; b++) {
      const size_t width = (size_t)f->width[b];
      if (read(f->file.reader, f->file.block[b], first, span, f->raw[b])) return -1;
      for (int64_t i = 0; i < n && n < span; i++)
        memmove(f->raw[b] + (size_t)i * width, f->raw[b] + (size_t)(f->place[i] - first) * width,
                width * sizeof(double));
    }
    f->file.convert(f->file.context, n, f->place, (const double *const *)f->raw,
                    f->record + (size_t)k * (size_t)f->size, f->good);
    for (int64_t i = 0; i < n; i++)
      if (!f->good[i]) return -1;
  }
  return 0;
}

static void *Thread(void *fetcher)
{
  struct RheoFetcher_ *f = fetcher;
  f->status = Work(f, RheoReaderFetch);
  return NULL;
}

/* Signals are for the thread that trains. */
static PetscBool StartThread(RheoFetcher f)
{
  sigset_t all, before;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&f->thread, NULL, Thread, f);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return (PetscBool)!failed;
}

static void Join(RheoFetcher f)
{
  if (f->running) pthread_join(f->thread, NULL);
  f->running = PETSC_FALSE;
}

PetscErrorCode RheoFetcherBegin(RheoFetcher f, int64_t n, const uint64_t *row)
{
  PetscFunctionBeginUser;
  atomic_store(&f->stop, 1);
  Join(f);
  atomic_store(&f->stop, 0);
  if (n > f->capacity || !f->record) {
    free(f->record);
    f->record = malloc((size_t)(n + 1) * (size_t)f->size * sizeof *f->record);
    PetscCheck(f->record, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld rows", (long long)n);
    PetscCall(PetscFree(f->row));
    PetscCall(PetscMalloc1((size_t)n, &f->row));
    f->capacity = n;
  }
  f->n = n;
  f->status = 0;
  PetscCall(PetscArraycpy(f->row, row, (size_t)n));
  f->running = RheoReaderIsPlain(f->file.reader) ? StartThread(f) : PETSC_FALSE;
  f->pending = (PetscBool)!f->running;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFetcherEnd(RheoFetcher f, const float **record)
{
  PetscBool good;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_READ)); /* what of it was not done ahead of time */
  Join(f);
  if (f->pending) f->status = Work(f, RheoReaderRead);
  f->pending = PETSC_FALSE;
  PetscCall(RheoEventEnd(RHEO_EVENT_READ));
  PetscCall(RheoAgree(f->comm, (PetscBool)!f->status, &good));
  RheoInputCheck(good, f->comm, "%s: can no longer be read; was it changed while it was trained on?",
                 RheoReaderName(f->file.reader));
  *record = f->record;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFetcherDestroy(RheoFetcher *fetcher)
{
  RheoFetcher f = *fetcher;

  PetscFunctionBeginUser;
  if (!f) PetscFunctionReturn(RHEO_OK);
  atomic_store(&f->stop, 1);
  Join(f);
  for (int k = 0; k < f->file.n_blocks; k++) PetscCall(PetscFree(f->raw[k]));
  PetscCall(PetscFree2(f->good, f->place));
  PetscCall(PetscFree(f->left));
  PetscCall(PetscFree(f->row));
  free(f->record);
  PetscCall(PetscFree(*fetcher));
  PetscFunctionReturn(RHEO_OK);
}
