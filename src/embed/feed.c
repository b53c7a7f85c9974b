/* Feeds: names and records; where records go is in feed_file.c and feed_train.c. */
#include "../base/checksum.h"
#include "../base/deck.h"
#include "../sim/simulator.h"
#include "embed_impl.h"
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Records ---- */

int64_t EmbedIndex(const double *record)
{
  int64_t index;
  memcpy(&index, record, sizeof index);
  return index;
}
int EmbedStatus(const double *record)
{
  return (int)record[1];
}

static void Fill(const rheo_feed *f, int64_t index, const double *theta, const double *x, int failed,
                 double *record)
{
  int status = failed ? RHEO_SIMULATION_FAILED : RHEO_SIMULATION_DONE;
  memcpy(record, &index, sizeof index);
  memcpy(record + 2, theta, (size_t)f->d * sizeof *theta);
  for (int k = 0; k < f->c && !failed; k++)
    if (!isfinite(x[k])) status = RHEO_SIMULATION_NOT_FINITE;
  for (int k = 0; k < f->c; k++) record[2 + f->d + k] = status ? NAN : x[k];
  record[1] = status;
}

static int ByIndex(const void *x, const void *y)
{
  const EmbedPlace *a = x, *b = y;
  return a->index < b->index ? -1 : a->index > b->index;
}

void EmbedSort(int64_t n, EmbedPlace *place, int64_t *twice)
{
  if (n) qsort(place, (size_t)n, sizeof *place, ByIndex); /* a rank may have put nothing */
  *twice = INT64_MAX;
  for (int64_t i = n - 1; i > 0; i--)
    if (place[i].index == place[i - 1].index) *twice = place[i].index;
}

/* ---- Opening ---- */

/* "a, b" or "3": count, and names from name[*n] on where there is room for them. */
static PetscErrorCode Names(const char *text, const char *what, int *n, const char **name)
{
  char one[256], *end;
  const long count = strtol(text, &end, 10);

  PetscFunctionBeginUser;
  while (isspace((unsigned char)*end)) end++;
  if (end != text && !*end) {
    RheoInputCheck(count >= 1 && count <= 1000000, PETSC_COMM_SELF, "%s: %ld columns cannot be", what, count);
    for (long k = 0; k < count; k++, ++*n) {
      snprintf(one, sizeof one, "x%ld", k + 1);
      if (name) name[*n] = RheoIntern(one);
    }
    PetscFunctionReturn(RHEO_OK);
  }
  for (const char *at = text;; at++) {
    while (isspace((unsigned char)*at)) at++;
    size_t length = strcspn(at, ",");
    const char *next = at + length;
    while (length && isspace((unsigned char)at[length - 1])) length--;
    RheoInputCheck(length && length < sizeof one, PETSC_COMM_SELF,
                   "%s: '%s' is not a list of names between commas", what, text);
    snprintf(one, sizeof one, "%.*s", (int)length, at);
    if (name) name[*n] = RheoIntern(one);
    ++*n;
    at = next;
    if (!*at) break;
  }
  PetscFunctionReturn(RHEO_OK);
}

static int ByName(const void *x, const void *y)
{
  return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* A deck, which names columns, could not tell them apart when all has been simulated. */
static PetscErrorCode CheckDifferent(const char *what, int n, const char *const *name)
{
  const char **sorted;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &sorted));
  memcpy(sorted, name, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, ByName);
  const char *twice = NULL;
  for (int k = 1; k < n && !twice; k++)
    if (!strcmp(sorted[k - 1], sorted[k])) twice = sorted[k];
  PetscCall(PetscFree(sorted));
  RheoInputCheck(!twice, PETSC_COMM_SELF, "%s: '%s' is there twice", what, twice);
  PetscFunctionReturn(RHEO_OK);
}

