#include "coupling_impl.h"

const RheoCouplingType *const RheoCouplingTypes[] = {
#define RHEO_COUPLING_TYPE(Name) &RheoCouplingType_##Name,
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
    NULL};
