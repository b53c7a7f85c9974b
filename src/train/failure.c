/* An objective that fails on some ranks ends the training on all of them. */
#include "train_impl.h"

void RheoTrainerNote(RheoTrainer trainer, PetscErrorCode code)
{
  if (!trainer->failure) trainer->failure = code;
}

/* Where it failed the trail goes on upwards; the other ranks begin one, with the same code, so that all leave with the same
 * exit status. */
PetscErrorCode RheoTrainerAgree(RheoTrainer trainer)
{
  int mine = (int)trainer->failure, any = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, trainer->comm));
  trainer->failure = RHEO_OK;
  PetscCall((PetscErrorCode)mine);
  PetscCheck(!any, trainer->comm, (PetscErrorCode)any, "the objective %s failed on another rank",
             trainer->objective->name);
  PetscFunctionReturn(RHEO_OK);
}
