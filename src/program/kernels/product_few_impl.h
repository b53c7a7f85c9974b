/* Products with few rows, or few columns, in C: straight from the larger factor, since packing it would be most of the work.
 * Sums run as in blocks, so that the bits are those of a product with many. Part of product_impl.h. */

/* One row c = a B (+ start, unless NULL) of `wide` vectors and perhaps a half one, constants where it is called; the last one
 * ends with the columns. a[k * step] is the factor of row k of B. */
static inline __attribute__((always_inline)) void line(int wide, int half, int depth, int columns,
                                                       const REAL *a, size_t step, const REAL *b, size_t ldb,
                                                       const REAL *start, REAL *c)
{
  Vector sum[4];
  HalfVector rest = {0};
  const int last = columns - (half ? HALF : WIDTH);
#pragma GCC unroll 4
  for (int v = 0; v < wide; v++) {
    sum[v] = (Vector){0};
    if (start) sum[v] = *(const Vector *)(start + (v == wide - 1 && !half ? last : v * WIDTH));
  }
  if (half && start) rest = *(const HalfVector *)(start + last);
  for (int k = 0; k < depth; k++) {
    const REAL s = a[(size_t)k * step];
#pragma GCC unroll 4
    for (int v = 0; v < wide; v++)
      sum[v] += s * *(const Vector *)(b + (v == wide - 1 && !half ? last : v * WIDTH));
    if (half) rest += s * *(const HalfVector *)(b + last);
    b += ldb;
  }
#pragma GCC unroll 4
  for (int v = 0; v < wide; v++) *(Vector *)(c + (v == wide - 1 && !half ? last : v * WIDTH)) = sum[v];
  if (half) *(HalfVector *)(c + last) = rest;
}

/* At most LONG vectors of columns, the last of which may reach back. */
static void line_any(int depth, int columns, const REAL *a, size_t step, const REAL *b, size_t ldb,
                     const REAL *start, REAL *c)
{
  const int rest = columns % WIDTH, half = rest > 0 && rest <= HALF;
  switch (2 * (columns / WIDTH + (rest > HALF)) + half) {
  case 8:
    line(4, 0, depth, columns, a, step, b, ldb, start, c);
    break;
  case 7:
    line(3, 1, depth, columns, a, step, b, ldb, start, c);
    break;
  case 6:
    line(3, 0, depth, columns, a, step, b, ldb, start, c);
    break;
  case 5:
    line(2, 1, depth, columns, a, step, b, ldb, start, c);
    break;
  case 4:
    line(2, 0, depth, columns, a, step, b, ldb, start, c);
    break;
  case 3:
    line(1, 1, depth, columns, a, step, b, ldb, start, c);
    break;
  case 2:
    line(1, 0, depth, columns, a, step, b, ldb, start, c);
    break;
  default:
    line(0, 1, depth, columns, a, step, b, ldb, start, c);
    break;
  }
}

enum { FEW = 4, LONG = 4 * WIDTH };

/* How many of the columns that are left go next, and where they begin: the last ones reach back over what is there already. */
static int next_columns(int done, int n, int *begin)
{
  const int left = n - done;
  *begin = left < HALF ? n - HALF : done;
  if (left < WIDTH) return HALF;
  if (left > LONG && left < LONG + WIDTH) return LONG / 2;
  return left < LONG ? left : LONG;
}

/* Whether half a vector lies within B, and C is written, not added to. */
static int is_few_rows(int ta, int tb, int m, int n, int k, int accumulate)
{
  return m <= FEW && !ta && !tb && !accumulate && n >= HALF && k <= DEPTH;
}

static void few_rows(int m, int n, int k, const REAL *a, size_t lda, const REAL *b, size_t ldb, REAL *c,
                     size_t ldc)
{
  for (int i = 0; i < m; i++)
    for (int j = 0, begin, columns; j < n; j = begin + columns) {
      columns = next_columns(j, n, &begin);
      line_any(k, columns, a + (size_t)i * lda, 1, b + begin, ldb, NULL, c + (size_t)i * ldc + begin);
    }
}

/* The gradient of a layer with few outputs, a sum over the batch: rows of A and of B lie there as they come. */
static int is_few_columns(int ta, int tb, int m, int n)
{
  return n <= FEW && ta && !tb && m >= HALF;
}

/* C^T = B^T A, a column of C after the other. */
static void few_columns(int m, int n, int k, const REAL *a, size_t lda, const REAL *b, size_t ldb,
                        int accumulate, REAL *c, size_t ldc)
{
  REAL column[LONG];
  for (int j = 0; j < n; j++)
    for (int i = 0, begin, rows; i < m; i = begin + rows) {
      rows = next_columns(i, m, &begin);
      const int written = i - begin; /* by the rows before */
      if (accumulate)
        for (int r = 0; r < rows; r++) column[r] = c[(size_t)(begin + r) * ldc + (size_t)j];
      line_any(k, rows, b + j, ldb, a + begin, lda, accumulate ? column : NULL, column);
      for (int r = written; r < rows; r++) c[(size_t)(begin + r) * ldc + (size_t)j] = column[r];
    }
}
