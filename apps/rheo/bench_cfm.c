/* Flow matching in the plane, as in torchcfm's notebooks: eight Gaussians to moons, a 3x64 SELU network, batch 256; with
 * independent pairs (I-CFM) and with an exact assignment of each batch (OT-CFM); against PyTorch and SciPy. */
#include "bench_problem.h"
#include <stdio.h>

enum { BATCH = 256, ROWS = 100 * BATCH, D = 2, ITERATIONS = 20000 };

static const char Toys[] = "source: {toy: eight_gaussians, radius: 5, sd: 0.5623413}\n"
                           "target: {toy: moons, jitter: diagonal, noise: 0.2, scale: 3, shift: [-1, -1]}\n";

static PetscErrorCode Draw(const char *section, uint64_t seed, float *rows)
{
  double *x;
  RheoDeck deck;
  RheoToy toy;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", Toys));
  PetscCall(RheoToyCreate(deck, section, seed, &toy));
  PetscCall(PetscMalloc1(ROWS * D, &x));
  RheoToySample(toy, seed, 0, ROWS, x, NULL);
  for (int i = 0; i < ROWS * D; i++) rows[i] = (float)x[i];
  PetscCall(PetscFree(x));
  PetscCall(RheoToyDestroy(&toy));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Rate(const char *coupling, double seconds, double *iterations)
{
  char text[256];
  BenchProblem p = {0};

  PetscFunctionBeginUser;
  snprintf(text, sizeof text,
           "cnf: {net: {type: mlp, hidden: 64, layers: 3, activation: selu}, time: raw, standardize: no,\n"
           "  sigma: 0.1, source: data, coupling: %s}\n",
           coupling);
  PetscCall(BenchProblemPairs(&p, ROWS, D, D)); /* room for both data sets */
  PetscCall(Draw("source", 1, p.y));
  PetscCall(Draw("target", 2, p.x));
  p.origin = (RheoRows){.n = ROWS, .n_columns = 1, .name = {"origin"}, .width = {D}, .value = {p.y}};
  PetscCall(BenchProblemCnf(text, D, "cfm", &p));
  PetscCall(BenchTrainRate(&p, BATCH, 1, seconds, iterations));
  *iterations /= BATCH;
  PetscCall(BenchProblemDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Measure(const BenchConfig *config, RheoYaml *yaml, const char *name,
                              const char *coupling)
{
  char arguments[64], line[256], peer[64] = "not measured (no PyTorch: Debian has it as python3-torch)";
  double mine, theirs = 0;
  int threads = 0, used = 0;

  PetscFunctionBeginUser;
  PetscCall(Rate(coupling, config->seconds, &mine));
  snprintf(arguments, sizeof arguments, "%s %g", name, config->seconds);
  if (BenchPeer(config, "peer_cfm.py", "torch", arguments, line) &&
      sscanf(line, "%lf %d %n", &theirs, &threads, &used) >= 2)
    snprintf(peer, sizeof peer, "%s", line + used);
  RheoYamlOpen(yaml, name);
  RheoYamlReal(yaml, "iterations_per_s", mine);
  RheoYamlReal(yaml, "seconds_20k_iterations", ITERATIONS / mine);
  RheoYamlText(yaml, "peer", peer);
  if (theirs > 0) {
    RheoYamlInt(yaml, "peer_threads", threads);
    RheoYamlReal(yaml, "peer_seconds_20k_iterations", ITERATIONS / theirs);
    RheoYamlReal(yaml, "ratio", mine / theirs);
  }
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchCfm(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  RheoYamlOpen(yaml, "cfm");
  PetscCall(Measure(config, yaml, "icfm", "independent"));
  PetscCall(Measure(config, yaml, "otcfm", "exact"));
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
