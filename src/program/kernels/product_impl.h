/* Matrix products for the sizes that small networks have, where a library's set-up costs as much as its
 * arithmetic.
 *
 * Blocking after Goto and van de Geijn (ACM TOMS 34, 2008): panels of B, two vectors wide and DEPTH deep, are
 * packed into scratch; ROWS rows of A, read where they lie, go over each panel with all of their results in
 * registers. The last panel is narrower, down to half a vector, and reaches back over columns of the one
 * before, so that only whole vectors are stored. The order of the sum over k is the same for every element of
 * C, wherever it stands.
 *
 * Vectors are GCC's; files compiled for one width of registers each include this one, and product.c chooses among them
 * when it runs. The order of a sum, and so its last bit, is the same for all of them but for fused multiply-add. */
#include "product.h"
#include "real.h"
#include <string.h>

#if RHEO_VECTOR_BYTES == 64
#define WIDE(g) NAME(g##_avx512)
enum { ROWS = 14 };
#elif RHEO_VECTOR_BYTES == 32
#define WIDE(g) NAME(g##_avx2)
enum { ROWS = 6 };
#else
#define WIDE(g) NAME(g##_plain)
enum { ROWS = 4 };
#endif
enum {
  BYTES = RHEO_VECTOR_BYTES,
  WIDTH = BYTES / (int)sizeof(REAL),
  HALF = WIDTH / 2,
  PANEL = 2 * WIDTH,
  DEPTH = 256,
  COLUMNS = 512
};

typedef REAL Vector __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef REAL HalfVector __attribute__((vector_size(BYTES / 2), aligned(sizeof(REAL)), may_alias));

#include "product_few_impl.h"

/* ---- Packing ---- */

/* How wide the panel that holds these columns is: a whole number of half vectors. */
static int panel_width(int columns)
{
  return columns >= PANEL ? PANEL : (columns + HALF - 1) / HALF * HALF;
}

static inline __attribute__((always_inline)) void copy_rows(int depth, size_t width, const REAL *restrict b,
                                                            size_t ldb, REAL *restrict to)
{
  for (int k = 0; k < depth; k++) memcpy(to + (size_t)k * width, b + (size_t)k * ldb, width * sizeof(REAL));
}

/* b (depth, columns) -> to (depth, width), columns <= width */
static void pack_rows(int depth, int columns, int width, const REAL *restrict b, size_t ldb,
                      REAL *restrict to)
{
  if (columns == PANEL && width == PANEL)
    copy_rows(depth, PANEL, b, ldb, to);
  else if (columns == 3 * HALF && width == 3 * HALF)
    copy_rows(depth, 3 * HALF, b, ldb, to);
  else if (columns == WIDTH && width == WIDTH)
    copy_rows(depth, WIDTH, b, ldb, to);
  else if (columns == HALF && width == HALF)
    copy_rows(depth, HALF, b, ldb, to);
  else
    for (int k = 0; k < depth; k++)
      for (int j = 0; j < width; j++) to[k * width + j] = j < columns ? b[(size_t)k * ldb + (size_t)j] : 0;
}

