/* y = e^s x + b, trained, and started so that the first data come out with mean 0 and standard deviation 1
 * (Kingma and Dhariwal 2018). */
#include "../flow_impl.h"
#include <math.h>

typedef struct {
  RheoVal log_scale, shift;
} Values;

static Values values_of(RheoScope scope, int n)
{
  const RheoInit init = {.kind = RHEO_INIT_ZERO, .no_decay = 1};
  return (Values){rx_scope_param(scope, "log_scale", RX_SHAPE(n), init),
                  rx_scope_param(scope, "shift", RX_SHAPE(n), init)};
}

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  (void)context;
  Values v = values_of(scope, t->n_features);
  *y = rx_add(rx_mul(x, rx_exp(v.log_scale)), v.shift);
  *log_det = rx_same_for_rows(scope.program, v.log_scale);
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  (void)context;
  Values v = values_of(scope, t->n_features);
  *x = rx_mul(rx_sub(y, v.shift), rx_exp(rx_neg(v.log_scale)));
  *log_det = rx_same_for_rows(scope.program, rx_neg(v.log_scale));
}

static PetscErrorCode fit(const RheoTransform *t, RheoParams params, const char *prefix, const double *mean,
                          const double *sd, float *values)
{
  float *log_scale, *shift;
  PetscFunctionBeginUser;
  PetscCall(RheoParamsFindValues(params, prefix, "log_scale", t->n_features, values, &log_scale));
  PetscCall(RheoParamsFindValues(params, prefix, "shift", t->n_features, values, &shift));
  for (int d = 0; d < t->n_features; d++) {
    log_scale[d] = (float)-log(sd[d]);
    shift[d] = (float)(-mean[d] / sd[d]);
  }
  PetscFunctionReturn(RHEO_OK);
}

const RheoTransformType RheoTransformType_ActNorm = {
    .name = "actnorm",
    .summary = "a scale and a shift for each feature, started from the data",
    .reference = "Kingma and Dhariwal 2018",
    .forward = forward,
    .inverse = inverse,
    .fit = fit,
};
