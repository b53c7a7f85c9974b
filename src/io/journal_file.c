/* The files of a journal: listing, checking, appending. POSIX calls, since HDF5 files that a killed run had open are lost. */
#include "../base/checksum.h"
#include "../base/flush.h"
#include "journal_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_WORDS = 4, HEAD_BYTES = HEAD_WORDS * sizeof(uint64_t), PIECE_BYTES = 1 << 20 };

static uint64_t Magic(void)
{
  uint64_t word;
  memcpy(&word, "RHEOROWS", sizeof word);
  return word;
}

static uint64_t HeadChecksum(const uint64_t *head)
{
  return RheoChecksum(RHEO_CHECKSUM_START, head, (HEAD_WORDS - 1) * sizeof *head);
}

static void FilePath(const char *folder, JournalName name, char *path)
{
  snprintf(path, PETSC_MAX_PATH_LEN, "%s/%lld-%lld", folder, (long long)name.run, (long long)name.rank);
}

/* ---- Listing ---- */
static int ByName(const void *a, const void *b)
{
  const JournalName *x = a, *y = b;
  if (x->run != y->run) return x->run < y->run ? -1 : 1;
  return (x->rank > y->rank) - (x->rank < y->rank);
}

static int64_t ReadFolder(const char *folder, JournalName **names)
{
  int64_t n = 0, size = 0;
  DIR *directory = opendir(folder);

  *names = NULL;
  if (!directory) return errno == ENOENT ? 0 : -1;
  for (const struct dirent *entry; (entry = readdir(directory));) {
    long long run, rank;
    int used = 0;
    if (sscanf(entry->d_name, "%lld-%lld%n", &run, &rank, &used) != 2 || entry->d_name[used]) continue;
    if (n == size) {
      size = size ? 2 * size : 64;
      JournalName *more = realloc(*names, (size_t)size * sizeof *more);
      if (!more) break;
      *names = more;
    }
    (*names)[n++] = (JournalName){run, rank};
  }
  closedir(directory);
  if (n) qsort(*names, (size_t)n, sizeof **names, ByName);
  return n;
}

PetscErrorCode JournalListFiles(MPI_Comm comm, const char *folder, JournalList *list)
{
  JournalName *names = NULL;
  PetscMPIInt rank;
  int64_t answer[2] = {0, 0};

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    answer[0] = ReadFolder(folder, &names);
    answer[1] = errno;
  }
  PetscCallMPI(MPI_Bcast(answer, 2, MPI_INT64_T, 0, comm));
  RheoInputCheck(answer[0] >= 0, comm, "%s: cannot be read: %s", folder, strerror((int)answer[1]));
  list->n = answer[0];
  PetscCall(PetscMalloc1(list->n + 1, &list->file));
  if (rank == 0 && list->n) memcpy(list->file, names, (size_t)list->n * sizeof *names);
  free(names);
  PetscCheck(list->n < INT_MAX / 2, comm, PETSC_ERR_SUP, "Too many files in %s", folder);
  PetscCallMPI(MPI_Bcast(list->file, (int)(2 * list->n), MPI_INT64_T, 0, comm));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Reading ---- */
