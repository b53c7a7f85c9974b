/* The whole schema: every section that a deck may have. */
#pragma once
#include "../base/deck.h"

/* Array owned by the library. */
PetscErrorCode RheoSchema(int *n, const RheoSection **sections);
