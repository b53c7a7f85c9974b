#include "train_impl.h"

void RheoHistoryColumns(RheoHistory *history, double **column[RHEO_HISTORY_COLUMNS])
{
  column[0] = &history->epoch;
  column[1] = &history->step;
  column[2] = &history->train_loss;
  column[3] = &history->validation_loss;
  column[4] = &history->lr;
  column[5] = &history->gradient_norm;
}

PetscErrorCode RheoHistoryAppend(RheoHistoryStore *store, const double entry[RHEO_HISTORY_COLUMNS])
{
  double **column[RHEO_HISTORY_COLUMNS];
  int64_t n = store->view.n;

  PetscFunctionBeginUser;
  RheoHistoryColumns(&store->view, column);
  if (n == store->capacity) {
    store->capacity = n ? 2 * n : 64;
    for (int k = 0; k < RHEO_HISTORY_COLUMNS; k++)
      PetscCall(PetscRealloc((size_t)store->capacity * sizeof(double), column[k]));
  }
  for (int k = 0; k < RHEO_HISTORY_COLUMNS; k++) (*column[k])[n] = entry[k];
  store->view.n++;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoHistoryClear(RheoHistoryStore *store)
{
  double **column[RHEO_HISTORY_COLUMNS];

  PetscFunctionBeginUser;
  RheoHistoryColumns(&store->view, column);
  for (int k = 0; k < RHEO_HISTORY_COLUMNS; k++) PetscCall(PetscFree(*column[k]));
  *store = (RheoHistoryStore){0};
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoHistoryBest(const RheoHistory *h)
{
  int64_t best = 0;
  for (int64_t i = 1; i < h->n; i++)
    if (h->validation_loss[i] < h->validation_loss[best]) best = i;
  return best;
}
