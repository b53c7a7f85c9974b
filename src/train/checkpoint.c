/* A trainer's state into a checkpoint and out of it: rank 0 has the file, the others send and receive their slices. */
#include "../base/checksum.h"
#include "../base/provenance.h"
#include "checkpoint_impl.h"
#include <stdlib.h>
#include <string.h>

/* ---- The fingerprint ---- */
static uint64_t TextSum(uint64_t sum, const char *text)
{
  return RheoChecksum(sum, text, strlen(text) + 1);
}

static uint64_t ConfigSum(uint64_t sum, const RheoTrainConfig *config)
{
  for (const RheoKey *key = RheoTrainKeys; key->name; key++) {
    const size_t size = key->type == RHEO_KEY_COUNT  ? sizeof(int64_t)
                        : key->type == RHEO_KEY_REAL ? sizeof(double)
                                                     : sizeof(int);
    sum = RheoChecksum(TextSum(sum, key->name), (const char *)config + key->offset, size);
  }
  return sum;
}

static uint64_t LayoutSum(uint64_t sum, RheoParams params)
{
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    const int64_t facts[4] = {(int64_t)view->offset, (int64_t)view->size, view->init.frozen,
                              view->init.no_decay};
    sum = RheoChecksum(TextSum(sum, view->name), facts, sizeof facts);
  }
  return sum;
}

