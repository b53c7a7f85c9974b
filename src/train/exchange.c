/* Rows from those who hold or read them to those who will consume them.
 *
 * Every rank walks through the whole list and picks out what concerns it, which takes some 30 ns a row; so nothing has to be
 * asked for, and both ends agree on the order within a message. */
#include "source_impl.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 22, BLOCK_MOST = 1 << 15, BLOCK_LEAST = 64 };

int RheoRangeOwner(int64_t n, int size, int64_t row, int64_t *place)
{
  const int64_t each = n / size, more = n % size, large = more * (each + 1);

  if (row < large) {
    *place = row % (each + 1);
    return (int)(row / (each + 1));
  }
  *place = (row - large) % each;
  return (int)(more + (row - large) / each);
}

void RheoRowLocate(RheoRowSource source, int64_t n, int64_t q, RheoRowItem *item)
{
  if (source->fetcher)
    item->reader = RheoRangeOwner(n, source->size, q, &item->slot);
  else if (source->whole)
    item->reader = item->consumer;
  else
    item->reader = RheoRangeOwner(source->n, source->size, (int64_t)item->row, &item->slot);
}

void RheoRowTake(RheoRowSource source, int64_t row, float *record)
{
  const RheoRowLayout *layout = &source->layout;
  const RheoRows *rows = &source->rows;
  const int64_t at = row - source->begin;

  if (source->held) {
    memcpy(record, source->held + at * layout->size, (size_t)layout->size * sizeof *record);
    return;
  }
  for (int k = 0; k < layout->n_columns; k++)
    if (layout->width[k])
      memcpy(record + layout->offset[k], rows->value[k] + at * layout->width[k],
             (size_t)layout->width[k] * sizeof *record);
  if (layout->weight >= 0) record[layout->weight] = rows->weight[at];
}

static void TakeRecord(RheoRowSource source, const RheoRowItem *item, const float *fetched, float *record)
{
  const size_t size = (size_t)source->layout.size;

  if (fetched)
    memcpy(record, fetched + (size_t)item->slot * size, size * sizeof *record);
  else
    RheoRowTake(source, (int64_t)item->row, record);
}

typedef struct {
  int64_t most; /* items at once */
  uint64_t *scratch;
  RheoRowItem *item;
  int *send, *send_at, *receive, *receive_at, *at; /* (size) */
  float *out, *in;                                 /* (most, size of a record) */
  MPI_Datatype type;
} Block;

static PetscErrorCode BlockCreate(RheoRowSource source, int64_t n, Block *b)
{
  const int64_t bytes = source->layout.size * (int64_t)sizeof(float);
  const size_t size = (size_t)source->size;

  PetscFunctionBeginUser;
  b->most = PetscMax(BLOCK_LEAST, PetscMin(BLOCK_MOST, BLOCK_BYTES / PetscMax(bytes, 1)));
  b->most = PetscMin(b->most, PetscMax(n, 1));
  PetscCall(PetscMalloc7((size_t)b->most, &b->scratch, (size_t)b->most, &b->item, size, &b->send, size,
                         &b->send_at, size, &b->receive, size, &b->receive_at, size, &b->at));
  const size_t numbers = source->whole ? 0 : (size_t)(b->most * source->layout.size);
  PetscCall(PetscMalloc2(numbers, &b->out, numbers, &b->in));
  PetscCallMPI(MPI_Type_contiguous(PetscMax(source->layout.size, 1), MPI_FLOAT, &b->type));
  PetscCallMPI(MPI_Type_commit(&b->type));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode BlockDestroy(Block *b)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree7(b->scratch, b->item, b->send, b->send_at, b->receive, b->receive_at, b->at));
  PetscCall(PetscFree2(b->out, b->in));
  PetscCallMPI(MPI_Type_free(&b->type));
  PetscFunctionReturn(RHEO_OK);
}

static void Count(RheoRowSource source, Block *b, int64_t n)
{
  const size_t bytes = (size_t)source->size * sizeof(int);
  int sent = 0, received = 0;

  memset(b->send, 0, bytes);
  memset(b->receive, 0, bytes);
  for (int64_t i = 0; i < n; i++) {
    const RheoRowItem *item = &b->item[i];
    if (item->consumer < 0 || item->consumer == item->reader) continue;
    if (item->reader == source->rank) b->send[item->consumer]++;
    if (item->consumer == source->rank) b->receive[item->reader]++;
  }
  for (int r = 0; r < source->size; r++) {
    b->send_at[r] = sent;
    b->receive_at[r] = received;
    sent += b->send[r];
    received += b->receive[r];
  }
}

static void Pack(RheoRowSource source, Block *b, int64_t n, const float *fetched)
{
  memcpy(b->at, b->send_at, (size_t)source->size * sizeof(int));
  for (int64_t i = 0; i < n; i++) {
    const RheoRowItem *item = &b->item[i];
    if (item->consumer < 0 || item->reader != source->rank || item->consumer == source->rank) continue;
    TakeRecord(source, item, fetched, b->out + (size_t)b->at[item->consumer]++ * (size_t)source->layout.size);
  }
}

/* Returns how many rows of the block are this rank's. */
static int64_t Unpack(RheoRowSource source, Block *b, int64_t n, const float *fetched, float *record,
                      uint64_t *index)
{
  const size_t size = (size_t)source->layout.size;
  int64_t k = 0;

  memcpy(b->at, b->receive_at, (size_t)source->size * sizeof(int));
  for (int64_t i = 0; i < n; i++) {
    const RheoRowItem *item = &b->item[i];
    if (item->consumer != source->rank) continue;
    float *to = record + (size_t)k * size;
    if (item->reader == source->rank)
      TakeRecord(source, item, fetched, to);
    else
      memcpy(to, b->in + (size_t)b->at[item->reader]++ * size, size * sizeof *to);
    if (index) index[k] = item->row;
    k++;
  }
  return k;
}

PetscErrorCode RheoRowExchange(RheoRowSource source, const RheoRowList *list, const float *fetched,
                               float *record, uint64_t *index)
{
  Block b;

  PetscFunctionBeginUser;
  PetscCall(BlockCreate(source, list->n, &b));
  for (int64_t first = 0; first < list->n; first += b.most) {
    const int64_t n = PetscMin(b.most, list->n - first);
    list->describe(list->context, source, first, n, b.scratch, b.item);
    if (!source->whole && source->size > 1) {
      Count(source, &b, n);
      Pack(source, &b, n, fetched);
      PetscCallMPI(MPI_Alltoallv(b.out, b.send, b.send_at, b.type, b.in, b.receive, b.receive_at, b.type,
                                 source->comm));
    }
    const int64_t got = Unpack(source, &b, n, fetched, record, index);
    record += (size_t)(got * source->layout.size);
    if (index) index += got;
  }
  PetscCall(BlockDestroy(&b));
  PetscFunctionReturn(RHEO_OK);
}
