/* rheo bench: speed as ratios measured in one run: against the machine's own matrix products, against PyTorch and SciPy, and
 * two ranks against one; and how long a host waits for one sample. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  PetscErrorCode (*run)(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml);
} Benches[] = {{"dense", BenchDense},           {"spline", BenchSpline},   {"ranks", BenchRanks},
               {"assignment", BenchAssignment}, {"cfm", BenchCfm},         {"cnf_nll", BenchCnfNll},
               {"sampling", BenchSampling},     {"latency", BenchLatency}, {"stream", BenchStream},
               {"scaling", BenchScaling}};
enum { N_BENCH = sizeof Benches / sizeof *Benches };

#define NAMES "dense, spline, ranks, assignment, cfm, cnf_nll, sampling, latency, stream, scaling"

const RheoKey BenchKeys[] = {
    {"run", RHEO_KEY_STRINGS, offsetof(BenchConfig, run), NAMES, NULL, "which of " NAMES},
    {"seconds", RHEO_KEY_REAL, offsetof(BenchConfig, seconds), "3", "(0, 1000]",
     "for each measurement, about"},
    {"peer", RHEO_KEY_STRING, offsetof(BenchConfig, peer), NULL, NULL,
     "the folder of the scripts that time others (default tests/bench of the source tree), or none"},
    {"shards", RHEO_KEY_INT, offsetof(BenchConfig, shards), "4", "[1, 64]",
     "of the training that two ranks share; four times as many for the spline flow, whose rows take more "
     "cache"},
    {"latency_us", RHEO_KEY_REAL, offsetof(BenchConfig, latency_us), "0", "[0, 1e6]",
     "of a message, for the prediction of scaling; 0: as measured"},
    {"bandwidth_gbs", RHEO_KEY_REAL, offsetof(BenchConfig, bandwidth_gbs), "0", "[0, 1e6]",
     "of messages in 1e9 bytes/s, for the prediction of scaling; 0: as measured"},
    {"model_parameters", RHEO_KEY_COUNT, offsetof(BenchConfig, model_parameters), "0", "[0, 2e9]",
     "of the model whose scaling is predicted; 0: those of the problem that is measured"},
    {"model_shards", RHEO_KEY_INT, offsetof(BenchConfig, model_shards), "1024", "[1, 65536]",
     "of the training whose scaling is predicted, with as many rows each as in what is measured"},
    {"stream_rows", RHEO_KEY_COUNT, offsetof(BenchConfig, stream_rows), "0", "[0, 1e12]",
     "of 160 bytes that `stream` trains on, once; 0: as many as suit `seconds`, twice"},
    {0}};

int BenchPeer(const BenchConfig *config, const char *script, const char *module, const char *arguments,
              char line[256])
{
  const char *folder = config->peer ? config->peer : RHEO_SOURCE_DIR "/tests/bench";
  char command[PETSC_MAX_PATH_LEN + 512];
  int found = 0;
  if (!strcmp(folder, "none")) return 0;
  snprintf(command, sizeof command,
           "for p in python3 /usr/bin/python3; do if $p -c 'import %s' 2>/dev/null; then env -u "
           "OMP_NUM_THREADS $p '%s/%s' %s; break; fi; done",
           module, folder, script, arguments);
  FILE *pipe = popen(command, "r");
  if (!pipe) return 0;
  if (fgets(line, 256, pipe)) {
    line[strcspn(line, "\n")] = 0;
    found = 1;
  }
  pclose(pipe);
  return found;
}

PetscErrorCode BenchWait(MPI_Comm comm)
{
  MPI_Request request;
  int done = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Ibarrier(comm, &request));
  while (!done) {
    PetscCallMPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (!done) PetscCall(PetscSleep(0.002));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchFolder(MPI_Comm comm, char folder[PETSC_MAX_PATH_LEN])
{
  const char *parent = getenv("TMPDIR");
  PetscMPIInt rank;
  int made = 1;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  snprintf(folder, PETSC_MAX_PATH_LEN, "%s/rheo_bench_XXXXXX", parent && *parent ? parent : P_tmpdir);
  if (rank == 0) made = mkdtemp(folder) != NULL;
  PetscCallMPI(MPI_Bcast(&made, 1, MPI_INT, 0, comm));
  RheoInputCheck(made, comm, "%s: cannot be made; TMPDIR says where", folder);
  PetscCallMPI(MPI_Bcast(folder, PETSC_MAX_PATH_LEN, MPI_CHAR, 0, comm));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchFolderRemove(MPI_Comm comm, const char *folder, const char *name)
{
  char path[PETSC_MAX_PATH_LEN + 64];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  snprintf(path, sizeof path, "%s/%s", folder, name);
  if (rank == 0) {
    unlink(path);
    rmdir(folder);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Bench(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  PetscBool wanted[N_BENCH] = {PETSC_FALSE};
  BenchConfig config;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "bench", BenchKeys, &config));
  for (int i = 0; i < config.run.n; i++) {
    PetscBool any = PETSC_FALSE;
    for (int k = 0; k < N_BENCH; k++)
      if (!strcmp(config.run.v[i], Benches[k].name)) any = wanted[k] = PETSC_TRUE;
    if (!any) PetscCall(RheoDeckReject(run->deck, "bench.run", "'%s' is none of %s", config.run.v[i], NAMES));
  }
  for (int k = 0; k < N_BENCH; k++) {
    if (wanted[k]) PetscCall(Benches[k].run(run->comm, &config, &yaml));
    PetscCall(BenchWait(run->comm));
  }
  RheoYamlReal(&yaml, "peak_memory_mb", RheoPeakMemory() * 1e-6);
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Bench = {
    .name = "bench",
    .summary = "speed as ratios: of the matrix-product rate, of PyTorch, of two ranks to one, of SciPy",
    .usage = "[-bench_run dense,spline,ranks,assignment,cfm,cnf_nll,sampling,latency,stream,scaling] "
             "[-bench_seconds 3]",
    .text =
        "  dense: training a 5x256 SiLU network at batch 1024, as a fraction of the best matrix-product "
        "rate in the same run. spline: training\n"
        "  sbi's default flow, against PyTorch where it is installed. ranks: two ranks against one. "
        "assignment:\n"
        "  optimal assignments as couplings need them, against SciPy where it is installed. "
        "cfm: flow matching, and cnf_nll: maximum\n  likelihood of a continuous flow, against PyTorch. "
        "sampling: a neural ODE's "
        "evaluations, against PyTorch, and how many of them\n  the rule for steps costs. "
        "latency: one\n  sample and one density of sbi's default flow at a time, as a simulation code "
        "asks for them "
        "(rheo_embed.h), in microseconds.\n  stream: training on rows that are read as they are needed, as a "
        "fraction of the speed from memory.\n  scaling: training on 1, 2, 4, ... ranks up to those "
        "started, what ordered "
        "sums cost against MPI_Allreduce, and a prediction to\n  1024 ranks (tests/bench/README.md of "
        "the source tree).\n"
        "  Measure on an idle machine.\n\n"
        "  example: mpiexec -n 2 rheo bench\n",
    .sections = (const char *const[]){"bench", NULL},
    .needs_target = PETSC_FALSE,
    .run = Bench,
};
