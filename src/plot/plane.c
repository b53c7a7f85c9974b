/* Figures in the plane: transport of points, densities. */
#include "plot_impl.h"
#include <math.h>
#include <stdlib.h>

enum { PANEL = 350, POINTS = 4000 }; /* pixels; more points would only fill the panel */

static int Ascending(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The range of one coordinate of a set, but for one point in 500 at either end. */
static void Stretch(int64_t n, const double *set, int d, int k, double range[2])
{
  double *value = malloc((size_t)(n ? n : 1) * sizeof *value);
  int64_t m = 0;
  if (!value) return;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(set[i * d + k])) value[m++] = set[i * d + k];
  if (m) {
    qsort(value, (size_t)m, sizeof *value, Ascending);
    range[0] = fmin(range[0], value[m / 500]);
    range[1] = fmax(range[1], value[m - 1 - m / 500]);
  }
  free(value);
}

RheoPlane RheoPlaneOf(int n, const int64_t *count, const double *const *set, int d)
{
  double range[2][2] = {{INFINITY, -INFINITY}, {INFINITY, -INFINITY}}, side = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 2; k++)
      if (set[i]) Stretch(count[i], set[i], d, k, range[k]);
  for (int k = 0; k < 2; k++) {
    if (!(range[k][0] < range[k][1])) range[k][0] = -1, range[k][1] = 1;
    side = fmax(side, range[k][1] - range[k][0]);
  }
  RheoPlane plane;
  for (int k = 0; k < 2; k++) {
    double *end = k ? plane.y : plane.x;
    const double middle = 0.5 * (range[k][0] + range[k][1]);
    end[0] = middle - 0.56 * side;
    end[1] = middle + 0.56 * side;
  }
  return plane;
}

static void Title(FILE *script, const char *text)
{
  fputs("set title ", script);
  RheoFigureString(script, text);
  fputs(" offset 0,-0.6\n", script);
}

/* Square panels side by side. */
static void Begin(FILE *script, const char *title, int panels)
{
  fprintf(script, "set multiplot layout 1,%d", panels);
  if (title) {
    fputs(" title ", script);
    RheoFigureString(script, title);
    fputs(" font 'DejaVu Sans,15'", script);
  }
  fprintf(script,
          "\nset size ratio -1\nset key off\nset lmargin 4\nset rmargin 0.8\nset bmargin 2\nset tmargin %g\n"
          "set border lw 0.8 lc rgb '#999999'\n",
          title ? 3.2 : 1.8);
}

static void Within(FILE *script, const RheoPlane *plane)
{
  const double step = RheoTicStep(plane->x[0], plane->x[1], 4);
  fprintf(script,
          "set xrange [%.8g:%.8g]\nset yrange [%.8g:%.8g]\n"
          "set xtics %.8g textcolor rgb '#666666'\nset ytics %.8g textcolor rgb '#666666'\n",
          plane->x[0], plane->x[1], plane->y[0], plane->y[1], step, step);
}

static void PutPoints(FILE *data, const char *what, int64_t n, const double *points, int d)
{
  fprintf(data, "# %s\n", what);
  for (int64_t i = 0; i < PetscMin(n, POINTS); i++)
    if (isfinite(points[i * d]) && isfinite(points[i * d + 1]))
      fprintf(data, "%.6g %.6g\n", points[i * d], points[i * d + 1]);
  fputs("\n\n", data);
}

static void PutPaths(FILE *data, const RheoPaths *p)
{
  fputs("# paths, one after the other\n", data);
  for (int64_t i = 0; i < p->n_paths; i++) {
    PetscBool finite = PETSC_TRUE;
    for (int64_t t = 0; t < p->n_times; t++) {
      const double *at = p->path + (t * p->n_paths + i) * p->d;
      finite = (PetscBool)(finite && isfinite(at[0]) && isfinite(at[1]));
    }
    if (!finite) continue;
    for (int64_t t = 0; t < p->n_times; t++) {
      const double *at = p->path + (t * p->n_paths + i) * p->d;
      fprintf(data, "%.6g %.6g %.3g\n", at[0], at[1], (double)t / (double)(p->n_times - 1));
    }
    fputc('\n', data);
  }
  fputc('\n', data);
}

