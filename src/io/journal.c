/* What is kept, and by whom: opening, missing rows, reading. Appending is in journal_file.c. */
#include "../base/reduce.h"
#include "journal_impl.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of all ranks, in the order of ranks, on every rank. */
static PetscErrorCode GatherExtents(MPI_Comm comm, int64_t n, const JournalExtent *mine, int64_t *n_all,
                                    JournalExtent **all)
{
  enum { WIDTH = sizeof(JournalExtent) / sizeof(double) };

  PetscFunctionBeginUser;
  _Static_assert(sizeof(JournalExtent) % sizeof(double) == 0, "extents travel as doubles");
  PetscCallMPI(MPI_Allreduce(&n, n_all, 1, MPI_INT64_T, MPI_SUM, comm));
  PetscCall(PetscMalloc1(*n_all + 1, all));
  PetscCall(RheoGatherRows(comm, n, WIDTH, (const double *)mine, (double *)*all));
  PetscFunctionReturn(RHEO_OK);
}

static int ByFirstRow(const void *a, const void *b)
{
  const JournalExtent *x = a, *y = b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return (x->end < y->end) - (x->end > y->end);
}

/* Sorted, cut to 0..n - 1, each row once. */
static int64_t Tidy(int64_t n_extents, JournalExtent *extent, int64_t n)
{
  int64_t kept = 0, covered = 0;

  qsort(extent, (size_t)n_extents, sizeof *extent, ByFirstRow);
  for (int64_t e = 0; e < n_extents; e++) {
    JournalExtent *x = &extent[e];
    const int64_t first = PetscMax(x->first, covered), end = PetscMin(x->end, n);
    if (first >= end) continue;
    extent[kept++] = (JournalExtent){x->run, x->rank, first, end, x->offset, x->first};
    covered = end;
  }
  return kept;
}

/* This rank's part of what lies between the extents. */
static PetscErrorCode FindMissing(RheoJournal j)
{
  int64_t begin, end, seen = 0, at = 0;

  PetscFunctionBeginUser;
  RheoRange(j->comm, j->n - j->count, &begin, &end);
  PetscCall(PetscMalloc1(j->n_extents + 1, &j->missing));
  for (int64_t e = 0; e <= j->n_extents; e++) {
    const int64_t gap_end = e < j->n_extents ? j->extent[e].first : j->n, gap = gap_end - at;
    const int64_t from = PetscMax(begin, seen), to = PetscMin(end, seen + gap);
    if (from < to) j->missing[j->n_missing++] = (RheoRowRange){at + from - seen, at + to - seen};
    seen += gap;
    if (e < j->n_extents) at = j->extent[e].end;
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoJournalOpen(MPI_Comm comm, const char *folder, uint64_t key, size_t row_size, int64_t n,
                               RheoJournal *journal)
{
  JournalList list;
  JournalScan scan = {0};
  PetscMPIInt rank, size;
  int64_t counts[2];
  PetscBool good;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(journal));
  RheoJournal j = *journal;
  *j = (struct RheoJournal_){
      .comm = comm, .folder = RheoIntern(folder), .key = key, .row_size = row_size, .n = n, .file = -1};
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(JournalListFiles(comm, folder, &list));
  for (int64_t f = 0; f < list.n; f++) {
    j->run = PetscMax(j->run, list.file[f].run + 1);
    if (f % size == rank) JournalScanFile(j, list.file[f], &scan);
  }
  PetscCall(PetscFree(list.file));
  PetscCall(RheoAgree(comm, (PetscBool)!scan.error[0], &good));
  if (!good) { /* one of those who know says it */
    PetscMPIInt from = scan.error[0] ? rank : INT_MAX, lowest;
    PetscCallMPI(MPI_Allreduce(&from, &lowest, 1, MPI_INT, MPI_MIN, comm));
    PetscCallMPI(MPI_Bcast(scan.error, sizeof scan.error, MPI_CHAR, lowest, comm));
    free(scan.extent);
    RheoInputError(comm, "%s", scan.error);
  }
  counts[0] = scan.n_damaged;
  counts[1] = scan.n_foreign;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, counts, 2, MPI_INT64_T, MPI_SUM, comm));
  j->n_damaged = counts[0];
  j->n_foreign = counts[1];
  PetscCall(GatherExtents(comm, scan.n, scan.extent, &j->n_extents, &j->extent));
  free(scan.extent);
  j->n_extents = Tidy(j->n_extents, j->extent, n);
  for (int64_t e = 0; e < j->n_extents; e++) j->count += j->extent[e].end - j->extent[e].first;
  PetscCall(FindMissing(j));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoJournalDestroy(RheoJournal *journal)
{
  PetscFunctionBeginUser;
  if (!*journal) PetscFunctionReturn(RHEO_OK);
  JournalCloseFile(*journal);
  PetscCall(PetscFree((*journal)->extent));
  PetscCall(PetscFree((*journal)->missing));
  PetscCallMPI(MPI_Barrier((*journal)->comm)); /* what any rank appended, all find at the next Open */
  PetscCall(PetscFree(*journal));
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoJournalCount(RheoJournal journal)
{
  return journal->count;
}

int64_t RheoJournalDamaged(RheoJournal journal)
{
  return journal->n_damaged;
}

int64_t RheoJournalForeign(RheoJournal journal)
{
  return journal->n_foreign;
}

PetscErrorCode RheoJournalMissing(RheoJournal journal, int64_t *n_ranges, const RheoRowRange **ranges)
{
  PetscFunctionBeginUser;
  *n_ranges = journal->n_missing;
  *ranges = journal->missing;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoJournalRead(RheoJournal j, int64_t begin, int64_t end, void *rows)
{
  int64_t done = begin;
  JournalReader reader = {.file = -1};

  PetscFunctionBeginUser;
  for (int64_t e = 0; e < j->n_extents && done < end; e++) {
    const JournalExtent *x = &j->extent[e];
    if (x->end <= done || x->first > done) continue;
    const int64_t to = PetscMin(end, x->end);
    char *into = (char *)rows + (size_t)(done - begin) * j->row_size;
    const PetscBool read = JournalReadRows(j, &reader, x, done, to, into);
    RheoInputCheck(read, PETSC_COMM_SELF, "%s: a file in it can no longer be read", j->folder);
    done = to;
  }
  JournalReaderClose(&reader);
  PetscCheck(done >= end, PETSC_COMM_SELF, PETSC_ERR_PLIB, "Row %lld is not in the journal", (long long)done);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoJournalRemove(MPI_Comm comm, const char *folder)
{
  JournalList list;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(JournalListFiles(comm, folder, &list));
  if (rank == 0) JournalRemoveFiles(folder, &list);
  PetscCall(PetscFree(list.file));
  PetscCallMPI(MPI_Barrier(comm));
  PetscFunctionReturn(RHEO_OK);
}
