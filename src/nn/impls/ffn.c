/* Residual network of feed-forward blocks as in transformers, without normalisation: a linear map of [x, context], L blocks
 * h + inject(W2 drop(act(W1 h + b1)) + b2, context) whose inner layer is `expansion` times as wide, a linear output. Unlike
 * resmlp there is no activation before a block, and a block does not start small. The network of C2OT's two-dimensional studies
 * (Cheng & Schwing 2025) is of width 128 with 3 blocks, gelu and context by concatenation. */
#include "../nn_impl.h"
#include <stdlib.h>

/* Inner units are copies of the outer ones, `times` of each: they see and are seen as these are. wide (H, E H), narrow (E H, H). */
static void widen(int hidden, int times, const double *mask, double *wide, double *narrow)
{
  const int inner = hidden * times;
  for (int i = 0; i < hidden; i++)
    for (int j = 0; j < inner; j++) {
      wide[(size_t)i * (size_t)inner + (size_t)j] = mask[(size_t)i * (size_t)hidden + (size_t)(j / times)];
      narrow[(size_t)j * (size_t)hidden + (size_t)i] = mask[(size_t)(j / times) * (size_t)hidden + (size_t)i];
    }
}

RheoVal rx_ffn_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, RheoVal context,
                    const double *mask)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  const int times = config->expansion > 0 ? config->expansion : RHEO_NET_EXPANSION;
  const int inner = times * config->hidden;
  const size_t size = sizeof(double) * (size_t)inner * (size_t)config->hidden;
  double *wide = mask ? malloc(size) : NULL, *narrow = mask ? malloc(size) : NULL;
  if (mask && (!wide || !narrow))
    hidden = rx_fail(scope.program, "ffn: out of memory");
  else if (mask)
    widen(config->hidden, times, mask, wide, narrow);
  for (int l = 0; l < config->layers; l++) {
    RheoScope block = rx_enter(scope, "%d", l);
    RheoVal v = rx_dense_masked(rx_enter(block, "0"), hidden, inner, wide, (RheoActivation)config->activation,
                                init, 1);
    v = rx_dropout(block, v, config->dropout);
    v = rx_dense_masked(rx_enter(block, "1"), v, config->hidden, narrow, RHEO_ACT_NONE, init, 1);
    hidden = rx_add(hidden, rx_inject(block, config, v, context));
  }
  free(wide);
  free(narrow);
  return hidden;
}

static RheoVal apply(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                     double out_gain)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  RheoVal hidden =
      rx_dense(rx_enter(scope, "in"), rx_concat2(1, x, context), config->hidden, RHEO_ACT_NONE, init, 1);
  hidden = rx_ffn_body(scope, config, hidden, context, NULL);
  return rx_dense(rx_enter(scope, "out"), hidden, n_out, RHEO_ACT_NONE, init, out_gain);
}

const RheoNetType RheoNetType_Ffn = {
    .name = "ffn",
    .summary = "residual feed-forward blocks with a wide inner layer, as in transformers",
    .reference = "Vaswani et al. 2017; Cheng & Schwing 2025",
    .apply = apply,
};
