#include "random_impl.h"
#include <Random123/philox.h>
#include <math.h>

/* For one seed different purposes have different keys for certain, as every step is a bijection. */
RheoStream RheoStreamMake(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t index)
{
  uint64_t key =
      RheoMix(RheoMix(seed + UINT64_C(0x9e3779b97f4a7c15)) + purpose * UINT64_C(0xd1342543de82ef95));
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

uint64_t RheoStreamBits64(RheoStream *stream)
{
  uint64_t low = RheoStreamBits(stream);
  return low | (uint64_t)RheoStreamBits(stream) << 32;
}

/* The odd multiples of 2^-53: exact in double, symmetric about 1/2, and neither 0 nor 1 is among them. */
double RheoStreamUniform(RheoStream *stream)
{
  return (double)(2 * (RheoStreamBits64(stream) >> 12) + 1) * 0x1p-53;
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
  Wide product = (Wide)RheoStreamBits64(stream) * n;
  if ((uint64_t)product < n) {
    uint64_t threshold = -n % n;
    while ((uint64_t)product < threshold) product = (Wide)RheoStreamBits64(stream) * n;
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
