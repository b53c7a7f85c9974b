/* Neural posterior estimation: q(theta | x) is a conditional flow trained by -log q(theta | x) on draws of
 * the joint distribution, so that its minimum is the posterior for every x (amortised). Papamakarios & Murray
 * 2016, eq. 2, for one round; Greenberg, Nonnenmacher & Macke 2019. Cost: one pass of the flow a row. */
#include "../posterior_impl.h"

const RheoEstimatorType RheoEstimatorType_Npe = {
    .name = "npe",
    .summary = "neural posterior estimation: a conditional flow by maximum likelihood",
    .reference = "Papamakarios & Murray 2016",
    .density = &RheoDensityType_Flow,
    .objective = "nll",
};
