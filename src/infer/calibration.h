/* Calibration: does the posterior mean what it says? From one set of draws come
 *   sbc        simulation-based calibration (Talts et al. 2018): ranks of the true parameter among posterior
 * samples are uniform for a calibrated posterior; chi-square and KS p-values, one histogram per parameter
 *   coverage   expected coverage of highest-density regions (Hermans et al. 2022): the share of simulations
 * whose true parameter lies in the region of nominal mass
 */
#pragma once
#include "posterior.h"

typedef struct {
  int simulations; /* N */
  int samples;     /* L posterior samples of each */
  int bins;        /* of the rank histogram; divides L + 1 */
} RheoCalibrationConfig;
extern const RheoKey RheoCalibrationKeys[]; /* section `check` */

typedef struct {
  int64_t n; /* simulations that were done */
  int d, samples, bins;
  double *rank;          /* (n, d) in 0..L */
  double *density;       /* (n) share of posterior samples of higher density than the true parameter */
  double *counts;        /* (d, bins) */
  double *chi2_p, *ks_p; /* (d) */
  int n_levels;
  double *nominal, *observed; /* (n_levels) */
  double coverage_error;      /* mean of |observed - nominal| */
  double coverage_ks_p;       /* KS of density against the uniform */
} RheoCalibration;

/* What can be calibrated: anything that samples theta given x and knows its density. Neither function communicates. */
typedef struct {
  void *context;
  int d, c;
  /* One sample theta (n, D) for each row of x (n, C), a pure function of (seed, index[i], x_i), and its log density (n). */
  PetscErrorCode (*sample)(void *context, int64_t n, const double *x, uint64_t seed, const uint64_t *index,
                           double *theta, double *log_prob);
  /* Log densities (n) of theta (n, D) given x (n, C); NaN where x has none. */
  PetscErrorCode (*log_prob)(void *context, int64_t n, const double *theta, const double *x,
                             double *log_prob);
} RheoConditional;
PetscErrorCode RheoCalibrateConditional(MPI_Comm comm, const RheoConditional *q, RheoPrior prior,
                                        RheoSimulator simulator, uint64_t seed,
                                        const RheoCalibrationConfig *config, RheoCalibration *calibration);

/* Fresh simulations from prior and simulator. Those that fail are left out, with a warning. Shared out over the ranks of comm; the result is the same for
 * any number of them and is on every rank. Collective. */
PetscErrorCode RheoCalibrate(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                             const RheoCalibrationConfig *config, RheoCalibration *calibration);
PetscErrorCode RheoCalibrationFree(RheoCalibration *calibration);

/* Posterior predictive check: data simulated from posterior samples theta (n, D) against the observation x
 * (C). quantile (5, C): 2.5, 25, 50, 75, 97.5 %; p (C): two-sided tail probability of the observed value.
 * Collective. */
PetscErrorCode RheoPredictive(MPI_Comm comm, RheoPosterior posterior, RheoSimulator simulator, uint64_t seed,
                              int64_t n, const double *theta, const double *x, double *quantile, double *p);
