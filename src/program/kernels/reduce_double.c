#define RHEO_REAL_SINGLE 0
#include "reduce_impl.h"
