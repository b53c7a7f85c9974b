#include "flush.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

int RheoWriteAll(int file, const void *bytes, size_t n)
{
  for (const char *at = bytes; n;) {
    const ssize_t written = write(file, at, n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written ? errno : ENOSPC;
    at += written;
    n -= (size_t)written;
  }
  return 0;
}

int RheoFlushFolderOf(const char *path)
{
  char folder[4096];

  if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder) return ENAMETOOLONG;
  const int at = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return errno == EACCES ? 0 : errno;
  const int error = fsync(at) && errno != EINVAL && errno != EOPNOTSUPP ? errno : 0;
  close(at);
  return error;
}
