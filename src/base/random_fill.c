/* Rows of single-precision noise, in groups of blocks that the compiler vectorises.
 *
 * Number 4b + j of row r comes from word j of block b of the stream of (seed, purpose, step, index[r]). All
 * arithmetic runs over whole groups of GROUP blocks, padded at the end, so that every number goes through the
 * same vector instructions wherever it stands in a batch: the C library's vector and scalar functions, which
 * differ in the last bit, are not used. */
#include "random.h"
#include <math.h>
#include <string.h>

enum { GROUP = 64 };

typedef struct {
  uint32_t word[4][GROUP];
} Words;

/* Philox4x32-10 (Salmon et al., SC 2011) on a group of counters. */
static void Philox(uint32_t key0, uint32_t key1, Words *w)
{
  uint32_t *restrict a = w->word[0], *restrict b = w->word[1], *restrict c = w->word[2],
                     *restrict d = w->word[3];
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < GROUP; ++i) {
      uint64_t p = (uint64_t)a[i] * 0xd2511f53u, q = (uint64_t)c[i] * 0xcd9e8d57u;
      uint32_t next_a = (uint32_t)(q >> 32) ^ b[i] ^ key0, next_c = (uint32_t)(p >> 32) ^ d[i] ^ key1;
      b[i] = (uint32_t)q;
      d[i] = (uint32_t)p;
      a[i] = next_a;
      c[i] = next_c;
    }
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
}

/* 23 bits and a half step: exact in float and never 0 or 1. */
static void Uniform(const Words *w, float (*restrict x)[GROUP])
{
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < GROUP; ++i) x[j][i] = ((float)(int32_t)(w->word[j][i] >> 9) + 0.5f) * 0x1p-23f;
  }
}

/* log(x) for 2^-32 <= x <= 1: the series of 2 atanh(s) with s = (m - 1)/(m + 1), m in [sqrt(1/2), sqrt(2)).
 */
static inline float Log(float x)
{
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  int32_t exponent = (bits - 0x3f3504f3) >> 23;
  bits -= exponent * (1 << 23); /* negative numbers must not be shifted */
  float m;
  memcpy(&m, &bits, sizeof m);
  float s = (m - 1) / (m + 1), t = s * s;
  float p = 2 + t * (2.f / 3 + t * (2.f / 5 + t * (2.f / 7 + t * (2.f / 9))));
  return (float)exponent * 0.693147180559945f + s * p;
}

/* sin(pi x/2) and cos(pi x/2) for |x| <= 1/2 by their Taylor series. */
static inline float Sin(float x)
{
  float t = x * x;
  return x * (1.5707963267949f +
              t * (-0.64596409750625f +
                   t * (0.079692626246167f + t * (-0.0046817541353187f + t * 0.00016044118478736f))));
}
static inline float Cos(float x)
{
  float t = x * x;
  return 1 + t * (-1.2337005501362f +
                  t * (0.25366950790105f +
                       t * (-0.020863480763353f + t * (0.00091926027483943f - t * 2.5202042373061e-05f))));
}

/* Box and Muller's pairs from words (0, 1) and (2, 3). The top two bits of the second word choose the
 * quadrant. */
static void Normal(const Words *w, float (*restrict x)[GROUP])
{
  for (int j = 0; j < 4; j += 2) {
    for (int i = 0; i < GROUP; ++i) {
      /* in (2^-33, 1]: two halves, since not every processor converts unsigned words */
      uint32_t u = w->word[j][i], v = w->word[j + 1][i];
      float fraction =
          ((float)(int32_t)(u >> 16) * 65536.f + ((float)(int32_t)(u & 0xffff) + 0.5f)) * 0x1p-32f;
      float radius = sqrtf(-2 * Log(fraction));
      float angle = ((float)(int32_t)(v << 2 >> 9) + 0.5f) * 0x1p-23f - 0.5f;
      float c = Cos(angle), s = Sin(angle);
      uint32_t swap = v >> 30 & 1, negative = v >> 31;
      float sign = 1 - 2 * (float)(int32_t)negative;
      x[j][i] = radius * sign * (swap ? -s : c);
      x[j + 1][i] = radius * sign * (swap ? c : s);
    }
  }
}

typedef void Transform(const Words *w, float (*restrict x)[GROUP]);

/* Blocks of rows in order of memory; where a group ends need not be where a row ends. */
static void Fill(Transform *transform, uint64_t seed, uint32_t purpose, uint32_t step, size_t n_rows,
                 const uint64_t *index, uint64_t first, size_t width, float *x)
{
  RheoStream stream = RheoStreamMake(seed, purpose, step, 0);
  size_t row_blocks = (width + 3) / 4, row = 0, block = 0;
  Words words = {{{0}}};
  float numbers[4][GROUP];
  while (row < n_rows && row_blocks) {
    size_t start_row = row, start_block = block;
    int n = 0;
    for (; n < GROUP && row < n_rows; ++n) {
      uint64_t sample = index ? index[row] : first + row;
      words.word[0][n] = (uint32_t)block;
      words.word[1][n] = step;
      words.word[2][n] = (uint32_t)sample;
      words.word[3][n] = (uint32_t)(sample >> 32);
      if (++block == row_blocks) {
        block = 0;
        ++row;
      }
    }
    Philox(stream.key[0], stream.key[1], &words);
    transform(&words, numbers);
    for (int i = 0; i < n; ++i) {
      float *to = x + start_row * width + 4 * start_block;
      size_t left = width - 4 * start_block;
      for (size_t j = 0; j < (left < 4 ? left : 4); ++j) to[j] = numbers[j][i];
      if (++start_block == row_blocks) {
        start_block = 0;
        ++start_row;
      }
    }
  }
}

void RheoStreamFillUniform(uint64_t seed, uint32_t purpose, uint32_t step, size_t n_rows,
                           const uint64_t *index, uint64_t first, size_t width, float *x)
{
  Fill(Uniform, seed, purpose, step, n_rows, index, first, width, x);
}

void RheoStreamFillNormal(uint64_t seed, uint32_t purpose, uint32_t step, size_t n_rows,
                          const uint64_t *index, uint64_t first, size_t width, float *x)
{
  Fill(Normal, seed, purpose, step, n_rows, index, first, width, x);
}
