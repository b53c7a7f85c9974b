/* Gather and scatter-add along the middle axis of (outer, length, inner). Indices are whole numbers held as
 * reals. */
#include "kernels.h"
#include "real.h"
#include <string.h>

static size_t place_of(REAL index, size_t length)
{
  if (!(index > 0)) return 0;
  return index >= (REAL)length ? length - 1 : (size_t)index;
}

void NAME(gather)(size_t outer, size_t length, size_t inner, size_t n, const REAL *x, const REAL *index,
                  REAL *out)
{
  for (size_t o = 0; o < outer; o++)
    for (size_t j = 0; j < n; j++) {
      const REAL *restrict from = x + (o * length + place_of(index[j], length)) * inner;
      REAL *restrict to = out + (o * n + j) * inner;
      for (size_t c = 0; c < inner; c++) to[c] = from[c];
    }
}

void NAME(scatter_add)(size_t outer, size_t size, size_t inner, size_t n, const REAL *x, const REAL *index,
                       REAL *out)
{
  memset(out, 0, outer * size * inner * sizeof(REAL));
  for (size_t o = 0; o < outer; o++)
    for (size_t j = 0; j < n; j++) {
      const REAL *restrict from = x + (o * n + j) * inner;
      REAL *restrict to = out + (o * size + place_of(index[j], size)) * inner;
      for (size_t c = 0; c < inner; c++) to[c] += from[c];
    }
}
