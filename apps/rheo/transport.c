/* The verbs for a study of a data set: a deck with a section `target` and neither prior nor simulator. */
#include "transport.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>

const RheoKey TransportPlotKeys[] = {
    {"paths", RHEO_KEY_INT, offsetof(TransportPlotConfig, paths), "300", "[1, 100000]",
     "paths from source to data (studies with a target)"},
    {"grid", RHEO_KEY_INT, offsetof(TransportPlotConfig, grid), "150", "[10, 2000]",
     "points on a side of the picture of a density (studies with a target in the plane)"},
    {0}};

static PetscErrorCode PrintTrainingOf(RheoYaml *yaml, RheoTransport model)
{
  RheoTrainReason reason;
  double rate, communication;
  uint64_t checksum;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportGetTrainer(model, &reason, &rate, &communication));
  PetscCall(RheoTransportGetChecksum(model, &checksum));
  PrintHistory(yaml, RheoTransportHistory(model), reason, rate, checksum);
  PetscFunctionReturn(RHEO_OK);
}

static void PrintMetrics(RheoYaml *yaml, const char *name, const RheoTransportMetrics *m)
{
  RheoYamlOpen(yaml, name);
  RheoYamlReal(yaml, "w2", m->w2);
  RheoYamlReal(yaml, "w2_squared", m->w2 * m->w2);
  if (!isnan(m->path_energy)) RheoYamlReal(yaml, "path_energy", m->path_energy);
  RheoYamlReal(yaml, "sliced_w2", m->sliced_w2);
  RheoYamlReal(yaml, "mmd", m->mmd);
  RheoYamlReal(yaml, "energy_distance", m->energy_distance);
  if (!isnan(m->normal_kl)) RheoYamlReal(yaml, "normal_kl", m->normal_kl);
  if (!isnan(m->evaluations)) RheoYamlReal(yaml, "evaluations", m->evaluations);
  RheoYamlInt(yaml, "failed", m->report.n_failed);
  RheoYamlClose(yaml);
}

static PetscErrorCode PrintDensity(const Run *run, RheoYaml *yaml, RheoTransport model,
                                   const RheoTransportTest *test)
{
  double mean, error, exact;
  int64_t arrived;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportMeasureDensity(model, test, &mean, &error, &exact, &arrived));
  PetscCall(CheckArrived(run, "test points", test->n, arrived));
  RheoYamlOpen(yaml, "log_prob");
  RheoYamlReal(yaml, "mean", mean);
  RheoYamlReal(yaml, "standard_error", error);
  if (!isnan(exact)) {
    RheoYamlReal(yaml, "exact", exact);
    RheoYamlReal(yaml, "kl", exact - mean);
  }
  if (arrived < test->n) RheoYamlInt(yaml, "failed", test->n - arrived);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

/* Samples against test points: by the deck's own solve, and by few steps. */
static PetscErrorCode CheckModel(Run *run, RheoTransport model, RheoYaml *yaml)
{
  RheoTransportCheckConfig config;
  RheoTransportMetrics metrics;
  RheoTransportTest test;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportCheckRead(run->deck, &config));
  PetscCall(RheoTransportTestCreate(model, config.n, &test));
  RheoLog(run->comm, RHEO_LOG_INFO, "samples against %lld test points", (long long)test.n);
  PetscCall(RheoTransportMeasure(model, &test, NULL, &metrics));
  PetscCall(CheckArrived(run, "samples", test.n, metrics.n));
  RheoYamlOpen(yaml, "check");
  RheoYamlInt(yaml, "points", test.n);
  if (!isnan(test.w2_source)) RheoYamlReal(yaml, "w2_source", test.w2_source);
  if (!isnan(test.w2_floor)) RheoYamlReal(yaml, "w2_floor", test.w2_floor);
  PrintMetrics(yaml, "samples", &metrics);
  for (int k = 0; RheoTransportIsContinuous(model) && k < config.steps.n; k++) {
    RheoSolveConfig solve = *RheoTransportSolve(model);
    char name[64];
    solve.steps = (int64_t)config.steps.v[k];
    solve.scheme = config.scheme;
    solve.most = PetscMax(solve.most, solve.steps);
    snprintf(name, sizeof name, "%s_%lld", config.scheme, (long long)solve.steps);
    PetscCall(RheoTransportMeasure(model, &test, &solve, &metrics));
    PrintMetrics(yaml, name, &metrics);
  }
  if (RheoTransportHasLogProb(model)) PetscCall(PrintDensity(run, yaml, model, &test));
  RheoYamlClose(yaml);
  PetscCall(RheoTransportTestFree(&test));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- figures ---- */

