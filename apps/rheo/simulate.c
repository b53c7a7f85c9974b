/* rheo simulate: parameters from the prior through the simulator into a data set. */
#include "verb.h"

PetscErrorCode StudyCreateOfModel(RheoDeck deck, RheoPosterior posterior, Study *study)
{
  PetscFunctionBeginUser;
  *study = (Study){.c = posterior ? RheoPosteriorDataSize(posterior) : 0};
  PetscCall(RheoPriorCreate(&study->prior));
  PetscCall(RheoPriorSetFromDeck(study->prior, deck, "prior"));
  study->d = RheoPriorSize(study->prior);
  PetscCall(RheoDerivedCreate(deck, study->prior, &study->derived));
  study->q = RheoDerivedSize(study->derived);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode StudyCreate(RheoDeck deck, Study *study)
{
  PetscFunctionBeginUser;
  PetscCall(StudyCreateOfModel(deck, NULL, study));
  PetscCall(RheoSimulatorCreate(&study->simulator));
  PetscCall(RheoSimulatorSetFromDeck(study->simulator, deck, study->d));
  study->c = RheoSimulatorDataSize(study->simulator);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode StudyDestroy(Study *study)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDerivedDestroy(&study->derived));
  if (study->simulator) PetscCall(RheoSimulatorDestroy(&study->simulator));
  PetscCall(RheoPriorDestroy(&study->prior));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Simulate(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *path = RunPath(run, "data.h5");
  RheoSimulateConfig config;
  Study study;

  PetscFunctionBeginUser;
  PetscCall(StudyCreate(run->deck, &study));
  PetscCall(RheoSimulatorPin(run->deck, study.c));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(SimulateToFile(run, &study, path));
  PetscCall(RheoDeckRead(run->deck, "simulate", RheoSimulateKeys, &config));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "simulate", run->deck));
  RheoYamlOpen(&yaml, "simulate");
  RheoYamlInt(&yaml, "simulations", config.n);
  RheoYamlInt(&yaml, "parameters", study.d);
  RheoYamlInt(&yaml, "data", study.c);
  RheoYamlText(&yaml, "file", path);
  RheoYamlClose(&yaml);
  PetscCall(StudyDestroy(&study));
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Simulate = {
    .name = "simulate",
    .summary = "draw parameters from the prior, run the simulator, write DIR/data.h5",
    .usage = "DECK [-simulate_n 100k] [-output DIR] [-key value ...]",
    .text =
        "  The data set is the same, byte by byte, for any number of ranks. Simulations that fail or "
        "give values that are not finite\n"
        "  stay in the file with their status and are counted in a warning.\n\n"
        "  Every few seconds (-simulate_keep_every) what is done is kept in DIR/data.h5.parts: after a "
        "crash, a "
        "kill or a time limit the same\n"
        "  command goes on from there, on another number of ranks if you like, to the same file. SIGTERM, "
        "SIGINT and SIGUSR1 keep all\n"
        "  that is done and end it with status 3. What another version of the files that a command's line "
        "names, or "
        "of a plug-in, has made is not\n  taken; after a change in what these load, -simulate_restart no is "
        "needed.\n\n"
        "  example: mpiexec -n 2 rheo simulate inputs/flu/flu.yaml -simulate_n 10k -output results/flu\n",
    .sections = (const char *const[]){"", "simulate", "simulator", "simulator.", "prior.*", NULL},
    .needs_target = PETSC_TRUE,
    .run = Simulate,
};
