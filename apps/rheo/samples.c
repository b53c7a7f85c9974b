/* Posterior samples: drawn over the ranks, written, summarised, drawn as a corner plot. */
#include "verb.h"
#include <math.h>
#include <string.h>

int64_t DropLost(int64_t n, int n_arrays, const int *width, double *const *row)
{
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    PetscBool lost = PETSC_FALSE;
    for (int k = 0; k < width[0]; k++)
      if (isnan(row[0][i * width[0] + k])) lost = PETSC_TRUE;
    if (lost) continue;
    for (int a = 0; a < n_arrays; a++)
      memmove(row[a] + kept * width[a], row[a] + i * width[a], (size_t)width[a] * sizeof **row);
    kept++;
  }
  return kept;
}

PetscErrorCode CheckArrived(const Run *run, const char *what, int64_t n, int64_t arrived)
{
  PetscFunctionBeginUser;
  if (n > 0 && !arrived)
    SETERRQ(run->comm, RHEO_ERR_NOTHING,
            "%s: none of the %lld %s could be followed to the end; the warning says where and why",
            run->target, (long long)n, what);
  PetscFunctionReturn(RHEO_OK);
}

/* Samples of all ranks that are steered. Every rank computes all densities, few against the solves of a search: rows that are solved
 * as a group share their steps, and what a group is must not depend on the number of ranks. */
static PetscErrorCode Steer(Run *run, RheoPosterior posterior, const RheoSteerConfig *config, uint64_t seed,
                            Samples *s)
{
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(s->n, &s->misfit));
  PetscCall(RheoPosteriorSteer(posterior, run->deck, s->observation, seed, s->n, config, NULL, NULL, s->theta,
                               s->misfit, &s->steer));
  s->n = DropLost(s->n, 2, (const int[]){s->d, 1}, (double *const[]){s->theta, s->misfit});
  PetscCall(RheoPosteriorEstimateLogProb(posterior, s->n, s->theta, s->observation, PETSC_TRUE, seed,
                                         s->log_prob, NULL));
  PetscCall(RheoStopCheck(run->comm, "while densities of steered samples were computed"));
  PetscFunctionReturn(RHEO_OK);
}