enum { SQUARE = 4 };
typedef REAL Four __attribute__((vector_size(SQUARE * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

/* Four columns of b, transposed in registers. */
static inline void transpose(const REAL *restrict b, size_t ldb, REAL *restrict to, size_t width)
{
  const Four x0 = *(const Four *)b, x1 = *(const Four *)(b + ldb), x2 = *(const Four *)(b + 2 * ldb),
             x3 = *(const Four *)(b + 3 * ldb);
  const Four a0 = __builtin_shufflevector(x0, x1, 0, 4, 1, 5),
             a1 = __builtin_shufflevector(x0, x1, 2, 6, 3, 7);
  const Four b0 = __builtin_shufflevector(x2, x3, 0, 4, 1, 5),
             b1 = __builtin_shufflevector(x2, x3, 2, 6, 3, 7);
  *(Four *)to = __builtin_shufflevector(a0, b0, 0, 1, 4, 5);
  *(Four *)(to + width) = __builtin_shufflevector(a0, b0, 2, 3, 6, 7);
  *(Four *)(to + 2 * width) = __builtin_shufflevector(a1, b1, 0, 1, 4, 5);
  *(Four *)(to + 3 * width) = __builtin_shufflevector(a1, b1, 2, 3, 6, 7);
}

/* b (columns, depth) -> to (depth, width), columns <= width */
static void pack_columns(int depth, int columns, int width, const REAL *restrict b, size_t ldb,
                         REAL *restrict to)
{
  const int whole = depth - depth % SQUARE;
  int j = 0;
  for (; j + SQUARE <= columns; j += SQUARE) {
    const REAL *from = b + (size_t)j * ldb;
    for (int k = 0; k < whole; k += SQUARE) transpose(from + k, ldb, to + k * width + j, (size_t)width);
    for (int k = whole; k < depth; k++)
      for (int r = 0; r < SQUARE; r++) to[k * width + j + r] = from[(size_t)r * ldb + (size_t)k];
  }
  for (; j < width; j++)
    for (int k = 0; k < depth; k++) to[k * width + j] = j < columns ? b[(size_t)j * ldb + (size_t)k] : 0;
}

/* ---- The innermost block: `rows` by `wide` vectors and `half` half vectors, all constants where it is
 * called ---- */

typedef struct {
  int depth, width, accumulate;
  size_t lda, ldc;
  const char *ahead; /* memory that will be wanted soon, fetched line by line: one for each k */
  size_t ahead_step;
  const REAL *a, *b;
  REAL *c;
} Block;

static inline __attribute__((always_inline)) void block(int rows, int wide, int half, int transposed,
                                                        const Block *it)
{
  Vector sum[ROWS][2];
  HalfVector rest[ROWS];
  const size_t step_row = transposed ? 1 : it->lda, step_k = transposed ? it->lda : 1, ldc = it->ldc;
  const int depth = it->depth;
  const REAL *a = it->a, *b = it->b;
  const char *ahead = it->ahead;
  REAL *c = it->c;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    sum[r][0] = sum[r][1] = (Vector){0};
    rest[r] = (HalfVector){0};
  }
  if (it->accumulate) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
      for (int v = 0; v < wide; v++) sum[r][v] = *(const Vector *)(c + (size_t)r * ldc + v * WIDTH);
      if (half) rest[r] = *(const HalfVector *)(c + (size_t)r * ldc + wide * WIDTH);
    }
  }
  for (int k = 0; k < depth; k++) {
    Vector x[2];
    HalfVector y = {0};
    if (transposed)
      __builtin_prefetch(ahead, 0, 2); /* into the second level of cache */
    else
      __builtin_prefetch(ahead, 0, 3);
    ahead += it->ahead_step;
#pragma GCC unroll 2
    for (int v = 0; v < wide; v++) x[v] = *(const Vector *)(b + v * WIDTH);
    if (half) y = *(const HalfVector *)(b + wide * WIDTH);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      const REAL s = a[(size_t)r * step_row];
#pragma GCC unroll 2
      for (int v = 0; v < wide; v++) sum[r][v] += s * x[v];
      if (half) rest[r] += s * y;
    }
    a += step_k;
    b += wide * WIDTH + half * HALF;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < wide; v++) *(Vector *)(c + (size_t)r * ldc + v * WIDTH) = sum[r][v];
    if (half) *(HalfVector *)(c + (size_t)r * ldc + wide * WIDTH) = rest[r];
  }
}

static inline __attribute__((always_inline)) void block_rows(int rows, int transposed, const Block *it)
{
  switch (it->width / HALF) {
  case 1:
    block(rows, 0, 1, transposed, it);
    break;
  case 2:
    block(rows, 1, 0, transposed, it);
    break;
  case 3:
    block(rows, 1, 1, transposed, it);
    break;
  default:
    block(rows, 2, 0, transposed, it);
    break;
  }
}

static __attribute__((noinline)) void block_most(int transposed, const Block *it)
{
  if (transposed)
    block_rows(ROWS, 1, it);
  else
    block_rows(ROWS, 0, it);
}

static __attribute__((noinline)) void block_almost(int transposed, const Block *it)
{
  if (transposed)
    block_rows(ROWS - 1, 1, it);
  else
    block_rows(ROWS - 1, 0, it);
}