/* Paths fade from the colour of the source to that of the data. */
static void DrawPaths(FILE *script, const char *name)
{
  Title(script, "paths");
  fprintf(script,
          "set palette defined (0 '#EFB48A', 0.5 '#C9C9CF', 1 '#8FBDE0')\n"
          "plot '%s.dat' index 3 using 1:2:3 with lines lw 0.8 lc palette, "
          "'' index 4 with points pt 7 ps 0.34 lc rgb '#30D55E00', "
          "'' index 5 with points pt 7 ps 0.34 lc rgb '#300072B2'\n",
          name);
}

PetscErrorCode RheoPlotPaths(MPI_Comm comm, const char *directory, const char *name, const RheoPaths *p)
{
  const int panels = p->n_paths ? 4 : 3;
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, panels * PANEL, PANEL + (p->title ? 40 : 16), &figure));
  if (figure.script) {
    PutPoints(figure.data, "source", p->n_source, p->source, p->d);
    PutPoints(figure.data, "samples", p->n_samples, p->samples, p->d);
    PutPoints(figure.data, "data", p->n_target, p->target, p->d);
    if (p->n_paths) {
      PutPaths(figure.data, p);
      PutPoints(figure.data, "where paths begin", p->n_paths, p->path, p->d);
      PutPoints(figure.data, "where paths end", p->n_paths, p->path + (p->n_times - 1) * p->n_paths * p->d,
                p->d);
    }
    Begin(figure.script, p->title, panels);
    Within(figure.script, &p->plane);
    Title(figure.script, p->source_label);
    fprintf(figure.script, "plot '%s.dat' index 0 with points pt 7 ps 0.26 lc rgb '#55D55E00'\n", name);
    if (p->n_paths) DrawPaths(figure.script, name);
    Within(figure.script, &p->close);
    Title(figure.script, "samples");
    fprintf(figure.script, "plot '%s.dat' index 1 with points pt 7 ps 0.26 lc rgb '#550072B2'\n", name);
    Title(figure.script, "data");
    fprintf(figure.script, "plot '%s.dat' index 2 with points pt 7 ps 0.26 lc rgb '#66555555'\n", name);
    fputs("unset multiplot\n", figure.script);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}

static void PutImage(FILE *data, const RheoDensityImage *image, const double *log_prob, double largest)
{
  for (int j = 0; j < image->n; j++)
    for (int i = 0; i < image->n; i++) {
      const double l = log_prob[(int64_t)j * image->n + i] - largest;
      fprintf(data, "%.6g %.6g %.4g\n",
              image->plane.x[0] + (i + 0.5) / image->n * (image->plane.x[1] - image->plane.x[0]),
              image->plane.y[0] + (j + 0.5) / image->n * (image->plane.y[1] - image->plane.y[0]),
              l > -9.2 ? exp(0.5 * fmin(l, 0)) : 0);
    }
  fputs("\n\n", data);
}

PetscErrorCode RheoPlotDensity(MPI_Comm comm, const char *directory, const char *name,
                               const RheoDensityImage *image)
{
  const int panels = image->exact ? 2 : 1;
  const int64_t cells = (int64_t)image->n * image->n;
  Figure figure;

  PetscFunctionBeginUser;
  PetscCall(RheoFigureOpen(comm, directory, name, panels * PANEL, PANEL + (image->title ? 40 : 16), &figure));
  if (figure.script) {
    const double *reference = image->exact ? image->exact : image->log_prob;
    double largest = -INFINITY;
    for (int64_t i = 0; i < cells; i++)
      if (isfinite(reference[i])) largest = fmax(largest, reference[i]);
    PutImage(figure.data, image, image->log_prob, largest);
    if (image->exact) PutImage(figure.data, image, image->exact, largest);
    Begin(figure.script, image->title, panels);
    Within(figure.script, &image->plane);
    fputs("set cbrange [0:1]\n", figure.script);
    for (int k = 0; k < panels; k++) {
      Title(figure.script, k ? "exact" : image->exact ? "model" : "density");
      fprintf(figure.script, "plot '%s.dat' index %d with image\n", name, k);
    }
    fputs("unset multiplot\n", figure.script);
  }
  PetscCall(RheoFigureClose(&figure));
  PetscFunctionReturn(RHEO_OK);
}
