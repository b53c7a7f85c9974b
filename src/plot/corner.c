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

/* Takes the middle 99.2 % of a sorted set into the range, and its ends into the limits. */
static void Widen(Axis *axis, double limit[2], const double *v, int64_t n)
{
  axis->lower = fmin(axis->lower, Sorted(v, n, 0.004));
  axis->upper = fmax(axis->upper, Sorted(v, n, 0.996));
  limit[0] = fmin(limit[0], v[0]);
  limit[1] = fmax(limit[1], v[n - 1]);
}

/* Range and summary of column k; the range also takes in the second set and the truth. It does not go beyond the
 * samples: where they pile up at the end of the prior, a margin would show density outside. */
static PetscErrorCode MeasureAxis(const RheoCorner *c, int k, Axis *axis)
{
  double *v, limit[2] = {INFINITY, -INFINITY};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(PetscMax(c->n, c->n_other) + 1, &v));
  axis->lower = INFINITY;
  axis->upper = -INFINITY;
  for (int64_t i = 0; i < c->n; i++) v[i] = c->samples[i * c->d + k];
  qsort(v, (size_t)c->n, sizeof *v, Ascending);
  axis->median = Sorted(v, c->n, 0.5);
  axis->minus = axis->median - Sorted(v, c->n, 0.1587);
  axis->plus = Sorted(v, c->n, 0.8413) - axis->median;
  Widen(axis, limit, v, c->n);
  if (c->other && c->n_other > 0) {
    for (int64_t i = 0; i < c->n_other; i++) v[i] = c->other[i * c->d + k];
    qsort(v, (size_t)c->n_other, sizeof *v, Ascending);
    Widen(axis, limit, v, c->n_other);
  }
  double margin = 0.08 * (axis->upper - axis->lower);
  axis->lower = fmax(axis->lower - margin, limit[0]);
  axis->upper = fmin(axis->upper + margin, limit[1]);
  if (c->truth && isfinite(c->truth[k])) {
    margin = 0.04 * (axis->upper - axis->lower);
    axis->lower = fmin(axis->lower, c->truth[k] - margin);
    axis->upper = fmax(axis->upper, c->truth[k] + margin);
  }
  if (!(axis->upper > axis->lower)) {
    axis->lower -= 1;
    axis->upper += 1;
  }
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
/* Margins in pixels, so that texts have the room they need and no more at any number of panels. */
enum { LEFT = 100, RIGHT = 20, BOTTOM = 80, TOP = 64, GAP = 10 };

static int Pixels(int d)
{
  return PetscMax(520, PetscMin(2400, LEFT + RIGHT + 240 * d));
}

/* The panel's edges and, along the outer ones, the names of the axes: labels rather than gnuplot's own, which move with
 * the width of the numbers. */
static void Place(FILE *f, const RheoCorner *c, int row, int column)
{
  const double size = Pixels(c->d), w = (size - LEFT - RIGHT) / c->d, h = (size - TOP - BOTTOM) / c->d;
  const double left = LEFT + column * w + GAP / 2., right = left + w - GAP;
  const double top = size - TOP - row * h - GAP / 2., bottom = top - h + GAP;
  fprintf(f,
          "set lmargin at screen %.5f\nset rmargin at screen %.5f\nset tmargin at screen %.5f\nset bmargin "
          "at screen %.5f\n",
          left / size, right / size, top / size, bottom / size);
  if (row == c->d - 1) {
    fputs("set label 10 ", f);
    RheoFigureString(f, c->labels[column]);
    fprintf(f, " at screen %.5f, screen %.5f center\n", 0.5 * (left + right) / size, 26 / size);
  }
  if (column == 0 && row > 0) {
    fputs("set label 11 ", f);
    RheoFigureString(f, c->labels[row]);
    fprintf(f, " at screen %.5f, screen %.5f center rotate by 90\n", 24 / size, 0.5 * (top + bottom) / size);
  }
}

/* Before Tics, since the format of tics is also that of the numbers in a table. */
static void Ranges(FILE *f, const Axis *x, const Axis *y)
{
  fprintf(f, "set format '%%.8g'\nset xrange [%.8g:%.8g]\nset yrange [%.8g:%.8g]\n", x->lower, x->upper,
          y->lower, y->upper);
}

/* Tics that keep clear of the panel's edges, where the labels of neighbours would touch. */
static void AxisTics(FILE *f, char axis, const Axis *a)
{
  const double step = RheoTicStep(a->lower, a->upper, 3), width = a->upper - a->lower;
  fprintf(f, "set %ctics %.8g,%.6g,%.8g font ',11' nomirror\n", axis,
          step * ceil((a->lower + 0.04 * width) / step), step,
          step * floor((a->upper - 0.08 * width) / step));
}

