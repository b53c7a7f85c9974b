/* rheo infer: from a deck to a checked posterior in one command. */
#include "verb.h"
#include <stdio.h>
#include <string.h>

static PetscErrorCode PrintResult(Run *run, const Study *study, RheoPosterior posterior,
                                  const Samples *samples, RheoYaml *yaml)
{
  PetscFunctionBeginUser;
  if (run->config.title) RheoYamlText(yaml, "title", run->config.title);
  PetscCall(PrintPosterior(yaml, study, samples));
  PetscCall(PrintMap(yaml, run, study, posterior, samples->observation));
  PetscCall(PrintTraining(yaml, posterior));
  PetscFunctionReturn(RHEO_OK);
}

/* Everything of a deck that can be wrong is set up before work starts, so that a mistake in observation or flow does not
 * cost a simulation or a training first. */
static PetscErrorCode SetUp(Run *run, Study *study, RheoPosterior *posterior)
{
  double *observation;

  PetscFunctionBeginUser;
  PetscCall(StudyCreate(run->deck, study));
  PetscCall(RheoPosteriorCreate(run->deck, study->c, posterior));
  PetscCall(PetscMalloc1(study->c, &observation));
  PetscCall(RheoObservationRead(run->deck, study->c, observation));
  PetscCall(PetscFree(observation));
  PetscCall(RheoSimulatorPin(run->deck, study->c));
  PetscFunctionReturn(RHEO_OK);
}

/* One round of truncation: a short inference in DIR/roundK, whose posterior cuts the prior of the run's deck. */
static PetscErrorCode TruncateOnce(Run *run, int round, const RheoTruncateConfig *config)
{
  Run inner = *run;
  RheoPosterior posterior = NULL;
  const char *text, *name;
  char value[32];
  Samples samples;
  Study study;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetText(run->deck, &text));
  PetscCall(RheoDeckGetName(run->deck, &name));
  PetscCall(RheoDeckCreate(run->comm, &inner.deck));
  PetscCall(RheoDeckLoadText(inner.deck, name, text));
  snprintf(value, sizeof value, "%lld", (long long)config->n);
  PetscCall(RheoDeckSet(inner.deck, "simulate.n", value));
  snprintf(value, sizeof value, "%lld", (long long)config->epochs);
  PetscCall(RheoDeckSet(inner.deck, "train.epochs", value));
  snprintf(value, sizeof value, "%lld", (long long)config->batch);
  PetscCall(RheoDeckSet(inner.deck, "train.batch", value));
  snprintf(value, sizeof value, "round%d", round);
  inner.config.output = RunPath(run, value);
  PetscCall(RheoMakeDirectory(run->comm, inner.config.output));
  PetscCall(StudyCreate(inner.deck, &study));
  PetscCall(SimulateToFile(&inner, &study, RunPath(&inner, "data.h5")));
  PetscCall(TrainFromFiles(&inner, NULL, RunPath(&inner, "model.h5"), &posterior));
  PetscCall(SamplesDraw(&inner, &study, posterior, &samples));
  PetscCall(RheoTruncatePrior(run->deck, study.prior, config, samples.n, samples.theta));
  PetscCall(SamplesFree(&samples));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(StudyDestroy(&study));
  PetscCall(RheoDeckDestroy(&inner.deck));
  PetscFunctionReturn(RHEO_OK);
}

/* Afterwards the deck says what the last training is: a cut prior and no more rounds. So the files that carry it can be made
 * again from it. Study and posterior follow the deck. */
static PetscErrorCode Truncate(Run *run, Study *study, RheoPosterior *posterior, int *rounds)
{
  RheoTruncateConfig config;
  double *x;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "truncate", RheoTruncateKeys, &config));
  *rounds = config.rounds;
  if (!config.rounds) PetscFunctionReturn(RHEO_OK);
  for (int round = 1; round <= config.rounds; round++) PetscCall(TruncateOnce(run, round, &config));
  PetscCall(PetscMalloc1(study->c, &x));
  PetscCall(RheoObservationRead(run->deck, study->c, x));
  PetscCall(RheoTruncateDone(run->deck, study->c, x));
  PetscCall(PetscFree(x));
  PetscCall(RheoPosteriorDestroy(posterior));
  PetscCall(StudyDestroy(study));
  PetscCall(SetUp(run, study, posterior));
  PetscFunctionReturn(RHEO_OK);
}

