#define RHEO_REAL_SINGLE 0
#define RHEO_VECTOR_BYTES 16
#include "product_impl.h"
