/* rheo check: is the posterior calibrated, does it explain the observation, does it agree with reference
 * samples? */
#include "verb.h"
#include <string.h>

static PetscBool Wanted(const CheckConfig *config, const char *name)
{
  for (int i = 0; i < config->run.n; i++)
    if (!strcmp(config->run.v[i], name)) return PETSC_TRUE;
  return PETSC_FALSE;
}

static PetscErrorCode ReadConfig(Run *run, CheckConfig *config)
{
  static const char *const known[] = {"sbc", "coverage", "predictive", "none"};

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "check", CheckKeys, config));
  for (int i = 0; i < config->run.n; i++) {
    PetscBool found = PETSC_FALSE;
    for (int k = 0; k < 4; k++) found = (PetscBool)(found || !strcmp(config->run.v[i], known[k]));
    if (!found)
      PetscCall(RheoDeckReject(run->deck, "check.run", "'%s' is none of sbc, coverage, predictive, none",
                               config->run.v[i]));
  }
  PetscFunctionReturn(RHEO_OK);
}

static void Judge(Run *run, const char *what, const char *name, double p)
{
  if (p < 0.01)
    RheoLog(run->comm, RHEO_LOG_WARNING,
            "%s%s is not calibrated: p = %.2g (more simulations or longer training help)", what, name, p);
}

