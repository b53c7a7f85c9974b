/* Rows of files: one pass to learn which are good, then either this rank's share in memory, or reading as they are needed. */
#include "../base/reduce.h"
#include "source_impl.h"
#include <limits.h>
#include <stdlib.h>

typedef struct {
  const RheoRowFile *file;
  const RheoRowLayout *layout;
  float *record;
  unsigned char *good;
  int64_t *place;
  int64_t most;    /* rows of record and good */
  int64_t n, *bad; /* rows that are not good */
  int64_t capacity;
  double weight;
  uint64_t fingerprint;
} Survey;

static PetscErrorCode Visit(void *context, int64_t first, int64_t n, const double *const *block)
{
  const double *chosen[RHEO_SOURCE_BLOCKS] = {NULL};
  Survey *s = context;

  PetscFunctionBeginUser;
  if (n > s->most) {
    PetscCall(PetscFree3(s->record, s->good, s->place));
    PetscCall(
        PetscMalloc3((size_t)(n * s->layout->size), &s->record, (size_t)n, &s->good, (size_t)n, &s->place));
    s->most = n;
  }
  for (int k = 0; k < s->file->n_blocks; k++) chosen[k] = block[s->file->block[k]];
  for (int64_t i = 0; i < n; i++) s->place[i] = first + i;
  s->file->convert(s->file->context, n, s->place, chosen, s->record, s->good);
  for (int64_t i = 0; i < n; i++) {
    if (s->good[i]) {
      s->fingerprint += RheoRowFingerprint(s->layout, first + i, s->record + i * s->layout->size);
      if (s->layout->weight >= 0) s->weight += (double)s->record[i * s->layout->size + s->layout->weight];
      continue;
    }
    if (s->n == s->capacity) {
      s->capacity = PetscMax(64, 2 * s->capacity);
      PetscCall(PetscRealloc((size_t)s->capacity * sizeof *s->bad, &s->bad));
    }
    s->bad[s->n++] = first + i;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* The bad rows of all ranks, which come in ascending order. */
static PetscErrorCode GatherBad(RheoRowSource source, const Survey *s, int64_t *n, int64_t **bad)
{
  int *count, *at, mine = (int)s->n;
  PetscBool fits;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(&s->n, n, 1, MPI_INT64_T, MPI_SUM, source->comm));
  PetscCall(RheoAgree(source->comm, (PetscBool)(*n <= INT_MAX), &fits));
  RheoInputCheck(fits, source->comm, "%s: %lld rows cannot be used, which is too many",
                 RheoReaderName(s->file->reader), (long long)*n);
  PetscCall(PetscMalloc1((size_t)*n, bad));
  PetscCall(PetscMalloc2(source->size, &count, source->size, &at));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, count, 1, MPI_INT, source->comm));
  for (int r = 0, sum = 0; r < source->size; sum += count[r++]) at[r] = sum;
  PetscCallMPI(MPI_Allgatherv(s->bad, mine, MPI_INT64_T, *bad, count, at, MPI_INT64_T, source->comm));
  PetscCall(PetscFree2(count, at));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Learn(RheoRowSource source, const RheoRowFile *file)
{
  Survey s = {.file = file, .layout = &source->layout};
  int64_t n_bad, *bad;
  double weight;

  PetscFunctionBeginUser;
  PetscCall(RheoReaderScan(file->reader, Visit, &s));
  PetscCall(GatherBad(source, &s, &n_bad, &bad));
  PetscCallMPI(MPI_Allreduce(&s.weight, &weight, 1, MPI_DOUBLE, MPI_SUM, source->comm));
  PetscCallMPI(MPI_Allreduce(&s.fingerprint, &source->fingerprint, 1, MPI_UINT64_T, MPI_SUM, source->comm));
  source->of_files = PETSC_TRUE;
  source->n = RheoReaderTable(file->reader)->n - n_bad;
  RheoFetcherLeaveOut(source->fetcher, n_bad, bad);
  PetscCall(PetscFree3(s.record, s.good, s.place));
  PetscCall(PetscFree(s.bad));
  RheoInputCheck(source->layout.weight < 0 || !source->n || weight > 0, source->comm,
                 "the weights of all %lld rows are zero", (long long)source->n);
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's share, in pieces; all ranks make as many. */
static PetscErrorCode Hold(RheoRowSource source)
{
  enum { PIECES = 64 };
  const size_t size = (size_t)source->layout.size;
  int64_t begin, end;
  const float *record;
  uint64_t *row;

  PetscFunctionBeginUser;
  RheoRange(source->comm, source->n, &source->begin, &source->end);
  const int64_t n = source->end - source->begin;
  source->held = malloc(((size_t)n * size + 1) * sizeof *source->held);
  PetscCheck(source->held, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld rows; set data.stream: yes",
             (long long)n);
  PetscCall(PetscMalloc1((size_t)(n / PIECES + 1), &row));
  for (int piece = 0; piece < PIECES; piece++) {
    begin = n / PIECES * piece + PetscMin(piece, n % PIECES);
    end = n / PIECES * (piece + 1) + PetscMin(piece + 1, n % PIECES);
    for (int64_t i = begin; i < end; i++) row[i - begin] = (uint64_t)(source->begin + i);
    PetscCall(RheoFetcherBegin(source->fetcher, end - begin, row));
    PetscCall(RheoFetcherEnd(source->fetcher, &record));
    PetscCall(PetscArraycpy(source->held + (size_t)begin * size, record, (size_t)(end - begin) * size));
  }
  PetscCall(PetscFree(row));
  PetscCall(RheoFetcherDestroy(&source->fetcher));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoRowSourceCreateFile(MPI_Comm comm, const RheoRowFile *file, const RheoRowLayout *layout,
                                       PetscBool stream, RheoRowSource *source)
{
  RheoRowSource s;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&s));
  *source = s;
  s->comm = comm;
  s->layout = *layout;
  PetscCallMPI(MPI_Comm_rank(comm, &s->rank));
  PetscCallMPI(MPI_Comm_size(comm, &s->size));
  PetscCall(RheoFetcherCreate(comm, file, layout->size, &s->fetcher));
  PetscCall(Learn(s, file));
  if (!stream) PetscCall(Hold(s));
  PetscFunctionReturn(RHEO_OK);
}
