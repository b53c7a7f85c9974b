/* The C interface of a plug-in simulator: a shared object with one function, rheo_simulator_get.
 *
 * Needs nothing of Rheo but this header. Draw random numbers only through `random` (then the data set is the same on
 * any number of ranks). Return 0, or non-zero with a reason in message: the simulation is recorded as failed.
 */
#ifndef RHEO_SIMULATOR_H
#define RHEO_SIMULATOR_H
#include <stddef.h>

#define RHEO_SIMULATOR_ABI 1

typedef struct {
  double (*uniform)(void *state); /* in (0, 1) */
  double (*normal)(void *state);  /* mean 0, sd 1 */
  void *state;
} rheo_random;

typedef struct {
  int abi; /* RHEO_SIMULATOR_ABI */
  const char *name;
  int n_parameters; /* 0: any */
  int n_data;
  const char *const *data_names; /* n_data of them, or NULL: x1, x2, ... */
  /* theta (n_parameters) -> x (n_data). Must not keep state between calls. */
  int (*simulate)(const double *theta, int n_parameters, double *x, const rheo_random *random, char *message,
                  size_t message_size);
} rheo_simulator;

/* The one symbol a plug-in exports. */
const rheo_simulator *rheo_simulator_get(void);

#endif
