/* Means and standard deviations that are kept with the model and not trained: how data come to zero mean and unit width. */
#pragma once
#include "../program/program.h"

typedef struct {
  RheoVal mean, sd; /* (n), 0 and 1 until they are set */
} RheoMoments;
RheoMoments rx_moments(RheoScope scope, int n); /* frozen parameters scope.mean and scope.sd */
RheoVal rx_standardize(RheoMoments m, RheoVal x);
RheoVal rx_unstandardize(RheoMoments m, RheoVal z);

/* Sets prefix.mean and prefix.sd, which must have been named. Not collective. */
PetscErrorCode RheoMomentsSet(RheoParams params, const char *prefix, int n, const double *mean,
                              const double *sd, float *values);

/* Mean and standard deviation of rows, updated row by row in their order, so that they do not depend on blocks
 * (Welford 1962). Create, Add, Finish, read mean and sd (width), Destroy. Not collective. */
typedef struct {
  int width;
  int64_t n;
  double *mean, *sd;
} RheoMomentSums;
PetscErrorCode RheoMomentSumsCreate(int width, RheoMomentSums *sums);
PetscErrorCode RheoMomentSumsDestroy(RheoMomentSums *sums);
void RheoMomentSumsAdd(RheoMomentSums *sums, int64_t n, const float *x); /* x (n, width) */
void RheoMomentSumsFinish(RheoMomentSums *sums);                         /* a constant column gets sd 1 */
