/* Element-wise kernels over a tile: one loop for each line of tile.def. */
#include "kernels.h"
#include "real.h"

#define TILE(symbol, expression)                                                                             \
  void NAME(tile_##symbol)(size_t n, const REAL *xs, const REAL *ys, const REAL *zs, REAL *out)              \
  {                                                                                                          \
    const size_t whole = n & ~(size_t)(RHEO_LANES - 1);                                                      \
    _Pragma("omp simd") for (size_t i = 0; i < whole; i++)                                                   \
    {                                                                                                        \
      const REAL x = xs[i], y = ys[i], z = zs[i];                                                            \
      (void)y, (void)z;                                                                                      \
      out[i] = expression;                                                                                   \
    }                                                                                                        \
  }
#include "tile.def"
#undef TILE
