/* The verbs for a study of a data set: a deck with a section `target` and neither prior nor simulator. */
#include "verb.h"
#include <math.h>
#include <string.h>

const RheoKey TransportSampleKeys[] = {
    {"condition", RHEO_KEY_REALS, offsetof(TransportSampleConfig, condition), NULL, NULL,
     "of all samples, one number for each condition of the target (default: those of test points)"},
    {"log_prob", RHEO_KEY_BOOL, offsetof(TransportSampleConfig, log_prob), "yes", NULL,
     "the density of every sample too, where there is one (studies with a target)"},
    {0}};

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

/* Where test points, samples and the way there lie. */
static PetscErrorCode PlotPaths(Run *run, RheoTransport model, const TransportPlotConfig *plot,
                                RheoPlane *plane)
{
  enum { POINTS = 3000, TIMES = 60 };
  const int d = RheoTransportSize(model);
  const PetscBool continuous = RheoTransportIsContinuous(model);
  RheoTransportTest test;
  double *x, *path = NULL, times[TIMES + 1];

  PetscFunctionBeginUser;
  PetscCall(RheoTransportTestPoints(model, POINTS, &test));
  RheoTransportRows rows = {test.n, test.source, test.condition, 1, 0};
  PetscCall(PetscMalloc1(test.n * d, &x));
  PetscCall(RheoTransportSample(model, &rows, NULL, x, NULL, NULL));
  *plane = RheoPlaneOf(1, &test.n, (const double *const[]){test.target}, d);
  for (int k = 0; k <= TIMES; k++) times[k] = (double)k / TIMES;
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
    paths.n_times = TIMES + 1;
    PetscCall(PetscMalloc1((TIMES + 1) * rows.n * d, &path));
    PetscCall(RheoTransportPath(model, &rows, NULL, TIMES + 1, times, path, NULL));
    paths.path = path;
  }
  PetscCall(RheoPlotPaths(run->comm, run->config.output, "paths", &paths));
  PetscCall(PetscFree(x));
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

/* ---- samples ---- */

typedef struct {
  int64_t n, failed; /* that arrived, and that did not */
  double *source, *condition, *x, *log_prob;
  double *misfit; /* of steered samples; NULL otherwise */
  RheoSteerReport steer;
} Drawn;

/* Moves what samples start from. */
static PetscErrorCode Steer(RheoTransport model, const RheoTransportRows *rows, const RheoSteerConfig *config,
                            Drawn *s)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(s->n, &s->misfit));
  PetscCall(RheoTransportSteer(model, rows, config, NULL, NULL, s->source, NULL, s->misfit, &s->steer));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Draw(Run *run, RheoTransport model, Drawn *s)
{
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model), m = RheoDataSetConditions(target);
  TransportSampleConfig config;
  RheoSteerConfig steer;
  RheoRunConfig seed;
  CountConfig count;
  PetscBool steers;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(RheoDeckRead(run->deck, "sample", SampleKeys, &count));
  PetscCall(RheoDeckRead(run->deck, "sample", TransportSampleKeys, &config));
  PetscCall(SteerRead(run, &steer, &steers));
  if (config.condition.n && config.condition.n != m)
    PetscCall(RheoDeckReject(run->deck, "sample.condition", "has %d numbers, the model has %d conditions",
                             config.condition.n, m));
  *s = (Drawn){.n = count.n};
  PetscCall(PetscMalloc4(s->n * d, &s->source, s->n * m, &s->condition, s->n * d, &s->x, s->n, &s->log_prob));
  if (m && !config.condition.n) {
    PetscCall(RheoDataSetRead(target));
    PetscCall(RheoDataSetTest(target, 0, s->n, s->x, s->condition));
  }
  for (int64_t i = 0; i < s->n; i++)
    for (int k = 0; k < config.condition.n; k++) s->condition[i * m + k] = config.condition.v[k];
  PetscCall(RheoTransportSource(model, (uint64_t)seed.seed, 0, s->n, s->source));
  const RheoTransportRows rows = {s->n, s->source, s->condition, (uint64_t)seed.seed, 0};
  if (steers) PetscCall(Steer(model, &rows, &steer, s));
  const PetscBool density = (PetscBool)(config.log_prob && RheoTransportHasLogProb(model));
  PetscCall(RheoTransportSample(model, &rows, NULL, s->x, density ? s->log_prob : NULL, NULL));
  for (int64_t i = 0; !density && i < s->n; i++) s->log_prob[i] = NAN;
  s->n = DropLost(count.n, steers ? 5 : 4, (const int[]){d, 1, d, m, 1},
                  (double *const[]){s->x, s->log_prob, s->source, s->condition, s->misfit});
  s->failed = count.n - s->n;
  PetscCall(CheckArrived(run, "samples", count.n, s->n));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode DrawnFree(Drawn *s)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(s->source, s->condition, s->x, s->log_prob));
  PetscCall(PetscFree(s->misfit));
  PetscFunctionReturn(RHEO_OK);
}