static PetscErrorCode Calibration(Run *run, const Study *study, RheoPosterior posterior,
                                  const CheckConfig *config, PetscBool figures, RheoYaml *yaml)
{
  RheoCalibrationConfig size;
  RheoCalibration c;
  RheoRunConfig seed;
  const char **label;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(RheoDeckRead(run->deck, "check", RheoCalibrationKeys, &size));
  RheoLog(run->comm, RHEO_LOG_INFO, "calibration: %d simulations with %d posterior samples each",
          size.simulations, size.samples);
  PetscCall(RheoCalibrate(run->comm, posterior, study->simulator, (uint64_t)seed.seed, &size, &c));
  PetscCall(PetscMalloc1(study->d, &label));
  for (int k = 0; k < study->d; k++) label[k] = StudyLabel(study, k);
  if (Wanted(config, "sbc")) {
    RheoYamlOpen(yaml, "sbc");
    RheoYamlInt(yaml, "simulations", c.n);
    RheoYamlInt(yaml, "samples", c.samples);
    for (int k = 0; k < study->d; k++) {
      RheoYamlOpen(yaml, RheoPriorName(study->prior, k));
      RheoYamlReal(yaml, "chi2_p", c.chi2_p[k]);
      RheoYamlReal(yaml, "ks_p", c.ks_p[k]);
      RheoYamlClose(yaml);
      Judge(run, "the posterior of ", RheoPriorName(study->prior, k), PetscMin(c.chi2_p[k], c.ks_p[k]));
    }
    RheoYamlClose(yaml);
    if (figures)
      PetscCall(
          RheoPlotSbc(run->comm, run->config.output, "sbc", c.d, c.bins, c.n, c.counts, label, c.chi2_p));
  }
  if (Wanted(config, "coverage")) {
    RheoYamlOpen(yaml, "coverage");
    RheoYamlReals(yaml, "nominal", c.n_levels, c.nominal);
    RheoYamlReals(yaml, "observed", c.n_levels, c.observed);
    RheoYamlReal(yaml, "mean_error", c.coverage_error);
    RheoYamlReal(yaml, "ks_p", c.coverage_ks_p);
    RheoYamlClose(yaml);
    Judge(run, "the coverage of the posterior", "", c.coverage_ks_p);
    if (figures)
      PetscCall(RheoPlotCoverage(run->comm, run->config.output, "coverage", c.n_levels, c.nominal, c.observed,
                                 c.n));
  }
  PetscCall(PetscFree(label));
  PetscCall(RheoCalibrationFree(&c));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Predictive(Run *run, const Study *study, RheoPosterior posterior,
                                 const Samples *samples, const CheckConfig *config, const PlotConfig *plot,
                                 RheoYaml *yaml)
{
  const int64_t n = PetscMin(config->predictive, samples->n);
  double *quantile, *p, *place;
  RheoRunConfig seed;
  int inside = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(PetscMalloc3(5 * study->c, &quantile, study->c, &p, study->c, &place));
  PetscCall(RheoPredictive(run->comm, posterior, study->simulator, (uint64_t)seed.seed, n, samples->theta,
                           samples->observation, quantile, p));
  for (int k = 0; k < study->c; k++) {
    place[k] = k + 1;
    inside += samples->observation[k] >= quantile[k] && samples->observation[k] <= quantile[4 * study->c + k];
  }
  RheoYamlOpen(yaml, "predictive");
  RheoYamlInt(yaml, "simulations", n);
  RheoYamlReal(yaml, "inside_95", (double)inside / study->c);
  RheoYamlReals(yaml, "p", study->c, p);
  RheoYamlClose(yaml);
  if (plot->figures)
    PetscCall(RheoPlotPredictive(run->comm, run->config.output, "predictive", study->c, place, quantile,
                                 samples->observation, plot->x_label, plot->y_label));
  PetscCall(PetscFree3(quantile, p, place));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode CheckPosterior(Run *run, const Study *study, RheoPosterior posterior, const Samples *samples,
                              RheoYaml *yaml)
{
  CheckConfig config;
  PlotConfig plot;

  PetscFunctionBeginUser;
  PetscCall(ReadConfig(run, &config));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  if (Wanted(&config, "sbc") || Wanted(&config, "coverage"))
    PetscCall(Calibration(run, study, posterior, &config, plot.figures, yaml));
  if (samples && Wanted(&config, "predictive"))
    PetscCall(Predictive(run, study, posterior, samples, &config, &plot, yaml));
  PetscFunctionReturn(RHEO_OK);
}

/* Samples from a file of Rheo's (its parameters) or a text file (its columns). */
static PetscErrorCode ReadSamples(Run *run, const char *path, RheoTable **table, RheoBlock **block)
{
  const char *dot = strrchr(path, '.');
  const PetscBool text = (PetscBool)(dot && (!strcmp(dot, ".csv") || !strcmp(dot, ".txt")));

  PetscFunctionBeginUser;
  if (text)
    PetscCall(RheoTableReadText(run->comm, path, table));
  else
    PetscCall(RheoTableRead(run->comm, path, NULL, PETSC_TRUE, table));
  *block = RheoTableBlock(*table, text ? "columns" : "parameters");
  RheoInputCheck(*block, run->comm, "%s: has no block `parameters`", path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode CheckAgainst(Run *run, int d, int64_t n, const double *theta, const char *reference,
                            RheoYaml *yaml)
{
  RheoTable *table;
  RheoBlock *block;
  RheoRunConfig seed;
  double c2st;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(ReadSamples(run, reference, &table, &block));
  RheoInputCheck(block->width == d, run->comm, "%s: has %d parameters, the samples have %d", reference,
                 block->width, d);
  RheoLog(run->comm, RHEO_LOG_INFO, "classifier two-sample test: %lld against %lld samples",
          (long long)table->n, (long long)n);
  PetscCall(RheoC2st(run->comm, d, table->n, block->value, n, theta, (uint64_t)seed.seed, &c2st));
  RheoYamlReal(yaml, "c2st", c2st);
  PetscCall(RheoTableDestroy(&table));
  PetscFunctionReturn(RHEO_OK);
}

/* A model: all checks. */
static PetscErrorCode CheckModel(Run *run, const CheckConfig *config, RheoYaml *yaml)
{
  PetscBool observed;
  RheoPosterior posterior;
  Samples samples;
  Study study;

  PetscFunctionBeginUser;
  PetscCall(RheoPosteriorLoad(run->comm, run->target, &posterior));
  PetscCall(RheoPosteriorSetSolver(posterior, run->deck));
  PetscCall(StudyCreate(run->deck, &study));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(RheoDeckHas(run->deck, "observation", &observed));
  if (observed) PetscCall(SamplesDraw(run, &study, posterior, &samples));
  PetscCall(CheckPosterior(run, &study, posterior, observed ? &samples : NULL, yaml));
  if (observed && config->reference)
    PetscCall(CheckAgainst(run, study.d, samples.n, samples.theta, config->reference, yaml));
  if (observed) PetscCall(SamplesFree(&samples));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "check", run->deck));
  PetscCall(StudyDestroy(&study));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscFunctionReturn(RHEO_OK);
}

/* A file of samples: against the reference. */
static PetscErrorCode CheckSamples(Run *run, const CheckConfig *config, RheoYaml *yaml)
{
  RheoTable *table;
  RheoBlock *block;

  PetscFunctionBeginUser;
  RheoInputCheck(config->reference, run->comm,
                 "%s holds samples; say what to compare them with: -check_reference FILE", run->target);
  PetscCall(ReadSamples(run, run->target, &table, &block));
  PetscCall(CheckAgainst(run, block->width, table->n, block->value, config->reference, yaml));
  PetscCall(RheoTableDestroy(&table));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Check(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  CheckConfig config;
  PetscBool of_data_set;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set && run->kind && !strcmp(run->kind, "model")) {
    StopCatch(run, "what is printed is all there is: give the same command again");
    PetscCall(TransportCheck(run));
    StopRelease();
    PetscFunctionReturn(RHEO_OK);
  }
  RheoInputCheck(run->kind, run->comm, "%s: rheo check needs a model or a file of samples", run->target);
  PetscCall(ReadConfig(run, &config));
  StopCatch(run, "what is printed is all there is: give the same command again");
  if (!strcmp(run->kind, "model"))
    PetscCall(CheckModel(run, &config, &yaml));
  else
    PetscCall(CheckSamples(run, &config, &yaml));
  StopRelease();
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Check = {
    .name = "check",
    .summary = "calibration (SBC, coverage), posterior predictive check, C2ST",
    .usage = "MODEL.h5 | SAMPLES.h5 | SAMPLES.csv [-check_reference SAMPLES] [-output DIR] [-key value ...]",
    .text = "  Of a model: simulates afresh and tests whether the posterior is calibrated (p-values uniform "
            "on 0..1 if it is; a value below\n"
            "  0.01 is a warning), and whether data simulated from the posterior look like the observation. "
            "Of samples: a classifier\n"
            "  two-sample test against a reference, 0.5 for perfect agreement.\n\n"
            "  Of the model of a data set (`target`): W2, sliced W2, MMD, energy distance and path energy of "
            "samples "
            "against test points, by the\n"
            "  deck's solve and by few steps, and the mean log-density; w2_floor is W2 between two sets of "
            "true points.\n\n"
            "  example: mpiexec -n 2 rheo check results/flu/model.h5 -check_simulations 2000\n",
    .sections = (const char *const[]){"", "check", "sample", "observation", "plot", "cnf.solve",
                                      "cnf.guidance", NULL},
    .needs_target = PETSC_TRUE,
    .run = Check,
};
