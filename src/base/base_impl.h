/* What the files of base share among themselves. */
#pragma once
#include "error.h"
#include "log.h"
#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Memory that lives until RheoFinalize, zeroed. NULL where there is none, of which RheoInternCheck tells. */
void *RheoInternMemory(size_t n_bytes);
void RheoInternFree(void);
/* For who found no memory elsewhere and cannot say so: RheoInternCheck will. Gives "". */
const char *RheoInternFails(void);

void RheoErrorHandlerPush(void);
/* Whether an error that was not quiet was raised here since then. */
PetscBool RheoErrorHappened(void);
RheoLogLevel RheoLogGetLevel(void);

/* What RheoLibraryMessage tells of HDF5 comes through this. */
herr_t RheoHdf5Complaint(hid_t stack, void *context);
/* Whether RheoInitialize was called and RheoFinalize was not. */
PetscBool RheoIsInitialized(void);

/* Events of PETSc's log are made anew whenever PETSc starts. */
PetscErrorCode RheoEventsRegister(void);
void RheoEventsForget(void);

/* Whether `name` (no dash) is an option of PETSc's; `given` whether this run's command line set it. */
PetscBool RheoPetscOptionIs(const char *name);
PetscBool RheoPetscOptionGiven(const char *name);
/* Whether an argument is a key (`-x`, `--x`) rather than a value such as -3 or -.5. */
PetscBool RheoArgumentIsKey(const char *argument);

/* Whether lines of informational level are printed; progress bars follow it. */
PetscBool RheoLogIsOn(void);

/* Wipes a progress bar that stands unfinished on the terminal; the next line may be printed. */
void RheoTerminalClear(void);
void RheoTerminalOccupied(PetscBool occupied);

/* Writes a scalar as YAML: plain where a reader would get the same text back, in double quotes otherwise. A
 * scalar inside
 * [...] may not hold commas and brackets unquoted. */
typedef enum { RHEO_SCALAR_BLOCK, RHEO_SCALAR_FLOW, RHEO_SCALAR_QUOTED } RheoScalarPlace;
void RheoYamlScalar(FILE *file, const char *text, RheoScalarPlace place);
/* How many bytes from the start are UTF-8; all of them where text[that] is 0. */
size_t RheoUtf8Length(const char *text);
