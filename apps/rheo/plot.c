/* rheo plot: figures again, from files. */
#include "verb.h"
#include <io/reader.h>
#include <math.h>
#include <string.h>

/* ---- Rows of a file that may be large ---- */
/* Numbers that are drawn at most, and rows that are read at once: a figure shows no more. */
enum { DRAWN = 1 << 20, TOGETHER = 64 };

/* How many rows are drawn of a file with `width` columns to draw: all, or runs at equal distances. All of it is looked at, since a
 * figure of a damaged file would tell nobody. */
static PetscErrorCode ChooseRows(Run *run, RheoReader reader, int width, int64_t *n)
{
  const int64_t all = RheoReaderTable(reader)->n, most = DRAWN / PetscMax(width, 1) / TOGETHER * TOGETHER;

  PetscFunctionBeginUser;
  PetscCall(RheoReaderScan(reader, NULL, NULL));
  *n = PetscMin(all, PetscMax(most, 10 * TOGETHER));
  if (*n < all)
    RheoLog(run->comm, RHEO_LOG_INFO, "%s: %lld of its %lld rows are drawn, in runs of %d at equal distances",
            RheoReaderName(reader), (long long)*n, (long long)all, TOGETHER);
  PetscFunctionReturn(RHEO_OK);
}

/* The first columns of a block in n rows: value[i * stride], ..., value[i * stride + columns - 1]. */
static PetscErrorCode ReadRows(Run *run, RheoReader reader, int block, int64_t n, int columns, int stride,
                               double *value)
{
  const RheoTable *table = RheoReaderTable(reader);
  const int64_t runs = (n + TOGETHER - 1) / TOGETHER;
  const int width = table->block[block].width;
  PetscBool good = PETSC_TRUE;
  double *rows;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(TOGETHER * width, &rows));
  for (int64_t r = 0; r < runs && good; r++) {
    const int64_t first = n < table->n ? (table->n - TOGETHER) * r / (runs - 1) : r * TOGETHER,
                  length = PetscMin(TOGETHER, n - r * TOGETHER);
    if (RheoReaderRead(reader, block, first, length, rows)) good = PETSC_FALSE;
    for (int64_t i = 0; i < length && good; i++)
      for (int k = 0; k < columns; k++) value[(r * TOGETHER + i) * stride + k] = rows[i * width + k];
  }
  PetscCall(PetscFree(rows));
  PetscCall(RheoAgree(run->comm, good, &good));
  RheoInputCheck(good, run->comm, "%s: can no longer be read", RheoReaderName(reader));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Figures ---- */
/* The samples of a file, with the derived quantities recomputed from its deck. */
static PetscErrorCode PlotFile(Run *run, const char *path)
{
  RheoReader reader;
  Samples samples = {0};
  Study study;

  PetscFunctionBeginUser;
  PetscCall(StudyCreateOfModel(run->deck, NULL, &study));
  PetscCall(RheoReaderOpen(run->comm, 1, &path, "samples", &reader));
  const int b = RheoReaderFind(reader, "parameters");
  RheoInputCheck(b >= 0 && RheoReaderTable(reader)->block[b].width == study.d, run->comm,
                 "%s: does not hold the %d parameters of its deck", path, study.d);
  samples.d = study.d;
  samples.q = study.q;
  PetscCall(ChooseRows(run, reader, study.d + study.q, &samples.n));
  PetscCall(PetscMalloc2(samples.n * study.d, &samples.theta, samples.n * study.q, &samples.derived));
  PetscCall(ReadRows(run, reader, b, samples.n, study.d, study.d, samples.theta));
  for (int64_t i = 0; i < samples.n; i++)
    RheoDerivedEvaluate(study.derived, samples.theta + i * study.d, samples.derived + i * study.q);
  PetscCall(PlotSamples(run, &study, &samples));
  PetscCall(PetscFree2(samples.theta, samples.derived));
  PetscCall(RheoReaderClose(&reader));
  PetscCall(StudyDestroy(&study));
  PetscFunctionReturn(RHEO_OK);
}

/* Leaves out rows that are not finite; how many are left. */
static int64_t KeepFinite(int64_t n, int width, double *values)
{
  int64_t rows = 0;

  for (int64_t i = 0; i < n; i++) {
    PetscBool finite = PETSC_TRUE;
    for (int k = 0; k < width; k++) {
      values[rows * width + k] = values[i * width + k];
      finite = (PetscBool)(finite && isfinite(values[i * width + k]));
    }
    rows += finite;
  }
  return rows;
}

