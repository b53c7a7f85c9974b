/* Masked autoregressive networks (Germain et al. 2015; residual blocks as in Nash and Durkan 2019).
 *
 * Every unit has a degree: feature e has e + 1, the context 0, hidden units are spread evenly over the
 * degrees that can be of use, and an edge exists where the degree does not fall; the outputs of feature d see
 * hidden units of degree d and less. Degree 0 is given to hidden units only where there is a context, and
 * where D = 1: without them the first feature could not depend on the context, a known flaw of other
 * implementations. One degree per hidden unit serves all layers, so that residual connections are allowed.
 * A Fourier feature is one of a single feature, taken in turn, and has its degree. */
#include "nn_impl.h"
#include <stdlib.h>

typedef struct {
  int n_in, n_hidden, n_features, n_context, n_fourier, n_out;
  int *in, *hidden; /* degrees; in: features, context, cosines, sines */
  double *first, *middle, *last, *fourier;
} Masks;

static void free_masks(Masks *m)
{
  free(m->in);
  free(m->hidden);
  free(m->first);
  free(m->middle);
  free(m->last);
  free(m->fourier);
}

static int allocate_masks(Masks *m, int n_features, int n_context, const RheoNetConfig *config, int n_out)
{
  const size_t outputs = (size_t)n_features * (size_t)n_out;
  const int n_hidden = config->hidden;
  *m = (Masks){.n_in = n_features + n_context + 2 * config->fourier,
               .n_hidden = n_hidden,
               .n_features = n_features,
               .n_context = n_context,
               .n_fourier = config->fourier,
               .n_out = n_out};
  const size_t n_in = (size_t)m->n_in, widest = (size_t)(n_hidden > m->n_in ? n_hidden : m->n_in);
  m->in = malloc(sizeof(int) * n_in);
  m->hidden = malloc(sizeof(int) * (size_t)n_hidden);
  m->first = malloc(sizeof(double) * n_in * (size_t)n_hidden);
  m->middle = malloc(sizeof(double) * (size_t)n_hidden * (size_t)n_hidden);
  m->last = malloc(sizeof(double) * widest * outputs);
  m->fourier = malloc(sizeof(double) * ((size_t)n_features * (size_t)m->n_fourier + 1));
  return m->in && m->hidden && m->first && m->middle && m->last && m->fourier;
}

static void assign_degrees(Masks *m)
{
  const int lowest = m->n_context > 0 || m->n_features == 1 ? 0 : 1;
  const int n_degrees = m->n_features - lowest, n_given = m->n_features + m->n_context;
  for (int e = 0; e < n_given; e++) m->in[e] = e < m->n_features ? e + 1 : 0;
  for (int k = 0; k < 2 * m->n_fourier; k++) m->in[n_given + k] = k % m->n_fourier % m->n_features + 1;
  for (int h = 0; h < m->n_hidden; h++) m->hidden[h] = lowest + (int)((long)h * n_degrees / m->n_hidden);
}

/* mask (n, m): an edge where the degree does not fall. */
static void mask_between(int n, const int *from, int m, const int *to, double *mask)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m; j++) mask[(size_t)i * (size_t)m + (size_t)j] = to[j] >= from[i];
}

/* mask (D, F): feature k % D alone makes Fourier feature k. */
static void mask_fourier(const Masks *m)
{
  for (int e = 0; e < m->n_features; e++)
    for (int k = 0; k < m->n_fourier; k++) m->fourier[e * m->n_fourier + k] = k % m->n_features == e;
}

/* mask (n, D n_out): the outputs of feature d see degrees up to d. */
static void mask_outputs(const Masks *m, int n, const int *from, double *mask)
{
  const int width = m->n_features * m->n_out;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < width; j++) mask[(size_t)i * (size_t)width + (size_t)j] = j / m->n_out >= from[i];
}

static RheoVal made_of(RheoScope scope, const RheoNetConfig *config, Masks *m, RheoVal x, RheoVal context,
                       double out_gain)
{
  const RheoNetInit init = (RheoNetInit)config->init;
  const RheoNetType *type = RheoNetTypes[config->type];
  const int plain = type == &RheoNetType_Mlp, width = m->n_features * m->n_out;
  RheoVal hidden = rx_concat2(1, x, context);
  assign_degrees(m);
  if (m->n_fourier > 0) {
    mask_fourier(m);
    hidden = rx_concat2(1, hidden, rx_fourier(scope, config, x, m->fourier));
  }
  if (type == &RheoNetType_Linear) {
    mask_outputs(m, m->n_in, m->in, m->last);
    return rx_dense_masked(rx_enter(scope, "out"), hidden, width, m->last, RHEO_ACT_NONE, init, out_gain);
  }
  mask_between(m->n_in, m->in, m->n_hidden, m->hidden, m->first);
  mask_between(m->n_hidden, m->hidden, m->n_hidden, m->hidden, m->middle);
  mask_outputs(m, m->n_hidden, m->hidden, m->last);
  hidden = rx_dense_masked(rx_enter(scope, "in"), hidden, config->hidden, m->first,
                           plain ? (RheoActivation)config->activation : RHEO_ACT_NONE, init, 1);
  if (plain)
    hidden = rx_mlp_body(scope, config, hidden, m->middle);
  else if (type == &RheoNetType_Ffn)
    hidden = rx_ffn_body(scope, config, hidden, context, m->middle);
  else
    hidden = rx_resmlp_body(scope, config, hidden, context, m->middle);
  return rx_dense_masked(rx_enter(scope, "out"), hidden, width, m->last, RHEO_ACT_NONE, init, out_gain);
}

RheoVal rx_made(RheoScope scope, const RheoNetConfig *config, RheoVal x, RheoVal context, int n_out,
                double out_gain)
{
  const int n_features = rx_dim(x, 1), n_context = rx_exists(context) ? rx_dim(context, 1) : 0;
  if (config->hidden < 1 || config->layers < 1 || n_out < 1 || n_features < 1)
    return rx_fail(scope.program,
                   "made: features (%d), hidden (%d), layers (%d) and outputs (%d) must be at least 1",
                   n_features, config->hidden, config->layers, n_out);
  Masks m;
  RheoVal y;
  if (allocate_masks(&m, n_features, n_context, config, n_out))
    y = made_of(scope, config, &m, x, context, out_gain);
  else
    y = rx_fail(scope.program, "made: out of memory");
  free_masks(&m);
  return rx_reshape(y, RX_SHAPE(-1, n_features, n_out));
}
