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

/* Small multiples over one axis, in two columns: panels of up to two curves each. What lies at marks (n_marks) is divided by a
 * dashed line in every panel; so are the curves, which do not run on across it. */
typedef struct {
  const char *label;                /* of the panel's own axis, with the unit */
  const char *curve[2];             /* names for a legend; NULL: none. The second one may be absent */
  const double *value[2];           /* (n) each, NaN left out; NULL: no such curve */
  PetscBool logarithmic, from_zero; /* its scale: the former only where values differ by a factor of 20 */
} RheoPanel;
typedef struct {
  const char *x_label;
  int64_t n, n_marks;
  const double *x, *mark; /* (n), (n_marks), ascending */
  int n_panels;
  const RheoPanel *panel; /* (n_panels) */
} RheoMultiples;
PetscErrorCode RheoPlotMultiples(MPI_Comm comm, const char *directory, const char *name,
                                 const RheoMultiples *multiples);

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

/* Where things lie in the plane. range: lower and upper end of x, then of y. */
typedef struct {
  double x[2], y[2];
} RheoPlane;

/* A square of one scale in both directions that holds all but a few stray points of the n sets, with a margin. set[i] (count[i],
 * d), of which the first two coordinates count. Points that are not finite are left out. Not collective. */
RheoPlane RheoPlaneOf(int n, const int64_t *count, const double *const *set, int d);

/* Transport in four panels: the source; the paths of some points from source (orange) to data (blue), both within `plane`; samples
 * and, beside them, data, within `close`. All (., d), of which the first two coordinates are drawn. path (n_times, n_paths, d);
 * without paths (n_paths 0) there is no such panel. */
typedef struct {
  const char *title, *source_label;
  RheoPlane plane, close;
  int d;
  int64_t n_source, n_target, n_samples, n_paths, n_times;
  const double *source, *target, *samples, *path;
} RheoPaths;
PetscErrorCode RheoPlotPaths(MPI_Comm comm, const char *directory, const char *name, const RheoPaths *paths);

/* A density over the plane as an image: log_prob (n, n), rows from the lower end of y upwards; exact (n, n) or NULL is drawn
 * beside it in the same colours. Where the density is above its largest value times 1e-4, colours follow its square root. */
typedef struct {
  const char *title;
  RheoPlane plane;
  int n;
  const double *log_prob, *exact;
} RheoDensityImage;
PetscErrorCode RheoPlotDensity(MPI_Comm comm, const char *directory, const char *name,
                               const RheoDensityImage *image);
