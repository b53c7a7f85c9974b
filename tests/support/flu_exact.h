/* The exact posterior of inputs/flu/flu.yaml, by quadrature on a grid over (beta, gamma, log inv_phi). */
#pragma once
#include <stdint.h>

enum { FLU_EXACT_PARAMETERS = 3, FLU_EXACT_QUANTITIES = 6, FLU_EXACT_DAYS = 14 };

/* beta, gamma, inv_phi, phi, R0, recovery_time; the names of the deck. */
extern const char *const FluExactNames[FLU_EXACT_QUANTITIES];

typedef struct {
  double mean, sd, q025, median, q975;
} FluExactSummary;

typedef struct FluExact_ *FluExact;

/* points: per axis. Means and sds have five digits from 48 on; quantiles (0.01 sd) and draws (sd 0.3 % too large) want
 * 192, which takes 2.5 s. */
FluExact FluExactCreate(int points);
void FluExactDestroy(FluExact *exact);

FluExactSummary FluExactSummarize(FluExact exact, int quantity);

/* Exact draws of (beta, gamma, inv_phi): theta (n, 3). Continuous: from the multilinear interpolant of the density. */
void FluExactDraw(FluExact exact, uint64_t seed, int64_t n, double *theta);

/* Log of prior times likelihood up to a constant, with respect to (beta, gamma, inv_phi). */
double FluExactLogPosterior(const double *theta);

extern const double FluExactObservation[FLU_EXACT_DAYS];
