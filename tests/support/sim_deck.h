/* Decks, priors and simulators from a text, for tests. */
#pragma once
#include "check.h"
#include "sim/simulator.h"

RheoDeck DeckOf(const char *text);

/* The prior of a deck's text. */
RheoPrior PriorOf(const char *text);

typedef struct {
  RheoDeck deck;
  RheoPrior prior;
  RheoSimulator simulator;
  int n_parameters, n_data;
} SimModel;
SimModel SimModelOf(const char *text);
void SimModelFree(SimModel *model);

/* Loads the text, reads prior and simulator from it and returns the code; for decks that are wrong. */
PetscErrorCode TrySimModel(const char *text);

/* Kolmogorov-Smirnov: sqrt(n) times the largest distance of the sorted values' distribution to u itself; u
 * (n) in [0, 1], is sorted here. Above 1.95 with probability 0.001. */
double KsDistance(size_t n, double *u);
