/* What a deck can say of a model and its training, taken from the tables of keys: a case for every choice of a key, for every
 * transform of a stack, and for one value beside the default of every other key. */
#pragma once
#include "base/deck.h"

typedef struct {
  const char *key, *value;       /* "flow.net.type", "ffn" */
  const char *objective, *model; /* what trains it, and the section that holds the model */
  char with[256];                /* keys and values that let it matter, in turn, separated by blanks */
  int same;                      /* it changes nothing that is computed */
} Option;

/* All of them; memory of the library. Not collective. */
const Option *Options(int *n);

/* Puts the case into a deck; alone: without the option itself, what goes with it only. *objective is changed where the case
 * needs another, *bounded set where it is the transform that stands before the stack. Collective on the deck. */
void OptionSet(RheoDeck deck, const Option *option, int without, const char **objective, int *bounded);

/* Fails for a line of a table (networks, transforms, bases, velocities, embeddings, paths, couplings) or a key that no case
 * sets, and for a value that is the default. */
void OptionsMissing(void);