/* Records of one width, and a file of one layout, are possible only where ranks mean the same columns. */
static PetscErrorCode CheckSame(const rheo_feed *f)
{
  uint64_t mine = RheoChecksum(RHEO_CHECKSUM_START, &f->d, sizeof f->d), ends[2];

  PetscFunctionBeginUser;
  for (int k = 0; k < f->d + f->c; k++) mine = RheoChecksum(mine, f->name[k], strlen(f->name[k]) + 1);
  ends[0] = mine;
  ends[1] = ~mine;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, f->comm));
  RheoInputCheck(ends[0] == ~ends[1], f->comm,
                 "the ranks of a feed name different parameters or data (here %d and %d)", f->d, f->c);
  PetscFunctionReturn(RHEO_OK);
}

/* What a rank can say of its arguments by itself. */
static PetscErrorCode Arguments(const EmbedFeedType *type, const char *parameters, const char *data,
                                int capacity, rheo_feed **feed)
{
  rheo_feed *f;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(feed));
  f = *feed;
  f->comm = MPI_COMM_NULL;
  f->record = MPI_DATATYPE_NULL;
  f->type = type;
  RheoInputCheck(parameters && data, PETSC_COMM_SELF, "a feed needs names of parameters and of data");
  RheoInputCheck(capacity >= 1, PETSC_COMM_SELF, "the capacity of a feed is at least 1 row, got %d",
                 capacity);
  PetscCall(Names(parameters, "parameters", &f->d, NULL));
  PetscCall(Names(data, "data", &f->c, NULL));
  PetscCall(PetscMalloc1(f->d + f->c, &f->name));
  PetscCall(Names(parameters, "parameters", &n, f->name));
  PetscCall(Names(data, "data", &n, f->name));
  PetscCall(RheoInternCheck());
  PetscCall(CheckDifferent("parameters", f->d, f->name));
  PetscCall(CheckDifferent("data", f->c, f->name + f->d));
  f->width = 2 + f->d + f->c;
  f->capacity = capacity;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Open(int comm, const EmbedFeedType *type, const char *parameters, const char *data,
                           int capacity, rheo_feed **feed)
{
  const MPI_Comm host = MPI_Comm_f2c(comm);
  rheo_feed *f;
  MPI_Comm copy;

  PetscFunctionBeginUser;
  RheoInputCheck(host != MPI_COMM_NULL, PETSC_COMM_SELF, "no communicator: MPI_COMM_NULL");
  PetscCallMPI(MPI_Comm_dup(host, &copy));
  PetscCallMPI(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN)); /* not the host's, which may end it */
  const PetscErrorCode code = EmbedAgree(copy, Arguments(type, parameters, data, capacity, feed), "a feed");
  if (code) PetscCallMPI(MPI_Comm_free(&copy));
  PetscCall(code);
  f = *feed;
  f->comm = copy;
  PetscCallMPI(MPI_Comm_rank(f->comm, &f->rank));
  PetscCallMPI(MPI_Comm_size(f->comm, &f->size));
  PetscCallMPI(MPI_Type_contiguous(f->width * (int)sizeof(double), MPI_BYTE, &f->record));
  PetscCallMPI(MPI_Type_commit(&f->record));
  PetscCall(CheckSame(f));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(rheo_feed **feed)
{
  rheo_feed *f = *feed;

  PetscFunctionBeginUser;
  *feed = NULL;
  if (!f) PetscFunctionReturn(RHEO_OK);
  if (f->type && f->data) PetscCall(f->type->destroy(f));
  if (f->record != MPI_DATATYPE_NULL) PetscCallMPI(MPI_Type_free(&f->record));
  if (f->comm != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&f->comm));
  PetscCall(PetscFree(f->name));
  PetscCall(PetscFree(f));
  PetscFunctionReturn(RHEO_OK);
}

static int Opened(PetscErrorCode code, rheo_feed **feed)
{
  const int result = EmbedLeave(code);
  if (result && *feed) {
    RheoGuestEnter();
    (void)Destroy(feed);
    RheoGuestLeave();
  }
  return result;
}

