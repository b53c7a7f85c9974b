/* rheo plot: figures again, from files. */
#include "verb.h"
#include <math.h>
#include <string.h>

/* The samples of a file, with the derived quantities recomputed from its deck. */
static PetscErrorCode PlotFile(Run *run, const char *path)
{
  RheoTable *table;
  Samples samples;
  Study study;

  PetscFunctionBeginUser;
  PetscCall(RheoTableRead(run->comm, path, "samples", PETSC_TRUE, &table));
  const RheoBlock *block = RheoTableBlock(table, "parameters");
  PetscCall(StudyCreateOfModel(run->deck, NULL, &study));
  RheoInputCheck(block && block->width == study.d, run->comm,
                 "%s: does not hold the %d parameters of its deck", path, study.d);
  samples = (Samples){.n = table->n, .d = study.d, .q = study.q, .theta = block->value};
  PetscCall(PetscMalloc1(table->n * study.q, &samples.derived));
  for (int64_t i = 0; i < table->n; i++)
    RheoDerivedEvaluate(study.derived, samples.theta + i * study.d, samples.derived + i * study.q);
  PetscCall(PlotSamples(run, &study, &samples));
  PetscCall(PetscFree(samples.derived));
  PetscCall(RheoTableDestroy(&table));
  PetscCall(StudyDestroy(&study));
  PetscFunctionReturn(RHEO_OK);
}

/* A table: the joint distribution of parameters and the first data columns. */
static PetscErrorCode PlotData(Run *run, const char *name)
{
  enum { MOST = 6 };
  RheoTable *table;
  const char *label[MOST];
  double *values;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoTableRead(run->comm, run->target, run->kind, PETSC_TRUE, &table));
  PetscCall(PetscMalloc1(table->n * MOST, &values));
  const RheoBlock *block[2] = {RheoTableBlock(table, "parameters"), RheoTableBlock(table, "data")};
  for (int b = 0; b < 2; b++)
    for (int k = 0; block[b] && k < block[b]->width && n < MOST; k++)
      label[n++] = RheoPlotText(block[b]->columns[k]);
  int64_t rows = 0;
  for (int64_t i = 0; i < table->n; i++) {
    int at = 0;
    PetscBool finite = PETSC_TRUE;
    for (int b = 0; b < 2; b++)
      for (int k = 0; block[b] && k < block[b]->width && at < n; k++) {
        values[rows * n + at] = block[b]->value[i * block[b]->width + k];
        finite = (PetscBool)(finite && isfinite(values[rows * n + at++]));
      }
    rows += finite;
  }
  const RheoCorner corner = {.title = run->config.title ? RheoPlotText(run->config.title) : NULL,
                             .n = rows,
                             .d = n,
                             .samples = values,
                             .labels = label};
  PetscCall(RheoPlotCorner(run->comm, run->config.output, name, &corner));
  PetscCall(PetscFree(values));
  PetscCall(RheoTableDestroy(&table));
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
    .sections = (const char *const[]){"", "plot", NULL},
    .needs_target = PETSC_TRUE,
    .run = Plot,
};
