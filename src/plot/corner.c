/* The corner plot. Densities are histograms smoothed by a Gaussian of Scott's width, on grids written to
 * NAME.dat as gnuplot index blocks: first d marginals, then the pairs (column < row). */
#include "plot_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 80 };

typedef struct {
  double lower, upper, median, minus, plus;
} Axis;

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double Sorted(const double *v, int64_t n, double p)
{
  const double place = p * (double)(n - 1);
  const int64_t i = (int64_t)place;
  return i + 1 < n ? v[i] + (place - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

/* Range and summary of column k; the range also takes in the second set and the truth. */
static PetscErrorCode MeasureAxis(const RheoCorner *c, int k, Axis *axis)
{
  double *v;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(PetscMax(c->n, c->n_other) + 1, &v));
  for (int64_t i = 0; i < c->n; i++) v[i] = c->samples[i * c->d + k];
  qsort(v, (size_t)c->n, sizeof *v, Ascending);
  axis->median = Sorted(v, c->n, 0.5);
  axis->minus = axis->median - Sorted(v, c->n, 0.1587);
  axis->plus = Sorted(v, c->n, 0.8413) - axis->median;
  axis->lower = Sorted(v, c->n, 0.004);
  axis->upper = Sorted(v, c->n, 0.996);
  if (c->other && c->n_other > 0) {
    for (int64_t i = 0; i < c->n_other; i++) v[i] = c->other[i * c->d + k];
    qsort(v, (size_t)c->n_other, sizeof *v, Ascending);
    axis->lower = PetscMin(axis->lower, Sorted(v, c->n_other, 0.004));
    axis->upper = PetscMax(axis->upper, Sorted(v, c->n_other, 0.996));
  }
  if (c->truth && isfinite(c->truth[k])) {
    axis->lower = PetscMin(axis->lower, c->truth[k]);
    axis->upper = PetscMax(axis->upper, c->truth[k]);
  }
  const double margin = 0.08 * (axis->upper - axis->lower);
  axis->lower -= margin > 0 ? margin : 1;
  axis->upper += margin > 0 ? margin : 1;
  PetscCall(PetscFree(v));
  PetscFunctionReturn(RHEO_OK);
}

static int Cell(const Axis *axis, double value)
{
  const double place = (value - axis->lower) / (axis->upper - axis->lower) * GRID;
  return place >= 0 && place < GRID ? (int)place : -1;
}

static double CellCentre(const Axis *axis, int i)
{
  return axis->lower + (i + 0.5) * (axis->upper - axis->lower) / GRID;
}

/* Blurs n values in steps of stride with a Gaussian of sd cells, renormalised at the ends. */
static void Blur(double *v, int n, int stride, double sd)
{
  double out[GRID];
  for (int i = 0; i < n; i++) {
    double sum = 0, weight = 0;
    for (int j = 0; j < n; j++) {
      const double w = exp(-0.5 * (i - j) * (i - j) / (sd * sd));
      sum += w * v[j * stride];
      weight += w;
    }
    out[i] = sum / weight;
  }
  for (int i = 0; i < n; i++) v[i * stride] = out[i];
}

/* Scott's rule in cells; never below what hides the grid. */
static double BlurWidth(const Axis *axis, int64_t n, double power)
{
  const double sd = 0.5 * (axis->plus + axis->minus) / (axis->upper - axis->lower) * GRID;
  const double width = sd * pow((double)n, power);
  return width > 0.7 ? width : 0.7;
}

static void Marginal(const double *x, int64_t n, int d, int k, const Axis *axis, double *h)
{
  memset(h, 0, GRID * sizeof *h);
  for (int64_t i = 0; i < n; i++) {
    const int cell = Cell(axis, x[i * d + k]);
    if (cell >= 0) h[cell] += 1;
  }
  Blur(h, GRID, 1, BlurWidth(axis, n, -1.0 / 5));
  double top = 0;
  for (int i = 0; i < GRID; i++) top = PetscMax(top, h[i]);
  for (int i = 0; top > 0 && i < GRID; i++) h[i] /= top;
}

/* Density on the grid, row-major in (y, x), largest value 1; the levels that enclose 39.3 % and 86.5 % of it.
 */
static void Joint(const double *s, int64_t n, int d, int kx, int ky, const Axis *axis, double *h,
                  double level[2])
{
  static const double mass[2] = {0.393469, 0.864665};
  double sorted[GRID * GRID], sum = 0, part = 0;
  memset(h, 0, GRID * GRID * sizeof *h);
  for (int64_t i = 0; i < n; i++) {
    const int x = Cell(&axis[kx], s[i * d + kx]), y = Cell(&axis[ky], s[i * d + ky]);
    if (x >= 0 && y >= 0) h[y * GRID + x] += 1;
  }
  for (int y = 0; y < GRID; y++) Blur(h + y * GRID, GRID, 1, BlurWidth(&axis[kx], n, -1.0 / 6));
  for (int x = 0; x < GRID; x++) Blur(h + x, GRID, GRID, BlurWidth(&axis[ky], n, -1.0 / 6));
  memcpy(sorted, h, sizeof sorted);
  qsort(sorted, GRID * GRID, sizeof *sorted, Ascending);
  const double top = sorted[GRID * GRID - 1];
  for (int i = 0; i < GRID * GRID; i++) sum += sorted[i];
  for (int i = GRID * GRID - 1, l = 0; i >= 0 && l < 2; i--) {
    part += sorted[i];
    while (l < 2 && part >= mass[l] * sum) level[l++] = sorted[i] / top;
  }
  for (int i = 0; top > 0 && i < GRID * GRID; i++) h[i] /= top;
}

/* ---- Data: blocks separated by two blank lines ---- */
static void WriteMarginals(FILE *file, const RheoCorner *c, const double *s, int64_t n, const Axis *axis)
{
  double h[GRID];
  for (int k = 0; k < c->d; k++) {
    Marginal(s, n, c->d, k, &axis[k], h);
    fprintf(file, "# marginal density of %s: value, density over its maximum\n", c->labels[k]);
    for (int i = 0; i < GRID; i++) fprintf(file, "%.8g %.6g\n", CellCentre(&axis[k], i), h[i]);
    fputs("\n\n", file);
  }
}

static void WriteJoints(FILE *file, const RheoCorner *c, const double *s, int64_t n, const Axis *axis,
                        double (*level)[2])
{
  double h[GRID * GRID];
  int pair = 0;
  for (int row = 1; row < c->d; row++)
    for (int column = 0; column < row; column++) {
      Joint(s, n, c->d, column, row, axis, h, level[pair++]);
      fprintf(file, "# joint density of %s and %s: x, y, density over its maximum\n", c->labels[column],
              c->labels[row]);
      for (int y = 0; y < GRID; y++) {
        for (int x = 0; x < GRID; x++)
          fprintf(file, "%.8g %.8g %.5g\n", CellCentre(&axis[column], x), CellCentre(&axis[row], y),
                  h[y * GRID + x]);
        fputc('\n', file);
      }
      fputc('\n', file);
    }
}

/* ---- Script ---- */
static void Place(FILE *f, int d, int row, int column)
{
  const double left = 0.115 + 0.02 / d, right = 0.985, bottom = 0.115, top = 0.94, gap = 0.012;
  const double w = (right - left) / d, h = (top - bottom) / d;
  fprintf(f,
          "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset tmargin at screen %.4f\nset bmargin "
          "at screen %.4f\n",
          left + column * w + gap / 2, left + (column + 1) * w - gap / 2, top - row * h - gap / 2,
          top - (row + 1) * h + gap / 2);
}

static void Tics(FILE *f, const RheoCorner *c, const Axis *axis, int row, int column)
{
  const Axis *x = &axis[column], *y = &axis[row];
  fprintf(f, "set xrange [%.8g:%.8g]\nset xtics %.6g rotate by -40 offset -0.6,0.2 font ',11' nomirror\n",
          x->lower, x->upper, RheoTicStep(x->lower, x->upper, 3));
  fputs(row == c->d - 1 ? "set format x '%g'\n" : "set format x ''\n", f);
  if (row == c->d - 1)
    fprintf(f, "set xlabel \"%s\" offset 0,-0.6\n", c->labels[column]);
  else
    fputs("unset xlabel\n", f);
  if (row == column) {
    fputs("unset ytics\nunset ylabel\nset yrange [0:1.08]\n", f);
    return;
  }
  fprintf(f, "set yrange [%.8g:%.8g]\nset ytics %.6g font ',11' nomirror\n", y->lower, y->upper,
          RheoTicStep(y->lower, y->upper, 3));
  fputs(column == 0 ? "set format y '%g'\n" : "set format y ''\n", f);
  /* All labels of the left edge in one line, whatever the width of the numbers. */
  if (column == 0)
    fprintf(f, "set ylabel \"%s\" offset screen -0.012,0\n", c->labels[row]);
  else
    fputs("unset ylabel\n", f);
}

/* "label = median +plus -minus" with the figures that the spread justifies. */
static void MarginalTitle(FILE *f, const char *label, const Axis *axis)
{
  const double spread = PetscMin(axis->plus, axis->minus);
  int digits = spread > 0 && isfinite(spread) ? 1 - (int)floor(log10(spread)) : 3;
  digits = digits < 0 ? 0 : digits > 9 ? 9 : digits;
  fprintf(f, "set title \"%s = %.*f@^{+%.*f}_{-%.*f}\" offset 0,-0.6 font ',12'\n", label, digits,
          axis->median, digits, axis->plus, digits, axis->minus);
}

static void TruthLines(FILE *f, const RheoCorner *c, int row, int column)
{
  fputs("unset arrow\n", f);
  if (!c->truth) return;
  if (isfinite(c->truth[column]))
    fprintf(f, "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead ls 2 lw 1.6 front\n", c->truth[column],
            c->truth[column]);
  if (row != column && isfinite(c->truth[row]))
    fprintf(f, "set arrow from graph 0, first %.8g to graph 1, first %.8g nohead ls 2 lw 1.6 front\n",
            c->truth[row], c->truth[row]);
}

static void Diagonal(FILE *f, const RheoCorner *c, const Axis *axis, const char *name, int k, PetscBool other,
                     int other_index)
{
  TruthLines(f, c, k, k);
  MarginalTitle(f, c->labels[k], &axis[k]);
  fprintf(f,
          "plot '%s.dat' index %d using 1:2 with filledcurves y1=0 ls 1 notitle, '' index %d using 1:2 with "
          "lines ls 1 notitle",
          name, k, k);
  if (other) fprintf(f, ", '' index %d using 1:2 with lines ls 2 notitle", other_index + k);
  fputs("\nunset title\n", f);
}

static void Pair(FILE *f, const RheoCorner *c, const char *name, int row, int column, int index,
                 const double level[2], PetscBool other, int other_index, const double other_level[2])
{
  fprintf(f,
          "set contour base\nset cntrparam levels discrete %.6g,%.6g\nunset surface\nset table $found\nsplot "
          "'%s.dat' index %d using "
          "1:2:3 with lines\nunset table\n",
          level[0], level[1], name, index);
  if (other)
    fprintf(f,
            "set cntrparam levels discrete %.6g,%.6g\nset table $other\nsplot '%s.dat' index %d using 1:2:3 "
            "with lines\nunset table\n",
            other_level[0], other_level[1], name, other_index);
  fputs("unset contour\nset surface\nset cbrange [0:1]\n", f);
  TruthLines(f, c, row, column);
  fprintf(f,
          "plot '%s.dat' index %d using 1:2:3 with image pixels notitle, $found using 1:2 with lines ls 4 "
          "notitle",
          name, index);
  if (other) fputs(", $other using 1:2 with lines ls 2 lw 1.4 notitle", f);
  fputc('\n', f);
}

static void Legend(FILE *f, const RheoCorner *c)
{
  if (c->title) fprintf(f, "set label 1 \"%s\" at screen 0.98, screen 0.965 right font ',15'\n", c->title);
  if (!c->other) return;
  fprintf(f,
          "set label 2 \"%s\" at screen 0.98, screen 0.93 right tc ls 1\nset label 3 \"%s\" at screen 0.98, "
          "screen 0.905 right tc ls 2\n",
          c->label ? c->label : "", c->other_label ? c->other_label : "");
}

static void WriteScript(FILE *f, const RheoCorner *c, const char *name, const Axis *axis, double (*level)[2],
                        double (*other_level)[2])
{
  const int pairs = c->d * (c->d - 1) / 2;
  const PetscBool other = (PetscBool)(c->other != NULL);
  Legend(f, c);
  fputs("set multiplot\nset key off\n", f);
  for (int row = 0; row < c->d; row++)
    for (int column = 0; column <= row; column++) {
      const int pair = row * (row - 1) / 2 + column;
      Place(f, c->d, row, column);
      Tics(f, c, axis, row, column);
      if (row == column)
        Diagonal(f, c, axis, name, row, other, c->d + pairs);
      else
        Pair(f, c, name, row, column, c->d + pair, level[pair], other, 2 * c->d + pairs + pair,
             other ? other_level[pair] : NULL);
      fputs("unset label\n", f);
    }
  fputs("unset multiplot\n", f);
}

PetscErrorCode RheoPlotCorner(MPI_Comm comm, const char *directory, const char *name, const RheoCorner *c)
{
  const int pixels = PetscMax(520, PetscMin(2400, 240 + 230 * c->d));
  const int pairs = c->d * (c->d - 1) / 2;
  double(*level)[2];
  Figure figure;
  Axis *axis;

  PetscFunctionBeginUser;
  PetscCheck(c->n > 0 && c->d > 0, comm, PETSC_ERR_ARG_OUTOFRANGE, "A corner plot needs samples");
  PetscCall(RheoFigureOpen(comm, directory, name, pixels, pixels, &figure));
  if (figure.script) {
    PetscCall(PetscMalloc1(c->d, &axis));
    PetscCall(PetscCalloc1(2 * pairs + 1, &level));
    for (int k = 0; k < c->d; k++) PetscCall(MeasureAxis(c, k, &axis[k]));
    WriteMarginals(figure.data, c, c->samples, c->n, axis);
    WriteJoints(figure.data, c, c->samples, c->n, axis, level);
    if (c->other) {
      WriteMarginals(figure.data, c, c->other, c->n_other, axis);
      WriteJoints(figure.data, c, c->other, c->n_other, axis, level + pairs);
    }
    WriteScript(figure.script, c, name, axis, level, level + pairs);
    PetscCall(PetscFree(axis));
    PetscCall(PetscFree(level));
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}
