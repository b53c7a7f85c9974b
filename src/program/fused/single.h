/* Kernels are written once, in a .inc file that is included after this header and after double.h: REAL is the
 * precision, NAMED(f) the name of a function in it, and the functions of <tgmath.h> follow. Meant to be
 * included more than once. */
#include "../kernels/vmath.h"
#include <tgmath.h>
#undef REAL
#undef NAMED
#define REAL float
#define NAMED(function) function##_single
