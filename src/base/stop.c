/* Who asks long work to stop. */
#include "stop.h"

static RheoStopHook hook; /* poll NULL: nobody */

void RheoStopSetHook(const RheoStopHook *given)
{
  hook = given ? *given : (RheoStopHook){0};
}

PetscErrorCode RheoStopPoll(PetscBool *stop)
{
  PetscFunctionBeginUser;
  *stop = PETSC_FALSE;
  if (hook.poll) PetscCall(hook.poll(hook.context, stop));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoStopCheck(MPI_Comm comm, const char *during)
{
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (hook.agree) PetscCall(hook.agree(hook.context, &stop));
  if (stop) SETERRQ(comm, RHEO_STOPPED, "by a signal, %s; %s", during, hook.rest);
  PetscFunctionReturn(RHEO_OK);
}
