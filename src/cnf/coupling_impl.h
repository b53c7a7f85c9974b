/* Private to src/cnf: the table of couplings. */
#pragma once
#include "coupling.h"

#define RHEO_COUPLING_TYPE(Name) extern const RheoCouplingType RheoCouplingType_##Name;
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
