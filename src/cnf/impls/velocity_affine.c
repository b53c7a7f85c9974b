/* v = A z + b + time c (+ context k): its flow and its density are known in closed form, which tests use; with time: raw,
 * c (1, D) is the slope in t. Starts at zero. */
#include "../cnf_impl.h"

static const RheoInit zero = {.kind = RHEO_INIT_ZERO};

static RheoVal apply(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context)
{
  const int d = rx_dim(z, 1);
  (void)net;
  RheoVal v = rx_matmul_t(z, 0, rx_scope_param(scope, "A", RX_SHAPE(d, d), zero), 1);
  v = rx_add(v, rx_scope_param(scope, "b", RX_SHAPE(d), zero));
  v = rx_add(v, rx_matmul(time, rx_scope_param(scope, "c", RX_SHAPE(rx_dim(time, 1), d), zero)));
  if (rx_exists(context))
    v = rx_add(v, rx_matmul(context, rx_scope_param(scope, "k", RX_SHAPE(rx_dim(context, 1), d), zero)));
  return v;
}

const RheoVelocityType RheoVelocityType_Affine = {
    .name = "affine",
    .summary = "linear in place, time and context",
    .reference = "-",
    .apply = apply,
};
