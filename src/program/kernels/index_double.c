#define RHEO_REAL_SINGLE 0
#include "index_impl.h"
