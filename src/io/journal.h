/* Rows that a run keeps on disk while it works, so that a later run, on any number of ranks, goes on from them.
 *
 * A journal is a folder. Every rank of every run appends to a file of its own there, RUN-RANK, and never changes what it has
 * written: however a run ends, what was flushed before stays whole. The file is binary, in the machine's byte order:
 *   8 bytes "RHEOROWS", uint64 key, uint64 bytes of a row, uint64 checksum of these 24 bytes
 *   records: uint64 first row, uint64 rows, uint64 checksum of the rows, uint64 checksum of these 24 bytes; the rows
 * Checksums are FNV-1a. Whoever opens the folder reads all of it: a record whose rows do not fit their checksum is left out, a
 * record header that does not fit ends its file (a run was killed while it wrote). The key says what the rows are rows of; files
 * with another key are another experiment's and are left out.
 */
#pragma once
#include "../base/error.h"
#include <stdint.h>

typedef struct RheoJournal_ *RheoJournal;

typedef struct {
  int64_t begin, end;
} RheoRowRange;

/* What is in the folder, which need not be there, of rows 0..n - 1 of row_size bytes. Memory: 48 bytes a record on every rank.
 * Not being able to read a file that is there is RHEO_ERR_INPUT. Collective, as is Destroy, which leaves the files. */
PetscErrorCode RheoJournalOpen(MPI_Comm comm, const char *folder, uint64_t key, size_t row_size, int64_t n,
                               RheoJournal *journal);
PetscErrorCode RheoJournalDestroy(RheoJournal *journal);

int64_t RheoJournalCount(RheoJournal journal);   /* rows that were there at Open, and are whole */
int64_t RheoJournalDamaged(RheoJournal journal); /* places, over all files, where damage was found */
int64_t RheoJournalForeign(RheoJournal journal); /* files with another key */

/* The rows that are not there, cut into equal parts over the ranks: this rank's, in ranges in ascending order (borrowed). Not
 * collective. */
PetscErrorCode RheoJournalMissing(RheoJournal journal, int64_t *n_ranges, const RheoRowRange **ranges);

/* Appends rows first .. first + n - 1 and flushes them to disk. A failure (a full disk) is RHEO_ERR_INPUT of this rank, which ends
 * the job; what was appended before stays. Not collective. */
PetscErrorCode RheoJournalAppend(RheoJournal journal, int64_t first, int64_t n, const void *rows);

/* Rows begin .. end - 1 as they were at Open; all of them must be there. Not collective. */
PetscErrorCode RheoJournalRead(RheoJournal journal, int64_t begin, int64_t end, void *rows);

/* Removes the files of a journal, whatever their key, and the folder where nothing else is in it. Collective. */
PetscErrorCode RheoJournalRemove(MPI_Comm comm, const char *folder);
