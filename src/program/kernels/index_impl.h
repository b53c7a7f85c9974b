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

/* Rows that are worked on together: an index is read once for all of them. */
enum { CHUNK = 64 };

static size_t chunk_end(size_t begin, size_t outer)
{
  return outer - begin < CHUNK ? outer : begin + CHUNK;
}

void NAME(gather)(size_t outer, size_t length, size_t inner, size_t n, const REAL *restrict x,
                  const REAL *restrict index, REAL *restrict out)
{
  for (size_t begin = 0; begin < outer; begin += CHUNK)
    for (size_t j = 0; j < n; j++) {
      const size_t from = place_of(index[j], length) * inner, end = chunk_end(begin, outer);
      if (inner == 1)
        for (size_t o = begin; o < end; o++) out[o * n + j] = x[o * length + from];
      else
        for (size_t o = begin; o < end; o++)
          for (size_t c = 0; c < inner; c++) out[(o * n + j) * inner + c] = x[o * length * inner + from + c];
    }
}

void NAME(scatter_add)(size_t outer, size_t size, size_t inner, size_t n, const REAL *restrict x,
                       const REAL *restrict index, REAL *restrict out)
{
  memset(out, 0, outer * size * inner * sizeof(REAL));
  for (size_t begin = 0; begin < outer; begin += CHUNK)
    for (size_t j = 0; j < n; j++) {
      const size_t to = place_of(index[j], size) * inner, end = chunk_end(begin, outer);
      if (inner == 1)
        for (size_t o = begin; o < end; o++) out[o * size + to] += x[o * n + j];
      else
        for (size_t o = begin; o < end; o++)
          for (size_t c = 0; c < inner; c++) out[o * size * inner + to + c] += x[(o * n + j) * inner + c];
    }
}
