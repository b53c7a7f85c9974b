#include "../base/random.h"
#include "train_impl.h"

static int IsValidation(const RheoSampler *s, uint64_t row)
{
  if (!(s->fraction > 0)) return 0;
  RheoStream stream = RheoStreamMake(s->seed, RHEO_STREAM_SPLIT, 0, row);
  return RheoStreamUniform(&stream) < s->fraction;
}

PetscErrorCode RheoSamplerCreate(uint64_t seed, int64_t n, double fraction, RheoSampler *s)
{
  int64_t capacity = 0;

  PetscFunctionBeginUser;
  *s = (RheoSampler){.seed = seed, .fraction = fraction, .n = n};
  for (uint64_t i = 0; fraction > 0 && i < (uint64_t)n; i++) {
    if (!IsValidation(s, i)) continue;
    if (s->n_validation == capacity) {
      capacity = PetscMax(1024, 2 * capacity);
      PetscCall(PetscRealloc((size_t)capacity * sizeof *s->validation, &s->validation));
    }
    s->validation[s->n_validation++] = i;
  }
  s->n_train = n - s->n_validation;
  PetscCall(RheoSamplerCut(s, n, s->n_train));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSamplerDestroy(RheoSampler *s)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(s->validation));
  PetscCall(PetscFree(s->train_in));
  *s = (RheoSampler){0};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSamplerCut(RheoSampler *s, int64_t chunk, int64_t window)
{
  int64_t v = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(s->train_in));
  s->window = PetscMax(1, PetscMin(window, s->n_train));
  s->n_windows = (s->n_train + s->window - 1) / s->window;
  s->chunk = s->n_windows > 1 ? PetscMax(1, PetscMin(chunk, s->n)) : PetscMax(1, s->n);
  s->n_chunks = (s->n + s->chunk - 1) / s->chunk;
  PetscCall(PetscMalloc1((size_t)s->n_chunks, &s->train_in));
  for (int64_t c = 0; c < s->n_chunks; c++) {
    const int64_t begin = c * s->chunk, end = PetscMin(begin + s->chunk, s->n), first = v;
    while (v < s->n_validation && s->validation[v] < (uint64_t)end) v++;
    s->train_in[c] = end - begin - (v - first);
  }
  PetscFunctionReturn(RHEO_OK);
}

void RheoSamplerValidationPlaces(const RheoSampler *s, int64_t first, int64_t n, uint64_t *place)
{
  RheoPermuteRange(s->seed, RHEO_STREAM_SPLIT, RHEO_VALIDATION_STEP, (uint64_t)s->n_validation,
                   (uint64_t)first, (size_t)n, place);
}

/* The first n % n_shards shards have one row more. */
static int64_t ShardBegin(int64_t n, int n_shards, int64_t shard)
{
  return n / n_shards * shard + PetscMin(shard, n % n_shards);
}

void RheoShardsRange(int64_t n, int n_shards, int64_t first, int64_t last, int64_t *begin, int64_t *end)
{
  *begin = ShardBegin(n, n_shards, first);
  *end = ShardBegin(n, n_shards, last);
}

void RheoShardRange(int64_t n, int n_shards, int shard, int64_t *begin, int64_t *end)
{
  RheoShardsRange(n, n_shards, shard, shard + 1, begin, end);
}

/* ---- Windows ---- */
int64_t RheoSamplerWindowSize(const RheoSampler *s, int64_t window)
{
  return PetscMin(s->window, s->n_train - window * s->window);
}

/* A stream for every window, and the last one for chunks; that of the first is the epoch's own. */
static uint32_t OrderPurpose(int64_t window)
{
  return RHEO_STREAM_EPOCH + ((uint32_t)window << 8);
}

/* The first validation row that is not before `row`, as its place among them. */
static int64_t ValidationFrom(const RheoSampler *s, uint64_t row)
{
  int64_t low = 0, high = s->n_validation;

  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (s->validation[middle] < row)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Appends at most most training rows of chunk c, but for its first skip ones. */
static int64_t TakeChunk(const RheoSampler *s, int64_t c, int64_t skip, int64_t most, uint64_t *row)
{
  const int64_t end = PetscMin((c + 1) * s->chunk, s->n);
  int64_t n = 0, v = ValidationFrom(s, (uint64_t)(c * s->chunk));

  for (int64_t i = c * s->chunk; i < end && n < most; i++)
    if (v < s->n_validation && s->validation[v] == (uint64_t)i)
      v++;
    else if (skip-- <= 0)
      row[n++] = (uint64_t)i;
  return n;
}

void RheoSamplerWindow(const RheoSampler *s, int64_t epoch, int64_t window, uint64_t *row)
{
  enum { AT_ONCE = 64 };
  const int64_t n = RheoSamplerWindowSize(s, window);
  int64_t skip = window * s->window, done = 0;
  uint64_t order[AT_ONCE];

  for (int64_t at = 0; at < s->n_chunks && done < n; at++) {
    if (at % AT_ONCE == 0)
      RheoPermuteRange(s->seed, OrderPurpose(RHEO_WINDOWS_MOST), (uint32_t)epoch, (uint64_t)s->n_chunks,
                       (uint64_t)at, (size_t)PetscMin(AT_ONCE, s->n_chunks - at), order);
    const int64_t c = (int64_t)order[at % AT_ONCE], here = s->train_in[c];
    if (skip < here) done += TakeChunk(s, c, skip, n - done, row + done);
    skip = PetscMax(0, skip - here);
  }
}

void RheoSamplerPlaces(const RheoSampler *s, int64_t epoch, int64_t window, int64_t first, int64_t n,
                       uint64_t *place)
{
  RheoPermuteRange(s->seed, OrderPurpose(window), (uint32_t)epoch, (uint64_t)RheoSamplerWindowSize(s, window),
                   (uint64_t)first, (size_t)n, place);
}
