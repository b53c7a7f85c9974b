/* Simple likelihood, complex posterior (Papamakarios, Sterratt and Murray, AISTATS 2019; as in Lueckmann et
 * al., AISTATS 2021): four draws from a bivariate normal with mean (theta1, theta2), sds theta3^2 and
 * theta4^2, correlation tanh theta5, and 1e-6 added to both variances; x is the 4 x 2 draws by rows. */
#include "../simulator_impl.h"
#include <math.h>

static RheoSimulationStatus slcp_simulate(const void *config, const double *theta, int n_parameters,
                                          double *x, RheoStream *stream, char *message, size_t message_size)
{
  const double s1 = theta[2] * theta[2], s2 = theta[3] * theta[3], cross = tanh(theta[4]) * s1 * s2;
  const double l11 = sqrt(s1 * s1 + 1e-6), l21 = cross / l11, l22 = sqrt(s2 * s2 + 1e-6 - l21 * l21);
  (void)config;
  (void)n_parameters;
  (void)message;
  (void)message_size;
  for (int i = 0; i < 4; ++i) {
    const double z1 = RheoStreamNormal(stream), z2 = RheoStreamNormal(stream);
    x[2 * i] = theta[0] + l11 * z1;
    x[2 * i + 1] = theta[1] + l21 * z1 + l22 * z2;
  }
  return RHEO_SIMULATION_DONE;
}

#define PRIOR(i) "  theta" #i ": {family: uniform, lower: -3, upper: 3}\n"

const RheoSimulatorType RheoSimulatorType_Slcp = {
    .name = "slcp",
    .summary = "four draws from a bivariate normal; 5 parameters, 8 data, posterior with four modes",
    .reference = "Papamakarios et al., AISTATS 2019",
    .n_parameters = 5,
    .n_data = 8,
    .default_prior = "prior:\n" PRIOR(1) PRIOR(2) PRIOR(3) PRIOR(4) PRIOR(5),
    .simulate = slcp_simulate};
