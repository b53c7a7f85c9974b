/* Private to src/cnf: the couplings of coupling_types.def. */
#pragma once
#include "coupling.h"

#define RHEO_COUPLING_TYPE(symbol, name) extern const RheoCouplingType RheoCouplingType_##symbol;
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
