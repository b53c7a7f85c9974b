/* Coupling layers (Dinh et al. 2017). Features at even places of the first layer of a stack are mapped, at
 * odd places of the second, and so on; one feature alone is mapped as the context says. */
#include "flow_impl.h"

typedef struct {
  int n, n_mapped, n_kept;
  int mapped[RHEO_MAX_FEATURES], kept[RHEO_MAX_FEATURES];
  int back[RHEO_MAX_FEATURES]; /* where feature d stands in [mapped, kept] */
} Halves;

static void halve(const RheoTransform *t, Halves *h)
{
  h->n = t->n_features;
  h->n_mapped = h->n_kept = 0;
  for (int d = 0; d < h->n; d++)
    if (h->n == 1 || d % 2 == t->place % 2)
      h->mapped[h->n_mapped++] = d;
    else
      h->kept[h->n_kept++] = d;
  for (int k = 0; k < h->n_mapped; k++) h->back[h->mapped[k]] = k;
  for (int k = 0; k < h->n_kept; k++) h->back[h->kept[k]] = h->n_mapped + k;
}

/* The parameters of the map (B, n_mapped, n_raw); without anything to depend on, they are parameters of the
 * model. */
static RheoVal condition(RheoScope scope, const RheoTransform *t, const RheoElementMap *map, int n_mapped,
                         RheoVal kept, RheoVal context)
{
  const RheoShape shape = RX_SHAPE(RheoProgramRows(scope.program), n_mapped, map->n_raw);
  if (rx_exists(kept) || rx_exists(context))
    return rx_reshape(
        rx_net(rx_enter(scope, "net"), t->net, kept, context, n_mapped * map->n_raw, map->out_gain), shape);
  RheoVal raw =
      rx_scope_param(scope, "raw", RX_SHAPE(n_mapped, map->n_raw), (RheoInit){.kind = RHEO_INIT_ZERO});
  return rx_broadcast(raw, shape);
}

void rx_coupling(RheoScope scope, const RheoTransform *t, const RheoElementMap *map, int inverse, RheoVal x,
                 RheoVal context, RheoVal *y, RheoVal *log_det)
{
  Halves h;
  halve(t, &h);
  RheoVal kept = h.n_kept ? rx_gather_fixed(x, h.n_kept, h.kept, 1) : RHEO_NONE;
  RheoVal moved = h.n_kept ? rx_gather_fixed(x, h.n_mapped, h.mapped, 1) : x;
  moved = map->map(map->config, moved, condition(scope, t, map, h.n_mapped, kept, context), inverse, log_det);
  *y = h.n_kept ? rx_gather_fixed(rx_concat2(1, moved, kept), h.n, h.back, 1) : moved;
  *log_det = rx_sum(*log_det, 1);
}
