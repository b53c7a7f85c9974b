/* Log lines and progress, both on stderr from rank 0. stdout belongs to results. */
#pragma once
#include "error.h"
#include <stdint.h>

typedef enum { RHEO_LOG_ERROR, RHEO_LOG_WARNING, RHEO_LOG_INFO, RHEO_LOG_DEBUG } RheoLogLevel;

/* Lines above the level are not printed; default RHEO_LOG_INFO. Not collective. */
void RheoLogSetLevel(RheoLogLevel level);

/* One line "[  12.3 s] text"; only rank 0 of comm prints. Not collective, never fails. */
void RheoLog(MPI_Comm comm, RheoLogLevel level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

double RheoSeconds(void); /* of wall time since the start of the run */

/* A bar with rate and time left on a terminal (redrawn at most 10 times a second, cut to the terminal's width); in a batch job
 * one line per interval (30 s) instead. Only rank 0 of comm prints. Not collective. */
typedef struct RheoProgress_ *RheoProgress;
PetscErrorCode RheoProgressCreate(MPI_Comm comm, const char *title, const char *unit, int64_t total,
                                  RheoProgress *progress);
/* What was done before it was created, so that it counts for no speed; 0 where this is not called. */
PetscErrorCode RheoProgressBegin(RheoProgress progress, int64_t done);
/* Whether Update would print, for notes that cost something to write. */
PetscBool RheoProgressIsDue(RheoProgress progress);
/* done out of total so far; note is a short text behind the bar ("loss 1.23"), or NULL. */
PetscErrorCode RheoProgressUpdate(RheoProgress progress, int64_t done, const char *note);
PetscErrorCode RheoProgressDestroy(RheoProgress *progress); /* prints the final line with the time it took */

/* Four figures with k, M, G or T: "12.3k". */
void RheoAmount(double x, char text[32]);
