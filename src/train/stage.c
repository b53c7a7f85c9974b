/* The batch stage: what the objective needs of groups of rows, computed once for all ranks.
 *
 * An epoch's groups are taken in rounds of as many as there are ranks: rank r computes the r-th group of the round, then each
 * rank is sent what its own rows are given, which comes in the order of steps. The rows of the groups that a rank computes
 * are part of its window (window.c), in which rounds begin anew. */
#include "../base/event.h"
#include "train_impl.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sizes ---- */
int RheoStageCouples(const RheoTrainer trainer)
{
  return trainer->stage.width > 0 && trainer->stage.group > 0;
}

void RheoTrainerPlaces(const RheoTrainer trainer, int size, int rank, int64_t *begin, int64_t *end)
{
  const int n_shards = trainer->config.shards;
  int64_t first, last;

  RheoShardRange(n_shards, size, rank, &first, &last);
  RheoShardsRange(trainer->batch, n_shards, first, last, begin, end);
}

/* The steps [begin, end) of a group of the window: none where the window or the run ends before. */
static void StepsOf(const RheoTrainer trainer, int64_t group, int64_t *begin, int64_t *end)
{
  const RheoStage *stage = &trainer->stage;
  const int64_t n = trainer->window.end;

  *begin = PetscMin(group * stage->group, n);
  *end = PetscMin(*begin + stage->group, n);
}

