/* Softmax and its logarithm over the last axis, shifted by the largest so that nothing overflows. Derivatives
 * need the result only: dx = y (dy - sum y dy), and for the logarithm dx = dy - exp(y) sum dy.
 */
#define RHEO_NO_HERE
#include "../program_impl.h"
#include <string.h>

static size_t row_length(RheoShape x)
{
  return (size_t)x.d[x.n - 1];
}

/* Rows that share a buffer: about a thousand elements. */
static size_t block_rows(size_t n)
{
  return n < 1024 ? 1024 / n : 1;
}

#include "single.h"

#include "softmax.inc"

#include "double.h"

#include "softmax.inc"

static const char *shape(const RheoShape *arg, int n_arg, RheoNode *node)
{
  if (arg[0].n < 1) return "a scalar has no last axis";
  for (int k = 1; k < n_arg; k++)
    if (!RheoShapeSame(arg[0], arg[k])) return "shapes differ";
  node->n_part = 1;
  node->part[0] = arg[0];
  return NULL;
}

static size_t scratch(const RheoNode *node, const RheoShape *arg)
{
  (void)node;
  const size_t n = row_length(arg[0]);
  return n * block_rows(n) + RHEO_LANES;
}

static RheoVal shifted(RheoVal x)
{
  return rx_sub(x, rx_stop_gradient(rx_amax_keep(x, -1)));
}

static void expand(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p, (void)node;
  const RheoVal e = rx_exp(shifted(arg[0]));
  part[0] = rx_div(e, rx_sum_keep(e, -1));
}

static void expand_log(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p, (void)node;
  const RheoVal z = shifted(arg[0]);
  part[0] = rx_sub(z, rx_log(rx_sum_keep(rx_exp(z), -1)));
}

static void expand_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p, (void)node;
  part[0] = rx_mul(arg[0], rx_sub(arg[1], rx_sum_keep(rx_mul(arg[0], arg[1]), -1)));
}

static void expand_log_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p, (void)node;
  part[0] = rx_sub(arg[1], rx_mul(rx_exp(arg[0]), rx_sum_keep(arg[1], -1)));
}

static void vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                const RheoVal *dpart, RheoVal *darg)
{
  (void)arg;
  darg[0] =
      rx_part(rx_fused(p, &RheoFusedType_SoftmaxVJP, 2, (RheoVal[]){part[0], dpart[0]}, node->i, node->r), 0);
}

static void vjp_log(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                    const RheoVal *dpart, RheoVal *darg)
{
  (void)arg;
  darg[0] = rx_part(
      rx_fused(p, &RheoFusedType_LogSoftmaxVJP, 2, (RheoVal[]){part[0], dpart[0]}, node->i, node->r), 0);
}

RheoVal(rx_softmax)(RheoVal x)
{
  return rx_part(rx_fused(x.program, &RheoFusedType_Softmax, 1, &x, NULL, NULL), 0);
}

RheoVal(rx_log_softmax)(RheoVal x)
{
  return rx_part(rx_fused(x.program, &RheoFusedType_LogSoftmax, 1, &x, NULL, NULL), 0);
}

const RheoFusedType RheoFusedType_Softmax = {
    .name = "softmax",
    .summary = "softmax over the last axis",
    .shape = shape,
    .expand = expand,
    .vjp = vjp,
    .run_single = run_single,
    .run_double = run_double,
    .scratch = scratch,
};

const RheoFusedType RheoFusedType_SoftmaxVJP = {
    .name = "softmax_vjp",
    .summary = "derivative of softmax, from its result",
    .shape = shape,
    .expand = expand_vjp,
    .run_single = run_vjp_single,
    .run_double = run_vjp_double,
};

const RheoFusedType RheoFusedType_LogSoftmax = {
    .name = "log_softmax",
    .summary = "logarithm of softmax over the last axis",
    .shape = shape,
    .expand = expand_log,
    .vjp = vjp_log,
    .run_single = run_log_single,
    .run_double = run_log_double,
    .scratch = scratch,
};

const RheoFusedType RheoFusedType_LogSoftmaxVJP = {
    .name = "log_softmax_vjp",
    .summary = "derivative of log_softmax, from its result",
    .shape = shape,
    .expand = expand_log_vjp,
    .run_single = run_log_vjp_single,
    .run_double = run_log_vjp_double,
    .scratch = scratch,
};