int rheo_feed_to_file(int comm, const char *path, const char *parameters, const char *data, int capacity,
                      rheo_feed **feed)
{
  *feed = NULL;
  if (EmbedReady()) return RHEO_INPUT;
  RheoGuestEnter();
  PetscErrorCode code = Open(comm, &EmbedFeedFile, parameters, data, capacity, feed);
  if (!code) code = EmbedFeedFileOpen(*feed, path);
  return Opened(code, feed);
}

int rheo_feed_to_trainers(int comm, int is_trainer, const char *parameters, const char *data, int capacity,
                          rheo_feed **feed)
{
  *feed = NULL;
  if (EmbedReady()) return RHEO_INPUT;
  RheoGuestEnter();
  PetscErrorCode code = Open(comm, &EmbedFeedTrainers, parameters, data, capacity, feed);
  if (!code) code = EmbedFeedTrainersOpen(*feed, is_trainer);
  return Opened(code, feed);
}

/* ---- Use ---- */

static PetscErrorCode Put(rheo_feed *f, int64_t index, const double *theta, const double *x, int failed,
                          PetscBool *done)
{
  double *record;

  PetscFunctionBeginUser;
  RheoInputCheck(!f->is_trainer, PETSC_COMM_SELF, "a rank that trains has nothing to put");
  RheoInputCheck(index >= 0 && index < INT64_MAX, PETSC_COMM_SELF,
                 "the index of a simulation must be 0 or more and below %lld, got %lld", (long long)INT64_MAX,
                 (long long)index);
  PetscCall(f->type->room(f, &record));
  *done = (PetscBool)(record != NULL);
  if (!record) PetscFunctionReturn(RHEO_OK);
  Fill(f, index, theta, x, failed, record);
  f->put++;
  PetscCall(f->type->added(f));
  PetscFunctionReturn(RHEO_OK);
}

static int NotOpen(void)
{
  return EmbedFail(RHEO_INPUT, "the feed is closed, or was never opened");
}

static int PutOrNot(rheo_feed *feed, PetscBool wait, int64_t index, const double *theta, const double *x,
                    int failed)
{
  const struct timespec pause = {.tv_nsec = 20000};
  PetscBool done = PETSC_FALSE;
  if (EmbedReady()) return RHEO_INPUT;
  if (!feed) return NotOpen();
  /* Waiting for a trainer, but not inside: other threads may have to work before it takes anything. */
  for (;;) {
    RheoGuestEnter();
    const int result = EmbedLeave(Put(feed, index, theta, x, failed, &done));
    if (result || done) return result;
    if (!wait) break;
    nanosleep(&pause, NULL);
  }
  return EmbedFail(RHEO_BUSY, "%lld rows are on their way to the ranks that train",
                   (long long)feed->capacity);
}

int rheo_feed_put(rheo_feed *feed, int64_t index, const double *theta, const double *x, int failed)
{
  return PutOrNot(feed, PETSC_TRUE, index, theta, x, failed);
}
int rheo_feed_try_put(rheo_feed *feed, int64_t index, const double *theta, const double *x, int failed)
{
  return PutOrNot(feed, PETSC_FALSE, index, theta, x, failed);
}

int rheo_feed_train(rheo_feed *feed, const char *deck, const char *path, int64_t *rows)
{
  int64_t n = 0;
  if (rows) *rows = 0;
  if (EmbedReady()) return RHEO_INPUT;
  if (!feed) return NotOpen();
  RheoGuestEnter();
  const int result = EmbedLeave(EmbedFeedTrain(feed, deck, path, &n));
  if (rows && !result) *rows = n;
  return result;
}

int rheo_feed_close(rheo_feed **feed, int64_t *rows)
{
  rheo_feed *f = *feed;
  int64_t n = 0;
  *feed = NULL;
  if (rows) *rows = 0;
  if (EmbedReady()) return RHEO_INPUT;
  if (!f) return NotOpen();
  RheoGuestEnter();
  PetscErrorCode code = f->type->close(f, &n);
  const PetscErrorCode last = Destroy(&f);
  if (rows && !code) *rows = n;
  return EmbedLeave(code ? code : last);
}
