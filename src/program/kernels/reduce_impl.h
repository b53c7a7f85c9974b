/* Sums, maxima and cumulative sums along the middle axis of (outer, length, inner).
 *
 * Long sums run in blocks of BLOCK terms whose sums are added up: the rounding error grows with length /
 * BLOCK + BLOCK instead of length. The order is a function of the sizes alone. */
#include "kernels.h"
#include "real.h"
#include <string.h>

enum { BLOCK = 64, LANES = RHEO_LANES, COLUMNS = 64 };

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

static REAL row_sum(size_t n, const REAL *x)
{
  const size_t block = (size_t)BLOCK * LANES;
  REAL sum = 0;
  for (size_t i = 0; i < n; i += block) sum += row_block(n - i < block ? n - i : block, x + i);
  return sum;
}

/* out[c] = sum over the rows of x[., c], for `columns` columns with `inner` elements from row to row. */
static void column_sum(size_t length, size_t inner, size_t columns, const REAL *restrict x,
                       REAL *restrict out)
{
  REAL block[COLUMNS];
  for (size_t c = 0; c < columns; c++) out[c] = 0;
  for (size_t begin = 0; begin < length; begin += BLOCK) {
    const size_t end = length - begin < BLOCK ? length : begin + BLOCK;
    for (size_t c = 0; c < columns; c++) block[c] = 0;
    for (size_t r = begin; r < end; r++) {
      const REAL *restrict row = x + r * inner;
      for (size_t c = 0; c < columns; c++) block[c] += row[c];
    }
    for (size_t c = 0; c < columns; c++) out[c] += block[c];
  }
}

void NAME(sum)(size_t outer, size_t length, size_t inner, const REAL *x, REAL *out)
{
  if (inner == 1) {
    for (size_t o = 0; o < outer; o++) out[o] = row_sum(length, x + o * length);
    return;
  }
  for (size_t o = 0; o < outer; o++)
    for (size_t c = 0; c < inner; c += COLUMNS)
      column_sum(length, inner, inner - c < COLUMNS ? inner - c : COLUMNS, x + o * length * inner + c,
                 out + o * inner + c);
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
