/* Signals, and where checkpoints are. The library knows neither. */
#include "signals.h"
#include "verb.h"
#include <stdio.h>
#include <unistd.h>

static PetscBool Asked(void *context)
{
  (void)context;
  return SignalsPending();
}

PetscErrorCode SafeguardOpen(Run *run)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSafeguardRead(run->deck, NULL, &run->guard));
  PetscCall(PathIs(run->comm, RunPath(run, "checkpoint"), F_OK, &run->resumed));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(RheoMakeDirectory(run->comm, RunPath(run, "checkpoint")));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SafeguardCatch(Run *run, RheoSafeguard *guard)
{
  PetscFunctionBeginUser;
  *guard = run->guard;
  guard->folder = RunPath(run, "checkpoint");
  guard->asked = Asked;
  SignalsCatch();
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SafeguardRelease(Run *run, const char *path)
{
  PetscBool stop;

  PetscFunctionBeginUser;
  SignalsRelease();
  PetscCall(SignalsAgree(run->comm, &stop));
  if (stop)
    SETERRQ(run->comm, RHEO_STOPPED,
            "by a signal, when training had ended; %s is written, give the same command again for the rest",
            path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SafeguardClose(Run *run, const char *name)
{
  char folder[256];

  PetscFunctionBeginUser;
  snprintf(folder, sizeof folder, "%s%scheckpoint", name, *name ? "/" : "");
  PetscCall(RheoCheckpointsRemove(run->comm, RunPath(run, folder)));
  PetscFunctionReturn(RHEO_OK);
}
