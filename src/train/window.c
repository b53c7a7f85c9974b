/* The rows of the steps to come, window by window. While one window is trained on, the files' part of the next is read. */
#include "../base/event.h"
#include "../base/reduce.h"
#include "train_impl.h"
#include <stdlib.h>

enum { WINDOW_BYTES = 1 << 27, WINDOW_MOST = 1 << 22, CHUNKS = 64 };

/* ---- Sizes ---- */
int64_t RheoTrainWindowRows(const RheoTrainConfig *config, const RheoRowLayout *layout)
{
  const int64_t bytes = (int64_t)sizeof(float) * PetscMax(layout->size, 1);
  return config->window > 0 ? config->window : PetscMin(WINDOW_BYTES / bytes, WINDOW_MOST);
}

/* No step and no group of a batch stage lies in two windows. */
static PetscErrorCode Cut(RheoTrainer trainer)
{
  RheoSampler *sampler = &trainer->sampler;
  const RheoTrainConfig *config = &trainer->config;
  const int64_t unit = trainer->batch * (RheoStageCouples(trainer) ? trainer->stage.group : 1);
  int64_t window = RheoTrainWindowRows(config, &trainer->layout);

  PetscFunctionBeginUser;
  if (window < sampler->n_train) {
    window = PetscMax(unit, window / unit * unit);
    PetscCall(
        RheoSamplerCut(sampler, config->chunk > 0 ? config->chunk : PetscMax(1, window / CHUNKS), window));
  }
  RheoInputCheck(sampler->n_windows <= RHEO_WINDOWS_MOST, trainer->comm,
                 "train.window = %lld cuts %lld rows into too many windows", (long long)config->window,
                 (long long)sampler->n_train);
  trainer->window.steps = sampler->n_windows > 1 ? sampler->window / trainer->batch : trainer->steps;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoWindowCreate(RheoTrainer trainer)
{
  RheoWindow *w = &trainer->window;
  const size_t size = (size_t)trainer->layout.size;
  PetscMPIInt rank, ranks;
  int64_t end;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  PetscCallMPI(MPI_Comm_size(trainer->comm, &ranks));
  *w = (RheoWindow){.number = -1, .row_number = -1};
  PetscCall(Cut(trainer));
  RheoTrainerPlaces(trainer, ranks, rank, &w->begin_row, &end);
  w->rows = end - w->begin_row;
  PetscCall(PetscMalloc1((size_t)trainer->sampler.window, &w->row));
  const size_t n = (size_t)(w->steps * w->rows);
  PetscCall(RheoTrainAllocate(n * size, &w->record));
  PetscCall(PetscMalloc1(n, &w->index));
  const PetscBool coupled = (PetscBool)(RheoStageCouples(trainer) && ranks > 1);
  const int64_t group = coupled ? trainer->stage.group : 1, groups = (w->steps + group - 1) / group;
  const size_t n_coupled = coupled ? (size_t)((groups + ranks - 1) / ranks * group * trainer->batch) : 0;
  if (coupled) PetscCall(RheoTrainAllocate(n_coupled * size, &w->coupled));
  PetscCall(PetscMalloc1(n_coupled, &w->coupled_index));
  if (trainer->origin)
    PetscCall(RheoTrainAllocate((coupled ? n_coupled : n) * (size_t)trainer->model.origin, &w->origin));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoWindowDestroy(RheoTrainer trainer)
{
  RheoWindow *w = &trainer->window;

  PetscFunctionBeginUser;
  free(w->record);
  free(w->coupled);
  free(w->origin);
  PetscCall(PetscFree(w->index));
  PetscCall(PetscFree(w->coupled_index));
  PetscCall(PetscFree(w->row));
  *w = (RheoWindow){.number = -1, .row_number = -1};
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Training rows ---- */
typedef struct {
  RheoTrainer trainer;
  int64_t epoch, number, n; /* rows of the window */
} Order;

static void DescribeOrder(const void *context, RheoRowSource source, int64_t first, int64_t n,
                          uint64_t *scratch, RheoRowItem *item)
{
  const Order *order = context;

  RheoSamplerPlaces(&order->trainer->sampler, order->epoch, order->number, first, n, scratch);
  for (int64_t i = 0; i < n; i++) {
    item[i].row = order->trainer->window.row[scratch[i]];
    RheoRowLocate(source, order->n, (int64_t)scratch[i], &item[i]);
  }
}

/* This rank's part of every step; or, for the batch stage, of every round of groups one group. */
static RheoRowList ListOf(const Order *order, PetscBool coupled)
{
  const RheoWindow *w = &order->trainer->window;
  const int64_t batch = order->trainer->batch, group = order->trainer->stage.group * batch;
  RheoRowList list = {.begin = w->begin_row,
                      .run = w->rows,
                      .stride = batch,
                      .end = (w->end - w->first) * batch,
                      .describe = DescribeOrder,
                      .context = order};

  if (coupled) {
    list.begin = order->trainer->source->rank * group;
    list.run = group;
    list.stride = order->trainer->source->size * group;
  }
  return list;
}

/* The window's rows become known, and those that this rank reads begin to be read. */
static PetscErrorCode LookUp(RheoTrainer trainer, int64_t epoch, int64_t number)
{
  RheoWindow *w = &trainer->window;
  RheoRowSource source = trainer->source;
  int64_t begin, end;

  PetscFunctionBeginUser;
  const PetscBool known =
      (PetscBool)(w->row_number == number && (w->row_epoch == epoch || trainer->sampler.n_windows == 1));
  if (!known) RheoSamplerWindow(&trainer->sampler, epoch, number, w->row);
  if (source->fetcher && !(known && w->fetching)) {
    RheoRange(source->comm, RheoSamplerWindowSize(&trainer->sampler, number), &begin, &end);
    PetscCall(RheoFetcherBegin(source->fetcher, end - begin, w->row + begin));
    w->fetching = PETSC_TRUE;
  }
  w->row_epoch = epoch;
  w->row_number = number;
  PetscFunctionReturn(RHEO_OK);
}

/* What comes after the window, unless the run ends before, can be read meanwhile. */
static PetscErrorCode LookAhead(RheoTrainer trainer)
{
  const RheoWindow *w = &trainer->window;
  int64_t epoch = w->epoch, number = w->number + 1;

  PetscFunctionBeginUser;
  if (!trainer->source->fetcher) PetscFunctionReturn(RHEO_OK);
  if (number * w->steps >= trainer->steps) {
    number = 0;
    epoch++;
  }
  if (epoch * trainer->steps + number * w->steps < trainer->total) PetscCall(LookUp(trainer, epoch, number));
  PetscFunctionReturn(RHEO_OK);
}

/* Steps of the run from the epoch's step `first` on, in whole groups: a group does not depend on where the run ends. */
static int64_t StepsLeft(const RheoTrainer trainer, int64_t epoch, int64_t first)
{
  const int64_t left = trainer->total - epoch * trainer->steps - first;
  const int64_t group = RheoStageCouples(trainer) ? trainer->stage.group : 1;
  return left > INT64_MAX - group ? left : (left + group - 1) / group * group;
}

static PetscErrorCode Load(RheoTrainer trainer, int64_t epoch, int64_t number)
{
  RheoWindow *w = &trainer->window;
  const int64_t first = number * w->steps, left = StepsLeft(trainer, epoch, first);
  const float *fetched = NULL;

  PetscFunctionBeginUser;
  PetscCall(LookUp(trainer, epoch, number));
  if (trainer->source->fetcher) PetscCall(RheoFetcherEnd(trainer->source->fetcher, &fetched));
  w->fetching = PETSC_FALSE;
  w->epoch = epoch;
  w->number = number;
  w->first = first;
  w->end = first + PetscMin(left, PetscMin(w->steps, trainer->steps - first));
  const Order order = {trainer, epoch, number, RheoSamplerWindowSize(&trainer->sampler, number)};
  const RheoRowList own = ListOf(&order, PETSC_FALSE), coupled = ListOf(&order, PETSC_TRUE),
                    *with_origin = w->coupled ? &coupled : &own;
  PetscCall(RheoRowExchange(trainer->source, &own, fetched, w->record, w->index));
  if (w->coupled)
    PetscCall(RheoRowExchange(trainer->source, &coupled, fetched, w->coupled, w->coupled_index));
  if (w->origin)
    PetscCall(RheoOriginExchange(trainer, with_origin, epoch * trainer->steps + first, w->origin));
  PetscCall(LookAhead(trainer));
  PetscFunctionReturn(RHEO_OK);
}

static double WeightOfShard(const RheoTrainer trainer, int shard, int64_t step)
{
  const RheoRowLayout *layout = &trainer->layout;
  int64_t begin, end;
  double sum = 0;

  RheoShardRange(trainer->batch, trainer->config.shards, shard, &begin, &end);
  if (end == begin) return 0;
  const float *record = RheoWindowRecord(trainer, step, begin);
  for (int64_t i = 0; i < end - begin; i++) sum += (double)record[i * layout->size + layout->weight];
  return sum;
}

PetscErrorCode RheoWindowReach(RheoTrainer trainer)
{
  RheoWindow *w = &trainer->window;
  const int64_t epoch = trainer->state.epoch, number = trainer->state.batch / w->steps;
  const double before = MPI_Wtime();
  double *weight = trainer->state.weight;

  PetscFunctionBeginUser;
  if (w->number == number && w->epoch == epoch) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoEventBegin(RHEO_EVENT_ROWS));
  PetscCall(Load(trainer, epoch, number));
  for (int64_t b = w->first; b < w->end; b++) weight[b] = (double)trainer->batch;
  if (trainer->layout.weight >= 0)
    PetscCall(RheoTrainerSumOverShards(trainer, w->first, w->end, WeightOfShard, weight + w->first));
  trainer->clock.steps += MPI_Wtime() - before;
  PetscCall(RheoEventEnd(RHEO_EVENT_ROWS));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoWindowResume(RheoTrainer trainer)
{
  const int64_t batch = trainer->state.batch, steps = trainer->window.steps;

  PetscFunctionBeginUser;
  for (int64_t b = 0; b < batch / steps * steps; b++) trainer->state.weight[b] = (double)trainer->batch;
  for (int64_t b = 0; trainer->layout.weight >= 0 && b < batch / steps * steps; b += steps) {
    trainer->state.batch = b;
    PetscCall(RheoWindowReach(trainer));
  }
  trainer->state.batch = batch;
  PetscCall(RheoWindowReach(trainer));
  PetscFunctionReturn(RHEO_OK);
}

static size_t RowOf(const RheoTrainer trainer, int64_t step, int64_t place)
{
  const RheoWindow *w = &trainer->window;
  return (size_t)((step - w->first) * w->rows + place - w->begin_row);
}

const float *RheoWindowRecord(const RheoTrainer trainer, int64_t step, int64_t place)
{
  return trainer->window.record + RowOf(trainer, step, place) * (size_t)trainer->layout.size;
}

const uint64_t *RheoWindowIndex(const RheoTrainer trainer, int64_t step, int64_t place)
{
  return trainer->window.index + RowOf(trainer, step, place);
}

static const float *OriginAt(const RheoTrainer trainer, size_t row)
{
  return trainer->window.origin ? trainer->window.origin + row * (size_t)trainer->model.origin : NULL;
}

RheoStageRows RheoWindowStep(const RheoTrainer trainer, int64_t step)
{
  const RheoWindow *w = &trainer->window;

  return (RheoStageRows){.n = w->rows,
                         .record = RheoWindowRecord(trainer, step, w->begin_row),
                         .index = RheoWindowIndex(trainer, step, w->begin_row),
                         .origin = OriginAt(trainer, RowOf(trainer, step, w->begin_row))};
}

RheoStageRows RheoWindowGroup(const RheoTrainer trainer, int64_t group, int64_t steps)
{
  const RheoWindow *w = &trainer->window;
  const int64_t of_group = trainer->stage.group, turn = (group - w->first / of_group) / trainer->source->size;
  size_t row = (size_t)(turn * of_group * trainer->batch);

  if (!w->coupled) row = RowOf(trainer, group * of_group, 0);
  return (RheoStageRows){.n = steps * trainer->batch,
                         .record = (w->coupled ? w->coupled : w->record) + row * (size_t)trainer->layout.size,
                         .index = (w->coupled ? w->coupled_index : w->index) + row,
                         .origin = OriginAt(trainer, row)};
}
