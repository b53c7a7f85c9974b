/* Small multiples: one axis that is shared, one panel a quantity. */
#include "plot_impl.h"
#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 2, WIDTH = 500, HEIGHT = 235, FOOT = 54, HEAD = 26, LEFT = 100, RIGHT = 18, GAP = 16 };

/* The data as blocks, one for each panel, of x and its curves; a blank line where a line is not to run on. */
static void PutPanel(FILE *data, const RheoMultiples *m, const RheoPanel *p)
{
  int64_t mark = 0;

  fprintf(data, "# %s\n", p->label);
  for (int64_t i = 0; i < m->n; i++) {
    const PetscBool crossed = (PetscBool)(mark < m->n_marks && m->x[i] >= m->mark[mark]);
    while (mark < m->n_marks && m->x[i] >= m->mark[mark]) mark++;
    if (crossed) fputc('\n', data);
    fprintf(data, "%.8g", m->x[i]);
    for (int c = 0; c < 2; c++) {
      const double value = p->value[c] ? p->value[c][i] : NAN;
      if (isfinite(value))
        fprintf(data, " %.8g", value);
      else
        fputs(" NaN", data);
    }
    fputc('\n', data);
  }
  fputs("\n\n", data);
}

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The range of what is drawn but for one value in 50 at either end: one that is far out would hide all others. */
static PetscBool Range(const RheoMultiples *m, const RheoPanel *p, double range[2])
{
  double *value = malloc((size_t)(2 * m->n + 1) * sizeof *value);
  int64_t n = 0;

  if (!value) return PETSC_FALSE;
  for (int c = 0; c < 2; c++)
    for (int64_t i = 0; p->value[c] && i < m->n; i++)
      if (isfinite(p->value[c][i]) && (!p->logarithmic || p->value[c][i] > 0)) value[n++] = p->value[c][i];
  if (n) {
    qsort(value, (size_t)n, sizeof *value, Ascending);
    range[0] = value[p->logarithmic ? 0 : n / 50];
    range[1] = value[n - 1 - (p->logarithmic ? 0 : n / 50)];
  }
  free(value);
  return (PetscBool)(n > 0);
}

static void Axis(FILE *f, const RheoMultiples *m, const RheoPanel *p)
{
  double range[2];

  fputs("unset logscale y\nset format y '%g'\nset ytics autofreq\n", f);
  if (!Range(m, p, range)) {
    fputs("set yrange [0:1]\n", f);
    return;
  }
  if (p->logarithmic && range[1] > 20 * range[0]) {
    fprintf(f, "set logscale y\nset yrange [%.6g:%.6g]\nset format y '10^{%%T}'\nset ytics 10\n",
            range[0] / 1.3, range[1] * 1.3);
    return;
  }
  if (p->from_zero) range[0] = 0;
  const double width = range[1] > range[0] ? range[1] - range[0] : range[1] != 0 ? 0.2 * fabs(range[1]) : 1;
  fprintf(f, "set yrange [%.8g:%.8g]\nset ytics %.8g\n", p->from_zero ? 0 : range[0] - 0.08 * width,
          range[1] + 0.12 * width, RheoTicStep(range[0], range[0] + width, 4));
}

static void Draw(FILE *f, const RheoMultiples *m, const char *name, int k)
{
  const RheoPanel *p = &m->panel[k];
  const int rows = (m->n_panels + COLUMNS - 1) / COLUMNS, row = k / COLUMNS, column = k % COLUMNS;
  const double width = COLUMNS * WIDTH, height = HEAD + rows * HEIGHT + FOOT;
  const double left = column * WIDTH + LEFT, right = (column + 1) * WIDTH - RIGHT;
  const double top = height - HEAD - row * HEIGHT, bottom = top - HEIGHT + GAP;
  const PetscBool lowest = (PetscBool)(k + COLUMNS >= m->n_panels);
  const char *with = m->n < 40 ? "linespoints" : "lines", *points = m->n < 40 ? " pt 7 ps 0.5" : "";

  fprintf(f, "set lmargin at screen %.5f\nset rmargin at screen %.5f\nset tmargin at screen %.5f\n",
          left / width, right / width, top / height);
  fprintf(f, "set bmargin at screen %.5f\nset format x '%s'\nset xlabel ", bottom / height,
          lowest ? "%g" : "");
  RheoFigureString(f, lowest ? m->x_label : "");
  fputs("\nset label 1 ", f);
  RheoFigureString(f, p->label);
  fprintf(f, " at screen %.5f, screen %.5f center rotate by 90\n", (column * WIDTH + 16) / width,
          0.5 * (top + bottom) / height);
  Axis(f, m, p);
  fprintf(f, "plot '%s.dat' index %d using 1:2 with %s ls 1 lw 1.8%s %s", name, k, with, points,
          p->curve[0] ? "title " : "notitle");
  if (p->curve[0]) RheoFigureString(f, p->curve[0]);
  if (p->value[1]) {
    fprintf(f, ", '' index %d using 1:3 with %s ls 2 lw 1.8%s %s", k, with, points,
            p->curve[1] ? "title " : "notitle");
    if (p->curve[1]) RheoFigureString(f, p->curve[1]);
  }
  fputc('\n', f);
}

PetscErrorCode RheoPlotMultiples(MPI_Comm comm, const char *directory, const char *name,
                                 const RheoMultiples *m)
{
  const int rows = (m->n_panels + COLUMNS - 1) / COLUMNS;
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, COLUMNS * WIDTH, HEAD + rows * HEIGHT + FOOT, &figure));
  if (figure.script) {
    FILE *f = figure.script;
    const double lower = m->n ? m->x[0] : 0, upper = m->n ? m->x[m->n - 1] : 1;
    const double width = upper > lower ? upper - lower : 1;
    fprintf(f,
            "set multiplot\nset key top right samplen 1.6\nset xrange [%.8g:%.8g]\nset xtics %.8g\n"
            "set ytics font ',11'\nset xtics font ',11'\n",
            lower - 0.015 * width, lower + 1.015 * width, RheoTicStep(lower, lower + width, 6));
    for (int64_t i = 0; i < m->n_marks; i++)
      fprintf(f, "set arrow from %.8g, graph 0 to %.8g, graph 1 nohead ls 3 back\n", m->mark[i], m->mark[i]);
    for (int k = 0; k < m->n_panels; k++) PutPanel(figure.data, m, &m->panel[k]);
    for (int k = 0; k < m->n_panels; k++) Draw(f, m, name, k);
    fputs("unset multiplot\n", f);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}
