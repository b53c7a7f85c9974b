/* Autoregressive transforms (Papamakarios et al. 2017; Kingma et al. 2016). Every second layer of a stack
 * takes the features in reverse order. The direction in which the network sees its own results is found
 * feature by feature: D passes of the network, of which pass d settles feature d. */
#include "flow_impl.h"

static RheoVal reverse(RheoVal x, int n)
{
  int order[RHEO_MAX_FEATURES];
  if (n < 2) return x;
  for (int d = 0; d < n; d++) order[d] = n - 1 - d;
  return rx_gather_fixed(x, n, order, 1);
}

static RheoVal is_feature(RheoProgram program, int n, int d)
{
  double one[RHEO_MAX_FEATURES] = {0};
  one[d] = 1;
  return rx_literal(program, RX_SHAPE(n), one);
}

void rx_autoregressive(RheoScope scope, const RheoTransform *t, const RheoElementMap *map, int inverse,
                       int from_input, RheoVal x, RheoVal context, RheoVal *y, RheoVal *log_det)
{
  const int n = t->n_features, is_reversed = t->place % 2;
  RheoScope net = rx_enter(scope, "net");
  if (is_reversed) x = reverse(x, n);
  if (from_input)
    *y = map->map(map->config, x, rx_made(net, t->net, x, context, map->n_raw, map->out_gain), inverse,
                  log_det);
  else {
    *y = rx_fill(scope.program, rx_shape(x), 0);
    *log_det = *y;
    for (int d = 0; d < n; d++) {
      /* What is not yet settled stays 0, by selection, so that it cannot overflow. */
      RheoVal log_slope, raw = rx_made(net, t->net, *y, context, map->n_raw, map->out_gain);
      RheoVal now = map->map(map->config, x, raw, inverse, &log_slope),
              here = is_feature(scope.program, n, d);
      *y = rx_select(here, now, *y);
      *log_det = rx_select(here, log_slope, *log_det);
    }
  }
  if (is_reversed) *y = reverse(*y, n);
  *log_det = rx_sum(*log_det, 1);
}
