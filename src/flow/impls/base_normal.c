/* Standard normal. */
#include "../flow_impl.h"
#include <math.h>

static RheoVal log_prob(RheoScope scope, RheoVal z, RheoVal context)
{
  (void)scope;
  (void)context;
  return rx_offset(rx_scale(rx_sum(rx_square(z), 1), -0.5), -0.5 * log(2 * M_PI) * rx_dim(z, 1));
}

static RheoVal sample(RheoScope scope, RheoVal noise, RheoVal context)
{
  (void)scope;
  (void)context;
  return noise;
}

const RheoBaseType RheoBaseType_Normal = {
    .name = "normal",
    .summary = "standard normal",
    .reference = "-",
    .noise = RHEO_INPUT_NOISE_NORMAL,
    .log_prob = log_prob,
    .sample = sample,
};
