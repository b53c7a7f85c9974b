/* What a simulator type sees of its simulator. */
#pragma once
#include "simulator.h"

struct RheoSimulator_ {
  const RheoSimulatorType *type;
  void *config; /* type->size bytes, filled from the keys; set_up may keep what it opened in fields of its own
                 */
  int n_parameters;
  int n_data; /* set_up sets it where the type does not, and one of the next two where it likes */
  const char *const *data_names; /* n_data of them; needed only during set_up */
  const char *data_prefix;       /* names are prefix1, prefix2, ...; "x" where NULL */
  const char **names;            /* n_data, interned */
};

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