/* Plain ones. */
static PetscErrorCode Sample(Run *run, RheoPosterior posterior, uint64_t seed, Samples *s)
{
  int64_t begin, end;
  double *theta, *log_prob;

  PetscFunctionBeginUser;
  RheoRange(run->comm, s->n, &begin, &end);
  PetscCall(PetscMalloc2((end - begin) * s->d, &theta, end - begin, &log_prob));
  PetscCall(RheoEventBegin(RHEO_EVENT_SAMPLE));
  PetscCall(StopSample(run, posterior, s->observation, seed, begin, end, theta, log_prob));
  PetscCall(RheoEventEnd(RHEO_EVENT_SAMPLE));
  PetscCall(RheoGatherRows(run->comm, end - begin, s->d, theta, s->theta));
  PetscCall(RheoGatherRows(run->comm, end - begin, 1, log_prob, s->log_prob));
  PetscCall(PetscFree2(theta, log_prob));
  s->n = DropLost(s->n, 2, (const int[]){s->d, 1}, (double *const[]){s->theta, s->log_prob});
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SamplesDraw(Run *run, const Study *study, RheoPosterior posterior, Samples *s)
{
  const int d = study->d, q = study->q;
  RheoSteerConfig steer;
  RheoRunConfig config;
  CountConfig count;
  PetscBool steers;

  PetscFunctionBeginUser;
  RheoInputCheck(RheoPosteriorDataSize(posterior) == study->c, run->comm,
                 "the model was trained on %d columns of data, the simulator of the deck gives %d",
                 RheoPosteriorDataSize(posterior), study->c);
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &config));
  PetscCall(RheoDeckRead(run->deck, "sample", SampleKeys, &count));
  PetscCall(SteerRead(run, &steer, &steers));
  *s = (Samples){.n = count.n, .d = d, .q = q};
  PetscCall(PetscMalloc4(s->n * d, &s->theta, s->n * q, &s->derived, s->n, &s->log_prob, study->c,
                         &s->observation));
  PetscCall(RheoObservationRead(run->deck, study->c, s->observation));
  PetscCall(RheoTruncateWarn(run->deck, study->c, s->observation));
  PetscCall(RheoSimulatorPin(run->deck, study->c));
  if (steers)
    PetscCall(Steer(run, posterior, &steer, (uint64_t)config.seed, s));
  else
    PetscCall(Sample(run, posterior, (uint64_t)config.seed, s));
  s->failed = count.n - s->n;
  PetscCall(CheckArrived(run, "samples", count.n, s->n));
  for (int64_t i = 0; i < s->n; i++)
    RheoDerivedEvaluate(study->derived, s->theta + i * d, s->derived + i * q);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SamplesFree(Samples *s)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(s->theta, s->derived, s->log_prob, s->observation));
  PetscCall(PetscFree(s->misfit));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SamplesWrite(Run *run, const Study *study, const Samples *s, const char *path)
{
  static const char *const log_prob_name[] = {"log_prob"}, *const misfit_name[] = {"misfit"};
  RheoTable table = {.kind = "samples", .verb = run->verb->name, .n = s->n};
  const char **name, **unit, **derived;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(s->d, &name, s->d, &unit, s->q, &derived));
  for (int k = 0; k < s->d; k++) {
    name[k] = RheoPriorName(study->prior, k);
    unit[k] = RheoPriorUnit(study->prior, k);
  }
  for (int k = 0; k < s->q; k++) derived[k] = RheoDerivedName(study->derived, k);
  PetscCall(RheoDeckGetText(run->deck, &table.deck));
  RheoRange(run->comm, s->n, &table.begin, &table.end);
  table.block[table.n_blocks++] =
      (RheoBlock){"parameters", s->d, RHEO_STORE_DOUBLE, name, unit, s->theta + table.begin * s->d};
  if (s->q)
    table.block[table.n_blocks++] =
        (RheoBlock){"derived", s->q, RHEO_STORE_DOUBLE, derived, NULL, s->derived + table.begin * s->q};
  table.block[table.n_blocks++] =
      (RheoBlock){"log_prob", 1, RHEO_STORE_DOUBLE, log_prob_name, NULL, s->log_prob + table.begin};
  if (s->misfit)
    table.block[table.n_blocks++] =
        (RheoBlock){"misfit", 1, RHEO_STORE_DOUBLE, misfit_name, NULL, s->misfit + table.begin};
  table.extra[table.n_extras++] = (RheoExtra){"observation", study->c, s->observation};
  PetscCall(RheoTableWrite(run->comm, path, &table));
  PetscCall(PetscFree3(name, unit, derived));
  PetscFunctionReturn(RHEO_OK);
}

void PrintSummary(RheoYaml *yaml, const char *name, RheoSummary s)
{
  RheoYamlOpen(yaml, name);
  RheoYamlReal(yaml, "mean", s.mean);
  RheoYamlReal(yaml, "sd", s.sd);
  RheoYamlReal(yaml, "q025", s.q025);
  RheoYamlReal(yaml, "median", s.median);
  RheoYamlReal(yaml, "q975", s.q975);
  RheoYamlClose(yaml);
}

PetscErrorCode PrintPosterior(RheoYaml *yaml, const Study *study, const Samples *s)
{
  PetscFunctionBeginUser;
  RheoYamlOpen(yaml, "posterior");
  for (int k = 0; k < s->d; k++)
    PrintSummary(yaml, RheoPriorName(study->prior, k), RheoSummarize(s->n, s->d, s->theta, k));
  for (int k = 0; k < s->q; k++)
    PrintSummary(yaml, RheoDerivedName(study->derived, k), RheoSummarize(s->n, s->q, s->derived, k));
  RheoYamlClose(yaml);
  if (s->failed) RheoYamlInt(yaml, "failed", s->failed);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PrintMap(RheoYaml *yaml, Run *run, const Study *study, RheoPosterior posterior,
                        const double *observation)
{
  RheoRunConfig config;
  double *theta, *derived, log_prob;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &config));
  PetscCall(PetscMalloc2(study->d, &theta, study->q, &derived));
  PetscCall(RheoPosteriorMap(posterior, observation, (uint64_t)config.seed, theta, &log_prob));
  RheoDerivedEvaluate(study->derived, theta, derived);
  RheoYamlOpen(yaml, "map");
  for (int k = 0; k < study->d; k++) RheoYamlReal(yaml, RheoPriorName(study->prior, k), theta[k]);
  for (int k = 0; k < study->q; k++) RheoYamlReal(yaml, RheoDerivedName(study->derived, k), derived[k]);
  RheoYamlReal(yaml, "log_prob", log_prob);
  RheoYamlClose(yaml);
  PetscCall(PetscFree2(theta, derived));
  PetscFunctionReturn(RHEO_OK);
}

