/* Element-wise monotone maps: affine (Dinh et al. 2017) and rational-quadratic splines (Durkan et al. 2019).
 */
#include "flow_impl.h"

const RheoKey RheoAffineKeys[] = {{"limit", RHEO_KEY_REAL, offsetof(RheoAffineConfig, limit), "3", "(0, 20]",
                                   "log-scales are limited to (-limit, limit), smoothly"},
                                  {0}};

const RheoKey RheoSplineKeys[] = {
    {"bins", RHEO_KEY_INT, offsetof(RheoSplineConfig, bins), "10", "[2, 500]", "bins of the spline"},
    {"bound", RHEO_KEY_REAL, offsetof(RheoSplineConfig, bound), "3", "(0, 1e6]",
     "the spline acts on [-bound, bound], the identity outside"},
    {0}};

/* y = x e^s + b with s = limit tanh(raw / limit): the scale is positive and cannot overflow. */
static RheoVal affine(const void *config, RheoVal x, RheoVal raw, int inverse, RheoVal *log_det)
{
  const double limit = ((const RheoAffineConfig *)config)->limit;
  RheoVal shift = rx_reshape(rx_slice(raw, 2, 0, 1), rx_shape(x));
  RheoVal scale = rx_reshape(rx_slice(raw, 2, 1, 2), rx_shape(x));
  scale = rx_scale(rx_tanh(rx_scale(scale, 1 / limit)), limit);
  *log_det = inverse ? rx_neg(scale) : scale;
  return inverse ? rx_mul(rx_sub(x, shift), rx_exp(rx_neg(scale))) : rx_add(rx_mul(x, rx_exp(scale)), shift);
}

RheoElementMap rheo_affine_map(const RheoAffineConfig *config)
{
  return (RheoElementMap){.n_raw = 2, .out_gain = 0.01, .config = config, .map = affine};
}

static RheoVal spline(const void *config, RheoVal x, RheoVal raw, int inverse, RheoVal *log_det)
{
  return rx_rqs(x, raw, ((const RheoSplineConfig *)config)->bound, inverse, log_det);
}

RheoElementMap rheo_spline_map(const RheoSplineConfig *config)
{
  return (RheoElementMap){.n_raw = 3 * config->bins - 1, .out_gain = 0.1, .config = config, .map = spline};
}
