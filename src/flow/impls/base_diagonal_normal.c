/* Normal with a trained mean and standard deviation for each feature. */
#include "../flow_impl.h"
#include <math.h>

typedef struct {
  RheoVal mean, log_sd;
} Values;

static Values values_of(RheoScope scope, int n)
{
  const RheoInit init = {.kind = RHEO_INIT_ZERO, .no_decay = 1};
  return (Values){rx_scope_param(scope, "mean", RX_SHAPE(n), init),
                  rx_scope_param(scope, "log_sd", RX_SHAPE(n), init)};
}

static RheoVal log_prob(RheoScope scope, RheoVal z, RheoVal context)
{
  (void)context;
  const int n = rx_dim(z, 1);
  Values v = values_of(scope, n);
  RheoVal normal = rx_mul(rx_sub(z, v.mean), rx_exp(rx_neg(v.log_sd)));
  RheoVal density = rx_offset(rx_scale(rx_sum(rx_square(normal), 1), -0.5), -0.5 * log(2 * M_PI) * n);
  return rx_sub(density, rx_sum_all(v.log_sd));
}

static RheoVal sample(RheoScope scope, RheoVal noise, RheoVal context)
{
  (void)context;
  Values v = values_of(scope, rx_dim(noise, 1));
  return rx_add(rx_mul(noise, rx_exp(v.log_sd)), v.mean);
}

const RheoBaseType RheoBaseType_DiagonalNormal = {
    .name = "diagonal_normal",
    .summary = "normal, with trained mean and standard deviation",
    .reference = "-",
    .noise = RHEO_INPUT_NOISE_NORMAL,
    .log_prob = log_prob,
    .sample = sample,
};
