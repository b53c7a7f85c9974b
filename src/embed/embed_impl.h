/* Private to src/embed: visits with their codes, and what a feed is made of. */
#pragma once
#include "../base/guest.h"
#include "../infer/posterior.h"
#include "../rheo_embed.h"
#include <stddef.h>

/* ---- start.c ---- */
/* Notes the message of this thread; returns code. */
int EmbedFail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* RHEO_DONE, or RHEO_INPUT where rheo_start was not called. */
int EmbedReady(void);
/* Leaves a heavy visit: the code of the caller for PETSc's code, with its message. */
int EmbedLeave(PetscErrorCode code);
/* RHEO_OK where every rank of comm says so. A failure of this rank's keeps its message, but that of memory, which becomes "no
 * memory for WHAT"; ranks that had none hear that another had one. So none goes on alone to wait for one that does not come.
 * Collective. */
PetscErrorCode EmbedAgree(MPI_Comm comm, PetscErrorCode mine, const char *what);

/* ---- A feed ----
 * A row on its way is a record: index (int64), status, theta (D), x (C); a number of doubles, sent as bytes. */
typedef struct EmbedFeedType EmbedFeedType;
struct EmbedFeedType {
  /* Room for one more record: *to; NULL where there is none now. */
  PetscErrorCode (*room)(rheo_feed *feed, double **to);
  PetscErrorCode (*added)(rheo_feed *feed); /* the record is filled in */
  PetscErrorCode (*close)(rheo_feed *feed, int64_t *rows);
  PetscErrorCode (*destroy)(rheo_feed *feed);
};
extern const EmbedFeedType EmbedFeedFile, EmbedFeedTrainers;
PetscErrorCode EmbedFeedFileOpen(rheo_feed *feed, const char *path);
PetscErrorCode EmbedFeedTrainersOpen(rheo_feed *feed, int is_trainer);

struct rheo_feed {
  const EmbedFeedType *type;
  MPI_Comm comm; /* a copy */
  int rank, size;
  int d, c, width;       /* width of a record */
  const char **name;     /* (D + C), interned */
  int64_t capacity, put; /* rows */
  MPI_Datatype record;
  const char *path; /* interned */
  PetscBool is_trainer;
  void *data;
};

/* ---- feed.c: records ---- */
int64_t EmbedIndex(const double *record);
int EmbedStatus(const double *record);
typedef struct {
  int64_t index, place;
} EmbedPlace;
/* Sorts by index, which is below INT64_MAX; *twice is the lowest that is there more than once, INT64_MAX where none is. */
void EmbedSort(int64_t n, EmbedPlace *place, int64_t *twice);
PetscErrorCode EmbedFeedTrain(rheo_feed *feed, const char *deck, const char *path, int64_t *rows);

/* ---- feed_rows.c ---- */
/* Whether memory for rows was to be had by every rank of comm: an error on all of them if not, rather than on one that the others
 * wait for. Collective. */
PetscErrorCode EmbedAllHave(MPI_Comm comm, PetscBool mine);
/* Rows to train on, in the order of their indices: those of this rank's RheoRange of all that are not to be left out. */
typedef struct {
  int64_t n, n_good; /* of all ranks: rows that came, and those left */
  int64_t begin, end;
  float *z, *context; /* (end - begin, D), (end - begin, C): see RheoPosteriorConvert */
} EmbedRows;
/* Of the records (n) that each rank of comm has; record is taken over and set to NULL. An index that is there twice is
 * RHEO_ERR_INPUT. rows has to be destroyed after a failure too. Needs about as much memory as
 * this rank's records do or its slice would, whichever is larger, 24 bytes a row, and 2 MB. Collective on comm. */
PetscErrorCode EmbedRowsCreate(const rheo_feed *feed, MPI_Comm comm, int64_t n, double **record,
                               RheoPosterior posterior, EmbedRows *rows);
PetscErrorCode EmbedRowsDestroy(EmbedRows *rows);
