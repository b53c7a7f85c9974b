/* The naive twin of compile and run: the nodes of a program one by one, as they were built, in double, each in memory
 * of its own, with plain loops. */
#pragma once
#include "program/program_impl.h"

typedef enum {
  INTERPRET_KERNELS,  /* fused operations by their kernel in double */
  INTERPRET_EXPANDED, /* fused operations by their expansion into primitives, all the way down */
} InterpretMode;

typedef struct Interpretation_ *Interpretation;

/* Computes what out[0..n_out-1] need. params (P); in[i] the i-th input, NULL where nothing needs it. */
Interpretation interpret(RheoProgram program, InterpretMode mode, const double *params,
                         const double *const *in, int n_out, const RheoVal *out);
const double *interpreted(Interpretation result, RheoVal x); /* of out, or of anything they need */
void interpretation_free(Interpretation result);

/* One value: the whole of the above, into y. */
void interpret_value(RheoVal out, InterpretMode mode, const double *params, const double *const *in,
                     double *y);
