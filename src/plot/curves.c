/* Figures of curves and bands: losses, calibration, coverage, predictive check. */
#include "plot_impl.h"
#include <gsl/gsl_cdf.h>
#include <math.h>

PetscErrorCode RheoPlotLoss(MPI_Comm comm, const char *directory, const char *name, int64_t n,
                            const double *epoch, const double *train, const double *validation)
{
  Figure figure;
  int64_t best = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, 860, 560, &figure));
  if (figure.script) {
    double lower = INFINITY, upper = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      fprintf(figure.data, "%.10g %.8g %.8g\n", epoch[i], train[i], validation[i]);
      if (validation[i] < validation[best]) best = i;
      /* The first epochs would hide all that follows. */
      if (i >= n / 20) {
        if (isfinite(train[i])) lower = fmin(lower, train[i]), upper = fmax(upper, train[i]);
        if (isfinite(validation[i])) lower = fmin(lower, validation[i]), upper = fmax(upper, validation[i]);
      }
    }
    if (upper > lower)
      fprintf(figure.script, "set yrange [%.8g:%.8g]\n", lower - 0.06 * (upper - lower),
              upper + 0.12 * (upper - lower));
    if (n && isfinite(validation[best]))
      fprintf(figure.script,
              "set arrow from %.10g, graph 0 to %.10g, graph 1 nohead ls 3\nset label \"best\" at %.10g, "
              "graph 0.95 %s\n",
              epoch[best], epoch[best], epoch[best], 2 * best < n ? "offset 0.7,0" : "right offset -0.7,0");
    if (n)
      fprintf(figure.script, "set xrange [%.10g:%.10g]\nset xtics %.10g\n", epoch[0] - 0.5,
              epoch[n - 1] + 0.5, fmax(1, RheoTicStep(epoch[0] - 0.5, epoch[n - 1] + 0.5, 8)));
    /* Few epochs, few points: a line alone would not show a single one. */
    const char *with = n < 30 ? "linespoints" : "lines", *points = n < 30 ? "pt 7 ps 0.7" : "";
    fprintf(figure.script,
            "set xlabel 'epoch'\nset ylabel 'loss per sample (nats)'\nset key outside top center horizontal\n"
            "plot '%s.dat' using 1:2 with %s ls 1 %s title 'training', '' using 1:3 with %s ls 2 %s title "
            "'validation'\n",
            name, with, points, with, points);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlotSbc(MPI_Comm comm, const char *directory, const char *name, int d, int bins, int64_t n,
                           const double *counts, const char *const *labels, const double *p_value)
{
  const int rows = (d + 3) / 4, columns = (d + rows - 1) / rows;
  const double expected = (double)n / bins;
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, PetscMax(460, 330 * columns), 60 + 280 * rows, &figure));
  if (figure.script) {
    /* A bar of a calibrated posterior is binomial(n, 1/bins); 99 % of bars lie within the band. */
    double lower = 0, upper = expected;
    while (gsl_cdf_binomial_P((unsigned)lower, 1.0 / bins, (unsigned)n) < 0.005) lower++;
    while (gsl_cdf_binomial_P((unsigned)upper, 1.0 / bins, (unsigned)n) < 0.995) upper++;
    fprintf(figure.script,
            "set multiplot layout %d,%d\nset key off\nset boxwidth 0.94 relative\nset xrange [0:1]\nset "
            "xtics 0.5\nset lmargin 9\n",
            rows, columns);
    for (int k = 0; k < d; k++) {
      double top = upper;
      fprintf(figure.data, "# %s: middle of the bin of the normalised rank, count\n", labels[k]);
      for (int i = 0; i < bins; i++) {
        fprintf(figure.data, "%.6g %.6g\n", (i + 0.5) / bins, counts[k * bins + i]);
        top = fmax(top, counts[k * bins + i]);
      }
      fputs("\n\n", figure.data);
      char title[640];
      snprintf(title, sizeof title, "%s   (p = %.2g)", labels[k], p_value[k]);
      fputs("set title ", figure.script);
      RheoFigureString(figure.script, title);
      fprintf(figure.script,
              "\nset xlabel 'rank of the true value'\nset ylabel '%s'\nset yrange "
              "[0:%.6g]\nunset object\n"
              "set object 1 rectangle from 0,%.6g to 1,%.6g fc rgb '#BBBBBB' fs solid 0.5 noborder behind\n"
              "set arrow 1 from 0,%.6g to 1,%.6g nohead ls 3 back\n"
              "plot '%s.dat' index %d using 1:2 with boxes ls 1 fs solid 0.45 border\n",
              k % columns ? "" : "simulations", 1.15 * top, lower, upper, expected, expected, name, k);
    }
    fputs("unset multiplot\n", figure.script);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlotCoverage(MPI_Comm comm, const char *directory, const char *name, int n_levels,
                                const double *nominal, const double *observed, int64_t n)
{
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, 600, 600, &figure));
  if (figure.script) {
    fputs("0 0 0 0\n", figure.data);
    for (int l = 0; l < n_levels; l++) {
      const double band = 2 * sqrt(nominal[l] * (1 - nominal[l]) / (double)n);
      fprintf(figure.data, "%.6g %.6g %.6g %.6g\n", nominal[l], observed[l], nominal[l] - band,
              nominal[l] + band);
    }
    fputs("1 1 1 1\n", figure.data);
    fprintf(
        figure.script,
        "set size square\nset xrange [0:1]\nset yrange [0:1]\nset key top left\nset xlabel 'nominal "
        "coverage'\n"
        "set ylabel 'observed coverage'\n"
        "plot '%s.dat' using 1:3:4 with filledcurves lc rgb '#BBBBBB' fs solid 0.5 title '2 standard "
        "deviations', x with lines ls 3 "
        "title 'calibrated', '%s.dat' using 1:2 with linespoints ls 1 pt 7 ps 0.7 title 'this posterior'\n",
        name, name);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPlotPredictive(MPI_Comm comm, const char *directory, const char *name, int c,
                                  const double *x, const double *quantile, const double *observation,
                                  const char *x_label, const char *y_label)
{
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, 860, 560, &figure));
  if (figure.script) {
    fputs("# x, 2.5 %, 25 %, 50 %, 75 %, 97.5 %, observation\n", figure.data);
    for (int k = 0; k < c; k++) {
      fprintf(figure.data, "%.8g", x[k]);
      for (int l = 0; l < 5; l++) fprintf(figure.data, " %.8g", quantile[l * c + k]);
      fprintf(figure.data, " %.8g\n", observation[k]);
    }
    fputs("set xlabel ", figure.script);
    RheoFigureString(figure.script, x_label);
    fputs("\nset ylabel ", figure.script);
    RheoFigureString(figure.script, y_label);
    const double margin = c > 1 ? 0.03 * (x[c - 1] - x[0]) : 0.5;
    fprintf(figure.script,
            "\nset xrange [%.8g:%.8g]\nset key outside top center horizontal\n"
            "plot '%s.dat' using 1:2:6 with filledcurves lc rgb '#0072B2' fs solid 0.15 title 'posterior "
            "predictive: 95 %%', "
            "'' using 1:3:5 with filledcurves lc rgb '#0072B2' fs solid 0.35 title '50 %%', '' using 1:4 "
            "with lines ls 1 title 'median', "
            "'' using 1:7 with points ls 5 title 'observed'\n",
            x[0] - margin, x[c - 1] + margin, name);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}
