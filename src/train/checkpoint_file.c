/* The file of a checkpoint; checkpoint.h has its format. Plain reading and writing: a library for structured files would have
 * to be trusted with damaged ones. */
#include "../base/checksum.h"
#include "../base/flush.h"
#include "checkpoint_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "RHEOCKP1";
static const uint64_t byte_order = UINT64_C(0x0102030405060708);

static void TemporaryPath(const char *path, char temporary[RHEO_CHECKPOINT_PATH + 8])
{
  snprintf(temporary, RHEO_CHECKPOINT_PATH + 8, "%s.tmp", path);
}

void RheoCheckpointFileCreate(const char *path, RheoCheckpointFile *file)
{
  char temporary[RHEO_CHECKPOINT_PATH + 8];

  TemporaryPath(path, temporary);
  *file = (RheoCheckpointFile){.file = fopen(temporary, "wb"), .sum = RHEO_CHECKSUM_START};
  if (!file->file) file->error = errno ? errno : EIO;
}

void RheoCheckpointFilePut(RheoCheckpointFile *file, const void *data, size_t bytes)
{
  if (file->error || !bytes) return;
  file->sum = RheoChecksum(file->sum, data, bytes);
  if (fwrite(data, 1, bytes, file->file) != bytes) file->error = errno ? errno : EIO;
}

int RheoCheckpointFileCommit(RheoCheckpointFile *file, const char *path)
{
  char temporary[RHEO_CHECKPOINT_PATH + 8];
  const uint64_t sum = file->sum;

  TemporaryPath(path, temporary);
  RheoCheckpointFilePut(file, &sum, sizeof sum);
  if (!file->error && (fflush(file->file) || fsync(fileno(file->file)))) file->error = errno;
  if (file->file && fclose(file->file) && !file->error) file->error = errno;
  if (!file->error && rename(temporary, path)) file->error = errno;
  if (file->error)
    unlink(temporary);
  else
    file->error = RheoFlushFolderOf(path);
  file->file = NULL;
  return file->error;
}

/* ---- Reading ---- */
void RheoCheckpointFileGet(RheoCheckpointFile *file, void *data, size_t bytes)
{
  if (!file->error && fread(data, 1, bytes, file->file) != bytes) file->error = EIO;
  if (file->error) memset(data, 0, bytes);
}

int RheoCheckpointFileClose(RheoCheckpointFile *file)
{
  if (file->file) fclose(file->file);
  file->file = NULL;
  return file->error;
}

uint64_t RheoCheckpointBytes(const RheoCheckpointHead *head)
{
  const int64_t most = INT64_MAX / 1024;

  if (head->n_params < 0 || head->n_params > most || head->n_history < 0 || head->n_history > most ||
      head->shards < 0 || head->shards > most || head->batch < 0 || head->batch > most / (head->shards + 1))
    return 0;
  return sizeof *head + sizeof(uint64_t) +
         (uint64_t)(head->n_params * (head->averaged ? 5 : 4)) * sizeof(float) +
         (uint64_t)(head->batch * (head->shards + 1) + RHEO_HISTORY_COLUMNS * head->n_history) *
             sizeof(double);
}

static const char *CheckHead(const RheoCheckpointHead *head, int64_t bytes)
{
  if (memcmp(head->magic, magic, sizeof magic)) return "it is no checkpoint of this version";
  if (head->order != byte_order) return "it comes from a machine with another byte order";
  if (head->bytes != (uint64_t)bytes) return "it is cut off";
  if (RheoCheckpointBytes(head) != head->bytes) return "the sizes that it names do not add up";
  return NULL;
}

static PetscBool SumFits(RheoCheckpointFile *file, const RheoCheckpointHead *head)
{
  enum { PIECE = 1 << 20 };
  char *piece = malloc(PIECE);
  uint64_t left = head->bytes - sizeof *head - sizeof(uint64_t),
           sum = RheoChecksum(RHEO_CHECKSUM_START, head, sizeof *head), stored = 0;

  if (!piece) return PETSC_FALSE;
  while (left && !file->error) {
    const size_t n = (size_t)PetscMin(left, (uint64_t)PIECE);
    RheoCheckpointFileGet(file, piece, n);
    sum = RheoChecksum(sum, piece, n);
    left -= n;
  }
  free(piece);
  RheoCheckpointFileGet(file, &stored, sizeof stored);
  return (PetscBool)(!file->error && stored == sum);
}

const char *RheoCheckpointFileOpen(const char *path, RheoCheckpointFile *file, RheoCheckpointHead *head)
{
  const char *why = NULL;
  struct stat info;

  *file = (RheoCheckpointFile){0};
  if (stat(path, &info)) return strerror(errno);
  if (!S_ISREG(info.st_mode)) return "it is not a file"; /* reading a pipe would wait */
  if ((size_t)info.st_size < sizeof *head + sizeof(uint64_t)) return "it is cut off";
  file->file = fopen(path, "rb");
  if (!file->file) return strerror(errno);
  RheoCheckpointFileGet(file, head, sizeof *head);
  why = file->error ? strerror(file->error) : CheckHead(head, info.st_size);
  if (!why && !SumFits(file, head)) why = "its checksum does not fit";
  if (!why && fseek(file->file, (long)sizeof *head, SEEK_SET)) why = strerror(errno);
  head->version[sizeof head->version - 1] = 0;
  if (why) RheoCheckpointFileClose(file);
  return why;
}

void RheoCheckpointHeadStart(RheoCheckpointHead *head)
{
  memset(head, 0, sizeof *head);
  memcpy(head->magic, magic, sizeof magic);
  head->order = byte_order;
}
