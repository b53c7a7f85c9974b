/* Fused operations: a fast kernel with its own derivative kernel, plus an expansion into primitives that is its
 * documentation, its test oracle and its route to higher derivatives.
 *
 * One file under fused/ and one line in fused_types.def. A fused operation has up to four results, read through PART
 * nodes; these functions give them.
 */
#pragma once
#include "program.h"

/* ---- Activations, element-wise ---- */
typedef enum {
  RHEO_ACT_NONE,
  RHEO_ACT_RELU,
  RHEO_ACT_LEAKY_RELU, /* slope 0.01 */
  RHEO_ACT_TANH,
  RHEO_ACT_SILU,
  RHEO_ACT_GELU, /* x Phi(x), exact */
  RHEO_ACT_SOFTPLUS,
  RHEO_ACT_ELU,
  RHEO_ACT_SIGMOID,
  RHEO_ACT_SELU, /* Klambauer et al. 2017 */
} RheoActivation;
#define RHEO_ACTIVATION_RULE                                                                                 \
  "none|relu|leaky_relu|tanh|silu|gelu|softplus|elu|sigmoid|selu" /* order of the enum */

RheoVal rx_activate(RheoActivation activation, RheoVal x);

/* ---- act(x W + b); x (..., I), W (I, O), b (O) or none ---- */
RheoVal rx_linear(RheoVal x, RheoVal weight, RheoVal bias, RheoActivation activation);

RheoVal rx_softmax(RheoVal x); /* over the last axis */
RheoVal rx_log_softmax(RheoVal x);
/* Over the last axis (D), epsilon 1e-5; gain, bias (D) or none. */
RheoVal rx_layer_norm(RheoVal x, RheoVal gain, RheoVal bias);

/* ---- Monotone rational-quadratic spline with linear tails (Durkan et al. 2019, eqs. 4-8) ----
 * x (B, D), or any shape; raw (B, D, 3K - 1): K unnormalised widths, K heights, K - 1 inner slopes, as a network gives
 * them. The knots span [-bound, bound]; outside, the identity. Bins are at least 1e-3 of the span, wide and high
 * (2 <= K <= 500), slopes between 1e-3 and 1e6, and 1 at both ends; raw = 0 is the identity, because slopes are
 * 1e-3 + softplus(raw + log(exp(1 - 1e-3) - 1)) (nflows and its descendants begin at another map).
 * Returns y (B, D); *log_det (B, D), where asked for, is log dy/dx, element by element. inverse: y is handed in and x
 * is found, *log_det is then log dx/dy. Safe everywhere: outside the interval, at the knots, and for any finite raw;
 * where x is NaN so is the result.                                                                                  */
RheoVal rx_rqs(RheoVal x, RheoVal raw, double bound, int inverse, RheoVal *log_det);

/* As in program_here.h. */
#ifndef RHEO_NO_HERE
#define rx_activate(...) RX_HERE(rx_activate(__VA_ARGS__))
#define rx_linear(...) RX_HERE(rx_linear(__VA_ARGS__))
#define rx_softmax(...) RX_HERE(rx_softmax(__VA_ARGS__))
#define rx_log_softmax(...) RX_HERE(rx_log_softmax(__VA_ARGS__))
#define rx_layer_norm(...) RX_HERE(rx_layer_norm(__VA_ARGS__))
#define rx_rqs(...) RX_HERE(rx_rqs(__VA_ARGS__))
#endif
