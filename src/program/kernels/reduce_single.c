#define RHEO_REAL_SINGLE 1
#include "reduce_impl.h"
