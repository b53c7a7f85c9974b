/* Errors: who made the mistake decides what is printed and how the program ends.
 *
 * A user's mistake (a wrong key, a missing file, a NaN in the observation) is one line on stderr, from one rank,
 * with exit status 2. Ours is a message with the short trail of functions it came up through, exit status 1.
 * Both travel as PetscErrorCode through PetscCall; nothing in the library exits.
 */
#pragma once
#include <petscsys.h>

#define RHEO_OK ((PetscErrorCode)0)
#define RHEO_ERR_INPUT PETSC_ERR_USER_INPUT /* the user's mistake: exit status 2 */
/* Not an error: asked to stop, by a signal or a time limit, and stopped where the same run can go on; exit status 3. It travels
 * as errors do, with one line. Never raised unless the caller has given something that asks. */
#define RHEO_STOPPED ((PetscErrorCode)(PETSC_ERR_MAX_VALUE + 3))
/* Nobody's mistake: all went as it should, and nothing came of it (no sample arrived). One line, exit status 1. */
#define RHEO_ERR_NOTHING ((PetscErrorCode)(PETSC_ERR_MAX_VALUE + 4))

enum { RHEO_EXIT_DONE = 0, RHEO_EXIT_FAILURE = 1, RHEO_EXIT_INPUT = 2, RHEO_EXIT_SIGNAL = 3 };

/* Returns from the calling function with a user's mistake. Collective on comm: every rank of comm must get here with
 * the same arguments; rank 0 prints. On PETSC_COMM_SELF in a run of several ranks the job is aborted with status 2
 * after the line is printed, so that nobody hangs. The text names deck, key, rule, value and a hint where they apply:
 *   RheoInputError(comm, "flu.yaml:12: train.batch must be in [1, inf), got 0")                                   */
#define RheoInputError(comm, ...)                                                                            \
  return PetscError(comm, __LINE__, PETSC_FUNCTION_NAME, __FILE__, RHEO_ERR_INPUT, PETSC_ERROR_INITIAL,      \
                    __VA_ARGS__)

#define RheoInputCheck(condition, comm, ...)                                                                 \
  do {                                                                                                       \
    if (PetscUnlikely(!(condition))) RheoInputError(comm, __VA_ARGS__);                                      \
  } while (0)

/* Start and end of a program that uses Rheo. Collective on MPI_COMM_WORLD. RheoInitialize starts MPI and PETSc where
 * the caller has not, skips ~/.petscrc, hands only PETSc's own options of argv to PETSc, sends GSL's and HDF5's error
 * handlers to ours and pins the BLAS to one thread a rank. RheoFinalize frees what it started.
 *
 * A mistake of ours that is raised on a communicator smaller than the job, so that only some ranks know of it, prints its
 * trail and aborts the job with status 1. */
PetscErrorCode RheoInitialize(int *argc, char ***argv);
PetscErrorCode RheoFinalize(void);

/* The exit status that belongs to a code: 0, 2 for RHEO_ERR_INPUT, 3 for RHEO_STOPPED, 1 otherwise. Not collective. */
int RheoExitStatus(PetscErrorCode code);

/* The last message, for callers that print it themselves; owned by the library, "" where there was none. */
const char *RheoErrorMessage(void);

/* What GSL or HDF5 complained about last, to be quoted in a message; "" where there was nothing. Their complaints
 * print nothing and stop nothing by themselves: the caller sees the return code and decides. */
const char *RheoLibraryMessage(void);

/* PETSC_TRUE: errors print nothing and abort nothing; the caller gets the code and RheoErrorMessage. For programs that
 * handle mistakes themselves, and for tests. Default PETSC_FALSE. Not collective. */
void RheoErrorSetQuiet(PetscBool quiet);
PetscBool RheoErrorIsQuiet(void);

/* Makes a condition that some rank found to be false known to all: *all is the logical and. Collective on comm. */
PetscErrorCode RheoAgree(MPI_Comm comm, PetscBool mine, PetscBool *all);
