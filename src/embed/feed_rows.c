/* Rows of the ranks that train: from whoever took them to the slice of the ordered list that each is to hold.
 *
 * A rank converts what it took, which halves it, finds with the others where the list of all usable rows has to be cut (by
 * bisection on the indices, so that nobody sees all of them), and sends each row to the rank of its slice in rounds of bounded
 * size. There rows are sorted by index: what a slice holds depends on the indices alone. Rows that training leaves out travel
 * too, since an index that came twice may be theirs. */
#include "../base/reduce.h"
#include "embed_impl.h"
#include <stdlib.h>
#include <string.h>

enum { ROUND_BYTES = 1 << 20 }; /* what a rank sends at once */

/* A packed row, a number of doubles: its index, ~index where it is left out; then z (D) and context (C) in single precision. */
typedef struct {
  const rheo_feed *f;
  MPI_Comm comm;
  int rank, size, width;
  MPI_Datatype type;
  int64_t n, n_good; /* of this rank */
  double *row;       /* (n, width) */
  int n_cuts;
  int64_t *cut; /* (n_cuts) first index of slices 1, 2, ...; further ones are empty */
} Packed;

static int64_t Key(const Packed *p, const double *row, int64_t i)
{
  return EmbedIndex(row + i * p->width);
}
static int64_t Plain(int64_t key)
{
  return key < 0 ? ~key : key;
}

