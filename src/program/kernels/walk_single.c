#define RHEO_REAL_SINGLE 1
#include "walk_impl.h"
