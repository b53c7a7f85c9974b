/* Two moons (Greenberg, Nonnenmacher and Macke, ICML 2019; as in Lueckmann et al., AISTATS 2021): a crescent
 * of data whose posterior is two crescents. */
#include "../simulator_impl.h"
#include <math.h>

static RheoSimulationStatus two_moons_simulate(const void *config, const double *theta, int n_parameters,
                                               double *x, RheoStream *stream, char *message,
                                               size_t message_size)
{
  const double a = M_PI * (RheoStreamUniform(stream) - 0.5), r = 0.1 + 0.01 * RheoStreamNormal(stream);
  (void)config;
  (void)n_parameters;
  (void)message;
  (void)message_size;
  x[0] = r * cos(a) + 0.25 - fabs(theta[0] + theta[1]) * M_SQRT1_2;
  x[1] = r * sin(a) + (theta[1] - theta[0]) * M_SQRT1_2;
  return RHEO_SIMULATION_DONE;
}

const RheoSimulatorType RheoSimulatorType_TwoMoons = {
    .name = "two_moons",
    .summary = "two crescents; 2 parameters, 2 data",
    .reference = "Lueckmann et al., AISTATS 2021",
    .n_parameters = 2,
    .n_data = 2,
    .default_prior = "prior:\n"
                     "  theta1: {family: uniform, lower: -1, upper: 1}\n"
                     "  theta2: {family: uniform, lower: -1, upper: 1}\n",
    .simulate = two_moons_simulate};