/* Blocks parameters (the samples), log_prob, standard_error, source, condition and misfit, as far as there are such. */
static PetscErrorCode WriteSamples(Run *run, RheoTransport model, const char *verb, int64_t n, double *x,
                                   double *log_prob, double *error, double *source, double *condition,
                                   double *misfit, const char *path)
{
  static const char *const log_prob_name[] = {"log_prob"}, *const error_name[] = {"standard_error"},
                           *const misfit_name[] = {"misfit"};
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model), m = RheoDataSetConditions(target);
  RheoTable table = {.kind = "samples", .verb = verb, .n = n};
  const char **name, **condition_name, **source_name;
  char text[256];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(d, &name, m, &condition_name, d, &source_name));
  for (int k = 0; k < d; k++) {
    name[k] = RheoDataSetName(target, k);
    snprintf(text, sizeof text, "source_%s", name[k]);
    source_name[k] = RheoIntern(text);
  }
  for (int k = 0; k < m; k++) condition_name[k] = RheoDataSetConditionName(target, k);
  PetscCall(RheoDeckGetText(run->deck, &table.deck));
  RheoRange(run->comm, n, &table.begin, &table.end);
  const int64_t at = table.begin;
  table.block[table.n_blocks++] = (RheoBlock){"parameters", d, RHEO_STORE_DOUBLE, name, NULL, x + at * d};
  table.block[table.n_blocks++] =
      (RheoBlock){"log_prob", 1, RHEO_STORE_DOUBLE, log_prob_name, NULL, log_prob + at};
  if (error)
    table.block[table.n_blocks++] =
        (RheoBlock){"standard_error", 1, RHEO_STORE_DOUBLE, error_name, NULL, error + at};
  if (source)
    table.block[table.n_blocks++] =
        (RheoBlock){"source", d, RHEO_STORE_DOUBLE, source_name, NULL, source + at * d};
  if (m)
    table.block[table.n_blocks++] =
        (RheoBlock){"condition", m, RHEO_STORE_DOUBLE, condition_name, NULL, condition + at * m};
  if (misfit)
    table.block[table.n_blocks++] =
        (RheoBlock){"misfit", 1, RHEO_STORE_DOUBLE, misfit_name, NULL, misfit + at};
  PetscCall(RheoTableWrite(run->comm, path, &table));
  PetscCall(PetscFree3(name, condition_name, source_name));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SampleModel(Run *run, RheoTransport model, RheoYaml *yaml)
{
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model);
  Drawn s;

  PetscFunctionBeginUser;
  PetscCall(Draw(run, model, &s));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(WriteSamples(run, model, "sample", s.n, s.x, s.log_prob, NULL,
                         RheoTransportIsContinuous(model) ? s.source : NULL, s.condition, s.misfit,
                         RunPath(run, "samples.h5")));
  RheoYamlOpen(yaml, "samples");
  for (int k = 0; k < d; k++) PrintSummary(yaml, RheoDataSetName(target, k), RheoSummarize(s.n, d, s.x, k));
  RheoYamlClose(yaml);
  if (s.failed) RheoYamlInt(yaml, "failed", s.failed);
  if (s.misfit) PrintSteer(yaml, &s.steer);
  PetscCall(DrawnFree(&s));
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

static PetscErrorCode TrainModel(Run *run, RheoTransport *model)
{
  RheoSafeguard guard;

  PetscFunctionBeginUser;
  RheoInputCheck(!run->is_file, run->comm, "%s: training needs a deck", run->target);
  PetscCall(RheoTransportCreate(run->deck, model));
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
  PetscCall(SampleModel(run, model, &yaml));
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
  PetscCall(SampleModel(run, model, &yaml));
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
  int64_t n;

  PetscFunctionBeginUser;
  PetscCall(Open(run, &model));
  const int m = RheoDataSetConditions(RheoTransportTarget(model));
  PetscCall(ReadPoints(run, RheoTransportSize(model), &n, &x));
  PetscCall(RheoDeckRead(run->deck, "sample", TransportSampleKeys, &config));
  if (config.condition.n != m)
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
  PetscCall(WriteSamples(run, model, "logprob", n, x, log_prob, estimated ? error : NULL, NULL, condition,
                         NULL, RunPath(run, "logprob.h5")));
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
