/* y = (x - mean) / sd with the mean and standard deviation of the training data, which are kept with the
 * model and not trained. */
#include "../flow_impl.h"

static void forward(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                    RheoVal *log_det)
{
  (void)context;
  RheoMoments m = rx_moments(scope, t->n_features);
  *y = rx_standardize(m, x);
  *log_det = rx_same_for_rows(scope.program, rx_neg(rx_log(m.sd)));
}

static void inverse(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                    RheoVal *log_det)
{
  (void)context;
  RheoMoments m = rx_moments(scope, t->n_features);
  *x = rx_unstandardize(m, y);
  *log_det = rx_same_for_rows(scope.program, rx_log(m.sd));
}

static PetscErrorCode fit(const RheoTransform *t, RheoParams params, const char *prefix, const double *mean,
                          const double *sd, float *values)
{
  PetscFunctionBeginUser;
  PetscCall(RheoMomentsSet(params, prefix, t->n_features, mean, sd, values));
  PetscFunctionReturn(RHEO_OK);
}

const RheoTransformType RheoTransformType_Standardize = {
    .name = "standardize",
    .summary = "minus the mean, by the standard deviation of the training data; fixed",
    .reference = "-",
    .forward = forward,
    .inverse = inverse,
    .fit = fit,
};
