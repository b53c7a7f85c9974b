/* Classifier two-sample test (Lopez-Paz & Oquab 2017), by the protocol of the sbi benchmark (Lueckmann et al.
 * 2021): both sets standardised by mean and sd of the first; a network of two hidden layers of 10 D ReLU
 * units, Adam (1e-3, batches of min(200, n)), L2 penalty 1e-4, until the training loss has not improved by
 * 1e-4 for more than 10 epochs; 5 folds; mean accuracy. 0.5 is perfect agreement. Of sets of
 * different size the first min(n_x, n_y) of each take part. Folds are shared out over ranks; the
 * result is the same for any number of them. Samples that are not finite are RHEO_ERR_INPUT. Collective. */
#pragma once
#include "../base/error.h"
#include <stdint.h>

PetscErrorCode RheoC2st(MPI_Comm comm, int d, int64_t n_x, const double *x, int64_t n_y, const double *y,
                        uint64_t seed, double *c2st);
