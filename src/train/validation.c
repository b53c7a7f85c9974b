/* The rows held out for validation: known once and for all, and brought to those who need them. */
#include "../base/reduce.h"
#include "train_impl.h"
#include <stdlib.h>

static void DescribeHeld(const void *context, RheoRowSource source, int64_t first, int64_t n,
                         uint64_t *scratch, RheoRowItem *item)
{
  const RheoTrainer trainer = *(const RheoTrainer *)context;
  const RheoSampler *sampler = &trainer->sampler;

  if (RheoStageCouples(trainer))
    RheoSamplerValidationPlaces(sampler, first, n, scratch);
  else
    for (int64_t i = 0; i < n; i++) scratch[i] = (uint64_t)(first + i);
  for (int64_t i = 0; i < n; i++) {
    item[i].row = sampler->validation[scratch[i]];
    RheoRowLocate(source, sampler->n_validation, (int64_t)scratch[i], &item[i]);
  }
}

PetscErrorCode RheoValidationRowsCreate(RheoTrainer trainer, int64_t rows, RheoValidationRows *held)
{
  RheoRowSource source = trainer->source;
  const int64_t n = trainer->sampler.n_validation;
  const float *fetched = NULL;
  RheoRowList list = {.begin = source->rank * rows,
                      .run = rows,
                      .stride = source->size * rows,
                      .end = n,
                      .describe = DescribeHeld,
                      .context = &trainer};
  int64_t begin, end;

  PetscFunctionBeginUser;
  if (!rows) { /* by shards */
    RheoShardsRange(n, trainer->config.shards, trainer->first, trainer->end, &list.begin, &list.end);
    list.run = list.stride = n;
  }
  *held = (RheoValidationRows){.n = RheoRowListCount(&list)};
  PetscCall(RheoTrainAllocate((size_t)(held->n * trainer->layout.size), &held->record));
  held->index = malloc((size_t)(held->n + 1) * sizeof *held->index);
  PetscCheck(held->index, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld rows", (long long)held->n);
  if (source->fetcher) {
    RheoRange(source->comm, n, &begin, &end);
    PetscCall(RheoFetcherBegin(source->fetcher, end - begin, trainer->sampler.validation + begin));
    PetscCall(RheoFetcherEnd(source->fetcher, &fetched));
  }
  PetscCall(RheoRowExchange(source, &list, fetched, held->record, held->index));
  if (trainer->origin) {
    PetscCall(RheoTrainAllocate((size_t)(held->n * trainer->model.origin), &held->origin));
    PetscCall(RheoOriginExchange(trainer, &list, RHEO_VALIDATION_STEP, held->origin));
  }
  PetscFunctionReturn(RHEO_OK);
}

void RheoValidationRowsFree(RheoValidationRows *held)
{
  free(held->record);
  free(held->index);
  free(held->origin);
  *held = (RheoValidationRows){0};
}
