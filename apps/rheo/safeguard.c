/* Signals, and where checkpoints are. The library knows neither. */
#include "verb.h"
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t asked;
static struct timespec first;

static void Default(int number)
{
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigaction(number, &action, NULL);
}

/* Launchers pass signals on that a process group or a batch system has delivered already, so that one request may come as
 * several signals; what comes within two seconds of the first is the same request. */
static void OnSignal(int number)
{
  enum { SAME_S = 2 };
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!asked) {
    first = now;
    asked = 1;
  } else if (now.tv_sec - first.tv_sec > SAME_S) {
    Default(number);
    raise(number); /* dealt with when the handler returns */
  }
}

static PetscBool Asked(void *context)
{
  (void)context;
  return asked ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode SafeguardOpen(Run *run)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSafeguardRead(run->deck, NULL, &run->guard));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(RheoMakeDirectory(run->comm, RunPath(run, "checkpoint")));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SafeguardCatch(Run *run, RheoSafeguard *guard)
{
  struct sigaction action = {.sa_handler = OnSignal, .sa_flags = SA_RESTART};

  PetscFunctionBeginUser;
  *guard = run->guard;
  guard->folder = RunPath(run, "checkpoint");
  guard->asked = Asked;
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &action, NULL);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SafeguardRelease(Run *run, const char *path)
{
  PetscBool none;

  PetscFunctionBeginUser;
  for (int i = 0; i < SIGNALS; i++) Default(signals[i]);
  PetscCall(RheoAgree(run->comm, asked ? PETSC_FALSE : PETSC_TRUE, &none));
  if (!none)
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
