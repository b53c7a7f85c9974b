/* Private to src/objective. */
#pragma once
#include "objective.h"

#define RHEO_OBJECTIVE_TYPE(Name) extern const RheoObjectiveType RheoObjectiveType_##Name;
#include "objective_types.def"
#undef RHEO_OBJECTIVE_TYPE
