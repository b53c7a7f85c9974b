/* Neural spline flow, autoregressive form (Durkan, Bekasov, Murray and Papamakarios 2019): the density in one
 * pass of the network, samples in D passes. */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_spline_map(t->config);
  rx_autoregressive(scope, t, &map, 0, 1, x, context, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_spline_map(t->config);
  rx_autoregressive(scope, t, &map, 1, 0, y, context, x, log_det);
}

const RheoTransformType RheoTransformType_RqsAutoregressive = {
    .name = "rqs_autoregressive",
    .summary = "each feature goes through a spline that those before it shape",
    .reference = "Durkan et al. 2019",
    .keys = RheoSplineKeys,
    .size = sizeof(RheoSplineConfig),
    .alternates = 1,
    .forward = forward,
    .inverse = inverse,
};
