/* Uniform on (-1, 1) in each feature, for stacks that map this box onto itself, such as splines with bound 1.
 */
#include "../flow_impl.h"
#include <math.h>

static RheoVal log_prob(RheoScope scope, RheoVal z, RheoVal context)
{
  (void)context;
  RheoVal outside = rx_less(rx_const(scope.program, 1), rx_amax(rx_abs(z), 1));
  return rx_select(outside, rx_const(scope.program, -INFINITY),
                   rx_const(scope.program, -log(2) * rx_dim(z, 1)));
}

static RheoVal sample(RheoScope scope, RheoVal noise, RheoVal context)
{
  (void)scope;
  (void)context;
  return rx_offset(rx_scale(noise, 2), -1);
}

const RheoBaseType RheoBaseType_Uniform = {
    .name = "uniform",
    .summary = "uniform on (-1, 1)",
    .reference = "-",
    .noise = RHEO_INPUT_NOISE_UNIFORM,
    .log_prob = log_prob,
    .sample = sample,
};
