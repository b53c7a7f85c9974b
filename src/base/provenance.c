#include "provenance.h"
#include "base_impl.h"
#include "flush.h"
#include "log.h"
#include "yaml.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *RheoVersion(void)
{
  return RHEO_VERSION;
}
const char *RheoCommit(void)
{
  return RHEO_COMMIT;
}

double RheoPeakMemory(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return 1024. * (double)usage.ru_maxrss; /* Linux counts in kilobytes */
}

/* mkdir -p; the reason where it fails. */
static const char *MakePath(const char *path)
{
  char part[4096];
  struct stat info;
  if (strlen(path) >= sizeof part) return "the path is too long";
  if (!*path) return "the name is empty";
  for (size_t i = 1; i <= strlen(path); ++i) {
    if (path[i] && path[i] != '/') continue;
    snprintf(part, sizeof part, "%.*s", (int)i, path);
    if (!mkdir(part, 0777))
      RheoFlushFolderOf(part);
    else if (errno != EEXIST && errno != EISDIR && stat(part, &info))
      return strerror(errno);
  }
  if (stat(path, &info)) return strerror(errno);
  if (!S_ISDIR(info.st_mode)) return "it is a file";
  return access(path, W_OK | X_OK) ? strerror(errno) : NULL;
}

PetscErrorCode RheoMakeDirectory(MPI_Comm comm, const char *path)
{
  int rank;
  char why[256] = "";
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) {
    const char *reason = MakePath(path);
    if (reason) snprintf(why, sizeof why, "%s", reason);
  }
  PetscCallMPI(MPI_Bcast(why, sizeof why, MPI_CHAR, 0, comm));
  RheoInputCheck(!*why, comm, "%s: cannot be used as a folder for output: %s", path, why);
  PetscFunctionReturn(RHEO_OK);
}

static void WriteFacts(RheoYaml *yaml, const char *verb, RheoDeck deck, int ranks, double memory,
                       double largest)
{
  char host[256] = "", date[64];
  const char *name = "";
  time_t now = time(NULL);
  gethostname(host, sizeof host - 1);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  RheoYamlText(yaml, "verb", verb);
  if (deck && !RheoDeckGetName(deck, &name)) RheoYamlText(yaml, "deck", name);
  RheoYamlText(yaml, "version", RheoVersion());
  RheoYamlText(yaml, "commit", RheoCommit());
  RheoYamlText(yaml, "date", date);
  RheoYamlText(yaml, "host", host);
  RheoYamlInt(yaml, "ranks", ranks);
  RheoYamlReal(yaml, "wall_time_s", RheoSeconds());
  RheoYamlReal(yaml, "peak_memory_bytes", memory);
  RheoYamlReal(yaml, "peak_memory_bytes_largest_rank", largest);
}

PetscErrorCode RheoProvenanceWriteRun(MPI_Comm comm, const char *directory, const char *verb, RheoDeck deck)
{
  int rank, size, error = 0;
  double mine = RheoPeakMemory(), total, largest;
  char path[4096];
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Reduce(&mine, &total, 1, MPI_DOUBLE, MPI_SUM, 0, comm));
  PetscCallMPI(MPI_Reduce(&mine, &largest, 1, MPI_DOUBLE, MPI_MAX, 0, comm));
  snprintf(path, sizeof path, "%s/run.yaml", directory);
  if (!rank) {
    RheoYaml yaml = {PETSC_COMM_SELF, fopen(path, "w"), 0};
    if (yaml.file) {
      WriteFacts(&yaml, verb, deck, size, total, largest);
      error = ferror(yaml.file) ? EIO : 0;
      if (fclose(yaml.file)) error = errno;
    } else
      error = errno;
  }
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, comm));
  RheoInputCheck(!error, comm, "%s: cannot be written: %s", path, strerror(error));
  PetscFunctionReturn(RHEO_OK);
}
