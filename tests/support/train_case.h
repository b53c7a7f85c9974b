/* Small trainings for tests: rows made from a formula and objectives written here. */
#pragma once
#include "train/train.h"

/* Columns "x" (B, I) and "y" (B, 1). Frozen parameters "shift" (I), "gain" (I) standardise x. */
extern const RheoObjectiveType CaseLinear;  /* (y - x w - b)^2 / 2; parameters "weight" (I, 1), "bias" (1) */
extern const RheoObjectiveType CaseMlp;     /* the same with a tanh layer of 16, with dropout in training */
extern const RheoObjectiveType CasePoisson; /* exp(f) - y f with f = x w + b: overflows where f is large */
extern const RheoObjectiveType CaseNoisy;   /* CaseLinear with noise in the loss, in validation too */

typedef struct {
  RheoParams params;
  float *values, *start; /* (P) */
  RheoRows rows;
  float *x, *y, *weight;
  RheoTrainer trainer;
} TrainCase;

/* Rows x normal, y = 1 + x . (1, -2, 3, ...) / 2 + noise; all by seed and row. The trainer is complete up to
 * its configuration; weighted: rows have weights 0.5, 1, 1.5, ... in turn. */
void TrainCaseCreate(MPI_Comm comm, const RheoObjectiveType *type, int64_t n, int width, int weighted,
                     TrainCase *c);
void TrainCaseDestroy(TrainCase *c);

/* Of parameters, optimiser state, history and reason of the last Run. Collective. */
uint64_t TrainCaseChecksum(const TrainCase *c);

/* The place of an element of a parameter. */
size_t TrainCasePlace(const TrainCase *c, const char *name, size_t i);