/* Where test points, samples and the way there lie: of fixed steps after each, since a leg between other times takes steps of its own. */
static PetscErrorCode PlotPaths(Run *run, RheoTransport model, const TransportPlotConfig *plot,
                                RheoPlane *plane)
{
  enum { POINTS = 3000, ADAPTIVE = 60 };
  const int d = RheoTransportSize(model);
  const int fixed = (int)RheoTransportSolve(model)->steps, steps = fixed ? fixed : ADAPTIVE;
  const PetscBool continuous = RheoTransportIsContinuous(model);
  RheoTransportTest test;
  double *x, *path = NULL, *times = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportTestPoints(model, POINTS, &test));
  RheoTransportRows rows = {test.n, test.source, test.condition, 1, 0};
  PetscCall(PetscMalloc1(test.n * d, &x));
  PetscCall(RheoTransportSample(model, &rows, NULL, x, NULL, NULL));
  *plane = RheoPlaneOf(1, &test.n, (const double *const[]){test.target}, d);
  RheoPaths paths = {.title = run->config.title ? RheoPlotText(run->config.title) : NULL,
                     .source_label = RheoTransportSourceSet(model) ? "source" : "noise",
                     .close = *plane,
                     .d = d,
                     .n_source = test.n,
                     .n_target = test.n,
                     .n_samples = test.n,
                     .source = continuous ? test.start : test.source,
                     .target = test.target,
                     .samples = x};
  paths.plane = continuous ? RheoPlaneOf(2, (const int64_t[]){test.n, test.n},
                                         (const double *const[]){test.target, test.start}, d)
                           : *plane;
  if (continuous) {
    rows.n = paths.n_paths = PetscMin(plot->paths, test.n);
    paths.n_times = steps + 1;
    PetscCall(PetscMalloc1(steps + 1, &times));
    PetscCall(PetscMalloc1((steps + 1) * rows.n * d, &path));
    for (int k = 0; k <= steps; k++) times[k] = (double)k / steps;
    PetscCall(RheoTransportPath(model, &rows, NULL, steps + 1, times, path, NULL));
    paths.path = path;
  }
  PetscCall(RheoPlotPaths(run->comm, run->config.output, "paths", &paths));
  PetscCall(PetscFree(x));
  PetscCall(PetscFree(times));
  PetscCall(PetscFree(path));
  PetscCall(RheoTransportTestFree(&test));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PlotDensity(Run *run, RheoTransport model, const TransportPlotConfig *plot,
                                  RheoPlane plane)
{
  const int n = plot->grid;
  const int64_t cells = (int64_t)n * n;
  RheoToy toy = RheoDataSetToy(RheoTransportTarget(model));
  RheoDensityImage image = {
      .title = run->config.title ? RheoPlotText(run->config.title) : NULL, .plane = plane, .n = n};
  double *x, *log_prob, *exact;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(2 * cells, &x, cells, &log_prob, cells, &exact));
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) {
      x[2 * (j * n + i)] = plane.x[0] + (i + 0.5) / n * (plane.x[1] - plane.x[0]);
      x[2 * (j * n + i) + 1] = plane.y[0] + (j + 0.5) / n * (plane.y[1] - plane.y[0]);
    }
  const RheoTransportRows rows = {.n = cells};
  PetscCall(RheoTransportLogProb(model, &rows, x, log_prob, NULL));
  image.log_prob = log_prob;
  if (toy && RheoToyHasLogProb(toy)) {
    RheoToyLogProb(toy, cells, x, exact);
    image.exact = exact;
  }
  PetscCall(RheoPlotDensity(run->comm, run->config.output, "density", &image));
  PetscCall(PetscFree3(x, log_prob, exact));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PlotModel(Run *run, RheoTransport model, const char *series)
{
  TransportPlotConfig plot;
  RheoPlane plane;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "plot", TransportPlotKeys, &plot));
  PetscCall(PlotTraining(run, RheoTransportHistory(model), series));
  if (RheoTransportSize(model) < 2) PetscFunctionReturn(RHEO_OK);
  PetscCall(PlotPaths(run, model, &plot, &plane));
  if (RheoTransportSize(model) == 2 && RheoTransportHasLogProb(model) &&
      !RheoDataSetConditions(RheoTransportTarget(model)))
    PetscCall(PlotDensity(run, model, &plot, plane));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- verbs ---- */

