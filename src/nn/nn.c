#include "../base/random.h"
#include "nn_impl.h"
#include <math.h>
#include <stdlib.h>

const RheoNetType *const RheoNetTypes[] = {
#define RHEO_NET_TYPE(symbol, name) &RheoNetType_##symbol,
#include "nn_types.def"
#undef RHEO_NET_TYPE
    NULL};

/* "|linear|mlp...": the rule after its first character. */
static const char type_rule[] =
#define RHEO_NET_TYPE(symbol, name) "|" #name
#include "nn_types.def"
#undef RHEO_NET_TYPE
    ;

#define FIELD(name) offsetof(RheoNetConfig, name)
const RheoKey RheoNetKeys[] = {
    {"type", RHEO_KEY_CHOICE, FIELD(type), "resmlp", type_rule + 1, "kind of network"},
    {"hidden", RHEO_KEY_INT, FIELD(hidden), "50", "[1, 65536]", "width of the hidden layers"},
    {"layers", RHEO_KEY_INT, FIELD(layers), "2", "[1, 1000]",
     "hidden layers of a mlp, blocks of a resmlp or a ffn"},
    {"activation", RHEO_KEY_CHOICE, FIELD(activation), "relu", RHEO_ACTIVATION_RULE, "activation function"},
    {"context", RHEO_KEY_CHOICE, FIELD(context), "glu", "concat|film|glu",
     "how the blocks of a resmlp or a ffn take in the context, besides the first layer"},
    {"dropout", RHEO_KEY_REAL, FIELD(dropout), "0", "[0, 1)",
     "probability that a hidden unit is dropped in training"},
    {"init", RHEO_KEY_CHOICE, FIELD(init), "torch", "torch|kaiming|xavier|orthogonal",
     "initial weights; orthogonal ones do not follow the seed"},
    {"expansion", RHEO_KEY_INT, FIELD(expansion), "4", "[1, 1000]",
     "width of the inner layer of a ffn's blocks over hidden"},
    {"fourier", RHEO_KEY_INT, FIELD(fourier), "0", "[0, 65536]",
     "Fourier features of the input, for what is fine-grained in it; 0: none"},
    {"fourier_scale", RHEO_KEY_REAL, FIELD(fourier_scale), "3", "(0, inf)",
     "sd of their first angular frequencies; the finest grain is about 1 over it"},
    {0}};

static uint64_t hash_name(const char *name)
{
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  return hash;
}

/* Rows (or columns, where they are fewer) of v (m, n), m <= n by strides, become orthonormal: Gram-Schmidt,
 * twice for accuracy. */
static void orthonormalise(int m, int n, size_t row, size_t column, double *v)
{
  for (int i = 0; i < m; i++) {
    double *a = v + (size_t)i * row, norm = 0;
    for (int k = 0; k < 2 * i; k++) {
      const double *b = v + (size_t)(k % i) * row;
      double dot = 0;
      for (int j = 0; j < n; j++) dot += a[(size_t)j * column] * b[(size_t)j * column];
      for (int j = 0; j < n; j++) a[(size_t)j * column] -= dot * b[(size_t)j * column];
    }
    for (int j = 0; j < n; j++) norm += a[(size_t)j * column] * a[(size_t)j * column];
    for (int j = 0; j < n; j++) a[(size_t)j * column] /= sqrt(norm);
  }
}

static void draw_orthogonal(const char *name, int n_in, int n_out, double gain, double *values)
{
  RheoStream stream = RheoStreamMake(hash_name(name), RHEO_STREAM_INIT, 0, 0);
  const size_t size = (size_t)n_in * (size_t)n_out;
  for (size_t i = 0; i < size; i++) values[i] = RheoStreamNormal(&stream);
  if (n_in <= n_out)
    orthonormalise(n_in, n_out, (size_t)n_out, 1, values);
  else
    orthonormalise(n_out, n_in, 1, (size_t)n_out, values);
  for (size_t i = 0; i < size; i++) values[i] *= gain;
}

