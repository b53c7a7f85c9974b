/* The rows held out for validation: known once and for all, and brought to those who need them. */
#include "../base/reduce.h"
#include "train_impl.h"
#include <stdlib.h>

typedef struct {
  RheoTrainer trainer;
  int64_t rows;        /* of a run; 0: by shards */
  const int64_t *last; /* (ranks) by shards: the end of each rank's rows */
} Held;

static int HeldBy(const Held *held, int size, int64_t place)
{
  int r = 0;
  if (held->rows) return (int)(place / held->rows % size);
  while (place >= held->last[r]) r++;
  return r;
}

static void DescribeHeld(const void *context, RheoRowSource source, int64_t first, int64_t n,
                         uint64_t *scratch, RheoRowItem *item)
{
  const Held *held = context;
  const RheoSampler *sampler = &held->trainer->sampler;

  if (RheoStageCouples(held->trainer))
    RheoSamplerValidationPlaces(sampler, first, n, scratch);
  else
    for (int64_t i = 0; i < n; i++) scratch[i] = (uint64_t)(first + i);
  for (int64_t i = 0; i < n; i++) {
    item[i].row = sampler->validation[scratch[i]];
    item[i].consumer = HeldBy(held, source->size, first + i);
    RheoRowLocate(source, sampler->n_validation, (int64_t)scratch[i], &item[i]);
  }
}

PetscErrorCode RheoValidationRowsCreate(RheoTrainer trainer, int64_t rows, RheoValidationRows *held)
{
  RheoRowSource source = trainer->source;
  const int64_t n = trainer->sampler.n_validation;
  const float *fetched = NULL;
  int64_t *last, begin, end;

  PetscFunctionBeginUser;
  *held = (RheoValidationRows){0};
  PetscCall(PetscMalloc1((size_t)source->size, &last));
  for (int r = 0; r < source->size; r++) {
    int64_t first, to;
    RheoShardRange(trainer->config.shards, source->size, r, &first, &to);
    RheoShardRange(n, trainer->config.shards, (int)to - 1, &begin, &last[r]);
  }
  const Held order = {trainer, rows, last};
  for (int64_t i = 0; i < n; i++) held->n += HeldBy(&order, source->size, i) == source->rank;
  PetscCall(RheoTrainAllocate((size_t)(held->n * trainer->layout.size), &held->record));
  held->index = malloc((size_t)(held->n + 1) * sizeof *held->index);
  PetscCheck(held->index, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld rows", (long long)held->n);
  if (source->fetcher) {
    RheoRange(source->comm, n, &begin, &end);
    PetscCall(RheoFetcherBegin(source->fetcher, end - begin, trainer->sampler.validation + begin));
    PetscCall(RheoFetcherEnd(source->fetcher, &fetched));
  }
  const RheoRowList list = {n, DescribeHeld, &order};
  PetscCall(RheoRowExchange(source, &list, fetched, held->record, held->index));
  if (trainer->origin) {
    PetscCall(RheoTrainAllocate((size_t)(held->n * trainer->model.origin), &held->origin));
    PetscCall(RheoOriginExchange(trainer, &list, RHEO_VALIDATION_STEP, held->origin));
  }
  PetscCall(PetscFree(last));
  PetscFunctionReturn(RHEO_OK);
}

void RheoValidationRowsFree(RheoValidationRows *held)
{
  free(held->record);
  free(held->index);
  free(held->origin);
  *held = (RheoValidationRows){0};
}
