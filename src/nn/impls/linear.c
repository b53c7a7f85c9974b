/* One linear map of [x, context]. */
#include "../nn_impl.h"

static RheoVal apply(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                     double out_gain)
{
  return rx_dense(rx_enter(scope, "out"), rx_concat2(1, x, context), n_out, RHEO_ACT_NONE,
                  (RheoNetInit)config->init, out_gain);
}

const RheoNetType RheoNetType_Linear = {
    .name = "linear",
    .summary = "a linear map",
    .reference = "-",
    .apply = apply,
};
