/* One sample, or one density, of a model in a host: what a simulation code waits for. */
#include "bench_problem.h"
#include <infer/posterior.h>
#include <rheo_embed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FEATURES = 10, ROWS = 1000, MOST = 1 << 18 };

/* A model of the size that sbi takes by default for 10 parameters and 10 data, hardly trained. Not collective. */
static PetscErrorCode Model(const char *path)
{
  char text[4096] = "prior: {";
  RheoPosterior posterior;
  double *theta, *x;
  RheoDeck deck;

  PetscFunctionBeginUser;
  for (int k = 0; k < FEATURES; k++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%sp%d: {family: normal, mean: 0, sd: 1}",
             k ? ", " : "", k);
  snprintf(text + strlen(text), sizeof text - strlen(text),
           "}\ntrain: {steps: 20, batch: 200, shards: 1}\n%s", BenchSplineFlow);
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", text));
  PetscCall(RheoPosteriorCreate(deck, FEATURES, &posterior));
  PetscCall(PetscMalloc2(ROWS * FEATURES, &theta, ROWS * FEATURES, &x));
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    for (int k = 0; k < FEATURES; k++) {
      theta[i * FEATURES + k] = RheoStreamNormal(&stream);
      x[i * FEATURES + k] = theta[i * FEATURES + k] + RheoStreamNormal(&stream);
    }
  }
  RheoLogSetLevel(RHEO_LOG_WARNING);
  PetscCall(RheoPosteriorTrain(posterior, ROWS, theta, x, NULL));
  RheoLogSetLevel(RHEO_LOG_INFO);
  PetscCall(RheoPosteriorSave(posterior, path));
  PetscCall(PetscFree2(theta, x));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

static double Now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int Ascending(const void *x, const void *y)
{
  const double a = *(const double *)x, b = *(const double *)y;
  return a < b ? -1 : a > b;
}

typedef struct {
  rheo_model *model;
  rheo_workspace *workspace;
  double x[FEATURES], theta[FEATURES], log_prob;
} Host;

static int Sample(Host *h, int i)
{
  return rheo_sample(h->model, h->workspace, h->x, 1, i, 1, h->theta, &h->log_prob);
}

static int LogProb(Host *h, int i)
{
  h->theta[i % FEATURES] = 0.001 * (i % 1000);
  return rheo_log_prob(h->model, h->workspace, h->x, 1, h->theta, &h->log_prob);
}

/* Each call by itself, with the clock's own part of it. Sorted, in seconds. */
static int Times(int (*call)(Host *, int), Host *host, double seconds, double *t)
{
  const double start = Now();
  int n = 0;
  while (n < MOST && Now() - start < seconds) {
    const double begin = Now();
    if (call(host, n)) return 0;
    t[n++] = Now() - begin;
  }
  qsort(t, (size_t)n, sizeof *t, Ascending);
  return n;
}

static PetscErrorCode Measure(const char *path, double seconds, RheoYaml *yaml)
{
  static const struct {
    const char *name;
    int (*call)(Host *, int);
  } calls[] = {{"sample", Sample}, {"log_prob", LogProb}};
  Host host = {.x = {0.3, -0.2, 0.5, 0.1, 0, -0.4, 0.2, 0.6, -0.1, 0.4}};
  double *t;

  PetscFunctionBeginUser;
  PetscCheck(!rheo_start() && !rheo_model_load((int)MPI_Comm_c2f(PETSC_COMM_SELF), path, &host.model) &&
                 !rheo_workspace_create(host.model, &host.workspace),
             PETSC_COMM_SELF, PETSC_ERR_LIB, "%s", rheo_error());
  PetscCall(PetscMalloc1(MOST, &t));
  for (int k = 0; k < 2; k++) {
    const int n = Times(calls[k].call, &host, seconds, t);
    PetscCheck(n, PETSC_COMM_SELF, PETSC_ERR_LIB, "%s", rheo_error());
    RheoYamlOpen(yaml, calls[k].name);
    RheoYamlReal(yaml, "p50_us", 1e6 * t[n / 2]);
    RheoYamlReal(yaml, "p99_us", 1e6 * t[n - 1 - n / 100]);
    RheoYamlReal(yaml, "least_us", 1e6 * t[0]);
    RheoYamlInt(yaml, "calls", n);
    RheoYamlClose(yaml);
  }
  PetscCall(PetscFree(t));
  (void)rheo_workspace_destroy(&host.workspace);
  (void)rheo_model_destroy(&host.model);
  (void)rheo_end();
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchLatency(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  char folder[PETSC_MAX_PATH_LEN], path[PETSC_MAX_PATH_LEN + 16];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank != 0) PetscFunctionReturn(RHEO_OK);
  PetscCall(BenchFolder(PETSC_COMM_SELF, folder));
  snprintf(path, sizeof path, "%s/model.h5", folder);
  PetscCall(Model(path));
  RheoYamlOpen(yaml, "latency");
  PetscCall(Measure(path, config->seconds, yaml));
  RheoYamlClose(yaml);
  PetscCall(BenchFolderRemove(PETSC_COMM_SELF, folder, "model.h5"));
  PetscFunctionReturn(RHEO_OK);
}
