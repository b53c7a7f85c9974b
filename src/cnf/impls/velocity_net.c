/* v = net(z; time, context): any network of cnf.net. Time goes where the context goes: into the first layer, and with film
 * or glu into every block of a resmlp. The last layer starts as any other: unlike a flow, a field need not start at rest. */
#include "../cnf_impl.h"

static RheoVal apply(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context)
{
  return rx_net(scope, net, z, rx_concat2(1, time, context), rx_dim(z, 1), 1);
}

const RheoVelocityType RheoVelocityType_Net = {
    .name = "net",
    .summary = "a network of place, time and context",
    .reference = "Chen et al. 2018; Lipman et al. 2023",
    .apply = apply,
};
