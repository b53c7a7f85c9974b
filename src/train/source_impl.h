/* Private to src/train: how rows get from where they are to where they are needed. */
#pragma once
#include "source.h"

typedef struct RheoFetcher_ *RheoFetcher;

struct RheoRowSource_ {
  MPI_Comm comm;
  PetscMPIInt rank, size;
  RheoRowLayout layout;
  int64_t n;
  PetscBool whole;     /* every rank holds all rows */
  int64_t begin, end;  /* rows held here */
  RheoRows rows;       /* memory of the caller's */
  float *held;         /* or records of our own */
  RheoFetcher fetcher; /* NULL: all rows are in memory */
  PetscBool of_files;
  uint64_t fingerprint; /* of files */
};

/* What a row adds to the fingerprint. */
uint64_t RheoRowFingerprint(const RheoRowLayout *layout, int64_t row, const float *record);
/* The record of a row held in memory. */
void RheoRowTake(RheoRowSource source, int64_t row, float *record);

/* Of the rows 0..n-1 cut over ranks as RheoRange does: whose row is, and where it stands among that rank's. */
int RheoRangeOwner(int64_t n, int size, int64_t row, int64_t *place);

/* ---- Reading rows of files, in source_file.c and fetch.c ---- */
PetscErrorCode RheoFetcherCreate(MPI_Comm comm, const RheoRowFile *file, int size, RheoFetcher *fetcher);
PetscErrorCode RheoFetcherDestroy(RheoFetcher *fetcher);
/* The rows of the files that are not good, ascending; taken over. They are left out of the numbering from here on. */
void RheoFetcherLeaveOut(RheoFetcher fetcher, int64_t n, int64_t *row);
/* Begins to read the rows (n, ascending but for few jumps), and returns. What was begun before is given up. Not collective. */
PetscErrorCode RheoFetcherBegin(RheoFetcher fetcher, int64_t n, const uint64_t *row);
/* Their records (n, size), until the next Begin. Fails on all ranks where one could not read. Collective. */
PetscErrorCode RheoFetcherEnd(RheoFetcher fetcher, const float **record);

/* ---- exchange.c ---- */
/* Where a row is: at its reader, which may be this rank, the slot-th of the rows that it holds or has fetched. */
typedef struct {
  uint64_t row;
  int reader;
  int64_t slot;
} RheoRowItem;

/* A list of rows that nobody writes down as a whole: a rank describes the places that are its own, which are the first `run` of
 * every `stride` places from `begin` on, up to `end`; run <= stride. describe fills in those of places [first, first + n); scratch (n). */
typedef struct {
  int64_t begin, run, stride, end;
  void (*describe)(const void *context, RheoRowSource source, int64_t first, int64_t n, uint64_t *scratch,
                   RheoRowItem *item);
  const void *context;
} RheoRowList;

/* How many places are this rank's. */
int64_t RheoRowListCount(const RheoRowList *list);

/* Reader and slot of item->row where rows are in memory; where they are fetched, of the q-th of n rows that all ranks fetch their
 * range of. */
void RheoRowLocate(RheoRowSource source, int64_t n, int64_t q, RheoRowItem *item);

/* record (Count, size) and index (Count), which may be NULL, get this rank's rows in the order of their places. fetched: the records that
 * this rank has read of a source that fetches, else NULL. In pieces of a few MB. Collective. */
PetscErrorCode RheoRowExchange(RheoRowSource source, const RheoRowList *list, const float *fetched,
                               float *record, uint64_t *index);
