/* Options of PETSc, tried before they are used.
 *
 * PETSc tells a wrong value by an error wherever it first meets it, the setting of options or the middle of a solve, and does
 * not name the option. So something small is solved with the options of the run; where that fails each of them is tried
 * alone.
 */
#pragma once
#include "deck.h"

/* The value of option `name` ("ts_rtol"), "" where it has none. Not collective. */
PetscErrorCode RheoOptionGiven(const char *name, size_t size, char *value, PetscBool *given);

/* The user's mistake in a key, or in an option where key begins with "ts_" or "tao_". deck NULL: the caller has none, and the
 * mistake is RHEO_ERR_INPUT on comm. Collective on the deck. */
PetscErrorCode RheoOptionReject(RheoDeck deck, MPI_Comm comm, const char *key, const char *format, ...);

/* Where option `name` is given, its value must be one of n known ones; role says in the mistake what these do ("follows a flow").
 * deck, comm as RheoOptionReject. */
PetscErrorCode RheoOptionOneOf(RheoDeck deck, MPI_Comm comm, const char *name, int n,
                               const char *const *known, const char *role);

/* name: the first option that is given of a family ("-ts_"), is none of known (n) ("ts_rtol") and does more than print or keep;
 * "" where there is none. Not collective. */
PetscErrorCode RheoOptionOther(const char *family, int n, const char *const *known, size_t size, char *name);

/* trial is called with the options of these families ("-ts_", "-snes_", ...; NULL ends the list) and no others, and what it
 * makes of errors is found here: an option that it fails with is rejected, or the first of the first family where none fails
 * alone. What only prints or keeps is left out. Collective on the deck. */
PetscErrorCode RheoOptionsTry(RheoDeck deck, MPI_Comm comm, const char *const *families,
                              PetscErrorCode (*trial)(void *data), void *data);
