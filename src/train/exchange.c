/* Rows from those who hold or read them to those who need them.
 *
 * A rank finds out where its own rows are, asks the ranks that have them for their slots, and is sent them in the order in which
 * it asked. What a rank does grows with its own rows, not with those of all ranks. */
#include "source_impl.h"
#include <string.h>

/* A rank asks for a few MB at once; and should all ask one rank, that one gives so much at once. */
enum { BLOCK_BYTES = 1 << 22, GIVEN_BYTES = 1 << 28, BLOCK_MOST = 1 << 15, BLOCK_LEAST = 64 };

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
  else if (source->whole) {
    item->reader = source->rank;
    item->slot = (int64_t)item->row;
  } else
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

static void TakeSlot(RheoRowSource source, const float *fetched, int64_t slot, float *record)
{
  const size_t size = (size_t)source->layout.size;

  if (fetched)
    memcpy(record, fetched + (size_t)slot * size, size * sizeof *record);
  else
    RheoRowTake(source, source->begin + slot, record);
}

/* ---- This rank's places ---- */
int64_t RheoRowListCount(const RheoRowList *list)
{
  const int64_t n = list->end - list->begin;

  if (n <= 0 || list->run <= 0) return 0;
  return n / list->stride * list->run + PetscMin(n % list->stride, list->run);
}

/* Items [first, first + n) of this rank's. */
static void Describe(const RheoRowList *list, RheoRowSource source, int64_t first, int64_t n,
                     uint64_t *scratch, RheoRowItem *item)
{
  for (int64_t i = 0, some; i < n; i += some) {
    const int64_t turn = (first + i) / list->run, of_run = (first + i) % list->run;
    some = list->run == list->stride ? n - i : PetscMin(n - i, list->run - of_run);
    list->describe(list->context, source, list->begin + turn * list->stride + of_run, some, scratch,
                   item + i);
  }
}

/* ---- A piece of the list ---- */
/* Numbers of rows for every rank, and where they begin. */
typedef struct {
  int *n, *at;
} Counts;

static int Begins(int size, Counts *counts)
{
  int sum = 0;

  for (int r = 0; r < size; r++) {
    counts->at[r] = sum;
    sum += counts->n[r];
  }
  return sum;
}

typedef struct {
  int64_t most; /* items of this rank at once */
  uint64_t *scratch;
  RheoRowItem *item;
  Counts ask, give; /* (size) rows that this rank wants of others, and they of it */
  int *next;        /* (size) */
  int64_t *asked;   /* (most) slots that this rank asks for, by reader */
  float *in;        /* (most, size of a record) what it is sent */
  int64_t *wanted;  /* slots that others ask for */
  float *out;       /* their records */
  int64_t n_wanted; /* room in both */
  MPI_Datatype type;
} Block;

static PetscErrorCode BlockCreate(RheoRowSource source, int64_t n, Block *b)
{
  const int64_t bytes = source->layout.size * (int64_t)sizeof(float);
  const size_t size = (size_t)source->size;

  PetscFunctionBeginUser;
  const int64_t room = PetscMin(BLOCK_BYTES, GIVEN_BYTES / source->size);
  *b = (Block){.most = PetscMax(BLOCK_LEAST, PetscMin(BLOCK_MOST, room / PetscMax(bytes, 1)))};
  const size_t items = (size_t)PetscMin(b->most, n), others = source->whole ? 0 : items;
  PetscCall(
      PetscMalloc5(size, &b->ask.n, size, &b->ask.at, size, &b->give.n, size, &b->give.at, size, &b->next));
  PetscCall(PetscMalloc4(items, &b->scratch, items, &b->item, others, &b->asked,
                         others * (size_t)source->layout.size, &b->in));
  PetscCallMPI(MPI_Type_contiguous(PetscMax(source->layout.size, 1), MPI_FLOAT, &b->type));
  PetscCallMPI(MPI_Type_commit(&b->type));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode BlockDestroy(Block *b)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree5(b->ask.n, b->ask.at, b->give.n, b->give.at, b->next));
  PetscCall(PetscFree4(b->scratch, b->item, b->asked, b->in));
  PetscCall(PetscFree2(b->wanted, b->out));
  PetscCallMPI(MPI_Type_free(&b->type));
  PetscFunctionReturn(RHEO_OK);
}

