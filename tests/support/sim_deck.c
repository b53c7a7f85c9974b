#include "sim_deck.h"
#include <gsl/gsl_sort.h>
#include <math.h>

RheoDeck DeckOf(const char *text)
{
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "test.yaml", text));
  return deck;
}

RheoPrior PriorOf(const char *text)
{
  RheoPrior prior;
  RheoDeck deck = DeckOf(text);
  OK(RheoPriorCreate(&prior));
  OK(RheoPriorSetFromDeck(prior, deck, "prior"));
  OK(RheoDeckDestroy(&deck));
  return prior;
}

SimModel SimModelOf(const char *text)
{
  SimModel model = {.deck = DeckOf(text)};
  OK(RheoPriorCreate(&model.prior));
  OK(RheoPriorSetFromDeck(model.prior, model.deck, "prior"));
  OK(RheoSimulatorCreate(&model.simulator));
  model.n_parameters = RheoPriorSize(model.prior);
  OK(RheoSimulatorSetFromDeck(model.simulator, model.deck, model.n_parameters));
  model.n_data = RheoSimulatorDataSize(model.simulator);
  return model;
}

void SimModelFree(SimModel *model)
{
  OK(RheoSimulatorDestroy(&model->simulator));
  OK(RheoPriorDestroy(&model->prior));
  OK(RheoDeckDestroy(&model->deck));
}

PetscErrorCode TrySimModel(const char *text)
{
  RheoDeck deck = DeckOf(text);
  RheoPrior prior;
  RheoSimulator simulator;
  OK(RheoPriorCreate(&prior));
  OK(RheoSimulatorCreate(&simulator));
  PetscErrorCode code = RheoPriorSetFromDeck(prior, deck, "prior");
  if (!code) code = RheoSimulatorSetFromDeck(simulator, deck, RheoPriorSize(prior));
  OK(RheoSimulatorDestroy(&simulator));
  OK(RheoPriorDestroy(&prior));
  OK(RheoDeckDestroy(&deck));
  return code;
}

double KsDistance(size_t n, double *u)
{
  double distance = 0;
  gsl_sort(u, 1, n);
  for (size_t i = 0; i < n; ++i) {
    distance = fmax(distance, fmax(u[i] - (double)i / (double)n, (double)(i + 1) / (double)n - u[i]));
  }
  return distance * sqrt((double)n);
}
