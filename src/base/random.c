#include "random.h"
#include <Random123/philox.h>
#include <math.h>

/* The finaliser of splitmix64: a bijection of 64 bits in which every input bit moves half of the output bits.
 */
static uint64_t Mix(uint64_t x)
{
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* For one seed different purposes have different keys for certain, as every step is a bijection. */
RheoStream RheoStreamMake(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t index)
{
  uint64_t key = Mix(Mix(seed + UINT64_C(0x9e3779b97f4a7c15)) + purpose * UINT64_C(0xd1342543de82ef95));
  return (RheoStream){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                      .counter = {0, step, (uint32_t)index, (uint32_t)(index >> 32)},
                      .used = 4};
}

static void NextBlock(RheoStream *stream)
{
  philox4x32_ctr_t counter = {
      {stream->counter[0], stream->counter[1], stream->counter[2], stream->counter[3]}};
  philox4x32_key_t key = {{stream->key[0], stream->key[1]}};
  philox4x32_ctr_t words = philox4x32(counter, key);
  for (int i = 0; i < 4; ++i) stream->buffer[i] = words.v[i];
  ++stream->counter[0];
  stream->used = 0;
}

uint32_t RheoStreamBits(RheoStream *stream)
{
  if (stream->used == 4) NextBlock(stream);
  return stream->buffer[stream->used++];
}

static uint64_t Bits64(RheoStream *stream)
{
  uint64_t low = RheoStreamBits(stream);
  return low | (uint64_t)RheoStreamBits(stream) << 32;
}

/* The odd multiples of 2^-53: exact in double, symmetric about 1/2, and neither 0 nor 1 is among them. */
double RheoStreamUniform(RheoStream *stream)
{
  return (double)(2 * (Bits64(stream) >> 12) + 1) * 0x1p-53;
}

/* Box and Muller's pair; the second one waits in the stream. */
double RheoStreamNormal(RheoStream *stream)
{
  if (stream->has_spare) {
    stream->has_spare = 0;
    return stream->spare;
  }
  double radius = sqrt(-2 * log(RheoStreamUniform(stream))), angle = 2 * M_PI * RheoStreamUniform(stream);
  stream->spare = radius * sin(angle);
  stream->has_spare = 1;
  return radius * cos(angle);
}

__extension__ typedef unsigned __int128 Wide;

/* Lemire, ACM TOMACS 29 (2019): the high word of a product, with the few values rejected that would bias it.
 */
uint64_t RheoStreamInteger(RheoStream *stream, uint64_t n)
{
  Wide product = (Wide)Bits64(stream) * n;
  if ((uint64_t)product < n) {
    uint64_t threshold = -n % n;
    while ((uint64_t)product < threshold) product = (Wide)Bits64(stream) * n;
  }
  return (uint64_t)(product >> 64);
}

/* ---- GSL ---- */
typedef struct {
  RheoStream *stream;
} GslState;

static void GslSeed(void *state, unsigned long seed)
{
  (void)state; /* a stream is seeded when it is made */
  (void)seed;
}
static unsigned long GslBits(void *state)
{
  return RheoStreamBits(((GslState *)state)->stream);
}
static double GslUniform(void *state)
{
  return RheoStreamUniform(((GslState *)state)->stream);
}

static const gsl_rng_type gsl_type = {.name = "rheo",
                                      .max = 0xffffffffUL,
                                      .min = 0,
                                      .size = sizeof(GslState),
                                      .set = GslSeed,
                                      .get = GslBits,
                                      .get_double = GslUniform};

gsl_rng *RheoStreamGsl(RheoStream *stream)
{
  gsl_rng *rng = gsl_rng_alloc(&gsl_type);
  if (rng) RheoStreamGslSet(rng, stream);
  return rng;
}

void RheoStreamGslSet(gsl_rng *rng, RheoStream *stream)
{
  ((GslState *)rng->state)->stream = stream;
}

/* ---- Permutation ---- */
enum { ROUNDS = 12, LANES = 32 };

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
  for (int r = 0; r < ROUNDS; ++r) p.key[r] = Bits64(&stream);
  return p;
}

/* An unbalanced Feistel network on the smallest power of two that holds n: each round xors one part of the number with a
 * keyed hash of the other, so it can be undone and is a bijection. A round waits for the one before, so numbers go through side
 * by side. */
static void Network(const Permutation *p, int n, uint64_t *restrict x)
{
  for (int r = 0; r < ROUNDS; r += 2)
    for (int k = 0; k < n; ++k) {
      uint64_t low = x[k] & p->low_mask, high = x[k] >> p->low_bits;
      low ^= Mix(high * UINT64_C(0x9e3779b97f4a7c15) + p->key[r]) & p->low_mask;
      high ^= Mix(low * UINT64_C(0x9e3779b97f4a7c15) + p->key[r + 1]) & p->high_mask;
      x[k] = high << p->low_bits | low;
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
