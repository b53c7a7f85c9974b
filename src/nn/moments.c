#include "moments.h"
#include <math.h>

RheoMoments rx_moments(RheoScope scope, int n)
{
  const RheoInit mean = {.kind = RHEO_INIT_ZERO, .frozen = 1};
  const RheoInit sd = {.kind = RHEO_INIT_FILL, .a = 1, .frozen = 1};
  return (RheoMoments){rx_scope_param(scope, "mean", RX_SHAPE(n), mean),
                       rx_scope_param(scope, "sd", RX_SHAPE(n), sd)};
}

RheoVal rx_standardize(RheoMoments m, RheoVal x)
{
  return rx_div(rx_sub(x, m.mean), m.sd);
}

RheoVal rx_unstandardize(RheoMoments m, RheoVal z)
{
  return rx_add(rx_mul(z, m.sd), m.mean);
}

PetscErrorCode RheoMomentsSet(RheoParams params, const char *prefix, int n, const double *mean,
                              const double *sd, float *values)
{
  float *to_mean, *to_sd;
  PetscFunctionBeginUser;
  PetscCall(RheoParamsFindValues(params, prefix, "mean", n, values, &to_mean));
  PetscCall(RheoParamsFindValues(params, prefix, "sd", n, values, &to_sd));
  for (int d = 0; d < n; d++) {
    to_mean[d] = (float)mean[d];
    to_sd[d] = (float)sd[d];
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoMomentSumsCreate(int width, RheoMomentSums *sums)
{
  PetscFunctionBeginUser;
  *sums = (RheoMomentSums){.width = width};
  PetscCall(PetscCalloc1(2 * (size_t)width, &sums->mean));
  sums->sd = sums->mean + width;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoMomentSumsDestroy(RheoMomentSums *sums)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree(sums->mean));
  *sums = (RheoMomentSums){0};
  PetscFunctionReturn(RHEO_OK);
}

/* Until Finish, sd holds the sum of squared deviations. */
void RheoMomentSumsAdd(RheoMomentSums *sums, int64_t n, const float *x)
{
  for (int64_t r = 0; r < n; r++, x += sums->width) {
    const double weight = 1. / (double)++sums->n;
    for (int d = 0; d < sums->width; d++) {
      const double off = x[d] - sums->mean[d];
      sums->mean[d] += weight * off;
      sums->sd[d] += off * (x[d] - sums->mean[d]);
    }
  }
}

void RheoMomentSumsFinish(RheoMomentSums *sums)
{
  for (int d = 0; d < sums->width; d++) {
    const double sd = sqrt(sums->sd[d] / (double)sums->n);
    sums->sd[d] = isfinite(sd) && sd > 1e-6 * fabs(sums->mean[d]) && sd > 0 ? sd : 1;
    if (!isfinite(sums->mean[d])) sums->mean[d] = 0;
  }
}