static const char *WhatIsKept(const Run *run)
{
  char text[PETSC_MAX_PATH_LEN + 128];
  snprintf(text, sizeof text, "what %s holds is kept: give the same command again for the rest",
           run->config.output);
  return RheoIntern(text);
}

static PetscErrorCode Infer(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoPosterior posterior;
  DataFileConfig data;
  CheckConfig check;
  PlotConfig plot;
  Samples samples;
  Study study;
  PetscBool of_data_set;
  int rounds = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set) {
    StopCatch(run, WhatIsKept(run));
    PetscCall(TransportInfer(run));
    StopRelease();
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(RheoSearchCheck(run->deck, run->comm));
  PetscCall(RheoDeckRead(run->deck, "data", DataFileKeys, &data));
  PetscCall(RheoDeckRead(run->deck, "check", CheckKeys, &check));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  PetscCall(SetUp(run, &study, &posterior));
  PetscCall(SafeguardOpen(run));
  StopCatch(run, WhatIsKept(run));
  if (!data.file.n) PetscCall(Truncate(run, &study, &posterior, &rounds));
  if (!data.file.n) PetscCall(SimulateToFile(run, &study, RunPath(run, "data.h5")));
  PetscCall(TrainFromFiles(run, &data.file, RunPath(run, "model.h5"), &posterior));
  if (plot.figures) PetscCall(PlotTraining(run, RheoPosteriorHistory(posterior), RunPath(run, "series.csv")));
  PetscCall(SamplesDraw(run, &study, posterior, &samples));
  PetscCall(SamplesWrite(run, &study, &samples, RunPath(run, "samples.h5")));
  if (plot.figures) PetscCall(PlotSamples(run, &study, &samples));
  PetscCall(PrintResult(run, &study, posterior, &samples, &yaml));
  PetscCall(CheckPosterior(run, &study, posterior, &samples, &yaml));
  if (check.reference)
    PetscCall(CheckAgainst(run, study.d, samples.n, samples.theta, check.reference, &yaml));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "infer", run->deck));
  RheoYamlText(&yaml, "output", run->config.output);
  for (int round = 1; round <= rounds; round++) {
    char name[32];
    snprintf(name, sizeof name, "round%d", round);
    PetscCall(SafeguardClose(run, name));
  }
  PetscCall(SafeguardClose(run, ""));
  PetscCall(SamplesFree(&samples));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(StudyDestroy(&study));
  StopRelease();
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Infer = {
    .name = "infer",
    .summary = "simulate (or read), train, sample, check and draw figures in one go",
    .usage = "DECK [-output DIR] [-key value ...]",
    .text =
        "  Writes data.h5, model.h5, samples.h5, series.csv, run.yaml and figures/ into DIR and prints the "
        "posterior "
        "of the observation, the maximum a\n"
        "  posteriori, the training and the checks. With -data_file it trains on a data set that is "
        "there already. With -truncate_rounds 1 a\n"
        "  short first round cuts the prior to the region of the observation's posterior, where the rest "
        "of the effort "
        "then goes.\n\n"
        "  A deck with a section `target` and no prior is a study of a data set: infer trains a model that "
        "goes from noise, or from the\n"
        "  section `source`, to the target, draws samples, compares them with test points and draws "
        "figures.\n\n"
        "  example: mpiexec -n 2 rheo infer inputs/flu/flu.yaml -output results/flu\n"
        "           rheo infer inputs/gallery/moons.yaml\n",
    .sections = (const char *const[]){"",         "simulate",    "simulator", "simulator.", "prior.*",
                                      "derived",  "observation", "data",      "target",     "source",
                                      "flow",     "flow.",       "cnf",       "cnf.",       "train",
                                      "truncate", "sample",      "check",     "plot",       NULL},
    .needs_target = PETSC_TRUE,
    .run = Infer,
};
