#include "simulator_impl.h"
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

PetscErrorCode RheoSimFindFile(RheoDeck deck, const char *key, const char *path, const char **found)
{
  char text[PETSC_MAX_PATH_LEN];
  const char *folder;
  MPI_Comm comm;
  int rank, where = 0;
  PetscFunctionBeginUser;
  PetscCall(RheoSimDeckFolder(deck, &folder));
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  snprintf(text, sizeof text, "%s/%s", folder, path);
  if (rank == 0) {
    where = path[0] != '/' && !access(text, R_OK) ? 2 : !access(path, R_OK) ? 1 : 0;
  }
  PetscCallMPI(MPI_Bcast(&where, 1, MPI_INT, 0, comm));
  if (where == 0) {
    PetscCall(RheoDeckReject(deck, key, "cannot be read: neither %s (beside the deck) nor %s is there",
                             path[0] == '/' ? path : text, path));
  }
  *found = RheoIntern(where == 2 ? text : path);
  PetscFunctionReturn(RHEO_OK);
}
