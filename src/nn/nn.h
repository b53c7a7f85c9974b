/* Networks: functions of x (B, I) and an optional context (B, C) that append to a program.
 *
 * One file under impls/ and one line in nn_types.def make a network type. All share one configuration, so that types can
 * be exchanged in a deck by changing one word.
 */
#pragma once
#include "../base/deck.h"
#include "../program/fused.h"

typedef enum { RHEO_CONTEXT_CONCAT, RHEO_CONTEXT_FILM, RHEO_CONTEXT_GLU } RheoContextMode;
typedef enum {
  RHEO_NN_INIT_TORCH,
  RHEO_NN_INIT_KAIMING,
  RHEO_NN_INIT_XAVIER,
  RHEO_NN_INIT_ORTHOGONAL
} RheoNetInit;

typedef struct {
  int type;       /* place in RheoNetTypes */
  int hidden;     /* H, width of the hidden layers */
  int layers;     /* L: hidden layers of a mlp, blocks of a resmlp or a ffn */
  int activation; /* RheoActivation */
  int context;    /* RheoContextMode: how resmlp and ffn take in the context */
  double dropout; /* probability of a zero, in training only */
  int init;       /* RheoNetInit */
  int expansion;  /* of a ffn: width of a block's inner layer over H; 0: RHEO_NET_EXPANSION */
  int fourier;    /* F: Fourier features of x, 0 for none */
  double fourier_scale;
} RheoNetConfig;
#define RHEO_NET_EXPANSION 4
extern const RheoKey RheoNetKeys[]; /* of any section `*.net` */

typedef struct {
  const char *name, *summary, *reference;
  /* REQUIRED. (B, I), (B, C) or none -> (B, n_out). out_gain scales the initial weights of the last layer. */
  RheoVal (*apply)(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                   double out_gain);
} RheoNetType;
extern const RheoNetType *const RheoNetTypes[]; /* NULL at the end: linear, mlp, resmlp, ffn */

/* With F > 0 the network sees [x, cos(x W), sin(x W)] in place of x, W (I, F) normal of sd fourier_scale at first: random Fourier
 * features (Tancik et al. 2020, eq. 6), which let a small network learn what is fine-grained in x. Deviation: W is trained on. */
RheoVal rx_net(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
               double out_gain);

/* x W + b with parameters scope.weight (I, O) and scope.bias (O), initialised as init says, times gain. torch: uniform on
 * +-1/sqrt(I), both; kaiming: normal, variance 2/I; xavier: uniform, variance 2/(I + O); orthogonal: orthonormal rows or
 * columns, drawn from the parameter's name whatever the seed; biases 0 but for torch. */
RheoVal rx_dense(RheoScope scope, RheoVal x, int n_out, RheoActivation activation, RheoNetInit init,
                 double gain);

/* Dropout with the inverted scaling 1/(1 - rate); x itself outside training. */
RheoVal rx_dropout(RheoScope scope, RheoVal x, double rate);

/* Masked autoregressive network (MADE; Germain et al. 2015), with residual blocks when config says resmlp or ffn: the outputs
 * (B, D, n_out) of dimension d depend on x[:, <d] and on all of the context. */
RheoVal rx_made(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                double out_gain);
