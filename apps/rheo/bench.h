/* What the measurements of `rheo bench` share. */
#pragma once
#include "verb.h"

typedef struct {
  RheoStrings run;
  double seconds;
  const char *peer;
  int shards;
  double latency_us, bandwidth_gbs;
  int64_t model_parameters;
  int model_shards;
  int64_t stream_rows;
} BenchConfig;

/* Each prints a section of its own name. Collective; what needs one core runs on rank 0 while the others sleep. */
PetscErrorCode BenchDense(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchSpline(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchRanks(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchAssignment(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchCfm(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchCnfNll(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchLatency(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchStream(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchScaling(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
PetscErrorCode BenchSampling(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);

/* Ranks that have nothing to do sleep, so as not to take a core from the one that is measured. */
PetscErrorCode BenchWait(MPI_Comm comm);

/* A new folder where TMPDIR says, of the same name on all ranks; BenchFolderRemove takes it away with the file `name` in it.
 * Collective. */
PetscErrorCode BenchFolder(MPI_Comm comm, char folder[PETSC_MAX_PATH_LEN]);
PetscErrorCode BenchFolderRemove(MPI_Comm comm, const char *folder, const char *name);

/* The first line that a peer's script prints, by the first interpreter that has the module; threads are the script's to
 * choose. Returns 0 where there is none. */
int BenchPeer(const BenchConfig *config, const char *script, const char *module, const char *arguments,
              char line[256]);
