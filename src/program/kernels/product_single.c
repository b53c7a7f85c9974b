#define RHEO_REAL_SINGLE 1
#include "product_impl.h"