static PetscBool ReadAt(int file, int64_t offset, size_t size, void *into)
{
  for (char *at = into; size;) {
    const ssize_t n = pread(file, at, size, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return PETSC_FALSE;
    at += n;
    offset += n;
    size -= (size_t)n;
  }
  return PETSC_TRUE;
}

static PetscBool RowsChecksum(int file, int64_t offset, size_t size, char *buffer, uint64_t *sum)
{
  *sum = RHEO_CHECKSUM_START;
  while (size) {
    const size_t n = PetscMin(size, (size_t)PIECE_BYTES);
    if (!ReadAt(file, offset, n, buffer)) return PETSC_FALSE;
    *sum = RheoChecksum(*sum, buffer, n);
    offset += (int64_t)n;
    size -= n;
  }
  return PETSC_TRUE;
}

static PetscBool AddExtent(JournalScan *scan, JournalExtent extent)
{
  if (scan->n == scan->size) {
    scan->size = scan->size ? 2 * scan->size : 64;
    JournalExtent *more = realloc(scan->extent, (size_t)scan->size * sizeof *more);
    if (!more) return PETSC_FALSE;
    scan->extent = more;
  }
  scan->extent[scan->n++] = extent;
  return PETSC_TRUE;
}

static void ScanRecords(RheoJournal j, int file, JournalName name, int64_t size, JournalScan *scan)
{
  char *buffer = malloc(PIECE_BYTES);
  int64_t at = HEAD_BYTES;
  PetscBool memory = (PetscBool)(buffer != NULL);

  while (memory && at < size) {
    uint64_t head[HEAD_WORDS], sum;
    const int64_t rows_at = at + HEAD_BYTES;
    /* What is no longer than the file cannot overflow below; the checksum says nothing of who wrote it. */
    if (!ReadAt(file, at, sizeof head, head) || HeadChecksum(head) != head[3] ||
        head[1] > (uint64_t)(size - rows_at) / j->row_size || head[0] > (uint64_t)INT64_MAX - head[1]) {
      scan->n_damaged++;
      break;
    }
    const int64_t first = (int64_t)head[0], n = (int64_t)head[1];
    at = rows_at + n * (int64_t)j->row_size;
    if (!RowsChecksum(file, rows_at, (size_t)n * j->row_size, buffer, &sum) || sum != head[2])
      scan->n_damaged++;
    else
      memory = AddExtent(scan, (JournalExtent){name.run, name.rank, first, first + n, rows_at, first});
  }
  free(buffer);
  if (!memory) snprintf(scan->error, sizeof scan->error, "%s: not enough memory for its index", j->folder);
}

void JournalScanFile(RheoJournal j, JournalName name, JournalScan *scan)
{
  char path[PETSC_MAX_PATH_LEN];
  uint64_t head[HEAD_WORDS];
  struct stat facts;

  FilePath(j->folder, name, path);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &facts)) {
    snprintf(scan->error, sizeof scan->error, "%s: cannot be read: %s", path, strerror(errno));
  } else if (!ReadAt(file, 0, sizeof head, head) || head[0] != Magic() || HeadChecksum(head) != head[3]) {
    scan->n_damaged++;
  } else if (head[1] != j->key || head[2] != j->row_size) {
    scan->n_foreign++;
  } else {
    ScanRecords(j, file, name, (int64_t)facts.st_size, scan);
  }
  if (file >= 0) close(file);
}

PetscBool JournalReadRows(RheoJournal j, JournalReader *reader, const JournalExtent *extent, int64_t begin,
                          int64_t end, char *rows)
{
  char path[PETSC_MAX_PATH_LEN];

  if (reader->file < 0 || reader->name.run != extent->run || reader->name.rank != extent->rank) {
    JournalReaderClose(reader);
    reader->name = (JournalName){extent->run, extent->rank};
    FilePath(j->folder, reader->name, path);
    reader->file = open(path, O_RDONLY | O_CLOEXEC);
  }
  if (reader->file < 0) return PETSC_FALSE;
  return ReadAt(reader->file, extent->offset + (begin - extent->start) * (int64_t)j->row_size,
                (size_t)(end - begin) * j->row_size, rows);
}

void JournalReaderClose(JournalReader *reader)
{
  if (reader->file >= 0) close(reader->file);
  reader->file = -1;
}

/* ---- Writing ---- */
static PetscBool CreateFile(RheoJournal j, int rank)
{
  char path[PETSC_MAX_PATH_LEN];
  uint64_t head[HEAD_WORDS] = {Magic(), j->key, j->row_size};

  if (mkdir(j->folder, 0777) ? errno != EEXIST : (errno = RheoFlushFolderOf(j->folder)) != 0)
    return PETSC_FALSE;
  FilePath(j->folder, (JournalName){j->run, rank}, path);
  j->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (j->file < 0) return PETSC_FALSE;
  head[3] = HeadChecksum(head);
  return (PetscBool)(!(errno = RheoWriteAll(j->file, head, sizeof head)) &&
                     !(errno = RheoFlushFolderOf(path)));
}

PetscErrorCode RheoJournalAppend(RheoJournal j, int64_t first, int64_t n, const void *rows)
{
  const size_t size = (size_t)n * j->row_size;
  uint64_t head[HEAD_WORDS] = {(uint64_t)first, (uint64_t)n, RheoChecksum(RHEO_CHECKSUM_START, rows, size)};
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(j->comm, &rank));
  head[3] = HeadChecksum(head);
  const PetscBool written = (PetscBool)((j->file >= 0 || CreateFile(j, rank)) &&
                                        !(errno = RheoWriteAll(j->file, head, sizeof head)) &&
                                        !(errno = RheoWriteAll(j->file, rows, size)) && !fsync(j->file));
  RheoInputCheck(written, PETSC_COMM_SELF, "%s: cannot be written: %s", j->folder, strerror(errno));
  PetscFunctionReturn(RHEO_OK);
}

void JournalCloseFile(RheoJournal j)
{
  if (j->file >= 0) close(j->file);
  j->file = -1;
}

void JournalRemoveFiles(const char *folder, const JournalList *list)
{
  char path[PETSC_MAX_PATH_LEN];

  for (int64_t f = 0; f < list->n; f++) {
    FilePath(folder, list->file[f], path);
    unlink(path);
  }
  rmdir(folder);
}
