/* Optimal assignment and entropic optimal transport between two sets of equal size. Pure functions, in double. */
#pragma once
#include "../base/error.h"
#include <stdint.h>

/* cost (n0, n1), row-major: squared Euclidean distances of x0 (n0, D) and x1 (n1, D). */
void RheoSquaredDistances(int64_t n0, int64_t n1, int d, const float *x0, const float *x1, double *cost);

/* The permutation of least total cost: row i goes with column[i]; *total may be NULL. Shortest augmenting paths (Jonker &
 * Volgenant 1987; Crouse 2016), O(n^3). A cost that is not finite is RHEO_ERR_INPUT. Not collective. */
PetscErrorCode RheoAssign(int64_t n, const double *cost, int32_t *column, double *total);

typedef struct {
  double regularisation; /* epsilon of epsilon KL(plan | independent), in units of the cost */
  double tolerance;      /* on the marginals, L1 */
  int most;              /* iterations at most */
} RheoSinkhornConfig;
/* Log-domain Sinkhorn for uniform marginals (Cuturi 2013; Peyre & Cuturi 2019): log_plan (n, n), rows sum to 1/n. Tells how
 * many iterations it took and the error that was reached. Not collective. */
PetscErrorCode RheoSinkhorn(int64_t n, const double *cost, const RheoSinkhornConfig *config, double *log_plan,
                            int *iterations, double *error);
