#include "posterior_impl.h"

#define RHEO_ESTIMATOR(symbol, name) extern const RheoEstimatorType RheoEstimatorType_##symbol;
#include "estimator_types.def"
#undef RHEO_ESTIMATOR

const RheoEstimatorType *const RheoEstimatorTypes[] = {
#define RHEO_ESTIMATOR(symbol, name) &RheoEstimatorType_##symbol,
#include "estimator_types.def"
#undef RHEO_ESTIMATOR
    NULL};
