/* Gaussian linear (Lueckmann et al., AISTATS 2021): x ~ N(theta, variance I), as many data as parameters. 0.1
 * is the variance, of the likelihood and of the prior alike; the posterior is then N(x / 2, 0.05 I). */
#include "../simulator_impl.h"
#include <math.h>

typedef struct {
  double variance;
} Config;

static const RheoKey keys[] = {
    {"variance", RHEO_KEY_REAL, offsetof(Config, variance), "0.1", "(0, inf)", "variance of each datum"},
    {0}};

static PetscErrorCode gaussian_linear_set_up(RheoSimulator simulator, RheoDeck deck, int n_parameters)
{
  PetscFunctionBeginUser;
  (void)deck;
  simulator->n_data = n_parameters;
  PetscFunctionReturn(RHEO_OK);
}

static RheoSimulationStatus gaussian_linear_simulate(const void *config, const double *theta,
                                                     int n_parameters, double *x, RheoStream *stream,
                                                     char *message, size_t message_size)
{
  const double sd = sqrt(((const Config *)config)->variance);
  (void)message;
  (void)message_size;
  for (int i = 0; i < n_parameters; ++i) x[i] = theta[i] + sd * RheoStreamNormal(stream);
  return RHEO_SIMULATION_DONE;
}

/* sd = sqrt(0.1) */
#define PRIOR(i) "  theta" #i ": {family: normal, mean: 0, sd: 0.31622776601683794}\n"

const RheoSimulatorType RheoSimulatorType_GaussianLinear = {
    .name = "gaussian_linear",
    .summary = "x is theta plus normal noise of variance 0.1; any number of parameters, 10 in the literature",
    .reference = "Lueckmann et al., AISTATS 2021",
    .keys = keys,
    .size = sizeof(Config),
    .set_up = gaussian_linear_set_up,
    .default_prior =
        "prior:\n" PRIOR(1) PRIOR(2) PRIOR(3) PRIOR(4) PRIOR(5) PRIOR(6) PRIOR(7) PRIOR(8) PRIOR(9) PRIOR(10),
    .simulate = gaussian_linear_simulate};
