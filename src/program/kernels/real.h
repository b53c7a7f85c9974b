/* Kernels are written once, in terms of REAL, NAME(g) and MATH(g), and compiled twice: x_single.c and
 * x_double.c set RHEO_REAL_SINGLE to 1 or 0 before they include x_impl.h. */
#include "vmath.h"
#include <stddef.h>
#include <stdint.h>

#if RHEO_REAL_SINGLE
#define REAL float
#define NAME(g) g##_single
#define MATH(g) g##f
#else
#define REAL double
#define NAME(g) g##_double
#define MATH(g) g
#endif
