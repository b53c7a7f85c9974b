/* Reading and writing tensors whose elements do not lie one behind the other. */
#include "kernels.h"
#include "real.h"

/* Where element `begin` lies, and its index in each dimension. */
static int64_t walk_begin(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, int64_t *index)
{
  int64_t place = 0, rest = (int64_t)begin;
  for (int k = n_dim - 1; k >= 0; k--) {
    index[k] = rest % d[k];
    rest /= d[k];
    place += index[k] * stride[k];
  }
  return place;
}

/* From the end of a row to the beginning of the next. */
static int64_t walk_next_row(int n_dim, const int64_t *d, const int64_t *stride, int64_t *index)
{
  int64_t step = 0;
  for (int k = n_dim - 2; k >= 0; k--) {
    step += stride[k];
    if (++index[k] < d[k]) return step;
    step -= d[k] * stride[k];
    index[k] = 0;
  }
  return step;
}

static void row_read(size_t n, int64_t stride, const REAL *restrict x, REAL *restrict out)
{
  if (stride == 1)
    for (size_t i = 0; i < n; i++) out[i] = x[i];
  else if (stride == 0)
    for (size_t i = 0; i < n; i++) out[i] = x[0];
  else
    for (size_t i = 0; i < n; i++) out[i] = x[(int64_t)i * stride];
}

static void row_write(size_t n, int64_t stride, const REAL *restrict in, REAL *restrict x)
{
  if (stride == 1)
    for (size_t i = 0; i < n; i++) x[i] = in[i];
  else
    for (size_t i = 0; i < n; i++) x[(int64_t)i * stride] = in[i];
}

void NAME(walk_read)(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                     const REAL *x, REAL *out)
{
  int64_t index[8];
  int64_t place = walk_begin(n_dim, d, stride, begin, index);
  const int last = n_dim - 1;
  for (size_t done = 0; done < n;) {
    size_t row = (size_t)(d[last] - index[last]);
    if (row > n - done) row = n - done;
    row_read(row, stride[last], x + place, out + done);
    done += row;
    place += walk_next_row(n_dim, d, stride, index) - index[last] * stride[last];
    index[last] = 0;
  }
}

void NAME(walk_write)(int n_dim, const int64_t *d, const int64_t *stride, size_t begin, size_t n,
                      const REAL *in, REAL *x)
{
  int64_t index[8];
  int64_t place = walk_begin(n_dim, d, stride, begin, index);
  const int last = n_dim - 1;
  for (size_t done = 0; done < n;) {
    size_t row = (size_t)(d[last] - index[last]);
    if (row > n - done) row = n - done;
    row_write(row, stride[last], in + done, x + place);
    done += row;
    place += walk_next_row(n_dim, d, stride, index) - index[last] * stride[last];
    index[last] = 0;
  }
}