void rheo_layer_init(RheoNetInit init, const char *name, int n_in, int n_out, double gain, double *values,
                     RheoInit *weight, RheoInit *bias)
{
  const double n = n_in;
  *weight = (RheoInit){.kind = RHEO_INIT_UNIFORM};
  *bias = (RheoInit){.kind = RHEO_INIT_ZERO, .no_decay = 1};
  switch (init) {
  case RHEO_NN_INIT_TORCH:
    weight->a = gain / sqrt(n);
    *bias = (RheoInit){.kind = RHEO_INIT_UNIFORM, .a = gain / sqrt(n), .no_decay = 1};
    break;
  case RHEO_NN_INIT_KAIMING:
    *weight = (RheoInit){.kind = RHEO_INIT_NORMAL, .a = gain * sqrt(2 / n)};
    break;
  case RHEO_NN_INIT_XAVIER:
    weight->a = gain * sqrt(6 / (n + n_out));
    break;
  case RHEO_NN_INIT_ORTHOGONAL:
    draw_orthogonal(name, n_in, n_out, gain, values);
    *weight = (RheoInit){.kind = RHEO_INIT_VALUES, .values = values};
    break;
  }
}

RheoVal rx_dense_masked(RheoScope scope, RheoVal x, int n_out, const double *mask, RheoActivation activation,
                        RheoNetInit init, double gain)
{
  const int n_in = rx_dim(x, -1);
  if (n_in < 1 || n_out < 1) return rx_fail(scope.program, "dense: %d inputs, %d outputs", n_in, n_out);
  double *values =
      init == RHEO_NN_INIT_ORTHOGONAL ? malloc(sizeof(double) * (size_t)n_in * (size_t)n_out) : NULL;
  if (init == RHEO_NN_INIT_ORTHOGONAL && !values) return rx_fail(scope.program, "dense: out of memory");
  RheoInit of_weight, of_bias;
  rheo_layer_init(init, scope.name, n_in, n_out, gain, values, &of_weight, &of_bias);
  RheoVal weight = rx_scope_param(scope, "weight", RX_SHAPE(n_in, n_out), of_weight);
  RheoVal bias = rx_scope_param(scope, "bias", RX_SHAPE(n_out), of_bias);
  free(values);
  if (mask) weight = rx_mul(weight, rx_literal(scope.program, RX_SHAPE(n_in, n_out), mask));
  return rx_linear(x, weight, bias, activation);
}

RheoVal rx_dense(RheoScope scope, RheoVal x, int n_out, RheoActivation activation, RheoNetInit init,
                 double gain)
{
  return rx_dense_masked(scope, x, n_out, NULL, activation, init, gain);
}

RheoVal rx_dropout(RheoScope scope, RheoVal x, double rate)
{
  if (!scope.training || !(rate > 0)) return x;
  RheoScope here = rx_enter(scope, "dropout");
  RheoVal noise = rx_noise(scope.program, RHEO_INPUT_NOISE_UNIFORM, here.name, rx_dim(x, -1));
  RheoVal keep = rx_less_equal(rx_const(scope.program, rate), noise);
  return rx_mul(x, rx_scale(keep, 1 / (1 - rate)));
}

RheoVal rx_fourier(RheoScope scope, const RheoNetConfig *config, RheoVal x, const double *mask)
{
  const RheoShape shape = RX_SHAPE(rx_dim(x, 1), config->fourier);
  const RheoInit normal = {.kind = RHEO_INIT_NORMAL, .a = config->fourier_scale, .no_decay = 1};
  RheoVal frequency = rx_scope_param(rx_enter(scope, "fourier"), "frequency", shape, normal);
  if (mask) frequency = rx_mul(frequency, rx_literal(scope.program, shape, mask));
  RheoVal angle = rx_matmul(x, frequency);
  return rx_concat2(1, rx_cos(angle), rx_sin(angle));
}

RheoVal rx_net(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
               double out_gain)
{
  if (config->hidden < 1 || config->layers < 1)
    return rx_fail(scope.program, "net: hidden (%d) and layers (%d) must be at least 1", config->hidden,
                   config->layers);
  if (config->fourier > 0 && rx_exists(x)) x = rx_concat2(1, x, rx_fourier(scope, config, x, NULL));
  return RheoNetTypes[config->type]->apply(scope, config, x, context, n_out, out_gain);
}