PetscErrorCode EmbedAllHave(MPI_Comm comm, PetscBool mine)
{
  PetscFunctionBeginUser;
  PetscCall(EmbedAgree(comm, mine ? RHEO_OK : PETSC_ERR_MEM,
                       "the rows to train on; more ranks that train hold fewer each"));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- What this rank took ---- */

/* In place: a packed row is no longer than a record. */
static PetscErrorCode Pack(Packed *p, RheoPosterior posterior)
{
  const int d = p->f->d, c = p->f->c;
  float *one;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(d + c, &one));
  for (int64_t i = 0; i < p->n; i++) {
    const double *record = p->row + i * p->f->width, *theta = record + 2;
    int64_t key = EmbedIndex(record);
    if (RheoPosteriorConvert(posterior, theta, theta + d, one, one + d))
      p->n_good++;
    else
      key = ~key;
    memcpy(p->row + i * p->width, &key, sizeof key);
    memcpy(p->row + i * p->width + 1, one, (size_t)(d + c) * sizeof *one);
  }
  PetscCall(PetscFree(one));
  const size_t bytes = (size_t)(p->n * p->width) * sizeof *p->row;
  PetscCall(EmbedAllHave(p->comm, (PetscBool)!PetscRealloc(bytes, &p->row)));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Where slices begin ---- */

static int Ascending(const void *x, const void *y)
{
  const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
  return a < b ? -1 : a > b;
}

/* How many of the sorted are at most `most`. */
static int64_t UpTo(int64_t n, const int64_t *sorted, int64_t most)
{
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (sorted[middle] <= most)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* cut[k] is the lowest index that more than before[k] usable rows of all ranks do not exceed. */
static PetscErrorCode Bisect(Packed *p, const int64_t *sorted, const int64_t *before)
{
  int64_t ends[2] = {p->n_good ? -sorted[0] : INT64_MIN, p->n_good ? sorted[p->n_good - 1] : -1};
  int64_t *low, *high, *count;
  PetscBool open = PETSC_TRUE;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(p->n_cuts, &low, p->n_cuts, &high, p->n_cuts, &count));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MAX, p->comm));
  for (int k = 0; k < p->n_cuts; k++) {
    low[k] = -ends[0];
    high[k] = ends[1];
  }
  while (open) { /* on all ranks as often: they count together */
    for (int k = 0; k < p->n_cuts; k++) count[k] = UpTo(p->n_good, sorted, low[k] + (high[k] - low[k]) / 2);
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, p->n_cuts, MPI_INT64_T, MPI_SUM, p->comm));
    open = PETSC_FALSE;
    for (int k = 0; k < p->n_cuts; k++) {
      const int64_t middle = low[k] + (high[k] - low[k]) / 2;
      if (count[k] > before[k])
        high[k] = middle;
      else
        low[k] = middle + 1;
      if (low[k] < high[k]) open = PETSC_TRUE;
    }
  }
  PetscCall(PetscArraycpy(p->cut, low, p->n_cuts));
  PetscCall(PetscFree3(low, high, count));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Cut(Packed *p, int64_t good)
{
  int64_t *sorted = NULL, *before = NULL, n = 0;

  PetscFunctionBeginUser;
  p->n_cuts = (int)PetscMin(p->size, PetscMax(good, 1)) - 1;
  PetscCall(PetscMalloc1(p->n_cuts, &p->cut));
  if (!p->n_cuts) PetscFunctionReturn(RHEO_OK);
  PetscErrorCode code =
      EmbedAllHave(p->comm, (PetscBool)!PetscMalloc2(p->n_good, &sorted, p->n_cuts, &before));
  if (code) PetscCall(PetscFree2(sorted, before));
  PetscCall(code);
  for (int64_t i = 0; i < p->n; i++)
    if (Key(p, p->row, i) >= 0) sorted[n++] = Key(p, p->row, i);
  if (n) qsort(sorted, (size_t)n, sizeof *sorted, Ascending);
  for (int k = 0; k < p->n_cuts; k++) {
    int64_t end;
    RheoRangeOf(k + 1, p->size, good, &before[k], &end);
  }
  code = Bisect(p, sorted, before);
  PetscCall(PetscFree2(sorted, before));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- To the ranks of the slices ---- */

static int SliceOf(const Packed *p, int64_t i)
{
  return (int)UpTo(p->n_cuts, p->cut, Plain(Key(p, p->row, i)));
}

typedef struct {
  int64_t *n_to, *at_to; /* (ranks): rows of a slice, and where they begin in the order of slices */
  int64_t *order;        /* (n): rows by slice */
  int64_t rounds, piece; /* rows that a rank sends another in a round: at most piece */
  int *counts;           /* (4 ranks): for MPI */
  double *to, *from;     /* (ranks piece, width) */
  double *slice;         /* (rows of this rank's slice, width) */
} Exchange;

static PetscErrorCode Sort(const Packed *p, Exchange *e)
{
  PetscFunctionBeginUser;
  PetscCall(PetscCalloc2(p->size, &e->n_to, p->size, &e->at_to));
  PetscCall(EmbedAllHave(p->comm, (PetscBool)!PetscMalloc1(p->n, &e->order)));
  for (int64_t i = 0; i < p->n; i++) e->n_to[SliceOf(p, i)]++;
  for (int r = 1; r < p->size; r++) e->at_to[r] = e->at_to[r - 1] + e->n_to[r - 1];
  for (int64_t i = 0; i < p->n; i++) e->order[e->at_to[SliceOf(p, i)]++] = i;
  for (int r = 0; r < p->size; r++) e->at_to[r] -= e->n_to[r];
  PetscFunctionReturn(RHEO_OK);
}

/* What comes goes to slice; *n is how many. */
static PetscErrorCode Round(const Packed *p, const Exchange *e, int64_t round, double *slice, int64_t *n)
{
  int *n_to = e->counts, *at_to = n_to + p->size, *n_from = at_to + p->size, *at_from = n_from + p->size;
  int to = 0, from = 0;

  PetscFunctionBeginUser;
  for (int r = 0; r < p->size; r++) {
    const int64_t first = PetscMin(round * e->piece, e->n_to[r]);
    n_to[r] = (int)PetscMin(e->piece, e->n_to[r] - first);
    at_to[r] = to;
    for (int k = 0; k < n_to[r]; k++, to++)
      PetscCall(PetscArraycpy(e->to + (int64_t)to * p->width,
                              p->row + e->order[e->at_to[r] + first + k] * p->width, p->width));
  }
  PetscCallMPI(MPI_Alltoall(n_to, 1, MPI_INT, n_from, 1, MPI_INT, p->comm));
  for (int r = 0; r < p->size; from += n_from[r++]) at_from[r] = from;
  PetscCallMPI(MPI_Alltoallv(e->to, n_to, at_to, p->type, e->from, n_from, at_from, p->type, p->comm));
  PetscCall(PetscArraycpy(slice, e->from, (int64_t)from * p->width));
  *n = from;
  PetscFunctionReturn(RHEO_OK);
}

/* What has come from all, (n) rows, is in e->slice. */
static PetscErrorCode Rounds(const Packed *p, Exchange *e, int64_t *n)
{
  int64_t *n_from, most = 0, some = 0;

  PetscFunctionBeginUser;
  PetscCall(Sort(p, e));
  PetscCall(PetscMalloc1(p->size, &n_from));
  PetscCallMPI(MPI_Alltoall(e->n_to, 1, MPI_INT64_T, n_from, 1, MPI_INT64_T, p->comm));
  *n = 0;
  for (int r = 0; r < p->size; r++) {
    *n += n_from[r];
    most = PetscMax(most, e->n_to[r]);
  }
  PetscCall(PetscFree(n_from));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT64_T, MPI_MAX, p->comm));
  e->piece = PetscMin(e->piece, PetscMax(most, 1));
  e->rounds = (most + e->piece - 1) / e->piece;
  PetscCall(EmbedAllHave(p->comm, (PetscBool)!PetscMalloc1(*n * p->width, &e->slice)));
  PetscCall(
      EmbedAllHave(p->comm, (PetscBool)!PetscMalloc3(4 * p->size, &e->counts, p->size * e->piece * p->width,
                                                     &e->to, p->size * e->piece * p->width, &e->from)));
  *n = 0;
  for (int64_t round = 0; round < e->rounds; round++, *n += some)
    PetscCall(Round(p, e, round, e->slice + *n * p->width, &some));
  PetscFunctionReturn(RHEO_OK);
}