/* The slots of n items, those of one reader after those of another. */
static void Ask(RheoRowSource source, Block *b, int64_t n)
{
  memset(b->ask.n, 0, (size_t)source->size * sizeof *b->ask.n);
  for (int64_t i = 0; i < n; i++)
    if (b->item[i].reader != source->rank) b->ask.n[b->item[i].reader]++;
  Begins(source->size, &b->ask);
  memcpy(b->next, b->ask.at, (size_t)source->size * sizeof *b->next);
  for (int64_t i = 0; i < n; i++)
    if (b->item[i].reader != source->rank) b->asked[b->next[b->item[i].reader]++] = b->item[i].slot;
}

/* Where the others' wishes are more than there was room for. */
static PetscErrorCode MakeRoom(RheoRowSource source, Block *b, int64_t n)
{
  PetscFunctionBeginUser;
  if (n <= b->n_wanted) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree2(b->wanted, b->out));
  PetscCall(PetscMalloc2((size_t)n, &b->wanted, (size_t)(n * source->layout.size), &b->out));
  b->n_wanted = n;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Fetch(RheoRowSource source, Block *b, int64_t n, const float *fetched)
{
  PetscFunctionBeginUser;
  Ask(source, b, n);
  PetscCallMPI(MPI_Alltoall(b->ask.n, 1, MPI_INT, b->give.n, 1, MPI_INT, source->comm));
  const int64_t wanted = Begins(source->size, &b->give);
  PetscCall(MakeRoom(source, b, wanted));
  PetscCallMPI(MPI_Alltoallv(b->asked, b->ask.n, b->ask.at, MPI_INT64_T, b->wanted, b->give.n, b->give.at,
                             MPI_INT64_T, source->comm));
  for (int64_t i = 0; i < wanted; i++)
    TakeSlot(source, fetched, b->wanted[i], b->out + i * source->layout.size);
  PetscCallMPI(MPI_Alltoallv(b->out, b->give.n, b->give.at, b->type, b->in, b->ask.n, b->ask.at, b->type,
                             source->comm));
  memcpy(b->next, b->ask.at, (size_t)source->size * sizeof *b->next);
  PetscFunctionReturn(RHEO_OK);
}

/* What was sent, and what this rank has itself, in the order of the list. */
static void Place(RheoRowSource source, Block *b, int64_t n, const float *fetched, float *record,
                  uint64_t *index)
{
  const size_t size = (size_t)source->layout.size;

  for (int64_t i = 0; i < n; i++) {
    const RheoRowItem *item = &b->item[i];
    float *to = record + (size_t)i * size;
    if (item->reader == source->rank)
      TakeSlot(source, fetched, item->slot, to);
    else
      memcpy(to, b->in + (size_t)b->next[item->reader]++ * size, size * sizeof *to);
    if (index) index[i] = item->row;
  }
}

PetscErrorCode RheoRowExchange(RheoRowSource source, const RheoRowList *list, const float *fetched,
                               float *record, uint64_t *index)
{
  const PetscBool others = (PetscBool)(!source->whole && source->size > 1);
  int64_t mine = RheoRowListCount(list), most = mine;
  Block b;

  PetscFunctionBeginUser;
  PetscCall(BlockCreate(source, mine, &b));
  if (others) PetscCallMPI(MPI_Allreduce(&mine, &most, 1, MPI_INT64_T, MPI_MAX, source->comm));
  for (int64_t at = 0; at < most; at += b.most) { /* as often on every rank */
    const int64_t first = PetscMin(at, mine), n = PetscMin(b.most, mine - first);
    Describe(list, source, first, n, b.scratch, b.item);
    if (others) PetscCall(Fetch(source, &b, n, fetched));
    Place(source, &b, n, fetched, record + first * source->layout.size, index ? index + first : NULL);
  }
  PetscCall(BlockDestroy(&b));
  PetscFunctionReturn(RHEO_OK);
}
