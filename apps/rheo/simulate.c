/* rheo simulate: parameters from the prior through the simulator into a data set. */
#include "verb.h"
#include <stdio.h>
#include <string.h>

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

/* What failed, over all ranks; the first reason of each kind comes from the lowest rank that has one. */
static PetscErrorCode ReportFailures(Run *run, int64_t n, int64_t n_all, const int8_t *status,
                                     char (*message)[256])
{
  int64_t mine[RHEO_SIMULATION_STATUSES] = {0}, all[RHEO_SIMULATION_STATUSES];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(run->comm, &rank));
  for (int64_t i = 0; i < n; i++) mine[status[i]]++;
  PetscCallMPI(MPI_Allreduce(mine, all, RHEO_SIMULATION_STATUSES, MPI_INT64_T, MPI_SUM, run->comm));
  for (int s = 1; s < RHEO_SIMULATION_STATUSES; s++) {
    PetscMPIInt from = message[s][0] ? rank : INT32_MAX, lowest;
    if (!all[s]) continue;
    PetscCallMPI(MPI_Allreduce(&from, &lowest, 1, MPI_INT, MPI_MIN, run->comm));
    if (lowest < INT32_MAX) PetscCallMPI(MPI_Bcast(message[s], 256, MPI_CHAR, lowest, run->comm));
    RheoLog(run->comm, RHEO_LOG_WARNING, "%lld of %lld simulations: %s%s%s", (long long)all[s],
            (long long)n_all, RheoSimulationStatusName((RheoSimulationStatus)s), message[s][0] ? ": " : "",
            message[s]);
  }
  RheoInputCheck(all[0] > 0, run->comm, "none of %lld simulations succeeded (%s)", (long long)n_all,
                 all[1] && message[1][0] ? message[1] : "see the warnings above");
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's of n_all simulations, in pieces for the progress bar. Ranks have equal shares, so that the first one
 * speaks for all. */
static PetscErrorCode SimulateShare(Run *run, const Study *study, uint64_t seed, int64_t n_all, int64_t begin,
                                    int64_t end, double *theta, double *x, int8_t *status,
                                    char (*message)[256])
{
  const int64_t piece = PetscMax(1, PetscMin(1000, (end - begin) / 20));
  RheoProgress progress;

  PetscFunctionBeginUser;
  for (int s = 0; s < RHEO_SIMULATION_STATUSES; s++) message[s][0] = 0;
  PetscCall(RheoProgressCreate(run->comm, "simulate", "simulations", n_all, &progress));
  for (int64_t first = begin; first < end; first += piece) {
    char reason[RHEO_SIMULATION_STATUSES][256] = {{0}};
    const int64_t n = PetscMin(piece, end - first), at = first - begin;
    PetscCall(RheoSimulate(study->simulator, study->prior, seed, (uint64_t)first, n, 1, theta + at * study->d,
                           x + at * study->c, status + at, reason));
    for (int s = 0; s < RHEO_SIMULATION_STATUSES; s++)
      if (!message[s][0]) memcpy(message[s], reason[s], sizeof reason[s]);
    PetscCall(RheoProgressUpdate(progress,
                                 (int64_t)((double)n_all * (double)(at + n) / (double)(end - begin)), NULL));
  }
  PetscCall(RheoProgressDestroy(&progress));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode WriteDataSet(Run *run, const Study *study, const char *path, RheoTable *table,
                                   double *theta, double *x, const int8_t *status)
{
  static const char *const status_name[] = {"status"};
  const int64_t n = table->end - table->begin;
  const char **parameter, **unit, **data;
  double *s;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(study->d, &parameter, study->d, &unit, study->c, &data, n, &s));
  for (int k = 0; k < study->d; k++) {
    parameter[k] = RheoPriorName(study->prior, k);
    unit[k] = RheoPriorUnit(study->prior, k);
  }
  for (int k = 0; k < study->c; k++) data[k] = RheoSimulatorDataName(study->simulator, k);
  for (int64_t i = 0; i < n; i++) s[i] = status[i];
  table->kind = "dataset";
  table->verb = "simulate";
  PetscCall(RheoDeckGetText(run->deck, &table->deck));
  table->n_blocks = 3;
  table->block[0] = (RheoBlock){"parameters", study->d, RHEO_STORE_DOUBLE, parameter, unit, theta};
  table->block[1] = (RheoBlock){"data", study->c, RHEO_STORE_DOUBLE, data, NULL, x};
  table->block[2] = (RheoBlock){"status", 1, RHEO_STORE_INT8, status_name, NULL, s};
  PetscCall(RheoTableWrite(run->comm, path, table));
  PetscCall(PetscFree4(parameter, unit, data, s));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SimulateToFile(Run *run, const Study *study, const char *path)
{
  RheoTable table = {0};
  RheoRunConfig config;
  CountConfig count;
  double *theta, *x;
  int8_t *status;
  char(*message)[256];

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &config));
  PetscCall(RheoDeckRead(run->deck, "simulate", SimulateKeys, &count));
  table.n = count.n;
  RheoRange(run->comm, table.n, &table.begin, &table.end);
  const int64_t n = table.end - table.begin;
  PetscCall(
      PetscMalloc4(n * study->d, &theta, n * study->c, &x, n, &status, RHEO_SIMULATION_STATUSES, &message));
  PetscCall(SimulateShare(run, study, (uint64_t)config.seed, table.n, table.begin, table.end, theta, x,
                          status, message));
  PetscCall(ReportFailures(run, n, table.n, status, message));
  PetscCall(WriteDataSet(run, study, path, &table, theta, x, status));
  PetscCall(PetscFree4(theta, x, status, message));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Simulate(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *path = RunPath(run, "data.h5");
  CountConfig count;
  Study study;

  PetscFunctionBeginUser;
  PetscCall(StudyCreate(run->deck, &study));
  PetscCall(RheoSimulatorPin(run->deck, study.c));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(SimulateToFile(run, &study, path));
  PetscCall(RheoDeckRead(run->deck, "simulate", SimulateKeys, &count));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "simulate", run->deck));
  RheoYamlOpen(&yaml, "simulate");
  RheoYamlInt(&yaml, "simulations", count.n);
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
    .text = "  The data set is the same, byte by byte, for any number of ranks. Simulations that fail or "
            "give values that are not finite\n"
            "  stay in the file with their status and are counted in a warning.\n\n"
            "  example: mpiexec -n 2 rheo simulate inputs/flu/flu.yaml -simulate_n 10k -output results/flu\n",
    .sections = (const char *const[]){"", "simulate", "simulator", "simulator.", "prior.*", NULL},
    .needs_target = PETSC_TRUE,
    .run = Simulate,
};
