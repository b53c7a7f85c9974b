/* Small continuous flows for tests: a field from a deck, with parameters that difference quotients can move exactly. */
#pragma once
#include "cnf/adjoint.h"

typedef struct {
  RheoCnf cnf;
  RheoParams params;
  float *values; /* (P): multiples of 2^-12 below 8, so that steps of that grain are exact in single */
  size_t n_values;
} CnfCase;

/* text: the section cnf of a deck; the parameters are those of "cnf". */
void CnfCaseCreate(const char *text, int n_features, int n_context, uint64_t seed, CnfCase *c);
void CnfCaseDestroy(CnfCase *c);
