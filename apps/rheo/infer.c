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

static PetscErrorCode Infer(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoPosterior posterior;
  DataFileConfig data;
  CheckConfig check;
  PlotConfig plot;
  Samples samples;
  Study study;
  double *observation;

  PetscFunctionBeginUser;
  PetscCall(StudyCreate(run->deck, &study));
  PetscCall(RheoDeckRead(run->deck, "data", DataFileKeys, &data));
  PetscCall(RheoDeckRead(run->deck, "check", CheckKeys, &check));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  /* A mistake in observation or flow should not cost a simulation or a training first. */
  PetscCall(RheoPosteriorCreate(run->deck, study.c, &posterior));
  PetscCall(PetscMalloc1(study.c, &observation));
  PetscCall(RheoObservationRead(run->deck, study.c, observation));
  PetscCall(PetscFree(observation));
  PetscCall(RheoSimulatorPin(run->deck, study.c));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));

  if (!data.file) PetscCall(SimulateToFile(run, &study, RunPath(run, "data.h5")));
  PetscCall(TrainFromFile(run, data.file ? data.file : RunPath(run, "data.h5"), RunPath(run, "model.h5"),
                          &posterior));
  if (plot.figures) PetscCall(PlotTraining(run, posterior));
  PetscCall(SamplesDraw(run, &study, posterior, &samples));
  PetscCall(SamplesWrite(run, &study, &samples, RunPath(run, "samples.h5")));
  if (plot.figures) PetscCall(PlotSamples(run, &study, &samples));
  PetscCall(PrintResult(run, &study, posterior, &samples, &yaml));
  PetscCall(CheckPosterior(run, &study, posterior, &samples, &yaml));
  if (check.reference)
    PetscCall(CheckAgainst(run, study.d, samples.n, samples.theta, check.reference, &yaml));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "infer", run->deck));
  RheoYamlText(&yaml, "output", run->config.output);
  PetscCall(SamplesFree(&samples));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(StudyDestroy(&study));
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Infer = {
    .name = "infer",
    .summary = "simulate (or read), train, sample, check and draw figures in one go",
    .usage = "DECK [-output DIR] [-key value ...]",
    .text = "  Writes data.h5, model.h5, samples.h5, run.yaml and figures/ into DIR and prints the posterior "
            "of the observation, the maximum a\n"
            "  posteriori, the training and the checks. With -data_file it trains on a data set that is "
            "there already.\n\n"
            "  example: mpiexec -n 2 rheo infer inputs/flu/flu.yaml -output results/flu\n",
    .sections =
        (const char *const[]){"", "simulate", "simulator", "simulator.", "prior.*", "derived", "observation",
                              "data", "flow", "flow.", "train", "sample", "check", "plot", NULL},
    .needs_target = PETSC_TRUE,
    .run = Infer,
};
