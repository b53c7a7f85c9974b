/* Samples of the model of a data set: drawn, steered where the deck asks for it, written and summarised. */
#include "transport.h"
#include <math.h>

const RheoKey TransportSampleKeys[] = {
    {"condition", RHEO_KEY_REALS, offsetof(TransportSampleConfig, condition), NULL, NULL,
     "of all samples, one number for each condition of the target (default: those of test points)"},
    {"log_prob", RHEO_KEY_BOOL, offsetof(TransportSampleConfig, log_prob), "yes", NULL,
     "the density of every sample too, where there is one (studies with a target)"},
    {0}};

PetscErrorCode TransportSampleRead(Run *run, RheoTransport model, TransportSampleConfig *config)
{
  RheoDataSet target = RheoTransportTarget(model);
  const int m = RheoDataSetConditions(target), classes = RheoDataSetClasses(target);

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "sample", TransportSampleKeys, config));
  if (config->condition.n && config->condition.n != m)
    PetscCall(RheoDeckReject(run->deck, "sample.condition", "has %d numbers, the model has %d conditions",
                             config->condition.n, m));
  for (int k = 0; classes && k < config->condition.n; k++) {
    const double label = config->condition.v[k];
    if (label < 0 || label >= classes || label != floor(label))
      PetscCall(RheoDeckReject(run->deck, "sample.condition",
                               "must be a class of the target, 0 to %d, got %g", classes - 1, label));
  }
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  TransportPoints points; /* that arrived */
  int64_t failed;
  RheoSteerReport steer;
} Drawn;

/* Moves what samples start from. */
static PetscErrorCode Steer(RheoTransport model, const RheoTransportRows *rows, const RheoSteerConfig *config,
                            Drawn *s)
{
  TransportPoints *p = &s->points;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(p->n, &p->misfit));
  PetscCall(RheoTransportSteer(model, rows, config, NULL, NULL, p->source, NULL, p->misfit, &s->steer));
  PetscFunctionReturn(RHEO_OK);
}

/* Samples that could not be steered are lost, though where they started can be followed by a solve of another kind. */
static void LoseUnsteered(const TransportPoints *p, int d)
{
  for (int64_t i = 0; i < p->n; i++)
    for (int k = 0; k < d && isnan(p->misfit[i]); k++) p->x[i * d + k] = NAN;
}

static PetscErrorCode Draw(Run *run, RheoTransport model, Drawn *s)
{
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model), m = RheoDataSetConditions(target);
  TransportPoints *p = &s->points;
  TransportSampleConfig config;
  RheoSteerConfig steer;
  RheoRunConfig seed;
  CountConfig count;
  PetscBool steers;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(RheoDeckRead(run->deck, "sample", SampleKeys, &count));
  PetscCall(TransportSampleRead(run, model, &config));
  PetscCall(SteerRead(run, &steer, &steers));
  *s = (Drawn){.points = {.n = count.n}};
  PetscCall(PetscMalloc4(p->n * d, &p->source, p->n * m, &p->condition, p->n * d, &p->x, p->n, &p->log_prob));
  if (m && !config.condition.n) {
    PetscCall(RheoDataSetRead(target));
    PetscCall(RheoDataSetTest(target, 0, p->n, p->x, p->condition));
  }
  for (int64_t i = 0; i < p->n; i++)
    for (int k = 0; k < config.condition.n; k++) p->condition[i * m + k] = config.condition.v[k];
  PetscCall(RheoTransportSource(model, (uint64_t)seed.seed, 0, p->n, p->source));
  if (RheoTransportSourceCount(model) < p->n)
    RheoLog(run->comm, RHEO_LOG_WARNING,
            "the %lld samples start from the %lld rows of the source that are held back, again and again; "
            "lower sample.n, or raise source.test before training",
            (long long)p->n, (long long)RheoTransportSourceCount(model));
  const RheoTransportRows rows = {p->n, p->source, p->condition, (uint64_t)seed.seed, 0};
  if (steers) PetscCall(Steer(model, &rows, &steer, s));
  const PetscBool density = (PetscBool)(config.log_prob && RheoTransportHasLogProb(model));
  PetscCall(RheoTransportSample(model, &rows, NULL, p->x, density ? p->log_prob : NULL, NULL));
  for (int64_t i = 0; !density && i < p->n; i++) p->log_prob[i] = NAN;
  if (steers) LoseUnsteered(p, d);
  p->n = DropLost(count.n, steers ? 5 : 4, (const int[]){d, 1, d, m, 1},
                  (double *const[]){p->x, p->log_prob, p->source, p->condition, p->misfit});
  s->failed = count.n - p->n;
  PetscCall(CheckArrived(run, "samples", count.n, p->n));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode DrawnFree(Drawn *s)
{
  TransportPoints *p = &s->points;

  PetscFunctionBeginUser;
  PetscCall(PetscFree4(p->source, p->condition, p->x, p->log_prob));
  PetscCall(PetscFree(p->misfit));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportWrite(Run *run, RheoTransport model, const char *verb, const TransportPoints *points,
                              const char *path)
{
  static const char *const log_prob_name[] = {"log_prob"}, *const error_name[] = {"standard_error"},
                           *const misfit_name[] = {"misfit"};
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model), m = RheoDataSetConditions(target);
  RheoTable table = {.kind = "samples", .verb = verb, .n = points->n};
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
  RheoRange(run->comm, points->n, &table.begin, &table.end);
  const int64_t at = table.begin;
  table.block[table.n_blocks++] =
      (RheoBlock){"parameters", d, RHEO_STORE_DOUBLE, name, NULL, points->x + at * d};
  table.block[table.n_blocks++] =
      (RheoBlock){"log_prob", 1, RHEO_STORE_DOUBLE, log_prob_name, NULL, points->log_prob + at};
  if (points->error)
    table.block[table.n_blocks++] =
        (RheoBlock){"standard_error", 1, RHEO_STORE_DOUBLE, error_name, NULL, points->error + at};
  if (points->source)
    table.block[table.n_blocks++] =
        (RheoBlock){"source", d, RHEO_STORE_DOUBLE, source_name, NULL, points->source + at * d};
  if (m)
    table.block[table.n_blocks++] =
        (RheoBlock){"condition", m, RHEO_STORE_DOUBLE, condition_name, NULL, points->condition + at * m};
  if (points->misfit)
    table.block[table.n_blocks++] =
        (RheoBlock){"misfit", 1, RHEO_STORE_DOUBLE, misfit_name, NULL, points->misfit + at};
  PetscCall(RheoTableWrite(run->comm, path, &table));
  PetscCall(PetscFree3(name, condition_name, source_name));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode TransportDraw(Run *run, RheoTransport model, RheoYaml *yaml)
{
  RheoDataSet target = RheoTransportTarget(model);
  const int d = RheoTransportSize(model);
  Drawn s;

  PetscFunctionBeginUser;
  PetscCall(Draw(run, model, &s));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  TransportPoints written = s.points;
  if (!RheoTransportIsContinuous(model)) written.source = NULL;
  PetscCall(TransportWrite(run, model, "sample", &written, RunPath(run, "samples.h5")));
  RheoYamlOpen(yaml, "samples");
  for (int k = 0; k < d; k++)
    PrintSummary(yaml, RheoDataSetName(target, k), RheoSummarize(s.points.n, d, s.points.x, k));
  RheoYamlClose(yaml);
  if (s.failed) RheoYamlInt(yaml, "failed", s.failed);
  if (s.points.misfit) PrintSteer(yaml, &s.steer);
  PetscCall(DrawnFree(&s));
  PetscFunctionReturn(RHEO_OK);
}
