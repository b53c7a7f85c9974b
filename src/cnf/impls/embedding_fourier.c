/* cos(k pi t), sin(k pi t) for k = 1..F; E = 2F. Multiples and not powers of two: the highest frequency bounds the steps
 * of an adaptive solver, and cos(pi t) alone tells all t of [0, 1] apart. */
#include "../cnf_impl.h"
#include <math.h>

static RheoVal embed(RheoVal t, int frequencies)
{
  RheoVal k = rx_cumsum(rx_fill(t.program, RX_SHAPE(frequencies), M_PI), 0, 0);
  RheoVal angle = rx_mul(t, k);
  return rx_concat2(1, rx_cos(angle), rx_sin(angle));
}

const RheoEmbeddingType RheoEmbeddingType_Fourier = {
    .name = "fourier",
    .summary = "cosines and sines of k pi t, k = 1..frequencies",
    .reference = "Tancik et al. 2020",
    .embed = embed,
};
