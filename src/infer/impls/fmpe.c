/* Flow matching posterior estimation: a velocity field v(t, z | x) is trained by regression on the straight ways from noise
 * to the parameters of simulations, so that it carries noise to the posterior of any x (amortised). Wildberger, Dax et al.
 * 2023, eq. 5 and 7, with their power law of times. Deviation: parameters enter as normal scores of their prior, so that no
 * sample leaves it; theirs rejects. Cost: one pass of the network a row in training, an ODE solve a sample. */
#include "../posterior_impl.h"

const RheoEstimatorType RheoEstimatorType_Fmpe = {
    .name = "fmpe",
    .summary = "flow matching posterior estimation: a continuous flow by regression on its velocity",
    .reference = "Wildberger et al. 2023",
    .density = &RheoDensityType_Cnf,
};
