/* The other precision, see single.h. */
#include "../kernels/vmath.h"
#include <tgmath.h>
#undef REAL
#undef NAMED
#define REAL double
#define NAMED(function) function##_double
