/* Optimal assignment and entropic optimal transport between two sets of equal size. Pure functions, in double. */
#pragma once
#include "../base/error.h"
#include <stdint.h>

/* cost (n0, n1), row-major: squared Euclidean distances of x0 (n0, D) and x1 (n1, D). */
void RheoSquaredDistances(int64_t n0, int64_t n1, int d, const float *x0, const float *x1, double *cost);

/* The permutation of least total cost: row i goes with column[i]; *total may be NULL. An auction with falling stakes
 * (Bertsekas 1988) in single precision finds prices, shortest augmenting paths (Jonker & Volgenant 1987; Crouse 2016) from
 * there give the optimum in double, which does not depend on how good the prices were. O(n^3) at worst. Where several
 * permutations are optimal it is always the same one. A cost that is not finite is RHEO_ERR_INPUT; costs may be of any size
 * that can be added up. Not collective. */
PetscErrorCode RheoAssign(int64_t n, const double *cost, int32_t *column, double *total);

/* The same for squared Euclidean distances of x0, x1 (n, D), row i of x0 going with row column[i] of x1. Up to
 * RHEO_ASSIGN_STORED dimensions a row of distances is worked out when it is needed, and memory is O(n); beyond, all are
 * kept: 12 n^2 bytes. 10 000 points in 2-D take a few seconds. Not collective. */
enum { RHEO_ASSIGN_STORED = 8 };
PetscErrorCode RheoAssignPoints(int64_t n, int d, const double *x0, const double *x1, int32_t *column,
                                double *total);

typedef struct {
  double regularisation; /* epsilon of epsilon KL(plan | independent), in units of the cost */
  double tolerance;      /* on the marginals, L1 */
  int most;              /* iterations at most */
} RheoSinkhornConfig;
/* Log-domain Sinkhorn for uniform marginals, over-relaxed (Cuturi 2013; Peyre & Cuturi 2019; Thibault et al. 2021): plan (n, n),
 * rows sum to 1/n. Tells how many iterations it took and the error that was reached, in the columns. Not collective. */
PetscErrorCode RheoSinkhorn(int64_t n, const double *cost, const RheoSinkhornConfig *config, double *plan,
                            int *iterations, double *error);
