/* What a deck names outside itself, so that a deck in a result's file can be run from anywhere. */
#include "simulator_impl.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

PetscErrorCode RheoSimPinReals(RheoDeck deck, const char *key, int n, const double *x)
{
  char *text;
  size_t used = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(32 * (size_t)n + 8, &text));
  text[used++] = '[';
  for (int i = 0; i < n; i++) {
    char number[32];
    int digits = 6;
    do snprintf(number, sizeof number, "%.*g", digits, x[i]);
    while (strtod(number, NULL) != x[i] && ++digits <= 17);
    used += (size_t)snprintf(text + used, 32, "%s%s", i ? ", " : "", number);
  }
  memcpy(text + used, "]", 2);
  PetscCall(RheoDeckSet(deck, key, text));
  PetscCall(PetscFree(text));
  PetscFunctionReturn(RHEO_OK);
}

/* values: [..] in the place of a file. */
static PetscErrorCode PinObservation(RheoDeck deck, int n_data)
{
  PetscBool has;
  double *x;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckHas(deck, "observation.file", &has));
  if (!has) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc1(n_data, &x));
  PetscCall(RheoObservationRead(deck, n_data, x));
  PetscCall(RheoSimPinReals(deck, "observation.values", n_data, x));
  PetscCall(RheoDeckRemove(deck, "observation.file"));
  PetscCall(RheoDeckRemove(deck, "observation.column"));
  PetscCall(PetscFree(x));
  PetscFunctionReturn(RHEO_OK);
}

/* Rank 0 looks. */
PetscErrorCode RheoSimPinPath(RheoDeck deck, const char *key, const char *path)
{
  char whole[PATH_MAX] = "";
  MPI_Comm comm;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0 && !realpath(path, whole)) whole[0] = 0;
  PetscCallMPI(MPI_Bcast(whole, PATH_MAX, MPI_CHAR, 0, comm));
  if (whole[0]) PetscCall(RheoDeckSet(deck, key, whole));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSimulatorPin(RheoDeck deck, int n_data)
{
  static const RheoKey type_keys[] = {{"type", RHEO_KEY_STRING, 0, "", NULL, ""}, {0}};
  static const RheoKey path_keys[] = {{"path", RHEO_KEY_STRING, 0, NULL, NULL, ""}, {0}};
  const char *type, *path, *where;
  PetscBool has;

  PetscFunctionBeginUser;
  PetscCall(PinObservation(deck, n_data));
  PetscCall(RheoDeckRead(deck, "simulator", type_keys, &type));
  if (!strcmp(type, "plugin")) {
    PetscCall(RheoDeckRead(deck, "simulator.plugin", path_keys, &path));
    PetscCall(RheoSimLookForFile(deck, "simulator.plugin.path", path ? path : "", &where));
    if (where) PetscCall(RheoSimPinPath(deck, "simulator.plugin.path", where));
  } else if (!strcmp(type, "command")) {
    PetscCall(RheoDeckHas(deck, "simulator.command.folder", &has));
    PetscCall(RheoSimDeckFolder(deck, &where));
    if (!has) PetscCall(RheoSimPinPath(deck, "simulator.command.folder", where));
  }
  PetscFunctionReturn(RHEO_OK);
}
