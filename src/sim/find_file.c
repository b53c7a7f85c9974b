#include "find_file.h"
#include <string.h>
#include <unistd.h>

PetscErrorCode RheoSimDeckFolder(RheoDeck deck, const char **folder)
{
  const char *name;
  char text[PETSC_MAX_PATH_LEN];
  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetName(deck, &name));
  snprintf(text, sizeof text, "%s", name ? name : "");
  char *slash = strrchr(text, '/');
  if (slash) *slash = 0;
  *folder = !slash ? RheoIntern(".") : RheoIntern(slash == text ? "/" : text);
  PetscFunctionReturn(RHEO_OK);
}

/* Beside the deck, for the deck's own words; from the working directory, for the command line's; else the other way
 * round. */
PetscErrorCode RheoSimLookForFile(RheoDeck deck, const char *key, const char *path, const char **found)
{
  char text[PETSC_MAX_PATH_LEN];
  const char *folder;
  PetscBool typed;
  MPI_Comm comm;
  int rank, where = 0;
  PetscFunctionBeginUser;
  PetscCall(RheoSimDeckFolder(deck, &folder));
  PetscCall(RheoDeckIsFromCommandLine(deck, key, &typed));
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  snprintf(text, sizeof text, "%s/%s", folder, path);
  if (rank == 0) {
    const int beside = path[0] != '/' && !access(text, R_OK), here = !access(path, R_OK);
    where = beside && !(typed && here) ? 2 : here;
  }
  PetscCallMPI(MPI_Bcast(&where, 1, MPI_INT, 0, comm));
  *found = where == 0 ? NULL : RheoIntern(where == 2 ? text : path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimFindFile(RheoDeck deck, const char *key, const char *path, const char **found)
{
  const char *folder;
  PetscFunctionBeginUser;
  PetscCall(RheoSimLookForFile(deck, key, path, found));
  if (*found) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoSimDeckFolder(deck, &folder));
  if (path[0] == '/') PetscCall(RheoDeckReject(deck, key, "cannot be read"));
  PetscCall(RheoDeckReject(deck, key, "cannot be read: neither %s/%s (beside the deck) nor %s is there",
                           folder, path, path));
  PetscFunctionReturn(RHEO_OK);
}