const char *StudyLabel(const Study *study, int k)
{
  if (k >= study->d) return RheoPlotText(RheoDerivedName(study->derived, k - study->d));
  const char *name = RheoPriorName(study->prior, k), *label = RheoPriorLabel(study->prior, k);
  return strcmp(name, label) ? label : RheoPlotText(name);
}

/* The place of a name among parameters (k) and derived quantities (d + k). */
static int FindQuantity(const Study *study, const char *name)
{
  for (int k = 0; k < study->d; k++)
    if (!strcmp(name, RheoPriorName(study->prior, k))) return k;
  for (int k = 0; k < study->q; k++)
    if (!strcmp(name, RheoDerivedName(study->derived, k))) return study->d + k;
  return -1;
}

static PetscErrorCode CornerQuantities(Run *run, const Study *study, int *n, int *place)
{
  PlotConfig plot;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  *n = plot.corner.n ? plot.corner.n : study->d;
  if (*n > study->d + study->q)
    PetscCall(RheoDeckReject(run->deck, "plot.corner", "names more quantities than there are"));
  for (int k = 0; k < *n; k++) {
    place[k] = plot.corner.n ? FindQuantity(study, plot.corner.v[k]) : k;
    if (place[k] < 0)
      PetscCall(RheoDeckReject(run->deck, "plot.corner", "'%s' is neither a parameter nor a derived quantity",
                               plot.corner.v[k]));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* The true values where the deck has them; NULL otherwise. truth (d + q). */
static PetscErrorCode ReadTruth(Run *run, const Study *study, double *truth, PetscBool *known)
{
  TruthConfig config;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "observation", TruthKeys, &config));
  *known = (PetscBool)(config.truth.n > 0);
  if (config.truth.n && config.truth.n != study->d)
    PetscCall(RheoDeckReject(run->deck, "observation.truth", "needs one value for each of the %d parameters",
                             study->d));
  if (*known) {
    memcpy(truth, config.truth.v, (size_t)study->d * sizeof *truth);
    RheoDerivedEvaluate(study->derived, truth, truth + study->d);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode PlotSamples(Run *run, const Study *study, const Samples *s)
{
  const int all = study->d + study->q;
  double *values, *truth, *chosen_truth;
  const char **label;
  PetscBool known = PETSC_FALSE;
  int n = 0, *place;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc5(s->n * all, &values, all, &truth, all, &chosen_truth, all, &label, all, &place));
  PetscCall(CornerQuantities(run, study, &n, place));
  PetscCall(ReadTruth(run, study, truth, &known));
  for (int k = 0; k < n; k++) {
    label[k] = StudyLabel(study, place[k]);
    chosen_truth[k] = known ? truth[place[k]] : NAN;
    for (int64_t i = 0; i < s->n; i++)
      values[i * n + k] =
          place[k] < study->d ? s->theta[i * s->d + place[k]] : s->derived[i * s->q + place[k] - study->d];
  }
  const RheoCorner corner = {.title = run->config.title ? RheoPlotText(run->config.title) : NULL,
                             .n = s->n,
                             .d = n,
                             .samples = values,
                             .truth = known ? chosen_truth : NULL,
                             .labels = label};
  PetscCall(RheoPlotCorner(run->comm, run->config.output, "corner", &corner));
  PetscCall(PetscFree5(values, truth, chosen_truth, label, place));
  PetscFunctionReturn(RHEO_OK);
}
