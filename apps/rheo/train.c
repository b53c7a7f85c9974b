/* rheo train: the posterior from a data set. */
#include "verb.h"
#include <stdio.h>

PetscErrorCode TrainFromFiles(Run *run, const RheoStrings *files, const char *path, RheoPosterior *posterior)
{
  const char *own = RunPath(run, "data.h5");
  RheoReader reader;
  RheoSafeguard guard;

  PetscFunctionBeginUser;
  PetscCall(RheoReaderOpen(run->comm, files && files->n ? files->n : 1,
                           files && files->n ? (const char *const *)files->v : &own, "dataset", &reader));
  if (!*posterior) {
    const int x = RheoReaderFind(reader, "data");
    const int width = x < 0 ? 1 : RheoReaderTable(reader)->block[x].width;
    PetscCall(RheoSimulatorPin(run->deck, width));
    PetscCall(RheoPosteriorCreate(run->deck, width, posterior));
  }
  PetscCall(SafeguardCatch(run, &guard));
  PetscCall(RheoPosteriorSetSafeguard(*posterior, &guard));
  PetscCall(RheoPosteriorSetSeries(*posterior, RunPath(run, "series.csv")));
  PetscCall(RheoPosteriorTrainFiles(*posterior, reader));
  PetscCall(RheoReaderClose(&reader));
  PetscCall(RheoPosteriorSave(*posterior, path));
  PetscCall(SafeguardRelease(run, path));
  PetscFunctionReturn(RHEO_OK);
}

void PrintHistory(RheoYaml *yaml, const RheoHistory *h, RheoTrainReason reason, double rate,
                  uint64_t checksum)
{
  static const char *const reasons[] = {"all epochs done", "all steps done", "no more improvement",
                                        "loss not finite"};
  const int64_t best = RheoHistoryBest(h);
  char text[32];

  RheoYamlOpen(yaml, "train");
  RheoYamlInt(yaml, "epochs", h->n);
  if (h->n) {
    RheoYamlInt(yaml, "best_epoch", (long long)h->epoch[best]);
    RheoYamlReal(yaml, "train_loss", h->train_loss[best]);
    RheoYamlReal(yaml, "validation_loss", h->validation_loss[best]);
  }
  RheoYamlText(yaml, "stopped", reasons[reason]);
  RheoYamlReal(yaml, "samples_per_s", rate);
  snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum);
  RheoYamlText(yaml, "checksum", text);
  RheoYamlClose(yaml);
}

PetscErrorCode PrintTraining(RheoYaml *yaml, RheoPosterior posterior)
{
  RheoTrainReason reason;
  double rate, communication;
  uint64_t checksum;

  PetscFunctionBeginUser;
  PetscCall(RheoPosteriorGetTrainer(posterior, &reason, &rate, &communication));
  PetscCall(RheoPosteriorGetChecksum(posterior, &checksum));
  PrintHistory(yaml, RheoPosteriorHistory(posterior), reason, rate, checksum);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Train(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *path = RunPath(run, "model.h5");
  RheoPosterior posterior = NULL;
  DataFileConfig data;
  PlotConfig plot;
  PetscBool of_data_set;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set) {
    PetscCall(TransportTrain(run));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCall(RheoDeckRead(run->deck, "data", DataFileKeys, &data));
  PetscCall(RheoDeckRead(run->deck, "plot", PlotKeys, &plot));
  PetscCall(SafeguardOpen(run));
  PetscCall(TrainFromFiles(run, &data.file, path, &posterior));
  if (plot.figures) PetscCall(PlotTraining(run, RheoPosteriorHistory(posterior), RunPath(run, "series.csv")));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "train", run->deck));
  PetscCall(PrintTraining(&yaml, posterior));
  PetscCall(SafeguardClose(run, ""));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Train = {
    .name = "train",
    .summary = "train the posterior on a data set, write DIR/model.h5",
    .usage = "DECK [-data_file FILE] [-train_epochs 100] [-output DIR] [-key value ...]",
    .text =
        "  Reads the file of `rheo simulate` (DIR/data.h5 unless -data_file says otherwise), or several "
        "files as "
        "one data set. Rows that do\n"
        "  not fit into memory are read as they are needed. The model is the same, bit by bit, for any "
        "number of ranks; it carries its deck, so that `rheo sample DIR/model.h5` needs nothing else.\n\n"
        "  How it goes is in DIR/series.csv, row by row while it goes: losses, speed, communication, memory, "
        "time left. `rheo plot DIR/series.csv` draws it.\n\n"
        "  A deck with a section `target` is a study of a data set: the model goes from noise, or from the "
        "section "
        "`source`, to the target.\n\n"
        "  example: mpiexec -n 2 rheo train inputs/flu/flu.yaml -output results/flu\n",
    .sections = (const char *const[]){"", "data", "target", "source", "train", "flow", "flow.", "cnf", "cnf.",
                                      "prior.*", NULL},
    .needs_target = PETSC_TRUE,
    .run = Train,
};
