/* Multi-layer perceptron: L hidden layers over [x, context], each with activation and dropout, and a linear
 * output. */
#include "../nn_impl.h"

RheoVal rx_mlp_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, const double *mask)
{
  hidden = rx_dropout(rx_enter(scope, "in"), hidden, config->dropout);
  for (int l = 1; l < config->layers; l++) {
    RheoScope layer = rx_enter(scope, "%d", l);
    hidden = rx_dense_masked(layer, hidden, config->hidden, mask, (RheoActivation)config->activation,
                             (RheoNetInit)config->init, 1);
    hidden = rx_dropout(layer, hidden, config->dropout);
  }
  return hidden;
}

static RheoVal apply(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                     double out_gain)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  RheoVal hidden = rx_dense(rx_enter(scope, "in"), rx_concat2(1, x, context), config->hidden,
                            (RheoActivation)config->activation, init, 1);
  return rx_dense(rx_enter(scope, "out"), rx_mlp_body(scope, config, hidden, NULL), n_out, RHEO_ACT_NONE,
                  init, out_gain);
}

const RheoNetType RheoNetType_Mlp = {
    .name = "mlp",
    .summary = "multi-layer perceptron",
    .reference = "-",
    .apply = apply,
};
