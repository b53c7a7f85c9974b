#define RHEO_REAL_SINGLE 1
#include "index_impl.h"
