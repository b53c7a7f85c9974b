/* The rows of a second data set that the steps are given. They are held in memory, each rank its share, and travel window by
 * window with the rows that they are for. */
#include "../base/random.h"
#include "train_impl.h"

enum { OF_ORIGIN = RHEO_STREAM_COUPLE | 1 << 8 };

typedef struct {
  RheoTrainer trainer;
  uint64_t first; /* how many were given before place 0 of the list */
} Turn;

/* Of n rows of the set, the turn's k-th is at k % n in the (k / n)-th order of them all. */
static void DescribeTurn(const void *context, RheoRowSource origin, int64_t first, int64_t n,
                         uint64_t *scratch, RheoRowItem *item)
{
  const Turn *turn = context;
  const RheoTrainer trainer = turn->trainer;
  const uint64_t begin = turn->first + (uint64_t)first, rows = (uint64_t)origin->n;

  for (uint64_t i = 0, count; i < (uint64_t)n; i += count) {
    const uint64_t at = (begin + i) % rows;
    count = PetscMin(rows - at, (uint64_t)n - i);
    RheoPermuteRange(trainer->seed, OF_ORIGIN, (uint32_t)((begin + i) / rows), rows, at, (size_t)count,
                     scratch + i);
  }
  for (int64_t i = 0; i < n; i++) {
    item[i].row = scratch[i];
    RheoRowLocate(origin, n, 0, &item[i]);
  }
}

PetscErrorCode RheoOriginExchange(RheoTrainer trainer, const RheoRowList *list, int64_t first_step,
                                  float *record)
{
  const Turn turn = {trainer, (uint64_t)first_step * (uint64_t)trainer->batch};
  RheoRowList given = *list;

  PetscFunctionBeginUser;
  given.describe = DescribeTurn;
  given.context = &turn;
  PetscCall(RheoRowExchange(trainer->origin, &given, NULL, record, NULL));
  PetscFunctionReturn(RHEO_OK);
}
