/* Memory that the ranks of one node have in common, through a window of MPI-3. */
#pragma once
#include "error.h"

typedef struct RheoShared_ *RheoShared;

/* n floats of this rank (n may differ from rank to rank), 64-byte aligned. NULL where the ranks of comm do not all share
 * memory, there is only one, or the node has no room for it: then messages must do. Collective on comm, as
 * is Destroy. */
PetscErrorCode RheoSharedCreate(MPI_Comm comm, size_t n, RheoShared *shared);
PetscErrorCode RheoSharedDestroy(RheoShared *shared);

/* Whether there is shared memory at all (there is): without it, what spans nodes can be tested on one. The same on all
 * ranks; for what is created afterwards. Not collective. */
void RheoSharedAllow(PetscBool allowed);

/* Where rank's floats are for the caller. Not collective. */
float *RheoSharedOf(RheoShared shared, int rank);

/* What any rank wrote before is what all read after. Collective. */
PetscErrorCode RheoSharedMeet(RheoShared shared);

/* The same in two parts: a rank that has Left does not wait for the others before Reenter. Left is collective; Reenter
 * without Left does nothing. */
PetscErrorCode RheoSharedLeave(RheoShared shared);
PetscErrorCode RheoSharedReenter(RheoShared shared);
