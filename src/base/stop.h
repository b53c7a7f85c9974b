/* Being asked to stop in the middle of long work that keeps nothing of itself: samples, checks, distances.
 *
 * The library installs no signal handlers. A program that has some says here how to ask them; work that is shared by ranks asks
 * between its blocks, and where the ranks meet next all of them stop, or none. Trainings are asked through their safeguard
 * (train/checkpoint.h), since they have something to save.
 */
#pragma once
#include "error.h"

typedef struct {
  /* Whether this rank knows of a request; quick. Not collective. */
  PetscErrorCode (*poll)(void *context, PetscBool *stop);
  /* Whether any rank does. Collective on the program's communicator. */
  PetscErrorCode (*agree)(void *context, PetscBool *stop);
  void *context;    /* borrowed */
  const char *rest; /* end of the line that is printed: what is kept, how to go on; borrowed */
} RheoStopHook;

/* For the whole process, as signals are; copied. NULL, as from the start: nobody asks. Not collective. */
void RheoStopSetHook(const RheoStopHook *hook);
/* Where *stop is set this rank may leave its share of the work undone, and comes to RheoStopCheck next. PETSC_FALSE without a
 * hook. Not collective. */
PetscErrorCode RheoStopPoll(PetscBool *stop);
/* RHEO_STOPPED where any rank was asked to, with the line "by a signal, DURING; REST": before results are put together that may be
 * incomplete. Without a hook nothing. Collective on comm, which has the ranks of the program where there is a hook. */
PetscErrorCode RheoStopCheck(MPI_Comm comm, const char *during);
