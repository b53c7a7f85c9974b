/* The library as a guest in a program that is not Rheo's: a simulation code with MPI, handlers and habits of its own.
 *
 * Start brings up MPI and PETSc where the host has not, without arguments and without handlers. Between Enter and Leave the
 * library has what it needs (errors come back as codes, PETSc's options are its own, GSL and HDF5 complain to it, floating
 * point is as C defines it) and afterwards everything is as the host had it. Nothing here prints or ends the program.
 */
#pragma once
#include "error.h"
#include <fenv.h>

/* Counted: as many Ends as Starts. End frees interned memory and ends what the first Start began; after that MPI cannot be
 * started again. Collective on MPI_COMM_WORLD, on whatever thread MPI allows. */
PetscErrorCode RheoGuestStart(void);
PetscErrorCode RheoGuestEnd(void);
PetscBool RheoGuestIsHere(void);

/* Around work that uses PETSc, MPI or files: one thread at a time, the others wait. Not to be nested. PETSc's options are empty at
 * each Enter; what is to outlive a visit keeps options of its own and pushes them. */
void RheoGuestEnter(void);
void RheoGuestLeave(void);

/* Around pure computation, by any number of threads: floating point, and GSL's handler, which is silent while any is here. */
void RheoGuestEnterQuick(fenv_t *host);
void RheoGuestLeaveQuick(const fenv_t *host);
