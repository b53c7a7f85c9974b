/* Private to src/cnf: the couplings of coupling_types.def. */
#pragma once
#include "coupling.h"

#define RHEO_COUPLING_TYPE(Name) extern const RheoCouplingType RheoCouplingType_##Name;
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
