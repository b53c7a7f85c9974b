/* Activations, element-wise. Most derivatives follow from the result alone, which the next layer keeps
 * anyhow: then the argument need not be kept and no transcendental function is called twice. SiLU and GELU
 * keep their argument. At 0 the derivative of the rectifiers is that of the left side. GELU is the exact x
 * Phi(x) (Hendrycks and Gimpel 2016).
 */
#define RHEO_NO_HERE
#include "../kernels/exp.h"
#include "../program_impl.h"
#include <string.h>

static const double LEAK = 0.01, SQRT_HALF = 0.70710678118654752440, NORMAL_PEAK = 0.39894228040143267794;
/* Of SELU: its slope on the right, and minus its limit on the left. */
static const double SELU_SCALE = 1.0507009873554804934, SELU_FLOOR = 1.7580993408473768600;

static int saves_result(int activation)
{
  return activation != RHEO_ACT_SILU && activation != RHEO_ACT_GELU;
}

#include "single.h"

#include "activate.inc"

#include "double.h"

#include "activate.inc"

static const char *shape(const RheoShape *arg, int n_arg, RheoNode *node)
{
  if (node->i[0] < RHEO_ACT_NONE || node->i[0] > RHEO_ACT_SELU) return "no such activation";
  for (int k = 1; k < n_arg; k++)
    if (!RheoShapeSame(arg[0], arg[k])) return "shapes differ";
  node->n_part = 1;
  node->part[0] = arg[0];
  return NULL;
}

static RheoVal zeros_like(RheoVal x)
{
  return rx_fill(x.program, rx_shape(x), 0);
}

static void expand(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  const int activation = node->i[0];
  const RheoVal x = arg[0], zero = rx_const(p, 0);
  switch (activation) {
  case RHEO_ACT_RELU:
    part[0] = rx_select(rx_less_equal(x, zero), zeros_like(x), x);
    break;
  case RHEO_ACT_LEAKY_RELU:
    part[0] = rx_select(rx_less_equal(x, zero), rx_scale(x, LEAK), x);
    break;
  case RHEO_ACT_TANH:
    part[0] = rx_tanh(x);
    break;
  case RHEO_ACT_SILU:
    part[0] = rx_mul(x, rx_sigmoid(x));
    break;
  case RHEO_ACT_GELU:
    part[0] = rx_mul(rx_scale(x, 0.5), rx_offset(rx_erf(rx_scale(x, SQRT_HALF)), 1));
    break;
  case RHEO_ACT_SOFTPLUS:
    part[0] = rx_softplus(x);
    break;
  case RHEO_ACT_ELU: {
    const RheoVal above = rx_less(zero, x);
    part[0] = rx_select(above, x, rx_expm1(rx_select(above, zeros_like(x), x)));
    break;
  }
  case RHEO_ACT_SIGMOID:
    part[0] = rx_sigmoid(x);
    break;
  case RHEO_ACT_SELU: {
    const RheoVal above = rx_less(zero, x);
    const RheoVal below = rx_scale(rx_expm1(rx_select(above, zeros_like(x), x)), SELU_FLOOR);
    part[0] = rx_select(above, rx_scale(x, SELU_SCALE), below);
    break;
  }
  default:
    part[0] = x;
  }
}

/* The slope is a factor of its own, so that it is computed once for all directions in which derivatives of it are taken. */
static RheoVal slope(RheoProgram p, int activation, RheoVal s)
{
  const RheoVal zero = rx_const(p, 0), one = rx_fill(p, rx_shape(s), 1);
  switch (activation) {
  case RHEO_ACT_RELU:
    return rx_select(rx_less_equal(s, zero), zeros_like(s), one);
  case RHEO_ACT_LEAKY_RELU:
    return rx_select(rx_less_equal(s, zero), rx_scale(one, LEAK), one);
  case RHEO_ACT_TANH:
    return rx_sub(one, rx_square(s));
  case RHEO_ACT_SILU: {
    const RheoVal g = rx_sigmoid(s);
    return rx_mul(g, rx_offset(rx_mul(s, rx_sub(one, g)), 1));
  }
  case RHEO_ACT_GELU: {
    const RheoVal cdf = rx_scale(rx_offset(rx_erf(rx_scale(s, SQRT_HALF)), 1), 0.5);
    const RheoVal pdf = rx_scale(rx_exp(rx_scale(rx_square(s), -0.5)), NORMAL_PEAK);
    return rx_add(cdf, rx_mul(s, pdf));
  }
  case RHEO_ACT_SOFTPLUS:
    return rx_neg(rx_expm1(rx_neg(s)));
  case RHEO_ACT_ELU:
    return rx_select(rx_less(zero, s), one, rx_offset(s, 1));
  case RHEO_ACT_SIGMOID:
    return rx_sub(s, rx_square(s));
  case RHEO_ACT_SELU:
    return rx_select(rx_less(zero, s), rx_scale(one, SELU_SCALE), rx_offset(s, SELU_FLOOR));
  default:
    return one;
  }
}

static void expand_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  part[0] = rx_mul(arg[1], slope(p, node->i[0], arg[0]));
}

static void vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                const RheoVal *dpart, RheoVal *darg)
{
  const RheoVal saved = saves_result(node->i[0]) ? part[0] : arg[0];
  darg[0] =
      rx_part(rx_fused(p, &RheoFusedType_ActivateVJP, 2, (RheoVal[]){saved, dpart[0]}, node->i, node->r), 0);
}

RheoVal(rx_activate)(RheoActivation activation, RheoVal x)
{
  if (activation == RHEO_ACT_NONE) return x;
  const int i[8] = {activation};
  const double r[4] = {0};
  return rx_part(rx_fused(x.program, &RheoFusedType_Activate, 1, &x, i, r), 0);
}

const RheoFusedType RheoFusedType_ActivateVJP = {
    .name = "activate_vjp",
    .summary = "derivative of activate, from its result where that suffices, else from its argument",
    .shape = shape,
    .expand = expand_vjp,
    .run_single = run_vjp_single,
    .run_double = run_vjp_double,
    .tile_single = tile_vjp_single,
    .tile_double = tile_vjp_double,
};

const RheoFusedType RheoFusedType_Activate = {
    .name = "activate",
    .summary = "relu, leaky_relu, tanh, silu, gelu, softplus, elu, sigmoid or selu",
    .shape = shape,
    .expand = expand,
    .vjp = vjp,
    .run_single = run_single,
    .run_double = run_double,
    .tile_single = tile_single,
    .tile_double = tile_double,
};
