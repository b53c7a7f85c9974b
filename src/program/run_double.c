#define RHEO_REAL_SINGLE 0
#include "run_impl.h"