/* What is left of the rows, in blocks of 8, 4, 2 and 1. */
static __attribute__((noinline)) void block_few(int rows, int transposed, const Block *it)
{
  switch (2 * rows + transposed) {
#if RHEO_VECTOR_BYTES == 64
  case 16:
    block_rows(8, 0, it);
    break;
  case 17:
    block_rows(8, 1, it);
    break;
#endif
  case 8:
    block_rows(4, 0, it);
    break;
  case 9:
    block_rows(4, 1, it);
    break;
  case 4:
    block_rows(2, 0, it);
    break;
  case 5:
    block_rows(2, 1, it);
    break;
  case 2:
    block_rows(1, 0, it);
    break;
  default:
    block_rows(1, 1, it);
    break;
  }
}

static void block_any(int rows, int transposed, const Block *it)
{
  if (rows == ROWS)
    block_most(transposed, it);
  else if (rows == ROWS - 1)
    block_almost(transposed, it);
  else
    block_few(rows, transposed, it);
}

/* A panel that is wider than all of C goes through a block of its own. */
static void block_narrow(int rows, int transposed, int columns, Block it)
{
  REAL own[ROWS * PANEL], *c = it.c;
  const size_t width = (size_t)it.width, ldc = it.ldc;
  if (it.accumulate)
    for (int r = 0; r < rows; r++)
      for (size_t j = 0; j < width; j++)
        own[(size_t)r * width + j] = j < (size_t)columns ? c[(size_t)r * ldc + j] : 0;
  it.c = own;
  it.ldc = width;
  block_any(rows, transposed, &it);
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < columns; j++) c[(size_t)r * ldc + (size_t)j] = own[(size_t)r * width + (size_t)j];
}

/* A panel that reaches back over columns which the one before has added to: they are put back. Zeros in their place in B would
 * do too, but for infinities in A. */
static void block_back(int rows, int transposed, int back, const Block *it)
{
  REAL own[ROWS * PANEL];
  for (int r = 0; r < rows; r++)
    memcpy(own + r * PANEL, it->c + (size_t)r * it->ldc, (size_t)back * sizeof(REAL));
  block_any(rows, transposed, it);
  for (int r = 0; r < rows; r++)
    memcpy(it->c + (size_t)r * it->ldc, own + r * PANEL, (size_t)back * sizeof(REAL));
}

/* ---- All rows over all panels ---- */

typedef struct {
  int m, n, depth, accumulate;
  const REAL *panels;
  REAL *c, *own_a;
  size_t ldc;
  const char *next[2]; /* A and B of the next range of k, and their lengths in cache lines */
  size_t next_lines[2];
} Sweep;

/* Where blocks of ROWS and of one less make up all rows there is no small, slow one at the end. */
static int rows_of_block(int left)
{
  const int blocks = (left + ROWS - 1) / ROWS;
  int rows = ROWS;
  if (blocks * (ROWS - 1) <= left) return (left + blocks - 1) / blocks;
  if (left < ROWS)
    for (rows = ROWS > 8 ? 8 : 4; rows > left;) rows /= 2;
  return rows;
}

/* The first column of a panel: the last one reaches back. */
static int panel_begin(int panel, int n)
{
  const int begin = panel * PANEL, width = panel_width(n - begin);
  return begin + width > n && n >= width ? n - width : begin;
}

enum { LINE = 64 };

/* What a block should fetch while it computes, a line for each k: hardware does not foresee these ways through memory,
 * and batches of thousands of rows do not stay in cache. Where A is stored by rows it is the rows of A, then those of
 * C, for the block below; where A is stored by columns the product is a sum over the batch, and it is the next range
 * of k. done: blocks before this one. */
static void look_ahead(int transposed, int panel, int rows, size_t done, const Sweep *s, Block *it)
{
  const size_t line = done * (size_t)s->depth, bytes_c = (size_t)rows * s->ldc * sizeof(REAL);
  it->ahead = (const char *)it->a;
  it->ahead_step = 0;
  if (transposed && line < s->next_lines[0]) {
    it->ahead = s->next[0] + line * LINE;
    it->ahead_step = LINE;
  } else if (transposed && line < s->next_lines[0] + s->next_lines[1]) {
    it->ahead = s->next[1] + (line - s->next_lines[0]) * LINE;
    it->ahead_step = LINE;
  } else if (!transposed && panel == 0) {
    it->ahead += (size_t)rows * it->lda * sizeof(REAL);
    it->ahead_step = LINE;
  } else if (!transposed && (size_t)(panel - 1) * (size_t)s->depth * LINE < bytes_c) {
    it->ahead =
        (const char *)(it->c - panel * PANEL) + bytes_c + (size_t)(panel - 1) * (size_t)s->depth * LINE;
    it->ahead_step = LINE;
  }
}

