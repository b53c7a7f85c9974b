/* Random programs over all primitive operations, for tests that compare two ways to run them. A program is a
 * pure function of its seed; every value is kept within a few units, away from the ends of domains, so that
 * nothing but derivatives grows and nothing is ever infinite or NaN. */
#pragma once
#include "program/program.h"

typedef enum {
  RANDOM_PLAIN = 0,
  RANDOM_DERIVATIVES =
      1, /* with VJPs, JVPs and gradients of all parameters, and operations on them, to any order */
  RANDOM_SMOOTH = 2, /* without steps, kinks and stops: differences are derivatives */
  RANDOM_FUSED = 4,  /* with fused operations */
} RandomProgramKind; /* flags */

enum { RANDOM_MAX_OUT = 12 };

typedef struct {
  RheoProgram program;
  RheoParams params;
  int n_out; /* 1 to RANDOM_MAX_OUT; some may be leaves, or the same value twice */
  RheoVal out[RANDOM_MAX_OUT];
  double *param; /* (P) their values, and those of the inputs; all fit into single precision */
  int n_in;
  double **in;
} RandomProgram;

RandomProgram random_program_make(uint64_t seed, int kind, int n_steps);
void random_program_free(RandomProgram *r);
