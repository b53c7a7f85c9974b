/* What a simulator outside the library is made of, as far as a deck names it: so that simulations of one version are not taken for
 * those of another. */
#include "../base/checksum.h"
#include "../base/log.h"
#include "simulator_impl.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of a file that are read; of a longer one its size counts too. */
static const int64_t most = INT64_C(1) << 26;

/* Of a regular file that can be read; of all else nothing. On one rank. */
static void AddFile(const char *path, uint64_t *sum, int64_t *n_files)
{
  enum { PIECE = 1 << 16 };
  struct stat info;
  FILE *file = stat(path, &info) || !S_ISREG(info.st_mode) ? NULL : fopen(path, "rb");
  char *piece = file ? malloc(PIECE) : NULL;
  const int64_t size = file ? (int64_t)info.st_size : 0;

  if (piece) {
    *sum = RheoChecksum(*sum, &size, sizeof size);
    for (int64_t left = most; left > 0;) {
      const size_t n = fread(piece, 1, PIECE, file);
      if (!n) break;
      *sum = RheoChecksum(*sum, piece, n);
      left -= (int64_t)n;
    }
    ++*n_files;
  }
  free(piece);
  if (file) fclose(file);
}

/* A word of a command line with the folder in the place of $RHEO_DECK_DIR. */
static void Expand(const char *word, int n, const char *folder, char path[PETSC_MAX_PATH_LEN])
{
  static const char *const names[] = {"$RHEO_DECK_DIR", "${RHEO_DECK_DIR}"};

  snprintf(path, PETSC_MAX_PATH_LEN, "%.*s", n, word);
  for (int k = 0; k < 2; k++) {
    const int length = (int)strlen(names[k]);
    if (n >= length && !strncmp(word, names[k], (size_t)length))
      snprintf(path, PETSC_MAX_PATH_LEN, "%s%.*s", folder, n - length, word + length);
  }
}

/* The files that the words of a command line name; where output goes to is none. */
static void AddLine(const char *line, const char *folder, uint64_t *sum, int64_t *n_files)
{
  static const char between[] = " \t\r\n'\"`;|&<>()=,";
  char path[PETSC_MAX_PATH_LEN];

  for (const char *at = line; *at;) {
    const size_t gap = strspn(at, between), n = strcspn(at + gap, between);
    if (n && !memchr(at, '>', gap)) {
      Expand(at + gap, (int)n, folder, path);
      AddFile(path, sum, n_files);
    }
    at += gap + n;
  }
}

PetscErrorCode RheoSimulatorPinProgram(RheoDeck deck)
{
  static const RheoKey type_keys[] = {{"type", RHEO_KEY_STRING, 0, "", NULL, ""}, {0}};
  typedef struct {
    const char *what, *folder, *checksum;
  } Program;
  static const RheoKey keys[2][4] = {
      {{"line", RHEO_KEY_STRING, offsetof(Program, what), "", NULL, ""},
       {"folder", RHEO_KEY_STRING, offsetof(Program, folder), NULL, NULL, ""},
       {"checksum", RHEO_KEY_STRING, offsetof(Program, checksum), NULL, NULL, ""},
       {0}},
      {{"path", RHEO_KEY_STRING, offsetof(Program, what), "", NULL, ""},
       {"checksum", RHEO_KEY_STRING, offsetof(Program, checksum), NULL, NULL, ""},
       {0}}};
  Program program = {0};
  uint64_t found[2] = {RHEO_CHECKSUM_START, 0};
  const char *type, *where;
  char section[64], key[80], text[32];
  int64_t n_files = 0;
  MPI_Comm comm;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "simulator", type_keys, &type));
  const int plugin = !strcmp(type, "plugin");
  if (!plugin && strcmp(type, "command") != 0) PetscFunctionReturn(RHEO_OK);
  snprintf(section, sizeof section, "simulator.%s", type);
  PetscCall(RheoDeckRead(deck, section, keys[plugin], &program));
  if (plugin)
    PetscCall(RheoSimLookForFile(deck, "simulator.plugin.path", program.what, &where));
  else
    PetscCall(RheoSimDeckFolder(deck, &where));
  if (program.folder) where = program.folder;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0 && plugin && where) AddFile(where, &found[0], &n_files);
  if (rank == 0 && !plugin) AddLine(program.what, where, &found[0], &n_files);
  found[1] = (uint64_t)n_files;
  PetscCallMPI(MPI_Bcast(found, 2, MPI_UINT64_T, 0, comm));
  snprintf(key, sizeof key, "%s.checksum", section);
  snprintf(text, sizeof text, "%016llx", (unsigned long long)found[0]);
  if (program.checksum && strcmp(program.checksum, text) != 0)
    RheoLog(comm, RHEO_LOG_WARNING, "%s = %s: the simulator has changed since this was written; it is %s now",
            key, program.checksum, found[1] ? text : "not there");
  if (found[1])
    PetscCall(RheoDeckSet(deck, key, text));
  else if (program.checksum)
    PetscCall(RheoDeckRemove(deck, key));
  PetscFunctionReturn(RHEO_OK);
}
