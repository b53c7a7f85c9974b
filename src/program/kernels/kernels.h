/* The kernels' declarations, for both precisions. Sizes are elements; arrays do not overlap unless a line
 * says so. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* An element-wise operation on n elements, n a multiple of RHEO_LANES; out may be one of the arguments. */
typedef void (*tile_function_single)(size_t n, const float *x, const float *y, const float *z, float *out);
typedef void (*tile_function_double)(size_t n, const double *x, const double *y, const double *z,
                                     double *out);
#define TILE(symbol, expression)                                                                             \
  void tile_##symbol##_single(size_t n, const float *x, const float *y, const float *z, float *out);         \
  void tile_##symbol##_double(size_t n, const double *x, const double *y, const double *z, double *out);
#include "tile.def"
#undef TILE

/* out[e] = x[place of element begin + e], e < n, walking over d[0..n_dim-1] with these strides. */
void walk_read_single(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                      const float *x, float *out);
void walk_read_double(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                      const double *x, double *out);
/* The reverse: x[place of element begin + e] = in[e]. */
void walk_write_single(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                       const float *in, float *x);
void walk_write_double(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                       const double *in, double *x);

/* x (outer, length, inner) -> out (outer, inner). Sums run in blocks, in an order that the sizes fix. */
void sum_single(size_t outer, size_t length, size_t inner, const float *x, float *out);
void sum_double(size_t outer, size_t length, size_t inner, const double *x, double *out);
void amax_single(size_t outer, size_t length, size_t inner, const float *x, float *out);
void amax_double(size_t outer, size_t length, size_t inner, const double *x, double *out);
/* x and out (outer, length, inner) */
void cumsum_single(size_t outer, size_t length, size_t inner, int reverse, const float *x, float *out);
void cumsum_double(size_t outer, size_t length, size_t inner, int reverse, const double *x, double *out);
/* x (outer, length, inner), index (n) -> out (outer, n, inner); an index outside is taken to the nearest. */
void gather_single(size_t outer, size_t length, size_t inner, size_t n, const float *x, const float *index,
                   float *out);
void gather_double(size_t outer, size_t length, size_t inner, size_t n, const double *x, const double *index,
                   double *out);
/* x (outer, n, inner), index (n) -> out (outer, size, inner) */
void scatter_add_single(size_t outer, size_t size, size_t inner, size_t n, const float *x, const float *index,
                        float *out);
void scatter_add_double(size_t outer, size_t size, size_t inner, size_t n, const double *x,
                        const double *index, double *out);
