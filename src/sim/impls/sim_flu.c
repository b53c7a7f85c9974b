/* Influenza in a boarding school, 1978 (British Medical Journal, 4 March 1978, p. 587): SIR epidemic in a
 * closed house, the boys confined to bed counted every day. Parameters in this order: beta and gamma (per
 * day), inv_phi = 1 / phi. x_t ~ negative binomial with mean I(t) and variance I + inv_phi I^2, t = 1 ..
 * days; drawn as a Poisson count whose rate is gamma-distributed. About 7 us each. */
#include "../simulator_impl.h"
#include "../sir.h"
#include <gsl/gsl_randist.h>
#include <math.h>

typedef struct {
  int population, initial, days;
} Config;

static const RheoKey keys[] = {
    {"population", RHEO_KEY_INT, offsetof(Config, population), "763", "[2, inf)", "people in the house"},
    {"initial", RHEO_KEY_INT, offsetof(Config, initial), "1", "[1, inf)", "infected at time 0"},
    {"days", RHEO_KEY_INT, offsetof(Config, days), "14", "[1, 1000]", "days counted, from day 1"},
    {0}};

static PetscErrorCode flu_set_up(RheoSimulator simulator, RheoDeck deck, int n_parameters)
{
  const Config *config = simulator->config;
  PetscFunctionBeginUser;
  (void)n_parameters;
  if (config->initial > config->population) {
    PetscCall(RheoDeckReject(deck, "simulator.flu.initial", "must be at most the population, %d",
                             config->population));
  }
  simulator->n_data = config->days;
  simulator->data_prefix = "day";
  PetscFunctionReturn(RHEO_OK);
}

static RheoSimulationStatus flu_simulate(const void *context, const double *theta, int n_parameters,
                                         double *x, RheoStream *stream, char *message, size_t message_size)
{
  const Config *config = context;
  const double inv_phi = theta[2];
  (void)n_parameters;
  if (!(theta[0] >= 0 && theta[1] >= 0 && inv_phi >= 0)) {
    snprintf(message, message_size, "beta, gamma and inv_phi must not be negative, got %g, %g, %g", theta[0],
             theta[1], theta[2]);
    return RHEO_SIMULATION_FAILED;
  }
  if (rheo_sir_infected(theta[0], theta[1], config->population, config->initial, config->days, x)) {
    snprintf(message, message_size, "the rates beta = %g, gamma = %g are too large to integrate", theta[0],
             theta[1]);
    return RHEO_SIMULATION_FAILED;
  }
  gsl_rng *rng = RheoStreamGsl(stream);
  for (int t = 0; t < config->days; ++t) {
    const double rate = inv_phi > 0 ? gsl_ran_gamma(rng, 1 / inv_phi, x[t] * inv_phi) : x[t];
    x[t] = gsl_ran_poisson(rng, rate);
  }
  gsl_rng_free(rng);
  return RHEO_SIMULATION_DONE;
}

const RheoSimulatorType RheoSimulatorType_Flu = {
    .name = "flu",
    .summary =
        "SIR epidemic in a closed house with negative binomial counts; parameters beta, gamma, inv_phi",
    .reference = "British Medical Journal, 4 March 1978",
    .keys = keys,
    .size = sizeof(Config),
    .n_parameters = 3,
    .set_up = flu_set_up,
    .default_prior = "prior:\n"
                     "  beta: {family: normal, mean: 2, sd: 1, lower: 0}\n"
                     "  gamma: {family: normal, mean: 0.4, sd: 0.5, lower: 0}\n"
                     "  inv_phi: {family: exponential, rate: 5}\n",
    .simulate = flu_simulate};