static PetscErrorCode Allocate(RheoTrainer trainer, int size)
{
  RheoStage *stage = &trainer->stage;
  const int64_t steps = RheoStageCouples(trainer) ? stage->group : 1;
  const int64_t n = RheoStageCouples(trainer) ? steps * trainer->batch : PetscMax(stage->rows, 1);
  const size_t width = (size_t)stage->width;

  PetscFunctionBeginUser;
  RheoInputCheck(n <= INT_MAX / size, trainer->comm,
                 "%lld rows are too many for the objective %s to couple at once", (long long)n,
                 trainer->objective->name);
  PetscCall(RheoTrainAllocate((size_t)(size * steps * stage->rows) * width, &stage->given));
  PetscCall(RheoGatheringCreate(trainer->objective->columns, &trainer->layout, 0, n, &stage->gathering));
  if (!RheoStageCouples(trainer)) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoTrainAllocate((size_t)n * width, &stage->whole));
  if (size > 1) PetscCall(RheoTrainAllocate((size_t)n * width, &stage->sent));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoStageCreate(RheoTrainer trainer)
{
  const RheoBatchStage *type = trainer->objective->stage;
  RheoStage *stage = &trainer->stage;
  PetscMPIInt rank, size;
  int64_t end;

  PetscFunctionBeginUser;
  *stage = (RheoStage){.row = MPI_DATATYPE_NULL};
  if (type) stage->width = type->width(&trainer->model);
  if (stage->width <= 0) PetscFunctionReturn(RHEO_OK);
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  PetscCallMPI(MPI_Comm_size(trainer->comm, &size));
  stage->group = PetscMin(PetscMax(type->steps(&trainer->model), 0), trainer->steps);
  RheoTrainerPlaces(trainer, size, rank, &stage->begin_row, &end);
  stage->rows = end - stage->begin_row;
  PetscCall(Allocate(trainer, size));
  PetscCallMPI(MPI_Type_contiguous(stage->width, MPI_FLOAT, &stage->row));
  PetscCallMPI(MPI_Type_commit(&stage->row));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoStageDestroy(RheoTrainer trainer)
{
  RheoStage *stage = &trainer->stage;

  PetscFunctionBeginUser;
  if (stage->width <= 0) PetscFunctionReturn(RHEO_OK);
  free(stage->given);
  free(stage->whole);
  free(stage->sent);
  PetscCall(RheoGatheringDestroy(&stage->gathering));
  PetscCallMPI(MPI_Type_free(&stage->row));
  *stage = (RheoStage){0};
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Computing ---- */
static void RunRows(RheoTrainer trainer, int64_t step, const RheoStageRows *rows, float *given)
{
  RheoGathering *gathering = &trainer->stage.gathering;
  const RheoFeedSource source = {.layout = &trainer->layout,
                                 .seed = trainer->seed,
                                 .step = step,
                                 .n_real = rows->n,
                                 .record = rows->record,
                                 .index = rows->index};

  if (rows->n <= 0) return;
  RheoGatheringFill(gathering, &source);
  RheoBatch batch = RheoGatheringGet(gathering, &source, 0, rows->n);
  batch.origin = rows->origin;
  RheoTrainerNote(trainer, trainer->objective->stage->run(&trainer->model, &batch, given));
}

/* What the rows of the group's steps [first, last) are given, as one batch. */
static void RunGroup(RheoTrainer trainer, int64_t group, int64_t first, int64_t last, float *given)
{
  if (last <= first) return;
  const RheoStageRows rows = RheoWindowGroup(trainer, group, last - first);
  RunRows(trainer, trainer->state.epoch * trainer->steps + first, &rows, given);
}

/* What this rank's rows of one step are given. */
static void RunStep(RheoTrainer trainer, int64_t step)
{
  const RheoStageRows rows = RheoWindowStep(trainer, step);
  RunRows(trainer, trainer->state.epoch * trainer->steps + step, &rows, trainer->stage.given);
}

/* ---- Sending ---- */
typedef struct {
  int *send, *send_at, *receive, *receive_at; /* rows */
} Message;

/* Puts the rows of a group (steps, batch) in the order of the ranks they go to (ranks, steps, rows of the rank). */
static void Pack(RheoTrainer trainer, int size, int64_t steps, Message *message)
{
  RheoStage *stage = &trainer->stage;
  const size_t width = (size_t)stage->width;
  int64_t at = 0, begin, end;

  for (int r = 0; r < size; r++) {
    RheoTrainerPlaces(trainer, size, r, &begin, &end);
    message->send_at[r] = (int)at;
    for (int64_t b = 0; b < steps; b++, at += end - begin)
      memcpy(stage->sent + (size_t)at * width, stage->whole + (size_t)(b * trainer->batch + begin) * width,
             (size_t)(end - begin) * width * sizeof(float));
    message->send[r] = (int)at - message->send_at[r];
  }
}

/* `whole`, on every rank another group of a round, becomes `given`. */
static PetscErrorCode Exchange(RheoTrainer trainer, int size, int64_t first_group, int64_t my_steps)
{
  RheoStage *stage = &trainer->stage;
  Message m;
  int64_t begin, end, at = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(size, &m.send, size, &m.send_at, size, &m.receive, size, &m.receive_at));
  Pack(trainer, size, my_steps, &m);
  for (int r = 0; r < size; r++) {
    StepsOf(trainer, first_group + r, &begin, &end);
    m.receive_at[r] = (int)at;
    m.receive[r] = (int)((end - begin) * stage->rows);
    at += m.receive[r];
  }
  PetscCallMPI(MPI_Alltoallv(stage->sent, m.send, m.send_at, stage->row, stage->given, m.receive,
                             m.receive_at, stage->row, trainer->comm));
  PetscCall(PetscFree4(m.send, m.send_at, m.receive, m.receive_at));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Round(RheoTrainer trainer)
{
  RheoStage *stage = &trainer->stage;
  PetscMPIInt rank, size;
  int64_t begin, end;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  PetscCallMPI(MPI_Comm_size(trainer->comm, &size));
  const int64_t zero = trainer->window.first / stage->group;
  const int64_t group = zero + (trainer->state.batch / stage->group - zero) / size * size;
  StepsOf(trainer, group + rank, &begin, &end);
  RunGroup(trainer, group + rank, begin, end, size > 1 ? stage->whole : stage->given);
  if (size > 1) PetscCall(Exchange(trainer, size, group, end - begin));
  stage->first = group * stage->group;
  stage->end = PetscMin(stage->first + size * stage->group, trainer->window.end);
  stage->epoch = trainer->state.epoch;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoStageStep(RheoTrainer trainer)
{
  RheoStage *stage = &trainer->stage;
  const int64_t epoch = trainer->state.epoch, batch = trainer->state.batch;
  const double before = MPI_Wtime();

  PetscFunctionBeginUser;
  if (!stage->width) PetscFunctionReturn(RHEO_OK);
  if (stage->epoch == epoch && stage->first <= batch && batch < stage->end) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoEventBegin(RHEO_EVENT_COUPLE));
  if (RheoStageCouples(trainer))
    PetscCall(Round(trainer));
  else {
    RunStep(trainer, batch);
    stage->epoch = epoch;
    stage->first = batch;
    stage->end = batch + 1;
  }
  trainer->clock.stage += MPI_Wtime() - before;
  PetscCall(RheoEventEnd(RHEO_EVENT_COUPLE));
  PetscFunctionReturn(RHEO_OK);
}

const float *RheoStageGiven(const RheoTrainer trainer, int64_t place)
{
  const RheoStage *stage = &trainer->stage;
  const int64_t row = (trainer->state.batch - stage->first) * stage->rows + place - stage->begin_row;
  return stage->width ? stage->given + (size_t)row * (size_t)stage->width : NULL;
}

/* ---- Validation ---- */
/* Of the rows [begin, end) those of a group that starts at row `at`. */
static void TakeRows(const RheoStage *stage, int64_t at, int64_t n, const float *group, int64_t begin,
                     int64_t end, float *given)
{
  const int64_t from = PetscMax(at, begin), to = PetscMin(at + n, end);
  const size_t width = (size_t)stage->width;

  if (to > from)
    memcpy(given + (size_t)(from - begin) * width, group + (size_t)(from - at) * width,
           (size_t)(to - from) * width * sizeof(float));
}

/* n of the rows held, from `first` on. */
static RheoStageRows SomeOf(const RheoTrainer trainer, const RheoValidationRows *held, int64_t first,
                            int64_t n)
{
  return (RheoStageRows){.n = n,
                         .record = held->record + first * trainer->layout.size,
                         .index = held->index + first,
                         .origin = held->origin ? held->origin + first * trainer->model.origin : NULL};
}

/* The ranks take turns here too; every group travels to everybody, once a run. */
static PetscErrorCode ValidateGroups(RheoTrainer trainer, int64_t begin, int64_t end, float *given)
{
  RheoStage *stage = &trainer->stage;
  const RheoSampler *sampler = &trainer->sampler;
  const int64_t rows = stage->group * trainer->batch;
  RheoValidationRows held;
  PetscMPIInt rank, size;
  int64_t done = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoValidationRowsCreate(trainer, rows, &held));
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  PetscCallMPI(MPI_Comm_size(trainer->comm, &size));
  for (int64_t first = 0; first < sampler->n_validation; first += size * rows) {
    const int64_t mine = PetscMax(0, PetscMin(rows, sampler->n_validation - (first + rank * rows)));
    const RheoStageRows group = SomeOf(trainer, &held, done, mine);
    RunRows(trainer, RHEO_VALIDATION_STEP, &group, stage->whole);
    done += mine;
    for (int r = 0; r < size; r++) {
      const int64_t at = first + r * rows, n = PetscMin(rows, sampler->n_validation - at);
      float *from = r == rank ? stage->whole : stage->sent;
      if (n <= 0) break;
      PetscCallMPI(MPI_Bcast(from, (PetscMPIInt)n, stage->row, r, trainer->comm));
      TakeRows(stage, at, n, from, begin, end, given);
    }
  }
  RheoValidationRowsFree(&held);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoStageValidation(RheoTrainer trainer, int64_t begin, const RheoValidationRows *held,
                                   float *given)
{
  RheoStage *stage = &trainer->stage;
  const int64_t most = stage->gathering.capacity;

  PetscFunctionBeginUser;
  if (!stage->width) PetscFunctionReturn(RHEO_OK);
  if (RheoStageCouples(trainer))
    PetscCall(ValidateGroups(trainer, begin, begin + held->n, given));
  else
    for (int64_t i = 0; i < held->n; i += most) {
      const RheoStageRows rows = SomeOf(trainer, held, i, PetscMin(most, held->n - i));
      RunRows(trainer, RHEO_VALIDATION_STEP, &rows, given + i * stage->width);
    }
  PetscCall(RheoTrainerAgree(trainer));
  PetscFunctionReturn(RHEO_OK);
}
