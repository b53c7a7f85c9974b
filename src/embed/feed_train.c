/* Simulations of a host straight to ranks that train.
 *
 * A rank that puts has a few buffers in turn. A full one goes to the next trainer by a synchronous send, so that it is free
 * again when the trainer has taken it, and no library in between piles up rows. Trainers take what comes, in any order; at the
 * end each gets its slice of the list that is sorted by index (feed_rows.c), so that neither order nor ranks are left in the
 * result. */
#include "../base/flush.h"
#include "../infer/schema.h"
#include "embed_impl.h"
#include <string.h>
#include <unistd.h>

enum { BUFFERS = 4, TAG_ROWS = 1, TAG_END = 2 };

typedef struct {
  int n_trainers, *trainer; /* ranks in comm */
  /* Of a rank that puts. */
  int n_buffers;
  int64_t share; /* records of a buffer */
  double *buffer[BUFFERS];
  MPI_Request request[BUFFERS];
  int now, held, next; /* buffer being filled, records in it, trainer that gets it */
  /* Of a trainer. */
  MPI_Comm trainers;
  int ended; /* ranks that have put all */
  int64_t n, room;
  double *record;
  double *spare;  /* (share): for rows that nobody keeps */
  PetscBool full; /* of memory: rows are taken, so that nobody waits, and not kept */
} Trainers;

/* ---- Opening ---- */

static PetscErrorCode Begin(rheo_feed *f)
{
  Trainers *t;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&t));
  f->data = t;
  for (int b = 0; b < BUFFERS; b++) t->request[b] = MPI_REQUEST_NULL;
  t->trainers = MPI_COMM_NULL;
  PetscCall(PetscMalloc1(f->size, &t->trainer));
  PetscFunctionReturn(RHEO_OK);
}

/* Which ranks train, and to which one this rank, if it puts, sends first: its place among those that put tells. */
static PetscErrorCode Gather(rheo_feed *f)
{
  Trainers *t = f->data;
  int mine = f->is_trainer, before = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, t->trainer, 1, MPI_INT, f->comm));
  for (int r = 0; r < f->size; r++) {
    const int trains = t->trainer[r];
    if (trains) t->trainer[t->n_trainers++] = r;
    before += !trains && r < f->rank;
  }
  RheoInputCheck(t->n_trainers > 0 && t->n_trainers < f->size, f->comm,
                 "%d of %d ranks train: at least one has to, and one has to simulate", t->n_trainers,
                 f->size);
  t->next = before % t->n_trainers;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode EmbedFeedTrainersOpen(rheo_feed *f, int is_trainer)
{
  PetscErrorCode code = RHEO_OK;
  Trainers *t;

  PetscFunctionBeginUser;
  f->is_trainer = is_trainer ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(EmbedAgree(f->comm, Begin(f) ? PETSC_ERR_MEM : RHEO_OK, "a feed"));
  PetscCall(Gather(f));
  t = f->data;
  PetscCallMPI(MPI_Comm_split(f->comm, is_trainer ? 0 : MPI_UNDEFINED, f->rank, &t->trainers));
  t->n_buffers = (int)PetscMin(BUFFERS, f->capacity);
  t->share = f->capacity / t->n_buffers;
  f->capacity = t->n_buffers * t->share;
  int64_t most = t->share; /* a message may be as long as the largest buffer of all ranks */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT64_T, MPI_MAX, f->comm));
  for (int b = 0; b < t->n_buffers && !is_trainer && !code; b++)
    code = PetscMalloc1(t->share * f->width, &t->buffer[b]);
  if (is_trainer) code = PetscMalloc1(most * f->width, &t->spare);
  PetscCall(EmbedAgree(f->comm, code ? PETSC_ERR_MEM : RHEO_OK, "the rows that a feed holds"));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(rheo_feed *f)
{
  Trainers *t = f->data;

  PetscFunctionBeginUser;
  for (int b = 0; b < BUFFERS; b++) PetscCall(PetscFree(t->buffer[b]));
  PetscCall(PetscFree(t->record));
  PetscCall(PetscFree(t->spare));
  PetscCall(PetscFree(t->trainer));
  if (t->trainers != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&t->trainers));
  PetscCall(PetscFree(f->data));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Ranks that put ---- */

