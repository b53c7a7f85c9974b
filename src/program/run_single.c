#define RHEO_REAL_SINGLE 1
#include "run_impl.h"
