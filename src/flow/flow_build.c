/* The stack as expressions. */
#include "flow_impl.h"

RheoVal rx_same_for_rows(RheoProgram program, RheoVal log_derivative)
{
  return rx_broadcast(rx_sum_all(log_derivative), RX_SHAPE(RheoProgramRows(program)));
}

/* What is wrong with a call, or NULL. */
static const char *mistake(RheoFlow flow, RheoVal x, RheoVal context)
{
  if (!flow->ready) return "it is not set up";
  if (rx_shape(x).n != 2 || rx_dim(x, 1) != flow->n_features) return "x has another width";
  if (rx_exists(context) != (flow->n_context > 0)) return "the context is missing, or there should be none";
  if (flow->n_context && rx_dim(context, 1) != flow->n_context) return "the context has another width";
  return NULL;
}

static int is_sound(RheoFlow flow, RheoScope scope, RheoVal x, RheoVal context)
{
  const char *what = mistake(flow, x, context);
  if (what)
    rx_fail(scope.program, "flow of %d features and %d of context: %s", flow->n_features, flow->n_context,
            what);
  return !what;
}

static RheoVal standardized(RheoFlow flow, RheoScope scope, RheoVal context)
{
  if (!flow->config.standardize || !rx_exists(context)) return context;
  return rx_standardize(rx_moments(rx_enter(scope, "context"), flow->n_context), context);
}

static RheoVal sum_of(RheoVal x, RheoVal y)
{
  return rx_exists(x) ? rx_add(x, y) : y;
}

RheoVal rx_flow_layers(RheoFlow flow, RheoScope scope, int n, RheoVal x, RheoVal context, RheoVal *log_det)
{
  RheoVal total = RHEO_NONE;
  context = standardized(flow, scope, context);
  for (int i = 0; i < n; i++) {
    const RheoFlowLayer *layer = &flow->layer[i];
    RheoVal y, part;
    layer->transform.type->forward(rx_enter(scope, "%s", layer->name), &layer->transform, x, context, &y,
                                   &part);
    x = y;
    total = sum_of(total, part);
  }
  if (log_det) *log_det = total;
  return x;
}

RheoVal rx_flow_forward(RheoFlow flow, RheoScope scope, RheoVal x, RheoVal context, RheoVal *log_det)
{
  if (log_det) *log_det = RHEO_NONE;
  if (!is_sound(flow, scope, x, context)) return RHEO_NONE;
  return rx_flow_layers(flow, scope, flow->n_layers, x, context, log_det);
}

RheoVal rx_flow_inverse(RheoFlow flow, RheoScope scope, RheoVal z, RheoVal context, RheoVal *log_det)
{
  RheoVal total = RHEO_NONE;
  if (log_det) *log_det = RHEO_NONE;
  if (!is_sound(flow, scope, z, context)) return RHEO_NONE;
  context = standardized(flow, scope, context);
  for (int i = flow->n_layers - 1; i >= 0; i--) {
    const RheoFlowLayer *layer = &flow->layer[i];
    RheoVal x, part;
    layer->transform.type->inverse(rx_enter(scope, "%s", layer->name), &layer->transform, z, context, &x,
                                   &part);
    z = x;
    total = sum_of(total, part);
  }
  if (log_det) *log_det = total;
  return z;
}

RheoVal rx_flow_log_prob(RheoFlow flow, RheoScope scope, RheoVal x, RheoVal context)
{
  RheoVal log_det, z = rx_flow_forward(flow, scope, x, context, &log_det);
  if (!rx_exists(z)) return RHEO_NONE;
  return rx_add(RheoBaseTypes[flow->config.base]->log_prob(rx_enter(scope, "base"), z, context), log_det);
}

RheoVal rx_flow_sample(RheoFlow flow, RheoScope scope, RheoVal noise, RheoVal context, RheoVal *log_prob)
{
  const RheoBaseType *base = RheoBaseTypes[flow->config.base];
  RheoScope base_scope = rx_enter(scope, "base");
  if (log_prob) *log_prob = RHEO_NONE;
  if (!is_sound(flow, scope, noise, context)) return RHEO_NONE;
  RheoVal log_det, z = base->sample(base_scope, noise, context);
  RheoVal x = rx_flow_inverse(flow, scope, z, context, &log_det);
  if (log_prob) *log_prob = rx_sub(base->log_prob(base_scope, z, context), log_det);
  return x;
}

RheoInputKind RheoFlowNoise(RheoFlow flow)
{
  return RheoBaseTypes[flow->config.base]->noise;
}