static void Tics(FILE *f, const RheoCorner *c, const Axis *axis, int row, int column)
{
  const Axis *x = &axis[column], *y = &axis[row];
  AxisTics(f, 'x', x);
  fprintf(f, "set format x '%s'\n", row == c->d - 1 ? "%g" : "");
  if (row == column) {
    fprintf(f, "unset ytics\nset xrange [%.8g:%.8g]\nset yrange [0:1.08]\n", x->lower, x->upper);
    return;
  }
  AxisTics(f, 'y', y);
  fprintf(f, "set format y '%s'\n", column == 0 ? "%g" : "");
}

/* "label = median +plus -minus" with the figures that the spread justifies. */
static void MarginalTitle(FILE *f, const char *label, const Axis *axis)
{
  const double spread = PetscMin(axis->plus, axis->minus);
  int digits = spread > 0 && isfinite(spread) ? 1 - (int)floor(log10(spread)) : 3;
  digits = digits < 0 ? 0 : digits > 9 ? 9 : digits;
  char text[640];
  snprintf(text, sizeof text, "%s = %.*f@^{/=10 +%.*f}_{/=10 -%.*f}", label, digits, axis->median, digits,
           axis->plus, digits, axis->minus);
  fputs("set title ", f);
  RheoFigureString(f, text);
  fputs(" offset 0,-0.5 font ',13'\n", f);
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

static void Diagonal(FILE *f, const RheoCorner *c, const Axis *axis, const char *name, int k, int other_index)
{
  TruthLines(f, c, k, k);
  MarginalTitle(f, c->labels[k], &axis[k]);
  fprintf(f,
          "plot '%s.dat' index %d using 1:2 with filledcurves y1=0 ls 1 notitle, '' index %d using 1:2 with "
          "lines ls 1 notitle",
          name, k, k);
  if (c->other) fprintf(f, ", '' index %d using 1:2 with lines ls 2 notitle", other_index + k);
  fputs("\nunset title\n", f);
}

/* Contours as a data block that lines are drawn from, in front of the image. */
static void Contours(FILE *f, const char *name, int index, const double level[2], const char *block)
{
  fprintf(f,
          "set cntrparam levels discrete %.6g,%.6g\nset contour base\nunset surface\nset table $%s\n"
          "splot '%s.dat' index %d using 1:2:3 with lines\nunset table\nunset contour\nset surface\n",
          level[0], level[1], block, name, index);
}

static void Pair(FILE *f, const RheoCorner *c, const char *name, int row, int column, int index)
{
  fputs("set cbrange [0:1]\n", f);
  TruthLines(f, c, row, column);
  fprintf(f,
          "plot '%s.dat' index %d using 1:2:3 with image notitle, $found using 1:2 with lines ls 4 notitle",
          name, index);
  if (c->other) fputs(", $other using 1:2 with lines ls 2 lw 1.4 notitle", f);
  fputc('\n', f);
}

static void Legend(FILE *f, const RheoCorner *c)
{
  const double size = Pixels(c->d);
  const char *const text[] = {c->title, c->other ? c->label : NULL, c->other ? c->other_label : NULL};
  static const char *const look[] = {"font ',16'", "tc ls 1", "tc ls 2"};
  for (int i = 0; i < 3; i++) {
    if (!text[i]) continue;
    fprintf(f, "set label %d ", i + 1);
    RheoFigureString(f, text[i]);
    fprintf(f, " at screen %.5f, screen %.5f right %s\n", 1 - RIGHT / size, 1 - (20 + 24 * i) / size,
            look[i]);
  }
}

static void WriteScript(FILE *f, const RheoCorner *c, const char *name, const Axis *axis, double (*level)[2],
                        double (*other_level)[2])
{
  const int d = c->d, pairs = d * (d - 1) / 2;
  Legend(f, c);
  fputs("set multiplot\nset key off\n", f);
  for (int row = 0; row < d; row++)
    for (int column = 0; column <= row; column++) {
      const int pair = row * (row - 1) / 2 + column;
      Place(f, c, row, column);
      Ranges(f, &axis[column], &axis[row]);
      if (row != column) {
        Contours(f, name, d + pair, level[pair], "found");
        if (c->other) Contours(f, name, 2 * d + pairs + pair, other_level[pair], "other");
      }
      Tics(f, c, axis, row, column);
      if (row == column)
        Diagonal(f, c, axis, name, row, d + pairs);
      else
        Pair(f, c, name, row, column, d + pair);
      fputs("unset label\n", f);
    }
  fputs("unset multiplot\n", f);
}

PetscErrorCode RheoPlotCorner(MPI_Comm comm, const char *directory, const char *name, const RheoCorner *c)
{
  const int pairs = c->d * (c->d - 1) / 2;
  double(*level)[2];
  Figure figure;
  Axis *axis;

  PetscFunctionBeginUser;
  PetscCheck(c->n > 0 && c->d > 0, comm, PETSC_ERR_ARG_OUTOFRANGE, "A corner plot needs samples");
  PetscCall(RheoFigureOpen(comm, directory, name, Pixels(c->d), Pixels(c->d), &figure));
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
