/* Neural spline flow, coupling form (Durkan, Bekasov, Murray and Papamakarios 2019). */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_spline_map(t->config);
  rx_coupling(scope, t, &map, 0, x, context, y, log_det);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  RheoElementMap map = rheo_spline_map(t->config);
  rx_coupling(scope, t, &map, 1, y, context, x, log_det);
}

const RheoTransformType RheoTransformType_RqsCoupling = {
    .name = "rqs_coupling",
    .summary = "half of the features go through splines that the other half shapes",
    .reference = "Durkan et al. 2019",
    .keys = RheoSplineKeys,
    .size = sizeof(RheoSplineConfig),
    .alternates = 1,
    .forward = forward,
    .inverse = inverse,
};
