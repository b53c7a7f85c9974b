#include "../base/checksum.h"
#include "../base/random.h"
#include "../base/reduce.h"
#include "source_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void RheoRowLayoutSet(RheoRowLayout *layout, PetscBool weighted)
{
  layout->size = 0;
  for (int k = 0; k < layout->n_columns; k++) {
    layout->offset[k] = layout->size;
    layout->size += layout->width[k];
  }
  layout->weight = weighted ? layout->size++ : -1;
}

/* Weights of the rows held: none negative or not finite, not all zero. */
static PetscErrorCode CheckWeights(MPI_Comm comm, const RheoRows *rows, PetscBool whole, int64_t held)
{
  int64_t bad = INT64_MAX, first;
  double sum = 0, all;
  float value = 0;

  PetscFunctionBeginUser;
  for (int64_t i = held - 1; i >= 0; i--) {
    if (!(rows->weight[i] >= 0 && isfinite(rows->weight[i]))) bad = rows->begin + i;
    sum += (double)rows->weight[i];
  }
  PetscCallMPI(MPI_Allreduce(&bad, &first, 1, MPI_INT64_T, MPI_MIN, comm));
  if (first < INT64_MAX) {
    if (first == bad) value = rows->weight[bad - rows->begin];
    if (!whole) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_FLOAT, MPI_SUM, comm));
    RheoInputError(comm, "the weight of row %lld must be finite and not negative, got %g", (long long)first,
                   (double)value);
  }
  PetscCallMPI(MPI_Allreduce(&sum, &all, 1, MPI_DOUBLE, MPI_SUM, comm));
  RheoInputCheck(all > 0, comm, "the weights of all %lld rows are zero", (long long)rows->n);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoRowSourceCreateMemory(MPI_Comm comm, const RheoRows *rows, RheoRowSource *source)
{
  RheoRowSource s;
  int64_t begin, end;

  PetscFunctionBeginUser;
  PetscCheck(rows->n_columns >= 0 && rows->n_columns <= RHEO_TRAIN_COLUMNS, comm, PETSC_ERR_ARG_OUTOFRANGE,
             "%d columns of rows; at most %d", rows->n_columns, (int)RHEO_TRAIN_COLUMNS);
  RheoInputCheck(rows->n > 0, comm, "there are no rows to train on");
  RheoRange(comm, rows->n, &begin, &end);
  PetscBool whole = (PetscBool)(rows->begin == 0 && rows->end == 0), all;
  PetscCall(RheoAgree(comm, whole, &all));
  whole = all;
  PetscCheck(whole || (rows->begin == begin && rows->end == end), comm, PETSC_ERR_ARG_OUTOFRANGE,
             "rows that ranks share must be cut as RheoRange does");
  if (rows->weight) PetscCall(CheckWeights(comm, rows, whole, whole ? rows->n : end - begin));
  PetscCall(PetscNew(&s));
  *source = s;
  s->comm = comm;
  PetscCallMPI(MPI_Comm_rank(comm, &s->rank));
  PetscCallMPI(MPI_Comm_size(comm, &s->size));
  s->n = rows->n;
  s->whole = whole;
  s->begin = whole ? 0 : begin;
  s->end = whole ? rows->n : end;
  s->rows = *rows;
  s->layout.n_columns = rows->n_columns;
  memcpy(s->layout.name, rows->name, sizeof s->layout.name);
  memcpy(s->layout.width, rows->width, sizeof s->layout.width);
  RheoRowLayoutSet(&s->layout, (PetscBool)(rows->weight != NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoRowSourceDestroy(RheoRowSource *source)
{
  PetscFunctionBeginUser;
  if (!*source) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoFetcherDestroy(&(*source)->fetcher));
  free((*source)->held);
  PetscCall(PetscFree(*source));
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoRowSourceCount(RheoRowSource source)
{
  return source->n;
}
const RheoRowLayout *RheoRowSourceLayout(RheoRowSource source)
{
  return &source->layout;
}

/* ---- Fingerprints ---- */
uint64_t RheoRowFingerprint(const RheoRowLayout *layout, int64_t row, const float *record)
{
  const uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, &row, sizeof row);
  return RheoChecksum(sum, record, (size_t)layout->size * sizeof *record);
}

PetscErrorCode RheoRowSourceFingerprint(RheoRowSource s, uint64_t *sum)
{
  int64_t begin, end;
  uint64_t mine = 0;
  float *record;

  PetscFunctionBeginUser;
  *sum = s->fingerprint;
  if (s->of_files) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc1((size_t)s->layout.size, &record));
  RheoRange(s->comm, s->n, &begin, &end);
  for (int64_t row = begin; row < end; row++) {
    RheoRowTake(s, row, record);
    mine += RheoRowFingerprint(&s->layout, row, record);
  }
  PetscCall(PetscFree(record));
  PetscCallMPI(MPI_Allreduce(&mine, sum, 1, MPI_UINT64_T, MPI_SUM, s->comm));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Samples ---- */
enum { SAMPLE_BYTES = 1 << 25, SAMPLE_RUN = 64 };

static PetscErrorCode SampleRows(RheoRowSource s, uint64_t seed, int64_t *n, uint64_t **row)
{
  const int64_t most = PetscMax(4096, SAMPLE_BYTES / (4 * (int64_t)PetscMax(s->layout.size, 1)));
  const int64_t runs = s->n / SAMPLE_RUN, chosen = most / SAMPLE_RUN;

  PetscFunctionBeginUser;
  *n = s->n <= most ? s->n : chosen * SAMPLE_RUN;
  PetscCall(PetscMalloc1((size_t)*n, row));
  for (int64_t i = 0; s->n <= most && i < *n; i++) (*row)[i] = (uint64_t)i;
  RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_SPLIT, 1, 0);
  const double shift = RheoStreamUniform(&stream), step = (double)runs / (double)chosen;
  for (int64_t k = 0; s->n > most && k < chosen; k++) { /* step >= 1: no run is taken twice */
    const int64_t run = PetscMin(runs - 1, (int64_t)(((double)k + shift) * step));
    for (int64_t i = 0; i < SAMPLE_RUN; i++) (*row)[k * SAMPLE_RUN + i] = (uint64_t)(run * SAMPLE_RUN + i);
  }
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  int64_t n;
  const uint64_t *row;
} Sample;

static void DescribeSample(const void *context, RheoRowSource source, int64_t first, int64_t n,
                           uint64_t *scratch, RheoRowItem *item)
{
  const Sample *sample = context;

  (void)scratch;
  for (int64_t i = 0; i < n; i++) {
    item[i].row = sample->row[first + i];
    RheoRowLocate(source, sample->n, first + i, &item[i]);
  }
}

enum { MESSAGE = 1 << 20 };

PetscErrorCode RheoRowSourceSample(RheoRowSource s, uint64_t seed, int64_t *n, float **record)
{
  const float *fetched = NULL;
  uint64_t *row, *index;
  int64_t begin, end;

  PetscFunctionBeginUser;
  PetscCall(SampleRows(s, seed, n, &row));
  const int64_t numbers = *n * s->layout.size;
  *record = malloc((size_t)(numbers + 1) * sizeof **record);
  PetscCheck(*record, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld rows", (long long)*n);
  PetscCall(PetscMalloc1((size_t)*n, &index));
  if (s->fetcher) {
    RheoRange(s->comm, *n, &begin, &end);
    PetscCall(RheoFetcherBegin(s->fetcher, end - begin, row + begin));
    PetscCall(RheoFetcherEnd(s->fetcher, &fetched));
  }
  const Sample sample = {.n = *n, .row = row};
  const int64_t mine = s->whole || s->rank == 0 ? *n : 0; /* rank 0 tells the others */
  const RheoRowList list = {
      .run = mine, .stride = *n, .end = *n, .describe = DescribeSample, .context = &sample};
  PetscCall(RheoRowExchange(s, &list, fetched, *record, index));
  for (int64_t at = 0; !s->whole && at < numbers; at += MESSAGE)
    PetscCallMPI(
        MPI_Bcast(*record + at, (PetscMPIInt)PetscMin(MESSAGE, numbers - at), MPI_FLOAT, 0, s->comm));
  PetscCall(PetscFree(row));
  PetscCall(PetscFree(index));
  PetscFunctionReturn(RHEO_OK);
}
