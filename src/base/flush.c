#include "flush.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

int RheoNamelessFile(const char *path)
{
  char name[4096];
  struct stat info;
  const size_t n = strlen(path);

  errno = EISDIR;
  if (!n || path[n - 1] == '/' || (!stat(path, &info) && S_ISDIR(info.st_mode))) return -1;
  errno = ENAMETOOLONG;
  if (snprintf(name, sizeof name, "%s.XXXXXX", path) >= (int)sizeof name) return -1;
  const int file = mkostemp(name, O_CLOEXEC); /* nobody else's file, nor what a link points to */
  if (file >= 0) unlink(name);
  return file;
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
