/* Counter-based random streams (Random123, Philox4x32-10; Salmon et al., SC 2011).
 *
 * A draw is a pure function of (seed, purpose, step, index): no state is stored, sent, or derived from a rank, so a
 * result does not depend on the number of ranks, threads or batches. A stream is a value on the caller's stack.
 */
#pragma once
#include <gsl/gsl_rng.h>
#include <petscsys.h>
#include <stdint.h>

typedef struct {
  uint32_t key[2];     /* seed and purpose */
  uint32_t counter[4]; /* block, step, index low, index high */
  uint32_t buffer[4];
  int used;     /* words of the buffer already given out */
  double spare; /* second normal of a Box-Muller pair */
  int has_spare;
} RheoStream;

/* What a stream is for; part of the key, so that two purposes never share numbers. Never renumber. */
typedef enum {
  RHEO_STREAM_INIT = 1,  /* initial parameters: index = parameter */
  RHEO_STREAM_PRIOR = 2, /* step 0, index = simulation */
  RHEO_STREAM_SIMULATE = 3,
  RHEO_STREAM_SPLIT = 4, /* training and validation */
  RHEO_STREAM_EPOCH = 5, /* order of an epoch */
  RHEO_STREAM_NOISE =
      6, /* dropout and the like: step = optimiser step, index = sample; + noise id, see program.h */
  RHEO_STREAM_SAMPLE = 7, /* sampling from a model: index = sample */
  RHEO_STREAM_CHECK = 8,  /* diagnostics */
  RHEO_STREAM_MCMC = 9,
  RHEO_STREAM_TEST = 10,
  RHEO_STREAM_COUPLE = 11, /* batch stages: step = first step of the group, index = sample */
  RHEO_STREAM_DATA = 13,   /* toy data sets: step = which set, index = row */
} RheoStreamPurpose;

RheoStream RheoStreamMake(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t index);
uint32_t RheoStreamBits(RheoStream *stream);
double RheoStreamUniform(RheoStream *stream); /* in (0, 1), never the ends; 53 bits */
double RheoStreamNormal(RheoStream *stream);
uint64_t RheoStreamInteger(RheoStream *stream, uint64_t n); /* uniform on 0..n-1, without bias */

/* Rows of noise: row r is filled from the stream of index[r] (or first + r where index is NULL). x (n_rows, width). */
void RheoStreamFillUniform(uint64_t seed, uint32_t purpose, uint32_t step, size_t n_rows,
                           const uint64_t *index, uint64_t first, size_t width, float *x);
void RheoStreamFillNormal(uint64_t seed, uint32_t purpose, uint32_t step, size_t n_rows,
                          const uint64_t *index, uint64_t first, size_t width, float *x);

/* A stream seen as a GSL generator, so that GSL's distributions draw from it. The generator borrows the stream and
 * is freed with gsl_rng_free. */
gsl_rng *RheoStreamGsl(RheoStream *stream);
void RheoStreamGslSet(gsl_rng *rng, RheoStream *stream); /* point an existing one at another stream */

/* Keyed permutation of 0..n-1 (a Feistel network with cycle walking): where position i of an epoch comes from.
 * Needs no table and no communication. Deterministic; inverse not needed. A position that is not below n is a mistake of ours and
 * ends the job: there is nothing that could be returned, and the walk would have no end. */
uint64_t RheoPermute(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, uint64_t i);
/* i (count): positions, replaced; an order of magnitude faster than one by one. */
void RheoPermuteRows(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, size_t count, uint64_t *i);
/* out (count): of the positions first, first + 1, ... */
void RheoPermuteRange(uint64_t seed, uint32_t purpose, uint32_t step, uint64_t n, uint64_t first,
                      size_t count, uint64_t *out);
