#include "npe.h"
#include <stdio.h>
#include <stdlib.h>

void NpeStudyTrain(const char *deck, const char *const *set, int64_t n, NpeStudy *s)
{
  const char *source = getenv("RHEO_SOURCE");
  char path[4096], message[RHEO_SIMULATION_STATUSES][256];
  double *theta, *x;
  int8_t *status;
  RheoPrior prior;

  snprintf(path, sizeof path, "%s/inputs/%s", source ? source : ".", deck);
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &s->deck));
  OK(RheoDeckLoadFile(s->deck, path));
  for (int i = 0; set[i]; i += 2) OK(RheoDeckSet(s->deck, set[i], set[i + 1]));
  OK(RheoPriorCreate(&prior));
  OK(RheoPriorSetFromDeck(prior, s->deck, "prior"));
  s->d = RheoPriorSize(prior);
  OK(RheoPriorDestroy(&prior));
  OK(RheoSimulatorCreate(&s->simulator));
  OK(RheoSimulatorSetFromDeck(s->simulator, s->deck, s->d));
  s->c = RheoSimulatorDataSize(s->simulator);
  OK(RheoPosteriorCreate(s->deck, s->c, &s->posterior));
  OK(PetscMalloc3(n * s->d, &theta, n * s->c, &x, n, &status));
  OK(RheoSimulate(s->simulator, RheoPosteriorPrior(s->posterior), 1, 0, n, 1, theta, x, status, message));
  OK(RheoPosteriorTrain(s->posterior, n, theta, x, NULL));
  OK(PetscFree3(theta, x, status));
}

void NpeStudyDestroy(NpeStudy *s)
{
  OK(RheoPosteriorDestroy(&s->posterior));
  OK(RheoSimulatorDestroy(&s->simulator));
  OK(RheoDeckDestroy(&s->deck));
}
