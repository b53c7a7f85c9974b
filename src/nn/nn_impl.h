/* Private to src/nn: layers with masks, shared by the networks and their autoregressive versions. */
#pragma once
#include "nn.h"

#define RHEO_NET_TYPE(symbol, name) extern const RheoNetType RheoNetType_##symbol;
#include "nn_types.def"
#undef RHEO_NET_TYPE

/* rx_dense with the weight multiplied by mask (I, O), row-major; NULL for all ones. */
RheoVal rx_dense_masked(RheoScope scope, RheoVal x, int n_out, const double *mask, RheoActivation activation,
                        RheoNetInit init, double gain);

/* Fourier features of x (B, I) -> (B, 2F), cosines first; mask (I, F) multiplies the frequencies, NULL for all ones. */
RheoVal rx_fourier(RheoScope scope, const RheoNetConfig *config, RheoVal x, const double *mask);

/* What follows the first layer of a mlp (B, H) -> (B, H): activation and dropout, then L - 1 hidden layers.
 * mask (H, H). */
RheoVal rx_mlp_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, const double *mask);

/* L residual blocks (B, H) -> (B, H). mask (H, H). */
RheoVal rx_resmlp_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, RheoVal context,
                       const double *mask);

/* The same with feed-forward blocks. */
RheoVal rx_ffn_body(RheoScope scope, const RheoNetConfig *config, RheoVal hidden, RheoVal context,
                    const double *mask);

/* What a block adds, v (B, H), with the context taken in as config says; v where there is none. */
RheoVal rx_inject(RheoScope scope, const RheoNetConfig *config, RheoVal v, RheoVal context);

/* The initial weight (I, O) and bias (O) of a layer. values (I, O) is room for RHEO_NN_INIT_ORTHOGONAL, which
 * is drawn from the stream of the scope's name; the other initialisations are drawn by RheoParamsInit. */
void rheo_layer_init(RheoNetInit init, const char *name, int n_in, int n_out, double gain, double *values,
                     RheoInit *weight, RheoInit *bias);
