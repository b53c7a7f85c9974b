/* The field and its coordinates as expressions. */
#include "cnf_impl.h"
#include <math.h>

const char *rheo_cnf_mistake(RheoCnf cnf, RheoVal z, RheoVal context)
{
  if (!cnf->ready) return "it is not set up";
  if (rx_shape(z).n != 2 || rx_dim(z, 1) != cnf->n_features) return "z has another width";
  if (rx_exists(context) != (cnf->n_context > 0)) return "the context is missing, or there should be none";
  if (cnf->n_context && rx_dim(context, 1) != cnf->n_context) return "the context has another width";
  return NULL;
}

static int is_sound(RheoCnf cnf, RheoScope scope, RheoVal z, RheoVal context)
{
  const char *what = rheo_cnf_mistake(cnf, z, context);
  if (what)
    rx_fail(scope.program, "cnf of %d features and %d of context: %s", cnf->n_features, cnf->n_context, what);
  return !what;
}

RheoVal rx_cnf_context(RheoCnf cnf, RheoScope scope, RheoVal context)
{
  if (!cnf->config.standardize || !rx_exists(context)) return context;
  return rx_standardize(rx_moments(rx_enter(scope, "context"), cnf->n_context), context);
}

/* ---- The field ---- */

/* A field that can forget sees one more column, 1 where it is to forget, and the context times 1 minus that column. */
static RheoVal forgetful(RheoVal context, RheoVal forget)
{
  RheoVal keep = rx_sub(rx_const(context.program, 1), forget);
  return rx_concat2(1, rx_mul(context, keep), forget);
}

/* A slot of the velocity's type: the field itself, or its potential. */
typedef RheoVal (*Slot)(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context);

static RheoVal field(RheoCnf cnf, RheoScope scope, Slot slot, RheoVal time, RheoVal z, RheoVal context)
{
  return slot(rx_enter(scope, "velocity"), &cnf->net, time, z, context);
}

/* Between its bounds by a logistic function of the parameter; where that is zero, their geometric mean. */
RheoVal rx_cnf_end_time(RheoCnf cnf, RheoScope scope)
{
  const RheoLikelihoodConfig *c = &cnf->likelihood;
  if (c->end_time != RHEO_END_TIME_LEARNED) return RHEO_NONE;
  const RheoInit zero = {.kind = RHEO_INIT_ZERO, .no_decay = 1};
  RheoVal share = rx_sigmoid(rx_scope_param(scope, "end_time", RX_SCALAR, zero));
  return rx_scale(rx_exp(rx_scale(share, log(c->end_time_max / c->end_time_min))), c->end_time_min);
}

static RheoVal in_own_time(RheoCnf cnf, RheoScope scope, Slot slot, RheoVal t, RheoVal z, RheoVal context,
                           RheoVal forget)
{
  const RheoCnfConfig *c = &cnf->config;
  if (!is_sound(cnf, scope, z, context)) return RHEO_NONE;
  if (!RheoShapeSame(rx_shape(t), RX_SHAPE(rx_dim(z, 0), 1)))
    return rx_fail(scope.program, "cnf: t must be (%d, 1)", rx_dim(z, 0));
  if (rx_exists(forget) && c->dropout == 0)
    return rx_fail(scope.program, "cnf: without cnf.dropout the field cannot forget the context");
  RheoVal time = RheoEmbeddingTypes[c->time]->embed(t, c->frequencies);
  context = rx_cnf_context(cnf, scope, context);
  if (c->dropout == 0) return field(cnf, scope, slot, time, z, context);
  if (rx_exists(forget)) return field(cnf, scope, slot, time, z, forgetful(context, forget));
  RheoVal never = rx_fill(scope.program, rx_shape(t), 0), always = rx_fill(scope.program, rx_shape(t), 1);
  RheoVal told = field(cnf, scope, slot, time, z, forgetful(context, never));
  if (c->guidance == 1) return told;
  RheoVal untold = field(cnf, scope, slot, time, z, forgetful(context, always));
  return rx_add(untold, rx_scale(rx_sub(told, untold), c->guidance));
}

static RheoVal in_unit_time(RheoCnf cnf, RheoScope scope, Slot slot, RheoVal t, RheoVal z, RheoVal context,
                            RheoVal forget)
{
  RheoVal end = rx_cnf_end_time(cnf, scope);
  if (!rx_exists(end)) return in_own_time(cnf, scope, slot, t, z, context, forget);
  return rx_mul(end, in_own_time(cnf, scope, slot, rx_mul(end, t), z, context, forget));
}

RheoVal rx_cnf_velocity(RheoCnf cnf, RheoScope scope, RheoVal t, RheoVal z, RheoVal context, RheoVal forget)
{
  return in_unit_time(cnf, scope, RheoVelocityTypes[cnf->config.velocity]->apply, t, z, context, forget);
}

RheoVal rx_cnf_potential(RheoCnf cnf, RheoScope scope, RheoVal t, RheoVal z, RheoVal context)
{
  const RheoVelocityType *type = RheoVelocityTypes[cnf->config.velocity];
  if (!type->potential) return rx_fail(scope.program, "cnf: the field %s has no potential", type->name);
  return in_unit_time(cnf, scope, type->potential, t, z, context, RHEO_NONE);
}