static PetscErrorCode Send(rheo_feed *f)
{
  Trainers *t = f->data;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Issend(t->buffer[t->now], t->held, f->record, t->trainer[t->next], TAG_ROWS, f->comm,
                          &t->request[t->now]));
  t->next = (t->next + 1) % t->n_trainers;
  t->now = (t->now + 1) % t->n_buffers;
  t->held = 0;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Room(rheo_feed *f, double **to)
{
  Trainers *t = f->data;
  int free;

  PetscFunctionBeginUser;
  *to = NULL;
  if (t->held == t->share) PetscCall(Send(f)); /* which failed before */
  PetscCallMPI(MPI_Test(&t->request[t->now], &free, MPI_STATUS_IGNORE));
  if (free) *to = t->buffer[t->now] + t->held * f->width;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Added(rheo_feed *f)
{
  Trainers *t = f->data;

  PetscFunctionBeginUser;
  if (++t->held == t->share) PetscCall(Send(f));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Ranks that train ---- */

static void MakeRoom(rheo_feed *f, int64_t n)
{
  Trainers *t = f->data;
  if (t->full || t->n + n <= t->room) return;
  t->room = PetscMax(t->n + n, t->room + t->room / 2);
  if (!PetscRealloc((size_t)(t->room * f->width) * sizeof *t->record, &t->record)) return;
  t->full = PETSC_TRUE;
  (void)PetscFree(t->record);
  t->n = t->room = 0;
}

static PetscErrorCode Take(rheo_feed *f, MPI_Message *message, MPI_Status *status)
{
  Trainers *t = f->data;
  int n;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Get_count(status, f->record, &n));
  MakeRoom(f, n);
  PetscCallMPI(
      MPI_Mrecv(t->full ? t->spare : t->record + t->n * f->width, n, f->record, message, MPI_STATUS_IGNORE));
  if (!t->full) t->n += n;
  if (status->MPI_TAG == TAG_END) t->ended++;
  PetscFunctionReturn(RHEO_OK);
}

/* Everything, until all have said that there is no more. */
static PetscErrorCode TakeAll(rheo_feed *f)
{
  Trainers *t = f->data;

  PetscFunctionBeginUser;
  while (t->ended < f->size - t->n_trainers) {
    MPI_Message message;
    MPI_Status status;
    PetscCallMPI(MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, f->comm, &message, &status));
    PetscCall(Take(f, &message, &status));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* What only the driver reads may stand in a deck and is not looked at. */
static PetscErrorCode CheckKeys(RheoDeck deck, const char *path)
{
  static const char *const others[] = {"output", "title",  "log",         "sample", "plot",
                                       "bench",  "points", "observation", "check"};
  const RheoSection *section;
  int n;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckLoadFile(deck, path));
  for (size_t k = 0; k < sizeof others / sizeof *others; k++) PetscCall(RheoDeckRemove(deck, others[k]));
  PetscCall(RheoDeckRemove(deck, "data.file"));
  PetscCall(RheoSchema(&n, &section));
  PetscCall(RheoDeckCheck(deck, n, section));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckDeck(MPI_Comm comm, const char *path)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(comm, &deck));
  const PetscErrorCode code = CheckKeys(deck, path);
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* Rank 0 will write the model when all has been trained, too late to learn that it cannot. */
static PetscErrorCode CheckPath(MPI_Comm comm, const char *path)
{
  PetscMPIInt rank;
  PetscBool good;
  int file = -1;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) file = RheoNamelessFile(path);
  PetscCall(RheoAgree(comm, (PetscBool)(rank || file >= 0), &good));
  if (file >= 0) close(file);
  RheoInputCheck(good, comm, "%s: no model can be written there; is the folder there and writable?", path);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckNames(const rheo_feed *f, MPI_Comm comm, const char *path, RheoPosterior posterior)
{
  PetscFunctionBeginUser;
  RheoInputCheck(RheoPosteriorSize(posterior) == f->d, comm,
                 "%s: the prior has %d parameters, simulations have %d", path, RheoPosteriorSize(posterior),
                 f->d);
  for (int k = 0; k < f->d; k++) {
    const char *name = RheoPriorName(RheoPosteriorPrior(posterior), k);
    RheoInputCheck(!strcmp(name, f->name[k]), comm,
                   "%s: parameter %d of the prior is %s, that of simulations %s", path, k + 1, name,
                   f->name[k]);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Train(rheo_feed *f, RheoPosterior posterior, const char *path, int64_t *n)
{
  Trainers *t = f->data;
  EmbedRows mine;

  PetscFunctionBeginUser;
  PetscErrorCode code = EmbedRowsCreate(f, t->trainers, t->n, &t->record, posterior, &mine);
  if (!code) {
    const RheoRows rows = {
        .n = mine.n_good, .begin = mine.begin, .end = mine.end, .value = {mine.z, mine.context}};
    code = RheoPosteriorTrainRows(posterior, mine.n, &rows);
  }
  *n = mine.n;
  PetscCall(EmbedRowsDestroy(&mine));
  PetscCall(code);
  PetscCall(RheoPosteriorSave(posterior, path));
  PetscFunctionReturn(RHEO_OK);
}

/* Mistakes in a deck are told before the wait. */
static PetscErrorCode TrainDeck(rheo_feed *f, RheoDeck deck, const char *deck_path, const char *path,
                                int64_t *n)
{
  Trainers *t = f->data;
  RheoPosterior posterior = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckLoadFile(deck, deck_path));
  PetscCall(RheoSimulatorPin(deck, f->c));
  PetscErrorCode code = RheoPosteriorCreate(deck, f->c, &posterior);
  if (!code) code = CheckNames(f, t->trainers, deck_path, posterior);
  code = EmbedAgree(t->trainers, code, "the posterior to train");
  if (!code) code = TakeAll(f);
  if (!code) code = EmbedAllHave(t->trainers, (PetscBool)!t->full);
  if (!code) code = Train(f, posterior, path, n);
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode EmbedFeedTrain(rheo_feed *f, const char *deck_path, const char *path, int64_t *rows)
{
  Trainers *t = f->data;
  PetscBool named;
  RheoDeck deck;

  PetscFunctionBeginUser;
  RheoInputCheck(f->type == &EmbedFeedTrainers && f->is_trainer, PETSC_COMM_SELF,
                 "only ranks that were opened to train do so");
  RheoInputCheck(!t->ended, PETSC_COMM_SELF, "the rows of this feed have been trained on already");
  PetscCall(RheoAgree(t->trainers, (PetscBool)(deck_path && path), &named));
  RheoInputCheck(named, t->trainers,
                 "a training needs a deck and a path for its model, on every rank that trains");
  PetscCall(CheckPath(t->trainers, path));
  PetscCall(CheckDeck(t->trainers, deck_path));
  PetscCall(RheoDeckCreate(t->trainers, &deck));
  const PetscErrorCode code = TrainDeck(f, deck, deck_path, path, rows);
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- The end ---- */

/* A trainer that failed, or never trained, still takes what the others wait to be rid of. */
static PetscErrorCode Close(rheo_feed *f, int64_t *rows)
{
  Trainers *t = f->data;

  PetscFunctionBeginUser;
  *rows = f->put;
  if (f->is_trainer) {
    PetscCall(TakeAll(f));
    PetscFunctionReturn(RHEO_OK);
  }
  if (t->held) PetscCall(Send(f));
  PetscCallMPI(MPI_Waitall(BUFFERS, t->request, MPI_STATUSES_IGNORE));
  for (int k = 0; k < t->n_trainers; k++)
    PetscCallMPI(MPI_Send(NULL, 0, f->record, t->trainer[k], TAG_END, f->comm));
  PetscFunctionReturn(RHEO_OK);
}

const EmbedFeedType EmbedFeedTrainers = {.room = Room, .added = Added, .close = Close, .destroy = Destroy};
