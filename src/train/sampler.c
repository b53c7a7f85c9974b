#include "../base/random.h"
#include "train_impl.h"

PetscErrorCode RheoSamplerCreate(uint64_t seed, int64_t n, double fraction, RheoSampler *sampler)
{
  PetscFunctionBeginUser;
  *sampler = (RheoSampler){.seed = seed};
  PetscCall(PetscMalloc2((size_t)n, &sampler->train, (size_t)n, &sampler->validation));
  for (uint64_t i = 0; i < (uint64_t)n; i++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_SPLIT, 0, i);
    if (fraction > 0 && RheoStreamUniform(&stream) < fraction)
      sampler->validation[sampler->n_validation++] = i;
    else
      sampler->train[sampler->n_train++] = i;
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSamplerDestroy(RheoSampler *sampler)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(sampler->train, sampler->validation));
  *sampler = (RheoSampler){0};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSamplerShuffle(RheoSampler *sampler)
{
  const uint64_t n = (uint64_t)sampler->n_validation;
  uint64_t *place;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)n, &place));
  RheoPermuteRange(sampler->seed, RHEO_STREAM_SPLIT, RHEO_VALIDATION_STEP, n, 0, (size_t)n, place);
  for (uint64_t i = 0; i < n; i++) place[i] = sampler->validation[place[i]];
  PetscCall(PetscArraycpy(sampler->validation, place, n));
  PetscCall(PetscFree(place));
  PetscFunctionReturn(RHEO_OK);
}

void RheoShardRange(int64_t n, int n_shards, int shard, int64_t *begin, int64_t *end)
{
  int64_t size = n / n_shards, more = n % n_shards; /* the first `more` shards have one row more */
  *begin = shard * size + (shard < more ? shard : more);
  *end = *begin + size + (shard < more);
}

void RheoSamplerOrder(const RheoSampler *sampler, int64_t epoch, int64_t begin, int64_t end, int64_t n_index,
                      uint64_t *index)
{
  int64_t n_real = end - begin;
  RheoPermuteRange(sampler->seed, RHEO_STREAM_EPOCH, (uint32_t)epoch, (uint64_t)sampler->n_train,
                   (uint64_t)begin, (size_t)n_real, index);
  for (int64_t i = 0; i < n_real; i++) index[i] = sampler->train[index[i]];
  for (int64_t i = n_real; i < n_index; i++) index[i] = n_real > 0 ? index[n_real - 1] : sampler->train[0];
}
