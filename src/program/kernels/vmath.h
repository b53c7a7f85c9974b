/* Transcendental functions that the vectoriser may call several elements at a time.
 *
 * glibc brings vector versions (libmvec, at most 4 ulp off) but declares them only under -ffast-math, which
 * we do not want: NaN and infinity must come out as such. Declared here, GCC uses them in any loop that it
 * vectorises; the flags -fno-math-errno and -fno-trapping-math suffice. Elsewhere the scalar functions of
 * libm are called.
 *
 * A vector version and its scalar one may differ in the last bit. A loop whose results must not depend on
 * where an element stands runs over whole vectors: pad its arrays to a multiple of RHEO_LANES elements and
 * loop over the padding.
 */
#pragma once
#include <math.h>

enum { RHEO_LANES = 16 }; /* single elements of the widest vector; doubles have half of it */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 22)
#define RHEO_SIMD __attribute__((simd("notinbranch"), const, nothrow, leaf))
RHEO_SIMD float expf(float);
RHEO_SIMD double exp(double);
RHEO_SIMD float logf(float);
RHEO_SIMD double log(double);
RHEO_SIMD float sinf(float);
RHEO_SIMD double sin(double);
RHEO_SIMD float cosf(float);
RHEO_SIMD double cos(double);
RHEO_SIMD float powf(float, float);
RHEO_SIMD double pow(double, double);
#if __GLIBC_PREREQ(2, 35)
RHEO_SIMD float expm1f(float);
RHEO_SIMD double expm1(double);
RHEO_SIMD float log1pf(float);
RHEO_SIMD double log1p(double);
RHEO_SIMD float tanhf(float);
RHEO_SIMD double tanh(double);
RHEO_SIMD float erff(float);
RHEO_SIMD double erf(double);
#endif
#undef RHEO_SIMD
#endif
#endif
