/* Signals in the parts of a verb that keep nothing of themselves: samples, densities, checks. */
#include "signals.h"
#include "verb.h"

enum { PIECE = 1024 };

static PetscErrorCode Poll(void *run, PetscBool *stop)
{
  PetscFunctionBeginUser;
  PetscCall(SignalsPoll(((Run *)run)->comm, stop));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Agree(void *run, PetscBool *stop)
{
  PetscFunctionBeginUser;
  PetscCall(SignalsAgree(((Run *)run)->comm, stop));
  PetscFunctionReturn(RHEO_OK);
}

void StopCatch(Run *run, const char *rest)
{
  RheoStopSetHook(&(RheoStopHook){.poll = Poll, .agree = Agree, .context = run, .rest = rest});
  SignalsCatch();
}

void StopRelease(void)
{
  SignalsRelease();
  RheoStopSetHook(NULL);
}

/* Pieces end at multiples of their size: a continuous flow solves whole groups of numbers, and would solve one that is cut twice. */
PetscErrorCode StopSample(Run *run, RheoPosterior posterior, const double *x, uint64_t seed, int64_t begin,
                          int64_t end, double *theta, double *log_prob)
{
  const int d = RheoPosteriorSize(posterior);
  PetscBool stop = PETSC_FALSE;
  int64_t n;

  PetscFunctionBeginUser;
  for (int64_t first = begin; first < end && !stop; first += n) {
    n = PetscMin(PIECE - first % PIECE, end - first);
    PetscCall(RheoPosteriorSample(posterior, x, seed, (uint64_t)first, n, theta + (first - begin) * d,
                                  log_prob + first - begin));
    PetscCall(RheoStopPoll(&stop));
  }
  PetscCall(RheoStopCheck(run->comm, "while samples were drawn"));
  PetscFunctionReturn(RHEO_OK);
}
