/* Signals that ask for a stop: SIGTERM, SIGINT and SIGUSR1, which batch systems send ahead of a time limit.
 *
 * A verb that can stop and continue catches them around its work and asks at places where stopping loses nothing:
 *   SignalsCatch();
 *   for (...) {
 *     ... a step of all ranks ...
 *     PetscCall(SignalsAgree(comm, &stop));
 *     if (stop) { ... save ...; SETERRQ(comm, RHEO_STOPPED, "...; the same command continues"); }
 *   }
 *   SignalsRelease();
 * Ranks whose pieces of work do not keep step ask SignalsPoll in between, and SignalsAgree when they meet.
 * A second signal, two seconds later or more, has the system's effect at once: launchers pass on what a process group or a batch
 * system has delivered already, so that one request may come as several signals. */
#pragma once
#include <rheo.h>

/* From now on a signal is noted, with a line on stderr from rank 0; other verbs keep the system's behaviour. Parts of a
 * verb may catch them within a verb that does. Not collective; MPI must be running. */
void SignalsCatch(void);
/* Where all that were caught are released: the handlers that were there before. What was noted stays noted, for the next stage of a run. Not collective. */
void SignalsRelease(void);

PetscBool SignalsPending(void); /* on this rank. Not collective */

/* Whether this rank, or one that it has heard of, got a signal; a rank that did tells the others. Every rank that may ask must come to
 * SignalsAgree afterwards. Not collective. */
PetscErrorCode SignalsPoll(MPI_Comm comm, PetscBool *stop);
/* Whether any rank got one. Collective. */
PetscErrorCode SignalsAgree(MPI_Comm comm, PetscBool *stop);
