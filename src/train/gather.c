/* Rows as stages and runners get them: column by column, in the objective's order. */
#include "train_impl.h"
#include <stdlib.h>
#include <string.h>

static PetscErrorCode AddColumn(RheoGathering *g, int from, int width)
{
  const int k = g->n_columns++;

  PetscFunctionBeginUser;
  g->from[k] = from;
  g->width[k] = width;
  if (width > 0) PetscCall(RheoTrainAllocate((size_t)g->capacity * (size_t)width, &g->value[k]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoGatheringCreate(const char *const *columns, const RheoRowLayout *layout, int given,
                                   int64_t capacity, RheoGathering *g)
{
  PetscFunctionBeginUser;
  *g = (RheoGathering){.capacity = capacity};
  for (int c = 0; columns[c]; c++) {
    int from = 0;
    while (from < layout->n_columns && strcmp(layout->name[from], columns[c])) from++;
    PetscCall(AddColumn(g, from, from < layout->n_columns ? layout->width[from] : 0));
  }
  if (given > 0) PetscCall(AddColumn(g, -1, given));
  if (layout->weight >= 0) PetscCall(RheoTrainAllocate((size_t)capacity, &g->weight));
  PetscCall(PetscMalloc1((size_t)capacity, &g->index));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoGatheringDestroy(RheoGathering *g)
{
  PetscFunctionBeginUser;
  for (int k = 0; k < g->n_columns; k++) free(g->value[k]);
  free(g->weight);
  PetscCall(PetscFree(g->index));
  *g = (RheoGathering){0};
  PetscFunctionReturn(RHEO_OK);
}

void RheoGatheringFill(RheoGathering *g, const RheoFeedSource *source)
{
  const RheoRowLayout *layout = source->layout;
  const int64_t n = source->n_real;

  if (n <= 0) return; /* a rank may have no row of a small validation set */
  memcpy(g->index, source->index, (size_t)n * sizeof *g->index);
  for (int k = 0; k < g->n_columns; k++) {
    const size_t width = (size_t)g->width[k];
    if (!width) continue;
    if (g->from[k] < 0) {
      memcpy(g->value[k], source->given, (size_t)n * width * sizeof(float));
      continue;
    }
    const float *column = source->record + layout->offset[g->from[k]];
    for (int64_t i = 0; i < n; i++)
      memcpy(g->value[k] + (size_t)i * width, column + i * layout->size, width * sizeof(float));
  }
  for (int64_t i = 0; g->weight && i < n; i++)
    g->weight[i] = source->record[i * layout->size + layout->weight];
}

RheoBatch RheoGatheringGet(RheoGathering *g, const RheoFeedSource *source, int64_t first, int64_t n)
{
  for (int k = 0; k < g->n_columns; k++)
    g->view[k] = g->value[k] ? g->value[k] + (size_t)first * (size_t)g->width[k] : NULL;
  return (RheoBatch){.seed = source->seed,
                     .step = source->step,
                     .n = n,
                     .index = g->index + first,
                     .column = g->view,
                     .weight = g->weight ? g->weight + first : NULL};
}
