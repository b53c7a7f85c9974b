#include "order.h"
#include <stdlib.h>

void SamplerOrder(const RheoSampler *s, int64_t epoch, int64_t begin, int64_t end, uint64_t *index)
{
  uint64_t *row = malloc((size_t)s->window * sizeof *row), place;
  int64_t known = -1;

  for (int64_t i = begin; i < end; i++) {
    const int64_t window = i / s->window;
    if (window != known) RheoSamplerWindow(s, epoch, window, row);
    known = window;
    RheoSamplerPlaces(s, epoch, window, i % s->window, 1, &place);
    index[i - begin] = row[place];
  }
  free(row);
}

uint64_t *SamplerTraining(const RheoSampler *s)
{
  uint64_t *row = malloc((size_t)s->n_train * sizeof *row + 1);
  RheoSamplerWindow(s, 0, 0, row);
  return row;
}

void SamplerShuffled(const RheoSampler *s, int64_t begin, int64_t end, uint64_t *index)
{
  RheoSamplerValidationPlaces(s, begin, end - begin, index);
  for (int64_t i = 0; i < end - begin; i++) index[i] = s->validation[index[i]];
}
