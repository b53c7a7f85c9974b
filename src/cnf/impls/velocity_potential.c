/* v = -grad_z Phi: fields without rotation, as optimal transport has them (Onken et al. 2021, OT-Flow, eq. 10):
 * Phi = net(s) + |A s|^2 / 2 + b . s over s = [z, time], and the context into the network. A (r, S) with r = min(10, D + 1)
 * keeps part of the field linear in z. The activation must be smooth: its derivative is what makes the field. Deviation: time
 * may be embedded. Cost: a network and its gradient, about three times `net`. */
#include "../cnf_impl.h"

enum { MOST_RANK = 10 };

static RheoVal quadratic(RheoScope scope, RheoVal s, int rank)
{
  const int width = rx_dim(s, 1);
  RheoVal a = rx_scope_param(scope, "A", RX_SHAPE(rank, width),
                             (RheoInit){.kind = RHEO_INIT_NORMAL, .a = 1. / width});
  RheoVal b = rx_scope_param(scope, "b", RX_SHAPE(width), (RheoInit){.kind = RHEO_INIT_ZERO});
  return rx_add(rx_scale(rx_sum(rx_square(rx_matmul_t(s, 0, a, 1)), 1), 0.5), rx_sum(rx_mul(s, b), 1));
}

static RheoVal potential(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context)
{
  const int d = rx_dim(z, 1), rank = d + 1 < MOST_RANK ? d + 1 : MOST_RANK;
  RheoVal phi = rx_sum(rx_net(scope, net, z, rx_concat2(1, time, context), 1, 1), 1);
  return rx_add(phi, quadratic(scope, rx_concat2(1, z, time), rank));
}

static RheoVal apply(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context)
{
  return rx_neg(rx_grad(rx_sum_all(potential(scope, net, time, z, context)), z));
}

const RheoVelocityType RheoVelocityType_Potential = {
    .name = "potential",
    .summary = "minus the gradient of a network",
    .reference = "Onken et al. 2021",
    .apply = apply,
    .potential = potential,
};
