/* The order of an epoch as its definition has it: row by row, without windows' bookkeeping in the trainer. */
#pragma once
#include "train/train_impl.h"

/* index (end - begin): the rows at places [begin, end) of an epoch's order. */
void SamplerOrder(const RheoSampler *sampler, int64_t epoch, int64_t begin, int64_t end, uint64_t *index);
/* Training rows in ascending order (n_train), of a sampler with one window; freed with free. */
uint64_t *SamplerTraining(const RheoSampler *sampler);
/* index (end - begin): validation rows at places [begin, end) of their random order. */
void SamplerShuffled(const RheoSampler *sampler, int64_t begin, int64_t end, uint64_t *index);
