#define RHEO_REAL_SINGLE 0
#include "walk_impl.h"
