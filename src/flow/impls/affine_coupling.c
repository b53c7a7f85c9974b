/* Real NVP: affine coupling (Dinh, Sohl-Dickstein and Bengio 2017), with a smooth limit on log-scales. */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_coupling(scope, t, &map, 0, x, context, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_affine_map(t->config);
  rx_coupling(scope, t, &map, 1, y, context, x, log_det);
}

const RheoTransformType RheoTransformType_AffineCoupling = {
    .name = "affine_coupling",
    .summary = "half of the features are scaled and shifted as the other half says",
    .reference = "Dinh et al. 2017",
    .keys = RheoAffineKeys,
    .size = sizeof(RheoAffineConfig),
    .alternates = 1,
    .forward = forward,
    .inverse = inverse,
};
