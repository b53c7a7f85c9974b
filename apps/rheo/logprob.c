/* rheo logprob: the density of given points under the posterior of an observation. */
#include "verb.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static PetscBool IsHdf5(const char *path)
{
  const char *dot = strrchr(path, '.');
  return (PetscBool)(dot && (!strcmp(dot, ".h5") || !strcmp(dot, ".hdf5")));
}

/* A text that names no columns has c1, c2, ... */
static PetscBool IsUnnamed(const RheoBlock *block)
{
  char name[64];
  for (int k = 0; k < block->width; k++) {
    snprintf(name, sizeof name, "c%d", k + 1);
    if (strcmp(block->columns[k], name)) return PETSC_FALSE;
  }
  return PETSC_TRUE;
}

/* Which column of the file coordinate k of a point is: that of its name, or by position where the file has no names. */
static PetscErrorCode MatchColumns(Run *run, const RheoBlock *block, int d, const char *const *name,
                                   int *place)
{
  PetscFunctionBeginUser;
  if (!block || block->width != d)
    PetscCall(RheoDeckReject(run->deck, "points.file", "has %d columns, a point of the model has %d numbers",
                             block ? block->width : 0, d));
  const PetscBool unnamed = IsUnnamed(block);
  for (int k = 0; k < d; k++) {
    place[k] = unnamed ? k : -1;
    for (int j = 0; !unnamed && j < d; j++)
      if (!strcmp(block->columns[j], name[k])) place[k] = j;
    if (place[k] < 0)
      PetscCall(
          RheoDeckReject(run->deck, "points.file",
                         "has no column '%s' (its first is '%s'); columns are told by their names, in any "
                         "order, and go by position only in a file without a header",
                         name[k], block->columns[0]));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakePoints(Run *run, const RheoTable *table, const RheoBlock *block, int d,
                                 const char *const *name, double *theta)
{
  int *place;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(d, &place));
  PetscCall(MatchColumns(run, block, d, name, place));
  for (int64_t i = 0; i < table->n; i++)
    for (int k = 0; k < d; k++) {
      const double value = block->value[i * d + place[k]];
      if (!isfinite(value))
        PetscCall(RheoDeckReject(run->deck, "points.file",
                                 "row %lld of column '%s' is %g, not a finite number", (long long)i + 1,
                                 block->columns[place[k]], value));
      theta[i * d + k] = value;
    }
  PetscCall(PetscFree(place));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode ReadPoints(Run *run, int d, const char *const *name, int64_t *n, double **theta)
{
  PointsConfig points;
  RheoTable *table;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "points", PointsKeys, &points));
  RheoInputCheck(
      points.file || points.values.n, run->comm,
      "rheo logprob needs points: -points_file FILE or -points_values a,b,... (%d numbers a point)", d);
  if (!points.file) {
    RheoInputCheck(points.values.n % d == 0, run->comm,
                   "points.values has %d numbers, which is no multiple of the %d parameters", points.values.n,
                   d);
    *n = points.values.n / d;
    PetscCall(PetscMalloc1(*n * d, theta));
    PetscCall(PetscArraycpy(*theta, points.values.v, *n * d));
    PetscFunctionReturn(RHEO_OK);
  }
  if (IsHdf5(points.file))
    PetscCall(RheoTableRead(run->comm, points.file, NULL, PETSC_TRUE, &table));
  else
    PetscCall(RheoTableReadText(run->comm, points.file, &table));
  *n = table->n;
  PetscCall(PetscMalloc1(*n * d, theta));
  PetscCall(TakePoints(run, table, RheoTableBlock(table, IsHdf5(points.file) ? "parameters" : "columns"), d,
                       name, *theta));
  PetscCall(RheoTableDestroy(&table));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode LogprobErrors(Run *run, int64_t n, const double *log_prob, double *error, PetscBool *any)
{
  int64_t unknown = 0;

  PetscFunctionBeginUser;
  *any = PETSC_FALSE;
  for (int64_t i = 0; i < n; i++) {
    unknown += isnan(error[i]) && isfinite(log_prob[i]);
    if (error[i] > 0) *any = PETSC_TRUE;
    error[i] = sqrt(error[i]);
  }
  if (unknown)
    RheoLog(run->comm, RHEO_LOG_WARNING,
            "log-densities are estimates whose errors a single probe does not show; set cnf.solve.probes "
            "above 1");
  PetscFunctionReturn(RHEO_OK);
}

void PrintLogprob(RheoYaml *yaml, int64_t n, const double *log_prob, const double *error)
{
  enum { PRINTED = 100 };
  const RheoSummary summary = RheoSummarize(n, 1, log_prob, 0);
  double square = 0;

  RheoYamlInt(yaml, "points", n);
  if (n <= PRINTED) RheoYamlReals(yaml, "log_prob", (int)n, log_prob);
  if (n <= PRINTED && error) RheoYamlReals(yaml, "standard_error", (int)n, error);
  RheoYamlReal(yaml, "mean_log_prob", summary.mean);
  for (int64_t i = 0; error && i < n; i++) square += isnan(log_prob[i]) ? 0 : error[i] * error[i];
  if (error) RheoYamlReal(yaml, "mean_standard_error", sqrt(square) / (double)summary.n);
  if (summary.n < n) RheoYamlInt(yaml, "failed", n - summary.n);
}

/* error NULL: there is none. */
static PetscErrorCode WritePoints(Run *run, const Study *study, const char *const *name, int64_t n,
                                  double *theta, double *log_prob, double *error, double *x, const char *path)
{
  static const char *const log_prob_name[] = {"log_prob"}, *const error_name[] = {"standard_error"};
  RheoTable table = {.kind = "samples", .verb = "logprob", .n = n, .n_blocks = error ? 3 : 2, .n_extras = 1};

  PetscFunctionBeginUser;
  RheoRange(run->comm, n, &table.begin, &table.end);
  PetscCall(RheoDeckGetText(run->deck, &table.deck));
  table.block[0] =
      (RheoBlock){"parameters", study->d, RHEO_STORE_DOUBLE, name, NULL, theta + table.begin * study->d};
  table.block[1] = (RheoBlock){"log_prob", 1, RHEO_STORE_DOUBLE, log_prob_name, NULL, log_prob + table.begin};
  if (error)
    table.block[2] =
        (RheoBlock){"standard_error", 1, RHEO_STORE_DOUBLE, error_name, NULL, error + table.begin};
  table.extra[0] = (RheoExtra){"observation", study->c, x};
  PetscCall(RheoTableWrite(run->comm, path, &table));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Logprob(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  RheoPosterior posterior;
  double *theta, *x, *log_prob, *error;
  const char **name;
  int64_t n;
  Study study;
  RheoRunConfig seed;
  PetscBool of_data_set, estimated;

  PetscFunctionBeginUser;
  StopCatch(run, "nothing is written, the model is as it was: give the same command again");
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  if (of_data_set) {
    PetscCall(TransportLogprob(run));
    StopRelease();
    PetscFunctionReturn(RHEO_OK);
  }
  RheoInputCheck(run->is_file && !strcmp(run->kind, "model"), run->comm,
                 "%s: rheo logprob needs a model file", run->target);
  PetscCall(RheoPosteriorLoad(run->comm, run->target, &posterior));
  PetscCall(RheoPosteriorSetSolver(posterior, run->deck));
  PetscCall(StudyCreateOfModel(run->deck, posterior, &study));
  PetscCall(PetscMalloc1(study.d, &name));
  for (int k = 0; k < study.d; k++) name[k] = RheoPriorName(study.prior, k);
  PetscCall(ReadPoints(run, study.d, name, &n, &theta));
  PetscCall(RheoDeckRead(run->deck, "", RheoRunKeys, &seed));
  PetscCall(PetscMalloc3(study.c, &x, n, &log_prob, n, &error));
  PetscCall(RheoObservationRead(run->deck, study.c, x));
  PetscCall(RheoTruncateWarn(run->deck, study.c, x));
  PetscCall(RheoSimulatorPin(run->deck, study.c));
  PetscCall(
      RheoPosteriorEstimateLogProb(posterior, n, theta, x, PETSC_TRUE, (uint64_t)seed.seed, log_prob, error));
  PetscCall(RheoStopCheck(run->comm, "while densities were computed"));
  PetscCall(CheckArrived(run, "points", n, RheoSummarize(n, 1, log_prob, 0).n));
  PetscCall(LogprobErrors(run, n, log_prob, error, &estimated));
  PetscCall(RheoMakeDirectory(run->comm, run->config.output));
  PetscCall(WritePoints(run, &study, name, n, theta, log_prob, estimated ? error : NULL, x,
                        RunPath(run, "logprob.h5")));
  PetscCall(RheoProvenanceWriteRun(run->comm, run->config.output, "logprob", run->deck));
  PrintLogprob(&yaml, n, log_prob, estimated ? error : NULL);
  RheoYamlText(&yaml, "file", RunPath(run, "logprob.h5"));
  PetscCall(PetscFree3(x, log_prob, error));
  PetscCall(PetscFree(name));
  PetscCall(PetscFree(theta));
  PetscCall(StudyDestroy(&study));
  PetscCall(RheoPosteriorDestroy(&posterior));
  StopRelease();
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Logprob = {
    .name = "logprob",
    .summary = "log-density of points under the posterior, write DIR/logprob.h5",
    .usage = "MODEL.h5 -points_values a,b,... | -points_file FILE [-output DIR] [-key value ...]",
    .text =
        "  Natural logarithm of the normalised density; -inf outside the prior. Up to 100 values are "
        "printed, all are written. Where a continuous flow's divergence is estimated with more than one\n"
        "  probe (-cnf_solve_divergence rademacher -cnf_solve_probes 16) each has a standard error, which\n"
        "  tells how far the estimate may be off; -seed draws other probes.\n\n"
        "  example: rheo logprob results/flu/model.h5 -points_values 1.7,0.54,0.1\n",
    .sections =
        (const char *const[]){"", "points", "observation", "sample", "cnf.solve", "cnf.guidance", NULL},
    .needs_target = PETSC_TRUE,
    .run = Logprob,
};
