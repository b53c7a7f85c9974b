/* Residual network with pre-activation (He et al. 2016), as neural spline flows use it (Durkan et al. 2019,
 * appendix B): a linear map of [x, context], L blocks h + inject(W2 drop(act(W1 act(h) + b1)) + b2, context),
 * a linear output. Injection: concat adds nothing beyond the first layer; film is v (1 + a(context)) +
 * b(context) (Perez et al. 2018); glu is v sigmoid(g(context)) (Dauphin et al. 2017). The second layer of a
 * block starts small, so that a block starts close to the identity. */
#include "../nn_impl.h"

static const double block_gain = 0.01;

RheoVal rx_inject(RheoScope scope, const RheoNetConfig *config, RheoVal v, RheoVal context)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  if (!rx_exists(context)) return v;
  switch ((RheoContextMode)config->context) {
  case RHEO_CONTEXT_CONCAT:
    break;
  case RHEO_CONTEXT_GLU:
    return rx_mul(v, rx_dense(rx_enter(scope, "gate"), context, config->hidden, RHEO_ACT_SIGMOID, init, 1));
  case RHEO_CONTEXT_FILM: {
    RheoVal scale = rx_dense(rx_enter(scope, "scale"), context, config->hidden, RHEO_ACT_NONE, init, 1);
    RheoVal shift =
        rx_dense(rx_enter(scope, "shift"), context, config->hidden, RHEO_ACT_NONE, init, block_gain);
    return rx_add(rx_mul(v, rx_offset(scale, 1)), shift);
  }
  }
  return v;
}

RheoVal rx_resmlp_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, RheoVal context,
                       const double *mask)
{
  const RheoActivation activation = (RheoActivation)config->activation;
  const RheoNetInit init = (RheoNetInit)config->init;
  for (int l = 0; l < config->layers; l++) {
    RheoScope block = rx_enter(scope, "%d", l);
    RheoVal v = rx_activate(activation, hidden);
    v = rx_dense_masked(rx_enter(block, "0"), v, config->hidden, mask, activation, init, 1);
    v = rx_dropout(block, v, config->dropout);
    v = rx_dense_masked(rx_enter(block, "1"), v, config->hidden, mask, RHEO_ACT_NONE, init, block_gain);
    hidden = rx_add(hidden, rx_inject(block, config, v, context));
  }
  return hidden;
}

static RheoVal apply(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                     double out_gain)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  RheoVal hidden =
      rx_dense(rx_enter(scope, "in"), rx_concat2(1, x, context), config->hidden, RHEO_ACT_NONE, init, 1);
  hidden = rx_resmlp_body(scope, config, hidden, context, NULL);
  return rx_dense(rx_enter(scope, "out"), hidden, n_out, RHEO_ACT_NONE, init, out_gain);
}

const RheoNetType RheoNetType_ResMlp = {
    .name = "resmlp",
    .summary = "residual network, context by concatenation, FiLM or gates",
    .reference = "He et al. 2016; Durkan et al. 2019",
    .apply = apply,
};
