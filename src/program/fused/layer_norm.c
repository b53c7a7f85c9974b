/* Layer normalisation over the last axis: Ba, Kiros and Hinton 2016. */
#define RHEO_NO_HERE
#include "expansion.h"
#include <string.h>

static const double EPSILON = 1e-5;

static size_t row_length(RheoShape x)
{
  return (size_t)x.d[x.n - 1];
}

#include "single.h"

#include "layer_norm.inc"

#include "double.h"

#include "layer_norm.inc"

static const char *shape(const RheoShape *arg, int n_arg, RheoNode *node)
{
  if (n_arg < 3 || arg[0].n < 1) return "needs x (..., D), gain (D), bias (D)";
  for (int k = 1; k < 3; k++)
    if (arg[k].n != 1 || arg[k].d[0] != arg[0].d[arg[0].n - 1])
      return "gain and bias need the length of x's last axis";
  node->n_part = 1;
  node->part[0] = arg[0];
  return NULL;
}

static const char *shape_vjp(const RheoShape *arg, int n_arg, RheoNode *node)
{
  const char *what = shape(arg, n_arg, node);
  if (what) return what;
  if (n_arg != 4 || !RheoShapeSame(arg[3], arg[0])) return "dy needs the shape of x";
  node->n_part = 3;
  node->part[1] = arg[1];
  node->part[2] = arg[2];
  return NULL;
}

static RheoVal row_mean(RheoVal x)
{
  return rx_scale(rx_sum_keep(x, -1), 1. / rx_dim(x, -1));
}

static void expand(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p, (void)node;
  const RheoVal centred = rx_sub(arg[0], row_mean(arg[0])), variance = row_mean(rx_square(centred));
  const RheoVal z = rx_div(centred, rx_sqrt(rx_offset(variance, EPSILON)));
  part[0] = rx_add(rx_mul(z, arg[1]), arg[2]);
}

static void expand_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  rx_expand_vjp(p, &RheoFusedType_LayerNorm, node, 3, arg, 1, arg + 3, part);
}

static void vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                const RheoVal *dpart, RheoVal *darg)
{
  (void)part;
  const RheoVal all[] = {arg[0], arg[1], arg[2], dpart[0]};
  const RheoVal fused = rx_fused(p, &RheoFusedType_LayerNormVJP, 4, all, node->i, node->r);
  for (int k = 0; k < 3; k++) darg[k] = rx_part(fused, k);
}

RheoVal(rx_layer_norm)(RheoVal x, RheoVal gain, RheoVal bias)
{
  const RheoShape d = RX_SHAPE(rx_dim(x, -1));
  const RheoVal all[] = {x, gain.program ? gain : rx_fill(x.program, d, 1),
                         bias.program ? bias : rx_fill(x.program, d, 0)};
  return rx_part(rx_fused(x.program, &RheoFusedType_LayerNorm, 3, all, NULL, NULL), 0);
}

const RheoFusedType RheoFusedType_LayerNorm = {
    .name = "layer_norm",
    .summary = "zero mean and unit variance over the last axis, then gain and bias",
    .reference = "Ba et al. 2016",
    .shape = shape,
    .expand = expand,
    .vjp = vjp,
    .run_single = run_single,
    .run_double = run_double,
};

const RheoFusedType RheoFusedType_LayerNormVJP = {
    .name = "layer_norm_vjp",
    .summary = "derivative of layer_norm by x, gain and bias",
    .reference = "Ba et al. 2016",
    .shape = shape_vjp,
    .expand = expand_vjp,
    .run_single = run_vjp_single,
    .run_double = run_vjp_double,
};
