#include "coupling_impl.h"

const RheoCouplingType *const RheoCouplingTypes[] = {
#define RHEO_COUPLING_TYPE(symbol, name) &RheoCouplingType_##symbol,
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
    NULL};
