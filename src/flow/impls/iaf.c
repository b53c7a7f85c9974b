/* Inverse autoregressive flow (Kingma et al. 2016): samples in one pass of the network, the density in D
 * passes. */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_autoregressive(scope, t, &map, 1, 0, x, context, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_autoregressive(scope, t, &map, 0, 1, y, context, x, log_det);
}

const RheoTransformType RheoTransformType_Iaf = {
    .name = "iaf",
    .summary = "maf the other way round; fast samples",
    .reference = "Kingma et al. 2016",
    .keys = RheoAffineKeys,
    .size = sizeof(RheoAffineConfig),
    .alternates = 1,
    .forward = forward,
    .inverse = inverse,
};
