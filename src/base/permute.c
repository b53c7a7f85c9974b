/* Keyed permutations, many positions at once: a kernel, in loops that the compiler vectorises. */
#include "random_impl.h"

enum { ROUNDS = 12, LANES = 256 };

typedef struct {
  uint64_t n, key[ROUNDS], low_mask, high_mask;
  int low_bits;
} Permutation;

static Permutation MakePermutation(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n)
{
  Permutation p = {.n = n};
  int bits = 1;
  while (bits < 64 && (UINT64_C(1) << bits) < n) ++bits;
  p.low_bits = (bits + 1) / 2;
  p.low_mask = (UINT64_C(1) << p.low_bits) - 1;
  p.high_mask = (UINT64_C(1) << (bits - p.low_bits)) - 1;
  RheoStream stream = RheoStreamMake(seed, purpose, step, n);
  for (int r = 0; r < ROUNDS; ++r) p.key[r] = RheoStreamBits64(&stream);
  return p;
}

/* An unbalanced Feistel network on the smallest power of two that holds n: each round xors one part of the number with a
 * keyed hash of the other, so it can be undone and is a bijection. A round waits for the one before, so numbers go through side
 * by side. */
static void Network(const Permutation *p, int n, uint64_t *restrict x)
{
  for (int r = 0; r < ROUNDS; r += 2) {
#pragma omp simd
    for (int k = 0; k < n; ++k) {
      uint64_t low = x[k] & p->low_mask, high = x[k] >> p->low_bits;
      low ^= RheoMix(high * UINT64_C(0x9e3779b97f4a7c15) + p->key[r]) & p->low_mask;
      high ^= RheoMix(low * UINT64_C(0x9e3779b97f4a7c15) + p->key[r + 1]) & p->high_mask;
      x[k] = high << p->low_bits | low;
    }
  }
}

/* Each number is walked along its cycle until it lands below n: fewer than two steps on average. One that the network does not
 * know would stay above n for ever. */
static void Permute(const Permutation *p, int n, uint64_t *x)
{
  uint64_t walking[LANES];
  int place[LANES], left = n;
  for (int k = 0; k < n; ++k) {
    walking[k] = x[k];
    place[k] = k;
  }
  while (left) {
    int still = 0;
    Network(p, left, walking);
    for (int k = 0; k < left; ++k) {
      x[place[k]] = walking[k]; /* what is not below n yet is written again */
      walking[still] = walking[k];
      place[still] = place[k];
      still += walking[k] >= p->n;
    }
    left = still;
  }
}

uint64_t RheoPermute(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, uint64_t i)
{
  RheoPermuteRows(seed, purpose, step, n, 1, &i);
  return i;
}

void RheoPermuteRows(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, size_t count, uint64_t *i)
{
  uint64_t largest = 0;
  for (size_t k = 0; k < count; ++k) largest = i[k] > largest ? i[k] : largest;
  if (PetscUnlikely(count && largest >= n))
    SETERRABORT(PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "position %llu of a permutation of %llu",
                (unsigned long long)largest, (unsigned long long)n);
  const Permutation permutation = MakePermutation(seed, purpose, step, n);
  for (size_t k = 0; k < count; k += LANES)
    Permute(&permutation, (int)(count - k < LANES ? count - k : LANES), i + k);
}

void RheoPermuteRange(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, uint64_t first,
                      size_t count, uint64_t *out)
{
  for (size_t k = 0; k < count; ++k) out[k] = first + k;
  RheoPermuteRows(seed, purpose, step, n, count, out);
}
