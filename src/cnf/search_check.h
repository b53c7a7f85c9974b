/* What PETSc's options -tao_* ask of a search, looked at before one begins. */
#pragma once
#include "../base/deck.h"

/* What TAO does not take, or what needs more than values and gradients, is rejected as the deck's where there is one, else as
 * RHEO_ERR_INPUT on comm. Collective on either. */
PetscErrorCode RheoSearchCheck(RheoDeck deck, MPI_Comm comm);
