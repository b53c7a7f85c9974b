#define RHEO_REAL_SINGLE 0
#include "tile_impl.h"
