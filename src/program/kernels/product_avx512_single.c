#if defined __x86_64__
#define RHEO_REAL_SINGLE 1
#define RHEO_VECTOR_BYTES 64
#include "product_impl.h"
#else
typedef int product_of_another_processor; /* a translation unit may not be empty */
#endif
