/* Time-stepping schemes by name, on PETSc's TS.
 *
 * tsit5 (Tsitouras 2011), midpoint, heun, euler, rk4 and rk4_38 are registered with TSRKRegister when the first of them is
 * asked for. Every other name of PETSc's TSRK (3bs, 5dp, 8vr, ...) is known as well.
 *
 * PETSc 3.16.5 to 3.21.3 sum parameter gradients wrongly (TSSetRHSJacobianP) for schemes with a zero weight: midpoint, 2b, 5f,
 * 5dp, 5bs, 6vr, 7vr, 8vr. Nothing here lets PETSc sum; adjoint.h does it by itself, rightly for every scheme.
 */
#pragma once
#include "../base/deck.h"
#include <petscts.h>

/* Makes the names known to -ts_rk_type too; any number of times. RheoSchemeSet calls it. Not collective. */
PetscErrorCode RheoSchemesRegister(void);
/* Makes ts a TSRK of that scheme. An unknown name is RHEO_ERR_INPUT with the nearest known one. adaptive, where not NULL,
 * tells whether it has an embedded error estimate. Collective on ts. */
PetscErrorCode RheoSchemeSet(TS ts, const char *name, PetscBool *adaptive);
/* Whether there is a scheme of that name; where not, text (size) says so with the nearest one. Not collective. */
PetscBool RheoSchemeIsKnown(const char *name, size_t size, char *text);
