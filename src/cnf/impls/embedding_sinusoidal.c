/* cos(w t), sin(w t) for w = 1000 / 10000^(k/F), k = 0..F-1, as transformers embed positions (Vaswani et al. 2017, section
 * 3.5) and diffusion models times scaled by 1000 (Ho et al. 2020); E = 2F. The high frequencies allow a field that is rough in
 * time, which costs an adaptive solver steps. */
#include "../cnf_impl.h"
#include <math.h>

static RheoVal embed(RheoVal t, int frequencies)
{
  RheoVal k = rx_offset(rx_cumsum(rx_fill(t.program, RX_SHAPE(frequencies), 1), 0, 0), -1);
  RheoVal angle = rx_mul(t, rx_scale(rx_exp(rx_scale(k, -log(10000.) / frequencies)), 1000));
  return rx_concat2(1, rx_cos(angle), rx_sin(angle));
}

const RheoEmbeddingType RheoEmbeddingType_Sinusoidal = {
    .name = "sinusoidal",
    .summary = "cosines and sines of 1000 t with wavelengths in geometric progression",
    .reference = "Vaswani et al. 2017; Ho et al. 2020",
    .embed = embed,
};
