/* How far apart two samples are: x (n0, D) and y (n1, D), row-major.
 *
 * Every function but RheoPathEnergyExcess is collective on comm and gives the same number on any number of ranks: each row
 * of a double sum is one rank's, and rows are added in order. All ranks hold both samples. Samples that are empty or not
 * finite are RHEO_ERR_INPUT.
 */
#pragma once
#include "../base/error.h"
#include <stdint.h>

/* W2, the root of the least mean squared distance over all ways to pair x and y, by an exact assignment; n0 = n1 = n. Every
 * rank computes it. 10 000 points in 2-D take some seconds and no matrix; above RHEO_ASSIGN_STORED dimensions (assignment.h)
 * 12 n^2 bytes. */
PetscErrorCode RheoWasserstein(MPI_Comm comm, int d, int64_t n, const double *x, const double *y, double *w2);

/* Sliced W2: the root of the mean, over `directions` uniform on the sphere, of the squared W2 between the projections, which
 * in one dimension sorting gives exactly (Bonneel et al. 2015). Between a sample and its shift by s it is near |s| /
 * sqrt(D). Directions are a function of (seed, their number). */
PetscErrorCode RheoSlicedWasserstein(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1,
                                     const double *y, int directions, uint64_t seed, double *w2);

/* The squared maximum mean discrepancy for the kernel exp(-|x - y|^2 / (2 h^2)), without bias, so that it may be negative
 * (Gretton et al., JMLR 13, 2012, eq. 3). bandwidth: h; 0: the median distance of the two samples together (of 1000 rows of
 * each at most, evenly spaced). n0, n1 >= 2. */
PetscErrorCode RheoMmd(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1, const double *y,
                       double bandwidth, double *mmd2);

/* 2 E|x - y| - E|x - x'| - E|y - y'|, without bias, so that it may be negative (Szekely & Rizzo 2013). n0, n1 >= 2. */
PetscErrorCode RheoEnergyDistance(MPI_Comm comm, int d, int64_t n0, const double *x, int64_t n1,
                                  const double *y, double *energy);

/* Normalised path energy |energy - w2^2| / w2^2, where energy is the mean over samples of the integral of |v|^2 dt along
 * their paths: 0 for dynamic optimal transport (Tong et al., TMLR 2024, section 5). Not collective. */
double RheoPathEnergyExcess(double energy, double w2);
