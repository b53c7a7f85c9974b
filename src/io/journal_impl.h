#pragma once
#include "../base/deck.h"
#include "journal.h"

typedef struct {
  int64_t run, rank;
} JournalName;

typedef struct {
  int64_t n;
  JournalName *file;
} JournalList;

/* Rows first .. end - 1, in file run-rank; row `start` of the record lies at offset. */
typedef struct {
  int64_t run, rank, first, end, offset, start;
} JournalExtent;

typedef struct {
  int64_t n, size, n_damaged, n_foreign;
  JournalExtent *extent;
  char error[PETSC_MAX_PATH_LEN + 128]; /* a file that is there cannot be read */
} JournalScan;

/* The file that was read last stays open. */
typedef struct {
  int file;
  JournalName name;
} JournalReader;

struct RheoJournal_ {
  MPI_Comm comm;
  const char *folder;
  uint64_t key;
  size_t row_size;
  int64_t n, count, n_damaged, n_foreign;
  int64_t n_extents, n_missing;
  JournalExtent *extent; /* ascending, without overlap */
  RheoRowRange *missing; /* this rank's */
  int64_t run;           /* the number of this run */
  int file;              /* this rank's of this run; -1 before the first append */
};

/* ---- journal_file.c ---- */
/* The files of a folder, the same list on every rank; none where there is no folder. Collective. */
PetscErrorCode JournalListFiles(MPI_Comm comm, const char *folder, JournalList *list);
void JournalScanFile(RheoJournal journal, JournalName name, JournalScan *scan);
PetscBool JournalReadRows(RheoJournal journal, JournalReader *reader, const JournalExtent *extent,
                          int64_t begin, int64_t end, char *rows);
void JournalReaderClose(JournalReader *reader);
void JournalCloseFile(RheoJournal journal);
void JournalRemoveFiles(const char *folder, const JournalList *list);
