/* Time-stepping schemes by name, on PETSc's TS.
 *
 * tsit5 (Tsitouras 2011), midpoint and heun are registered with TSRKRegister by RheoInitialize; euler, rk4 and
 * rk4_38 too where PETSc has none of that name. Every other name of PETSc's TSRK (3bs, 5dp, 8vr, ...) is known as well.
 *
 * Not every scheme gives right gradients: PETSc 3.16.5 to 3.21.3 return wrong parameter gradients in TSAdjoint for
 * Runge-Kutta schemes with a zero weight (2b, 5f, 5dp, 5bs, 6vr, 7vr, 8vr). RheoSchemeCheckGradient refuses these there.
 */
#pragma once
#include "../base/error.h"
#include <petscts.h>

PetscErrorCode RheoSchemesRegister(void); /* once; called by RheoInitialize */
/* Makes ts a TSRK of that scheme. An unknown name is RHEO_ERR_INPUT with the nearest known one. adaptive tells whether it
 * has an embedded error estimate. Collective on ts. */
PetscErrorCode RheoSchemeSet(TS ts, const char *name, PetscBool *adaptive);
/* RHEO_ERR_INPUT, with the reason and what to take instead, where this PETSc's gradients are wrong. Not collective. */
PetscErrorCode RheoSchemeCheckGradient(MPI_Comm comm, const char *name);
