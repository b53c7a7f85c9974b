#define RHEO_REAL_SINGLE 0
#include "product_impl.h"