static PetscErrorCode Open(Run *run, RheoTransport *model)
{
  PetscFunctionBeginUser;
  RheoInputCheck(run->is_file && !strcmp(run->kind, "model"), run->comm, "%s: rheo %s needs a model file",
                 run->target, run->verb->name);
  PetscCall(RheoTransportLoadWith(run->deck, run->target, model));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscFunctionReturn(RHEO_OK);
}

/* A model that took the place of its own source could never be opened again. */
static PetscErrorCode CheckSource(Run *run)
{
  static const RheoKey keys[] = {{"model", RHEO_KEY_STRING, 0, NULL, NULL, ""}, {0}};
  struct stat source, mine;
  const char *model;
  PetscMPIInt rank;
  PetscBool same = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "source", keys, &model));
  PetscCallMPI(MPI_Comm_rank(run->comm, &rank));
  if (rank == 0 && model && !stat(model, &source) && !stat(RunPath(run, "model.h5"), &mine))
    same = (PetscBool)(source.st_dev == mine.st_dev && source.st_ino == mine.st_ino);
  PetscCallMPI(MPI_Bcast(&same, 1, MPIU_BOOL, 0, run->comm));
  RheoInputCheck(!same, run->comm,
                 "%s: source.model = %s: is what this training would write: give another folder by -output",
                 run->target, model);
  PetscFunctionReturn(RHEO_OK);
}

