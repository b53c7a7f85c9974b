/* What a simulator type sees of its simulator. */
#pragma once
#include "find_file.h"
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