/* A table: the joint distribution of parameters and the first data columns. */
static PetscErrorCode PlotData(Run *run, const char *name)
{
  enum { MOST = 6 };
  RheoReader reader;
  const char *label[MOST];
  double *values;
  int64_t rows;
  int n = 0, columns[2] = {0, 0};

  PetscFunctionBeginUser;
  PetscCall(RheoReaderOpen(run->comm, 1, &run->target, run->kind, &reader));
  const RheoTable *table = RheoReaderTable(reader);
  const int block[2] = {RheoReaderFind(reader, "parameters"), RheoReaderFind(reader, "data")};
  for (int b = 0; b < 2; b++)
    for (int k = 0; block[b] >= 0 && k < table->block[block[b]].width && n < MOST; k++) {
      label[n++] = RheoPlotText(table->block[block[b]].columns[k]);
      columns[b]++;
    }
  PetscCall(ChooseRows(run, reader, n, &rows));
  PetscCall(PetscMalloc1(rows * n, &values));
  for (int b = 0; b < 2; b++)
    if (columns[b])
      PetscCall(ReadRows(run, reader, block[b], rows, columns[b], n, values + (b ? columns[0] : 0)));
  const RheoCorner corner = {.title = run->config.title ? RheoPlotText(run->config.title) : NULL,
                             .n = KeepFinite(rows, n, values),
                             .d = n,
                             .samples = values,
                             .labels = label};
  PetscCall(RheoPlotCorner(run->comm, run->config.output, name, &corner));
  PetscCall(PetscFree(values));
  PetscCall(RheoReaderClose(&reader));
  PetscFunctionReturn(RHEO_OK);
}

/* The series of a training that may still be going on. */
static PetscErrorCode PlotText(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoSeries series;
  const char *wrong;

  PetscFunctionBeginUser;
  PetscCall(RheoSeriesRead(run->comm, run->target, &series, &wrong));
  RheoInputCheck(!wrong, run->comm, "%s: cannot be drawn: %s", run->target, wrong);
  RheoInputCheck(series.n > 1, run->comm, "%s: has no rows to draw yet", run->target);
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(PlotSeries(run, &series));
  PetscCall(RheoSeriesFree(&series));
  RheoYamlText(&yaml, "figures", RunPath(run, "figures"));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Plot(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoPosterior posterior;
  PetscBool of_data_set;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set && run->kind && !strcmp(run->kind, "model")) {
    PetscCall(TransportPlot(run));
    PetscFunctionReturn(RHEO_OK);
  }
  RheoInputCheck(run->is_file || (run->kind && !strcmp(run->kind, "text")), run->comm,
                 "%s: rheo plot needs one of Rheo's HDF5 files, or the series.csv of a training",
                 run->target);
  if (!run->is_file) {
    PetscCall(PlotText(run));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  if (!strcmp(run->kind, "model")) {
    PetscCall(RheoPosteriorLoad(run->comm, run->target, &posterior));
    PetscCall(PlotTraining(run, RheoPosteriorHistory(posterior), SeriesPath(run->target)));
    PetscCall(RheoPosteriorDestroy(&posterior));
  } else if (!strcmp(run->kind, "samples")) {
    if (of_data_set)
      PetscCall(PlotData(run, "corner"));
    else
      PetscCall(PlotFile(run, run->target));
  } else {
    PetscCall(PlotData(run, "data"));
  }
  RheoYamlText(&yaml, "figures", RunPath(run, "figures"));
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Plot = {
    .name = "plot",
    .summary = "draw the figures of a file again: corner plot, losses, training, data",
    .usage = "FILE.h5|series.csv [-plot_corner a,b,...] [-output DIR] [-key value ...]",
    .text =
        "  Figures go to DIR/figures as PNG, each with its gnuplot script and data, to be restyled at "
        "will. Of a model they are the losses and, from\n"
        "  the series.csv beside it, how training went: learning rate, gradient norm, speed, communication, "
        "memory; of a series.csv, also while\n"
        "  training goes on, the latter.\n\n"
        "  example: rheo plot results/flu/samples.h5 -plot_corner beta,gamma,R0\n",
    .sections = (const char *const[]){"", "plot", "sample", "cnf.solve", "cnf.guidance", NULL},
    .needs_target = PETSC_TRUE,
    .run = Plot,
};
