/* Figures through gnuplot. Each call writes DIR/figures/NAME.dat (or several), NAME.gp, a script that draws
 * it and that users can restyle, and runs gnuplot on it for NAME.png. Without gnuplot the script and data
 * stay, with a warning. One style for all (style.gp). Rank 0 of comm works; collective on comm so that errors
 * are known to all. Labels are gnuplot enhanced text: `_` begins a subscript, `{/Symbol b}` is a beta. */
#pragma once
#include "../base/deck.h"
#include <stdint.h>

/* A label that shows plain text, such as a name with underscores, as it is. Interned. Not collective. */
const char *RheoPlotText(const char *plain);

/* Corner plot: histograms on the diagonal with median and 68 % interval in the title, below it density with
 * contours that hold 39.3 % and 86.5 % (1 and 2 sigma in two dimensions). samples (n, D) row-major; truth (D)
 * or NULL, NaN entries are left out; other (n_other, D) or NULL: a second set drawn as lines, with names for
 * the legend. */
typedef struct {
  const char *label, *other_label, *title;
  int64_t n, n_other;
  int d;
  const double *samples, *other, *truth;
  const char *const *labels; /* (d) */
} RheoCorner;
PetscErrorCode RheoPlotCorner(MPI_Comm comm, const char *directory, const char *name,
                              const RheoCorner *corner);

/* Training and validation loss against epochs; the best epoch is marked. */
PetscErrorCode RheoPlotLoss(MPI_Comm comm, const char *directory, const char *name, int64_t n,
                            const double *epoch, const double *train, const double *validation);

/* SBC: one rank histogram per quantity, counts (d, bins), with the band that holds 99 % of the bars of a
 * calibrated posterior (binomial), and the p-value in the title. */
PetscErrorCode RheoPlotSbc(MPI_Comm comm, const char *directory, const char *name, int d, int bins, int64_t n,
                           const double *counts, const char *const *labels, const double *p_value);

/* Expected against nominal coverage with the band of 2 standard deviations. nominal, observed (n_levels). */
PetscErrorCode RheoPlotCoverage(MPI_Comm comm, const char *directory, const char *name, int n_levels,
                                const double *nominal, const double *observed, int64_t n);

/* Posterior predictive: 50 % and 95 % bands and median over the places x (c), with the observation as points.
 * quantile (5, c): 2.5, 25, 50, 75, 97.5 %. */
PetscErrorCode RheoPlotPredictive(MPI_Comm comm, const char *directory, const char *name, int c,
                                  const double *x, const double *quantile, const double *observation,
                                  const char *x_label, const char *y_label);
