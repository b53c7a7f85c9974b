/* Masked autoregressive flow (Papamakarios, Pavlakou and Murray 2017): the density in one pass of the
 * network, samples in D passes. */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_autoregressive(scope, t, &map, 0, 1, x, context, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_autoregressive(scope, t, &map, 1, 0, y, context, x, log_det);
}

const RheoTransformType RheoTransformType_Maf = {
    .name = "maf",
    .summary = "each feature is scaled and shifted as those before it say; fast density",
    .reference = "Papamakarios et al. 2017",
    .keys = RheoAffineKeys,
    .size = sizeof(RheoAffineConfig),
    .alternates = 1,
    .forward = forward,
    .inverse = inverse,
};