static PetscErrorCode RowsSum(RheoTrainer trainer, uint64_t *sum)
{
  const RheoRowLayout *layout = &trainer->layout;
  const int64_t n = RheoRowSourceCount(trainer->source);
  uint64_t rows;

  PetscFunctionBeginUser;
  PetscCall(RheoRowSourceFingerprint(trainer->source, sum));
  *sum = RheoChecksum(RheoChecksum(*sum, &n, sizeof n), layout->width,
                      (size_t)layout->n_columns * sizeof *layout->width);
  for (int k = 0; k < layout->n_columns; k++) *sum = TextSum(*sum, layout->name[k]);
  if (trainer->origin) {
    const int64_t of_origin[2] = {RheoRowSourceCount(trainer->origin), trainer->model.origin};
    PetscCall(RheoRowSourceFingerprint(trainer->origin, &rows));
    *sum = RheoChecksum(RheoChecksum(*sum, of_origin, sizeof of_origin), &rows, sizeof rows);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCheckpointFingerprint(RheoTrainer trainer, const char *identity, uint64_t *fingerprint)
{
  uint64_t sum = RHEO_CHECKSUM_START, rows = 0;

  PetscFunctionBeginUser;
  PetscCall(RowsSum(trainer, &rows));
  sum = ConfigSum(sum, &trainer->config);
  sum = RheoChecksum(sum, &trainer->seed, sizeof trainer->seed);
  sum = TextSum(TextSum(sum, trainer->objective->name), identity ? identity : "");
  sum = LayoutSum(sum, trainer->params);
  sum = RheoChecksum(sum, trainer->values, RheoParamsSize(trainer->params) * sizeof(float));
  *fingerprint = RheoChecksum(sum, &rows, sizeof rows);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Between the ranks and the file ---- */
enum { PIECE = 1 << 20 };

typedef struct {
  MPI_Comm comm; /* messages of its own */
  PetscMPIInt rank, size, tag;
  PetscBool writing;
  RheoCheckpointFile *file; /* rank 0 */
  char *piece;              /* (PIECE) */
} Carrier;

static PetscErrorCode CarrierOpen(RheoTrainer trainer, PetscBool writing, RheoCheckpointFile *file,
                                  Carrier *c)
{
  PetscFunctionBeginUser;
  *c = (Carrier){.writing = writing, .file = file};
  PetscCall(PetscCommDuplicate(trainer->comm, &c->comm, &c->tag));
  PetscCallMPI(MPI_Comm_rank(c->comm, &c->rank));
  PetscCallMPI(MPI_Comm_size(c->comm, &c->size));
  PetscCall(PetscMalloc1(PIECE, &c->piece));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CarrierClose(Carrier *c)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(c->piece));
  PetscCall(PetscCommDestroy(&c->comm));
  PetscFunctionReturn(RHEO_OK);
}

/* On rank 0: `bytes` of rank r, which lie at mine if r is rank 0. A file that fails is carried on with: the others wait. */
static PetscErrorCode CarryOf(Carrier *c, int r, int64_t bytes, char *mine)
{
  PetscFunctionBeginUser;
  for (int64_t at = 0; at < bytes; at += PIECE) {
    const PetscMPIInt n = (PetscMPIInt)PetscMin((int64_t)PIECE, bytes - at);
    char *data = r ? c->piece : mine + at;
    if (r && c->writing) PetscCallMPI(MPI_Recv(data, n, MPI_BYTE, r, c->tag, c->comm, MPI_STATUS_IGNORE));
    if (c->writing)
      RheoCheckpointFilePut(c->file, data, (size_t)n);
    else
      RheoCheckpointFileGet(c->file, data, (size_t)n);
    if (r && !c->writing) PetscCallMPI(MPI_Send(data, n, MPI_BYTE, r, c->tag, c->comm));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* What the ranks hold, `bytes` at mine on each, stands in the file in the order of ranks. */
static PetscErrorCode Carry(Carrier *c, size_t bytes, void *mine)
{
  int64_t *of, here = (int64_t)bytes;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(c->size, &of));
  PetscCallMPI(MPI_Gather(&here, 1, MPI_INT64_T, of, 1, MPI_INT64_T, 0, c->comm));
  for (int r = 0; !c->rank && r < c->size; r++) PetscCall(CarryOf(c, r, of[r], mine));
  for (int64_t at = 0; c->rank && at < here; at += PIECE) {
    const PetscMPIInt n = (PetscMPIInt)PetscMin((int64_t)PIECE, here - at);
    char *data = (char *)mine + at;
    if (c->writing)
      PetscCallMPI(MPI_Send(data, n, MPI_BYTE, 0, c->tag, c->comm));
    else
      PetscCallMPI(MPI_Recv(data, n, MPI_BYTE, 0, c->tag, c->comm, MPI_STATUS_IGNORE));
  }
  PetscCall(PetscFree(of));
  PetscFunctionReturn(RHEO_OK);
}

/* What is the same on every rank. */
static PetscErrorCode CarryShared(Carrier *c, int64_t n, double *values)
{
  PetscFunctionBeginUser;
  PetscCall(Carry(c, c->rank ? 0 : (size_t)n * sizeof *values, values));
  if (!c->writing) PetscCallMPI(MPI_Bcast(values, (PetscMPIInt)n, MPI_DOUBLE, 0, c->comm));
  PetscFunctionReturn(RHEO_OK);
}

/* loss (shards of this rank, batch), without gaps. */
static PetscErrorCode CarryState(Carrier *c, RheoTrainer trainer, double *loss)
{
  RheoTrainState *state = &trainer->state;
  const size_t bytes = (trainer->optimiser.end - trainer->optimiser.begin) * sizeof(float);
  const size_t n_shards = (size_t)(trainer->end - trainer->first);
  float *vector[] = {state->p, state->m, state->v, state->best, state->average};

  PetscFunctionBeginUser;
  for (int i = 0; i < 5; i++)
    if (vector[i]) PetscCall(Carry(c, bytes, vector[i]));
  PetscCall(CarryShared(c, state->batch, state->norm));
  PetscCall(Carry(c, n_shards * (size_t)state->batch * sizeof *loss, loss));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Writing ---- */
static void MakeHead(RheoTrainer trainer, PetscBool ended, RheoCheckpointHead *head)
{
  const RheoTrainState *state = &trainer->state;
  const int64_t n_params = (int64_t)RheoParamsSize(trainer->params), n = trainer->history.view.n,
                shards = trainer->config.shards;

  RheoCheckpointHeadStart(head);
  head->fingerprint = trainer->guard.fingerprint;
  snprintf(head->version, sizeof head->version, "%s (%s)", RheoVersion(), RheoCommit());
  head->n_params = n_params;
  head->shards = shards;
  head->n_history = n;
  head->averaged = state->average != NULL;
  head->ended = ended;
  head->reason = trainer->reason;
  head->step = state->step;
  head->update = state->update;
  head->epoch = state->epoch;
  head->batch = state->batch;
  head->skipped = state->skipped;
  head->skipped_row = state->skipped_row;
  head->best_epoch = state->best_epoch;
  head->stale = state->stale;
  head->stale_plateau = state->stale_plateau;
  head->unfit = state->unfit;
  head->lr_factor = state->lr_factor;
  head->best_loss = state->best_loss;
  head->bytes = RheoCheckpointBytes(head);
}

PetscErrorCode RheoCheckpointWrite(RheoTrainer trainer, const char *path, PetscBool ended, int *error)
{
  const RheoTrainState *state = &trainer->state;
  const int64_t n_shards = trainer->end - trainer->first, n = state->batch;
  double **column[RHEO_HISTORY_COLUMNS];
  RheoCheckpointFile file = {0};
  RheoCheckpointHead head;
  double *loss;
  Carrier c;

  PetscFunctionBeginUser;
  PetscCall(CarrierOpen(trainer, PETSC_TRUE, &file, &c));
  if (!c.rank) {
    MakeHead(trainer, ended, &head);
    RheoCheckpointFileCreate(path, &file);
    RheoCheckpointFilePut(&file, &head, sizeof head);
  }
  PetscCall(PetscMalloc1((size_t)(n_shards * n), &loss));
  for (int64_t i = 0; i < n_shards && n > 0; i++) /* no losses at the end of an epoch */
    memcpy(loss + i * n, state->loss + i * trainer->steps, (size_t)n * sizeof *loss);
  PetscCall(CarryState(&c, trainer, loss));
  PetscCall(PetscFree(loss));
  RheoHistoryColumns(&trainer->history.view, column);
  for (int k = 0; k < RHEO_HISTORY_COLUMNS; k++)
    PetscCall(CarryShared(&c, trainer->history.view.n, *column[k]));
  *error = c.rank ? 0 : RheoCheckpointFileCommit(&file, path);
  PetscCallMPI(MPI_Bcast(error, 1, MPI_INT, 0, c.comm));
  PetscCall(CarrierClose(&c));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Reading ---- */
static void TakeHead(RheoTrainer trainer, const RheoCheckpointHead *head)
{
  RheoTrainState *state = &trainer->state;

  state->step = head->step;
  state->update = head->update;
  state->epoch = head->epoch;
  state->batch = head->batch;
  state->skipped = head->skipped;
  state->skipped_row = head->skipped_row;
  state->best_epoch = head->best_epoch;
  state->stale = head->stale;
  state->stale_plateau = head->stale_plateau;
  state->unfit = head->unfit;
  state->lr_factor = head->lr_factor;
  state->best_loss = head->best_loss;
  trainer->reason = (RheoTrainReason)head->reason;
}

static PetscErrorCode LoadHistory(RheoTrainer trainer, Carrier *c, int64_t n)
{
  const double nothing[RHEO_HISTORY_COLUMNS] = {0};
  double **column[RHEO_HISTORY_COLUMNS];

  PetscFunctionBeginUser;
  PetscCall(RheoHistoryClear(&trainer->history));
  for (int64_t i = 0; i < n; i++) PetscCall(RheoHistoryAppend(&trainer->history, nothing));
  RheoHistoryColumns(&trainer->history.view, column);
  for (int k = 0; k < RHEO_HISTORY_COLUMNS; k++) PetscCall(CarryShared(c, n, *column[k]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCheckpointLoad(RheoTrainer trainer, RheoCheckpointFile *file,
                                  const RheoCheckpointHead *head)
{
  const size_t n_shards = (size_t)(trainer->end - trainer->first);
  int error;
  Carrier c;

  PetscFunctionBeginUser;
  PetscCheck(head->n_params == (int64_t)RheoParamsSize(trainer->params) &&
                 head->shards == trainer->config.shards && head->batch <= trainer->steps &&
                 !head->averaged == !trainer->state.average,
             trainer->comm, PETSC_ERR_PLIB, "a checkpoint has the right fingerprint and other sizes");
  PetscCall(CarrierOpen(trainer, PETSC_FALSE, file, &c));
  TakeHead(trainer, head);
  PetscCall(PetscMalloc1(n_shards * (size_t)head->batch, &trainer->guard.loss));
  PetscCall(CarryState(&c, trainer, trainer->guard.loss));
  PetscCall(LoadHistory(trainer, &c, head->n_history));
  error = c.rank ? 0 : RheoCheckpointFileClose(file);
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, c.comm));
  PetscCall(CarrierClose(&c));
  RheoInputCheck(!error, trainer->comm, "the checkpoint of step %lld cannot be read: %s",
                 (long long)head->step, strerror(error));
  PetscCall(RheoReduceAllgather(trainer->reduce, trainer->state.p, trainer->p));
  PetscFunctionReturn(RHEO_OK);
}
