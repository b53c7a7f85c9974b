#define RHEO_REAL_SINGLE 1
#define RHEO_VECTOR_BYTES 16
#include "product_impl.h"