/* Nothing would read them. */
static PetscErrorCode RejectOtherStudy(Run *run)
{
  static const char *const other[] = {"prior",     "simulator", "derived", "observation",
                                      "estimator", "truncate",  "data"};
  PetscBool has;

  PetscFunctionBeginUser;
  for (size_t k = 0; k < sizeof other / sizeof *other; k++) {
    PetscCall(RheoDeckHas(run->deck, other[k], &has));
    if (has)
      PetscCall(
          RheoDeckReject(run->deck, other[k],
                         "belongs to a posterior, and a section `target` makes this the study of a data "
                         "set: only one of them can be"));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TrainModel(Run *run, RheoTransport *model)
{
  RheoTransportCheckConfig check;
  TransportSampleConfig sample;
  RheoSafeguard guard;

  PetscFunctionBeginUser;
  RheoInputCheck(!run->is_file, run->comm, "%s: training needs a deck", run->target);
  PetscCall(RejectOtherStudy(run));
  PetscCall(RheoTransportCreate(run->deck, model));
  PetscCall(CheckSource(run));
  PetscCall(TransportSampleRead(run, *model, &sample));
  PetscCall(RheoTransportCheckRead(run->deck, &check));
  PetscCall(SafeguardOpen(run));
  PetscCall(SafeguardCatch(run, &guard));
  PetscCall(RheoTransportSetSafeguard(*model, &guard));
  PetscCall(RheoTransportSetSeries(*model, RunPath(run, "series.csv")));
  PetscCall(RheoTransportTrain(*model));
  PetscCall(RheoTransportSave(*model, RunPath(run, "model.h5")));
  PetscCall(SafeguardRelease(run, RunPath(run, "model.h5")));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Close(Run *run, RheoTransport *model)
{
  PetscFunctionBeginUser;
  PetscCall(RheoTransportDestroy(model));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, run->verb->name, run->deck));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportTrain(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;
  PlotConfig plot;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  PetscCall(TrainModel(run, &model));
  if (plot.figures) PetscCall(PlotTraining(run, RheoTransportHistory(model), RunPath(run, "series.csv")));
  PetscCall(PrintTrainingOf(&yaml, model));
  PetscCall(SafeguardClose(run, ""));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportInfer(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;
  CheckConfig check;
  PlotConfig plot;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "check", CheckKeys, &check));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  PetscCall(TrainModel(run, &model));
  if (run->config.title) RheoYamlText(&yaml, "title", run->config.title);
  PetscCall(TransportDraw(run, model, &yaml));
  if (plot.figures) PetscCall(PlotModel(run, model, RunPath(run, "series.csv")));
  PetscCall(PrintTrainingOf(&yaml, model));
  if (check.run.n != 1 || strcmp(check.run.v[0], "none")) PetscCall(CheckModel(run, model, &yaml));
  RheoYamlText(&yaml, "output", run->config.output);
  PetscCall(SafeguardClose(run, ""));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportSample(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;

  PetscFunctionBeginUser;
  PetscCall(Open(run, &model));
  PetscCall(TransportDraw(run, model, &yaml));
  RheoYamlText(&yaml, "file", RunPath(run, "samples.h5"));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportLogprob(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;
  TransportSampleConfig config;
  RheoRunConfig seed;
  PetscBool estimated;
  double *x, *log_prob, *error, *condition;
  const char **name;
  int64_t n;

  PetscFunctionBeginUser;
  PetscCall(Open(run, &model));
  const int d = RheoTransportSize(model), m = RheoDataSetConditions(RheoTransportTarget(model));
  PetscCall(PetscMalloc1(d, &name));
  for (int k = 0; k < d; k++) name[k] = RheoDataSetName(RheoTransportTarget(model), k);
  PetscCall(ReadPoints(run, d, name, &n, &x));
  PetscCall(PetscFree(name));
  PetscCall(TransportSampleRead(run, model, &config));
  if (!config.condition.n && m)
    PetscCall(RheoDeckReject(run->deck, "sample.condition",
                             "needs %d number%s, the condition under which the density is asked for", m,
                             m == 1 ? "" : "s"));
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(PetscMalloc3(n, &log_prob, n, &error, n * m, &condition));
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < m; k++) condition[i * m + k] = config.condition.v[k];
  const RheoTransportRows rows = {.n = n, .condition = condition, .seed = (uint64_t)seed.seed};
  PetscCall(RheoTransportEstimateLogProb(model, &rows, x, log_prob, error, NULL));
  PetscCall(CheckArrived(run, "points", n, RheoSummarize(n, 1, log_prob, 0).n));
  PetscCall(LogprobErrors(run, n, log_prob, error, &estimated));
  const TransportPoints points = {
      .n = n, .x = x, .log_prob = log_prob, .error = estimated ? error : NULL, .condition = condition};
  PetscCall(TransportWrite(run, model, "logprob", &points, RunPath(run, "logprob.h5")));
  PrintLogprob(&yaml, n, log_prob, estimated ? error : NULL);
  RheoYamlText(&yaml, "file", RunPath(run, "logprob.h5"));
  PetscCall(PetscFree3(log_prob, error, condition));
  PetscCall(PetscFree(x));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportCheck(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;

  PetscFunctionBeginUser;
  PetscCall(Open(run, &model));
  PetscCall(CheckModel(run, model, &yaml));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportPlot(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoTransport model;

  PetscFunctionBeginUser;
  PetscCall(Open(run, &model));
  PetscCall(PlotModel(run, model, SeriesPath(run->target)));
  RheoYamlText(&yaml, "figures", RunPath(run, "figures"));
  PetscCall(Close(run, &model));
  PetscFunctionReturn(RHEO_OK);
}
