/* Whether the data set that a run would simulate is there already. */
#include "verb.h"
#include <io/hdf5.h>
#include <io/reader.h>
#include <string.h>
#include <unistd.h>

/* Whether path says of itself that it is what this run would write: a file is a function of deck and build. Where simulations are
 * kept beside it, a later run has begun to make it anew. On one rank. */
static PetscBool IsOurs(const char *path, const char *folder, const char *deck, int64_t n)
{
  const char *kind, *version, *commit, *text = NULL;
  int64_t rows = -1;

  if (!access(folder, F_OK) || H5Fis_hdf5(path) <= 0) return PETSC_FALSE;
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) return PETSC_FALSE;
  const int read = !RheoH5ReadText(file, "kind", &kind) && !RheoH5ReadText(file, "version", &version) &&
                   !RheoH5ReadText(file, "commit", &commit) && !RheoH5ReadInt(file, "rows", &rows) &&
                   !RheoH5ReadDeck(file, &text) && text;
  H5Fclose(file);
  return (PetscBool)(read && !strcmp(kind, "dataset") && !strcmp(version, RheoVersion()) &&
                     !strcmp(commit, RheoCommit()) && rows == n && !strcmp(text, deck));
}

/* Whether all of its rows can be read and its checksums fit; one that is damaged is made again, which the checks of whoever
 * reads it next would end the run for. */
static PetscErrorCode IsWhole(MPI_Comm comm, const char *path, PetscBool *whole)
{
  RheoReader reader = NULL;
  PetscErrorCode code;

  PetscFunctionBeginUser;
  RheoErrorSetQuiet(PETSC_TRUE);
  code = RheoReaderOpen(comm, 1, &path, "dataset", &reader);
  if (!code) code = RheoReaderScan(reader, NULL, NULL);
  RheoErrorSetQuiet(PETSC_FALSE);
  PetscCheck(!code || code == RHEO_ERR_INPUT, PETSC_COMM_SELF, code, "%s", RheoErrorMessage());
  PetscCall(RheoReaderClose(&reader));
  *whole = (PetscBool)!code;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SimulationsAreThere(const Run *run, const char *path, const char *folder, int64_t n,
                                   PetscBool *there)
{
  const MPI_Comm comm = run->comm;
  const char *deck;
  PetscMPIInt rank;
  int ours[2] = {0, 0}; /* and whether there is something else */

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetText(run->deck, &deck));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    ours[0] = IsOurs(path, folder, deck, n);
    ours[1] = !ours[0] && !access(path, F_OK) && access(folder, F_OK);
  }
  PetscCallMPI(MPI_Bcast(ours, 2, MPI_INT, 0, comm));
  *there = (PetscBool)ours[0];
  if (ours[1])
    RheoLog(comm, RHEO_LOG_INFO, "%s: is of another deck, simulator or build of Rheo; it is made again",
            path);
  if (!*there) PetscFunctionReturn(RHEO_OK);
  PetscCall(IsWhole(comm, path, there));
  if (*there)
    RheoLog(comm, RHEO_LOG_INFO, "%s: is there, of this very deck", path);
  else
    RheoLog(comm, RHEO_LOG_WARNING, "%s: is damaged; it is made again", path);
  PetscFunctionReturn(RHEO_OK);
}