/* Instead of the rows that it took, this rank has those of its slice. */
static PetscErrorCode ToSlices(Packed *p)
{
  const int64_t bytes = p->width * (int64_t)sizeof *p->row;
  Exchange e = {.piece = PetscMax(1, ROUND_BYTES / (p->size * bytes))};
  int64_t n = 0;

  PetscFunctionBeginUser;
  const PetscErrorCode code = Rounds(p, &e, &n);
  PetscCall(PetscFree3(e.counts, e.to, e.from));
  PetscCall(PetscFree(e.order));
  PetscCall(PetscFree2(e.n_to, e.at_to));
  if (code) PetscCall(PetscFree(e.slice));
  PetscCall(code);
  PetscCall(PetscFree(p->row));
  p->row = e.slice;
  p->n = n;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- In order ---- */

/* The lowest index of all ranks that came more than once is a mistake. Rows with one index are in one slice. */
static PetscErrorCode Order(const Packed *p, EmbedPlace *place)
{
  int64_t twice, lowest;

  PetscFunctionBeginUser;
  for (int64_t i = 0; i < p->n; i++) place[i] = (EmbedPlace){Plain(Key(p, p->row, i)), i};
  EmbedSort(p->n, place, &twice);
  PetscCallMPI(MPI_Allreduce(&twice, &lowest, 1, MPI_INT64_T, MPI_MIN, p->comm));
  RheoInputCheck(lowest == INT64_MAX, p->comm, "simulation %lld was put more than once", (long long)lowest);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Unpack(const Packed *p, const EmbedPlace *place, EmbedRows *rows)
{
  const int d = p->f->d, c = p->f->c;
  int64_t n = 0;

  PetscFunctionBeginUser;
  RheoRangeOf(p->rank, p->size, rows->n_good, &rows->begin, &rows->end);
  PetscErrorCode code = PetscMalloc1((rows->end - rows->begin) * d, &rows->z);
  if (!code) code = PetscMalloc1((rows->end - rows->begin) * c, &rows->context);
  PetscCall(EmbedAllHave(p->comm, (PetscBool)!code));
  for (int64_t i = 0; i < p->n; i++) {
    const double *row = p->row + place[i].place * p->width;
    if (EmbedIndex(row) < 0) continue;
    PetscCheck(n < rows->end - rows->begin, PETSC_COMM_SELF, PETSC_ERR_PLIB, "a slice has too many rows");
    const float *value = (const float *)(const void *)(row + 1);
    PetscCall(PetscArraycpy(rows->z + n * d, value, d));
    PetscCall(PetscArraycpy(rows->context + n * c, value + d, c));
    n++;
  }
  PetscCheck(n == rows->end - rows->begin, PETSC_COMM_SELF, PETSC_ERR_PLIB, "a slice has too few rows");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Slices(Packed *p, RheoPosterior posterior, EmbedRows *rows)
{
  EmbedPlace *place = NULL;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(p->comm, &p->rank));
  PetscCallMPI(MPI_Comm_size(p->comm, &p->size));
  PetscCallMPI(MPI_Type_contiguous(p->width, MPI_DOUBLE, &p->type));
  PetscCallMPI(MPI_Type_commit(&p->type));
  PetscCall(Pack(p, posterior));
  int64_t sums[2] = {p->n, p->n_good};
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_INT64_T, MPI_SUM, p->comm));
  rows->n = sums[0];
  rows->n_good = sums[1];
  PetscCall(Cut(p, rows->n_good));
  PetscCall(ToSlices(p));
  PetscErrorCode code = EmbedAllHave(p->comm, (PetscBool)!PetscMalloc1(p->n, &place));
  if (!code) code = Order(p, place);
  if (!code) code = Unpack(p, place, rows);
  PetscCall(PetscFree(place));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode EmbedRowsCreate(const rheo_feed *f, MPI_Comm comm, int64_t n, double **record,
                               RheoPosterior posterior, EmbedRows *rows)
{
  Packed p = {.f = f, .comm = comm, .width = 1 + (f->d + f->c + 1) / 2, .n = n, .row = *record};

  PetscFunctionBeginUser;
  *record = NULL;
  *rows = (EmbedRows){0};
  p.type = MPI_DATATYPE_NULL;
  const PetscErrorCode code = Slices(&p, posterior, rows);
  if (p.type != MPI_DATATYPE_NULL) PetscCallMPI(MPI_Type_free(&p.type));
  PetscCall(PetscFree(p.cut));
  PetscCall(PetscFree(p.row));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode EmbedRowsDestroy(EmbedRows *rows)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(rows->z));
  PetscCall(PetscFree(rows->context));
  PetscFunctionReturn(RHEO_OK);
}
