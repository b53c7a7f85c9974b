/* Couplings: which source sample goes with which data sample, within a batch.
 *
 * A coupling is one file under impls/ and one line in coupling_types.def. It is a pure function of the batch and of a
 * stream, so that any rank may compute it and all get the same.
 */
#pragma once
#include "../base/deck.h"
#include "../base/random.h"

typedef struct {
  int64_t n;            /* rows */
  int d, c;             /* features, width of the condition (0: none) */
  const float *x0, *x1; /* (n, D) source, data; in field coordinates */
  const float *y;       /* (n, C) condition of row i of the data; NULL where c is 0 */
  double sigma;         /* the diffusion of the path where it is a Schroedinger bridge; 0 where it is none */
} RheoPairs;

enum { RHEO_ADVICE = 256 };

typedef struct {
  const char *name, *summary, *reference;
  const RheoKey *keys; /* section cnf.<name>; NULL for none */
  size_t size;         /* of config */
  int couples;         /* 0: rows stay as they are and need no batch */
  int n_weights;       /* 1: also gives a weight per row (mean 1) */
  int needs_condition; /* 1: c may not be 0 */
  /* REQUIRED where couples or n_weights. source[i] (n) is the row of x0 that row i of x1 goes with; weight (n). */
  PetscErrorCode (*pair)(const void *config, RheoStream *stream, const RheoPairs *pairs, int32_t *source,
                         float *weight);
  /* OPTIONAL. A warning for the user before training, without line end, or "". Of pairs it looks at d, c and sigma, and, where n is
   * not 0, at y, of rows to train on. */
  void (*advise)(const void *config, const RheoPairs *pairs, char text[RHEO_ADVICE]);
} RheoCouplingType;
extern const RheoCouplingType
    *const RheoCouplingTypes[]; /* NULL at the end: independent, exact, sinkhorn, c2ot, ... */
