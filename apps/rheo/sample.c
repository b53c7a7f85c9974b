/* rheo sample: posterior samples of an observation from a trained model. */
#include "verb.h"
#include <string.h>

static PetscErrorCode Sample(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoPosterior posterior;
  PlotConfig plot;
  Samples samples;
  Study study;
  PetscBool of_data_set;

  PetscFunctionBeginUser;
  StopCatch(run, "nothing is written, the model is as it was: give the same command again");
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set) {
    PetscCall(TransportSample(run));
    StopRelease();
    PetscFunctionReturn(RHEO_OK);
  }
  RheoInputCheck(run->is_file && !strcmp(run->kind, "model"), run->comm,
                 "%s: rheo sample needs a model file (of `rheo train` or `rheo infer`)", run->target);
  PetscCall(RheoPosteriorLoad(run->comm, run->target, &posterior));
  PetscCall(RheoPosteriorSetSolver(posterior, run->deck));
  PetscCall(StudyCreateOfModel(run->deck, posterior, &study));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  PetscCall(SamplesDraw(run, &study, posterior, &samples));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(SamplesWrite(run, &study, &samples, RunPath(run, "samples.h5")));
  if (plot.figures) PetscCall(PlotSamples(run, &study, &samples));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "sample", run->deck));
  PetscCall(PrintPosterior(&yaml, &study, &samples));
  PetscCall(PrintMap(&yaml, run, &study, posterior, samples.observation));
  if (samples.misfit) PrintSteer(&yaml, &samples.steer);
  RheoYamlText(&yaml, "file", RunPath(run, "samples.h5"));
  PetscCall(SamplesFree(&samples));
  PetscCall(StudyDestroy(&study));
  PetscCall(RheoPosteriorDestroy(&posterior));
  StopRelease();
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Sample = {
    .name = "sample",
    .summary = "draw posterior samples of an observation, write DIR/samples.h5",
    .usage = "MODEL.h5 [-sample_n 10k] [-observation_values 1,2,...] [-output DIR] [-key value ...]",
    .text =
        "  Prints mean, sd, quantiles and the maximum a posteriori. The observation is that of the "
        "model's deck unless another is given.\n\n"
        "  The model of a data set (`target`): samples from noise or from held-back rows of the source, "
        "and where "
        "they come from.\n\n"
        "  With -dflow_fix samples of a continuous flow are steered until they fulfil what is fixed "
        "(D-Flow): each search begins at a sample's\n"
        "  start and moves it. misfit is the mean of ((what is fixed - its value)/sd)^2/2 over samples.\n\n"
        "  example: rheo sample results/flu/model.h5 -sample_n 100k -output results/flu2\n"
        "           rheo sample results/moons/model.h5 -sample_n 500 -dflow_fix \"x1 = 0.8\"\n",
    .sections = (const char *const[]){"", "sample", "observation", "plot", "cnf.solve", "cnf.guidance",
                                      "dflow", NULL},
    .needs_target = PETSC_TRUE,
    .run = Sample,
};
