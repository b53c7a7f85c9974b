#define RHEO_REAL_SINGLE 1
#include "tile_impl.h"