RheoVal rx_cnf_divergence(RheoVal v, RheoVal z)
{
  const int n = rx_dim(z, -1);
  double unit[4096] = {0};
  RheoVal trace = RHEO_NONE;
  if (!rx_exists(v) || !rx_exists(z) || n > 4096) return rx_fail(z.program, "divergence: of what?");
  for (int d = 0; d < n; d++) {
    unit[d] = 1;
    RheoVal e = rx_broadcast(rx_literal(z.program, RX_SHAPE(n), unit), rx_shape(z));
    RheoVal part = rx_slice(rx_jvp(v, z, e), 1, d, d + 1);
    trace = rx_exists(trace) ? rx_add(trace, part) : part;
    unit[d] = 0;
  }
  return rx_reshape(trace, RX_SHAPE(-1));
}

RheoVal rx_cnf_divergence_estimate(RheoVal v, RheoVal z, RheoVal e)
{
  RheoVal de;
  rx_vjp(v, e, 1, &z, &de);
  return rx_sum(rx_mul(e, de), 1);
}

/* ---- Coordinates ---- */

/* mu0 or mu1 of the context (B, D), or none. The last layer starts at zero: a shift that the loss does not ask for is none. */
static RheoVal shift(RheoCnf cnf, RheoScope scope, RheoVal context, RheoShift which)
{
  const int on = cnf->config.shift == RHEO_SHIFT_BOTH || cnf->config.shift == (int)which;
  if (!on) return RHEO_NONE;
  return rx_net(rx_enter(scope, which == RHEO_SHIFT_SOURCE ? "shift0" : "shift1"), &cnf->shift_net,
                rx_cnf_context(cnf, scope, context), RHEO_NONE, cnf->n_features, 0);
}

static double source_width(RheoCnf cnf)
{
  const RheoPathType *path = RheoPathTypes[cnf->config.path];
  return path->width ? path->width(cnf->config.sigma) : 1;
}

static RheoMoments data_moments(RheoCnf cnf, RheoScope scope)
{
  return rx_moments(rx_enter(scope, "data"), cnf->n_features);
}

RheoVal rx_cnf_start(RheoCnf cnf, RheoScope scope, RheoVal source, RheoVal context)
{
  if (!is_sound(cnf, scope, source, context)) return RHEO_NONE;
  RheoVal z = source, move = shift(cnf, scope, context, RHEO_SHIFT_SOURCE);
  if (cnf->config.standardize && cnf->config.source == RHEO_SOURCE_DATA)
    z = rx_standardize(data_moments(cnf, scope), source);
  if (source_width(cnf) != 1) z = rx_scale(z, source_width(cnf));
  return rx_exists(move) ? rx_add(z, move) : z;
}

RheoVal rx_cnf_leave(RheoCnf cnf, RheoScope scope, RheoVal z, RheoVal context)
{
  if (!is_sound(cnf, scope, z, context)) return RHEO_NONE;
  RheoVal move = shift(cnf, scope, context, RHEO_SHIFT_SOURCE);
  if (rx_exists(move)) z = rx_sub(z, move);
  if (source_width(cnf) != 1) z = rx_scale(z, 1 / source_width(cnf));
  if (cnf->config.standardize && cnf->config.source == RHEO_SOURCE_DATA)
    z = rx_unstandardize(data_moments(cnf, scope), z);
  return z;
}

RheoVal rx_cnf_enter(RheoCnf cnf, RheoScope scope, RheoVal x, RheoVal context)
{
  if (!is_sound(cnf, scope, x, context)) return RHEO_NONE;
  RheoVal z = x, move = shift(cnf, scope, context, RHEO_SHIFT_DATA);
  if (cnf->config.standardize) z = rx_standardize(data_moments(cnf, scope), x);
  return rx_exists(move) ? rx_add(z, move) : z;
}

RheoVal rx_cnf_finish(RheoCnf cnf, RheoScope scope, RheoVal z, RheoVal context)
{
  if (!is_sound(cnf, scope, z, context)) return RHEO_NONE;
  RheoVal move = shift(cnf, scope, context, RHEO_SHIFT_DATA);
  if (rx_exists(move)) z = rx_sub(z, move);
  return cnf->config.standardize ? rx_unstandardize(data_moments(cnf, scope), z) : z;
}

RheoVal rx_cnf_log_scale(RheoCnf cnf, RheoScope scope)
{
  const double widened = -log(source_width(cnf)) * cnf->n_features;
  RheoVal scale = rx_const(scope.program, widened);
  if (!cnf->config.standardize || cnf->config.source == RHEO_SOURCE_DATA) return scale;
  return rx_sub(scale, rx_sum_all(rx_log(data_moments(cnf, scope).sd)));
}

RheoVal rx_cnf_source_log_prob(RheoCnf cnf, RheoVal source)
{
  RheoProgram p = source.program;
  const int n = cnf->n_features;
  RheoVal outside;
  switch ((RheoSource)cnf->config.source) {
  case RHEO_SOURCE_NORMAL:
    return rx_offset(rx_scale(rx_sum(rx_square(source), 1), -0.5), -0.5 * log(2 * M_PI) * n);
  case RHEO_SOURCE_UNIFORM:
    outside = rx_less(rx_const(p, 1), rx_amax(rx_abs(source), 1));
    return rx_select(outside, rx_const(p, -INFINITY), rx_const(p, -log(2) * n));
  case RHEO_SOURCE_DATA:
    break;
  }
  return rx_fail(p, "cnf: the density of a source that is data is not known");
}