static void sweep(int ta, const REAL *a, size_t lda, const Sweep *s)
{
  /* Rows of A that would fall on each other in the cache are brought together. */
  const int collides = !ta && lda * sizeof(REAL) % 2048 == 0 && s->n > PANEL;
  size_t done = 0;
  for (int i = 0, rows; i < s->m; i += rows) {
    rows = rows_of_block(s->m - i);
    Block it = {.depth = s->depth, .lda = lda, .ldc = s->ldc, .a = a + (ta ? (size_t)i : (size_t)i * lda)};
    it.accumulate = s->accumulate;
    if (collides) {
      pack_columns(s->depth, rows, rows, it.a, lda, s->own_a);
      it.a = s->own_a;
      it.lda = (size_t)rows;
    }
    for (int p = 0; p * PANEL < s->n; p++) {
      const int begin = panel_begin(p, s->n);
      it.width = panel_width(s->n - p * PANEL);
      it.b = s->panels + (size_t)p * PANEL * (size_t)s->depth;
      it.c = s->c + (size_t)i * s->ldc + begin;
      look_ahead(ta || collides, p, rows, done++, s, &it);
      if (it.width > s->n)
        block_narrow(rows, ta || collides, s->n, it);
      else if (s->accumulate && begin < p * PANEL)
        block_back(rows, ta || collides, p * PANEL - begin, &it);
      else
        block_any(rows, ta || collides, &it);
    }
  }
}

static void pack(int tb, int depth, int n, const REAL *b, size_t ldb, REAL *panels)
{
  for (int p = 0; p * PANEL < n; p++) {
    const int width = panel_width(n - p * PANEL), begin = panel_begin(p, n);
    const int columns = width < n ? width : n;
    REAL *to = panels + (size_t)p * PANEL * (size_t)depth;
    if (tb)
      pack_columns(depth, columns, width, b + (size_t)begin * ldb, ldb, to);
    else
      pack_rows(depth, columns, width, b + begin, ldb, to);
  }
}

size_t WIDE(product_scratch)(int n, int k)
{
  const size_t depth = k < DEPTH ? (size_t)k : DEPTH, columns = n < COLUMNS ? (size_t)(n + PANEL) : COLUMNS;
  return depth * (columns + ROWS);
}

void WIDE(product)(int ta, int tb, int m, int n, int k, const REAL *a, int lda, const REAL *b, int ldb,
                   int accumulate, REAL *c, int ldc, REAL *scratch)
{
  if (is_few_rows(ta, tb, m, n, k, accumulate)) {
    few_rows(m, n, k, a, (size_t)lda, b, (size_t)ldb, c, (size_t)ldc);
    return;
  }
  if (is_few_columns(ta, tb, m, n)) {
    few_columns(m, n, k, a, (size_t)lda, b, (size_t)ldb, accumulate, c, (size_t)ldc);
    return;
  }
  for (int j = 0; j < n; j += COLUMNS)
    for (int p = 0; p < k; p += DEPTH) {
      Sweep s = {.m = m, .panels = scratch, .c = c + j, .ldc = (size_t)ldc, .accumulate = accumulate || p};
      s.depth = k - p < DEPTH ? k - p : DEPTH;
      s.n = n - j < COLUMNS ? n - j : COLUMNS;
      s.own_a = scratch + WIDE(product_scratch)(n, k) - (size_t)s.depth * ROWS;
      pack(tb, s.depth, s.n,
           b + (tb ? (size_t)j * (size_t)ldb + (size_t)p : (size_t)p * (size_t)ldb + (size_t)j), (size_t)ldb,
           scratch);
      if (ta && !tb && p + s.depth < k) {
        s.next[0] = (const char *)(a + (size_t)(p + s.depth) * (size_t)lda);
        s.next[1] = (const char *)(b + (size_t)(p + s.depth) * (size_t)ldb);
        s.next_lines[0] = (size_t)s.depth * (size_t)lda * sizeof(REAL) / LINE;
        s.next_lines[1] = (size_t)s.depth * (size_t)ldb * sizeof(REAL) / LINE;
      }
      sweep(ta, a + (ta ? (size_t)p * (size_t)lda : (size_t)p), (size_t)lda, &s);
    }
}
