/* Where a result came from. Facts that are a function of deck and version (these go into every file, which therefore
 * is identical for any number of ranks) are apart from facts of the one run (ranks, wall time, date, host, peak memory),
 * which go to run.yaml beside it. */
#pragma once
#include "deck.h"

const char *RheoVersion(void); /* "0.1.0" */
const char *RheoCommit(void);  /* git commit the library was built from, "-dirty" where it was; "unknown" */

/* Writes DIR/run.yaml: verb, deck name, version, commit, ranks, date, wall time, peak memory. Collective on comm. */
PetscErrorCode RheoProvenanceWriteRun(MPI_Comm comm, const char *directory, const char *verb, RheoDeck deck);

double RheoPeakMemory(void); /* largest resident size of this process so far, in bytes */

/* Makes DIR and its parents; RHEO_ERR_INPUT where that fails or it is not writable. Collective on comm. */
PetscErrorCode RheoMakeDirectory(MPI_Comm comm, const char *path);
