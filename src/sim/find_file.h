/* Files that a deck names. */
#pragma once
#include "../base/deck.h"

/* A path as a deck gives it: beside the deck, else from the working directory; the other
 * way round where the command line gives it. RHEO_ERR_INPUT, naming the
 * key, where neither can be read. found is interned. Collective on the deck. */
PetscErrorCode RheoSimFindFile(RheoDeck deck, const char *key, const char *path, const char **found);

/* The same, but NULL where there is none. */
PetscErrorCode RheoSimLookForFile(RheoDeck deck, const char *key, const char *path, const char **found);

/* The folder of the deck, "." where its name has none; interned. */
PetscErrorCode RheoSimDeckFolder(RheoDeck deck, const char **folder);

/* The key of the deck gets the absolute form of a path that is there. Collective on the deck. */
PetscErrorCode RheoSimPinPath(RheoDeck deck, const char *key, const char *path);

/* The key gets a list of n numbers, each with as many digits as it takes to read it back. Collective on the deck. */
PetscErrorCode RheoSimPinReals(RheoDeck deck, const char *key, int n, const double *x);
