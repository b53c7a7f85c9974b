/* A simulator as a plug-in: a damped pendulum whose angle is measured ten times, once a second, with an error of 0.05 rad.
 * It needs one header of Rheo's and no library:
 *
 *   cc -O2 -shared -fPIC -I src/sim -o inputs/plugin/pendulum.so inputs/plugin/pendulum.c -lm
 *   rheo infer inputs/plugin/pendulum.yaml
 */
#include "rheo_simulator.h"
#include <math.h>
#include <stdio.h>

enum { N_DATA = 10, STEPS_PER_SECOND = 100 };

/* theta: frequency of small swings (rad/s), damping (1/s), starting angle (rad). */
static int simulate(const double *theta, int n_parameters, double *x, const rheo_random *random,
                    char *message, size_t message_size)
{
  const double h = 1. / STEPS_PER_SECOND, frequency = theta[0], damping = theta[1];
  double angle = theta[2], speed = 0;
  (void)n_parameters;
  if (fabs(angle) >= 3) { /* how a simulation says that it cannot be done: it is recorded with the reason */
    snprintf(message, message_size, "starting angle %g is too near the top", angle);
    return 1;
  }
  for (int i = 0; i < N_DATA; ++i) {
    for (int k = 0; k < STEPS_PER_SECOND; ++k) { /* leapfrog */
      speed += h * (-frequency * frequency * sin(angle) - damping * speed);
      angle += h * speed;
    }
    x[i] = angle + 0.05 * random->normal(random->state);
  }
  return 0;
}

static const char *const names[N_DATA] = {"angle1", "angle2", "angle3", "angle4", "angle5",
                                          "angle6", "angle7", "angle8", "angle9", "angle10"};

static const rheo_simulator pendulum = {.abi = RHEO_SIMULATOR_ABI,
                                        .name = "pendulum",
                                        .n_parameters = 3,
                                        .n_data = N_DATA,
                                        .data_names = names,
                                        .simulate = simulate};

const rheo_simulator *rheo_simulator_get(void)
{
  return &pendulum;
}
