/* Sums, maxima and cumulative sums along the middle axis of (outer, length, inner).
 *
 * Long sums run in blocks of BLOCK terms whose sums are added up: the rounding error grows with length /
 * BLOCK + BLOCK instead of length. The order is a function of the sizes alone. */
#include "kernels.h"
#include "real.h"
#include <string.h>

enum { BLOCK = 64, LANES = RHEO_LANES, STRIP = 4 * RHEO_LANES };

/* A contiguous sum: LANES partial sums, then halves. */
static REAL row_block(size_t n, const REAL *x)
{
  REAL lane[LANES] = {0};
  const size_t whole = n - n % LANES;
  for (size_t i = 0; i < whole; i += LANES)
    for (int k = 0; k < LANES; k++) lane[k] += x[i + (size_t)k];
  for (size_t i = whole; i < n; i++) lane[i - whole] += x[i];
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int k = 0; k < width; k++) lane[k] += lane[k + width];
  return lane[0];
}

static REAL short_sum(size_t n, const REAL *x)
{
  REAL sum = x[0];
  for (size_t i = 1; i < n; i++) sum += x[i];
  return sum;
}

static REAL row_sum(size_t n, const REAL *x)
{
  const size_t block = (size_t)BLOCK * LANES;
  REAL sum = 0;
  for (size_t i = 0; i < n; i += block) sum += row_block(n - i < block ? n - i : block, x + i);
  return sum;
}

/* out[c] = sum over the rows of x[., c], for a strip of `width` columns with `inner` elements from row to row. Where the
 * width is a constant the partial sums stay in registers. */
static inline __attribute__((always_inline)) void strip_sum(size_t length, size_t inner, size_t width,
                                                            const REAL *restrict x, REAL *restrict out)
{
  REAL total[STRIP] = {0};
  for (size_t begin = 0; begin < length; begin += BLOCK) {
    const size_t end = length - begin < BLOCK ? length : begin + BLOCK;
    REAL block[STRIP] = {0};
    for (size_t r = begin; r < end; r++)
      for (size_t c = 0; c < width; c++) block[c] += x[r * inner + c];
    for (size_t c = 0; c < width; c++) total[c] += block[c];
  }
  for (size_t c = 0; c < width; c++) out[c] = total[c];
}

/* The last strip reaches back over columns of the one before. */
static inline __attribute__((always_inline)) void strips(size_t length, size_t inner, size_t width,
                                                         const REAL *x, REAL *out)
{
  for (size_t c = 0; c + width <= inner; c += width) strip_sum(length, inner, width, x + c, out + c);
  if (inner % width) strip_sum(length, inner, width, x + (inner - width), out + (inner - width));
}

static void column_sum(size_t length, size_t inner, const REAL *x, REAL *out)
{
  if (inner >= STRIP)
    strips(length, inner, STRIP, x, out);
  else if (inner >= STRIP / 2)
    strips(length, inner, STRIP / 2, x, out);
  else if (inner >= LANES)
    strips(length, inner, LANES, x, out);
  else
    strip_sum(length, inner, inner, x, out);
}

void NAME(sum)(size_t outer, size_t length, size_t inner, const REAL *x, REAL *out)
{
  for (size_t o = 0; o < outer; o++) {
    if (inner == 1)
      out[o] = length <= LANES ? short_sum(length, x + o * length) : row_sum(length, x + o * length);
    else
      column_sum(length, inner, x + o * length * inner, out + o * inner);
  }
}

void NAME(amax)(size_t outer, size_t length, size_t inner, const REAL *x, REAL *out)
{
  for (size_t o = 0; o < outer; o++) {
    const REAL *restrict from = x + o * length * inner;
    REAL *restrict to = out + o * inner;
    memcpy(to, from, inner * sizeof(REAL));
    for (size_t r = 1; r < length; r++)
      for (size_t c = 0; c < inner; c++) {
        const REAL a = to[c], b = from[r * inner + c];
        to[c] = a >= b || a != a ? a : b;
      }
  }
}

void NAME(cumsum)(size_t outer, size_t length, size_t inner, int reverse, const REAL *x, REAL *out)
{
  for (size_t o = 0; o < outer; o++) {
    const REAL *restrict from = x + o * length * inner;
    REAL *restrict to = out + o * length * inner;
    const size_t first = reverse ? length - 1 : 0;
    memcpy(to + first * inner, from + first * inner, inner * sizeof(REAL));
    for (size_t k = 1; k < length; k++) {
      const size_t r = reverse ? length - 1 - k : k, before = reverse ? r + 1 : r - 1;
      for (size_t c = 0; c < inner; c++) to[r * inner + c] = to[before * inner + c] + from[r * inner + c];
    }
  }
}
