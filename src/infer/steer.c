/* Searches for sources, row by row, shared out over the ranks. */
#include "../base/event.h"
#include "../base/log.h"
#include "../base/option_trial.h"
#include "../base/reduce.h"
#include "../base/stop.h"
#include "../cnf/search_check.h"
#include "steer_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const RheoKey RheoDFlowKeys[] = {
    {"fix", RHEO_KEY_STRINGS, offsetof(RheoSteerConfig, fix), NULL, NULL,
     "what samples are to fulfil, linear in the features: x1 = 0.8, 2 a - b = 1"},
    {"sd", RHEO_KEY_REALS, offsetof(RheoSteerConfig, sd), NULL, "(0, inf)",
     "of these values, one for all or one each (default: a hundredth of the features' spread)"},
    {"prior", RHEO_KEY_REAL, offsetof(RheoSteerConfig, prior), "1", "[0, inf)",
     "weight of |source - centre|^2/2, which keeps sources where samples come from"},
    {"around", RHEO_KEY_CHOICE, offsetof(RheoSteerConfig, around), "start", "start|zero",
     "the prior's centre: each row's own start (samples), or zero (the most probable point)"},
    {"bound", RHEO_KEY_REAL, offsetof(RheoSteerConfig, bound), "0", "[0, inf)",
     "of every coordinate of the source; 0: none"},
    {"iterations", RHEO_KEY_COUNT, offsetof(RheoSteerConfig, iterations), "200", "[1, 1e6]",
     "of a search at most"},
    {"tolerance", RHEO_KEY_REAL, offsetof(RheoSteerConfig, tolerance), "1e-3", "(0, inf)",
     "of the gradient's norm: about how far from the best the source may be"},
    {0}};

/* Samples are followed by PETSc's TS with all of its options, searches by an adjoint that knows of few: what it does not know would
 * steer other samples than are drawn. */
static PetscErrorCode HearOptions(RheoDeck deck, RheoSolveConfig *solve)
{
  static const char *const heard[] = {"ts_rtol", "ts_atol", "ts_max_steps", "ts_rk_type", "ts_type"};
  char name[128], value[128];
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(RheoOptionOther("-ts_", 5, heard, sizeof name, name));
  PetscCall(RheoOptionGiven("ts_type", sizeof value, value, &given));
  if (given && strcmp(value, "rk")) snprintf(name, sizeof name, "ts_type");
  if (name[0])
    PetscCall(RheoOptionReject(deck, PETSC_COMM_SELF, name,
                               "is not for steered samples, whose searches it would not reach; see "
                               "cnf.solve.scheme, steps, rtol and atol"));
  PetscCall(RheoOptionGiven("ts_rk_type", sizeof value, value, &given));
  if (given) solve->scheme = RheoIntern(value);
  PetscCall(RheoOptionGiven("ts_max_steps", sizeof value, value, &given));
  if (given) solve->most = (int64_t)strtod(value, NULL);
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-ts_rtol", &solve->rtol, NULL));
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-ts_atol", &solve->atol, NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SteerCreate(RheoDeck deck, RheoDensity q, const RheoSolveConfig *solve,
                           const RheoSteerConfig *config, RheoDFlow *dflow)
{
  const RheoCnf cnf = RheoDensityModel(q)->cnf;
  const int source = RheoCnfGetConfig(cnf)->source;
  RheoDFlowConfig own = {.solve = *solve,
                         .prior = config->prior,
                         .bound = config->bound,
                         .iterations = config->iterations,
                         .absolute = config->tolerance};

  PetscFunctionBeginUser;
  own.solve.precision = RHEO_SOLVE_DOUBLE; /* rounding would end line searches long before the minimum */
  if (source == RHEO_SOURCE_DATA && config->prior > 0)
    PetscCall(RheoDeckReject(deck, "dflow.prior",
                             "must be 0 where samples start from data: nobody knows their density"));
  if (source == RHEO_SOURCE_UNIFORM) {
    own.prior = 0;
    own.bound = own.bound > 0 ? PetscMin(own.bound, 1) : 1;
  }
  PetscCall(RheoSearchCheck(deck, PETSC_COMM_SELF));
  PetscCall(HearOptions(deck, &own.solve));
  PetscCall(
      RheoDFlowCreate(cnf, RheoDensityParams(q), RheoDensityScope(q), RheoDensityValues(q), &own, 1, dflow));
  PetscFunctionReturn(RHEO_OK);
}

/* A cost of one row as the search asks for it. */
typedef struct {
  const SteerProblem *problem;
  int64_t row;
} One;

static PetscErrorCode CostOfOne(void *data, int64_t n, const double *x, double *cost, double *dx)
{
  const One *one = data;

  PetscFunctionBeginUser;
  (void)n;
  PetscCall(one->problem->cost(one->problem->data, one->row, x, cost, dx));
  PetscFunctionReturn(RHEO_OK);
}

/* What a rank tells of a row, behind source and x. */
enum { BEFORE, AFTER, ITERATIONS, SOLVES, CONVERGED, FAILED, TOLD };

static PetscErrorCode SearchRow(RheoDFlow dflow, const SteerProblem *p, int64_t row, const double *start,
                                double *found)
{
  const int d = p->d;
  const double *context = p->c ? p->context + (p->shared ? 0 : row * p->c) : NULL;
  double *x = found + d, *told = found + 2 * d;
  RheoDFlowReport report;
  One one = {p, row};

  PetscFunctionBeginUser;
  PetscCall(PetscArraycpy(found, start, d));
  PetscCall(RheoDFlowMinimise(dflow, context, p->around == RHEO_STEER_START ? start : NULL, CostOfOne, &one,
                              found, x, &report));
  const PetscBool failed = (PetscBool)(report.status != RHEO_SOLVE_DONE || !isfinite(report.cost_end));
  if (failed) PetscCall(PetscArraycpy(found, start, d));
  for (int k = 0; failed && k < d; k++) x[k] = NAN;
  told[BEFORE] = report.cost_start;
  told[AFTER] = failed ? NAN : report.cost_end;
  told[ITERATIONS] = (double)report.iterations;
  told[SOLVES] = (double)report.solves;
  told[CONVERGED] = report.converged;
  told[FAILED] = failed;
  PetscFunctionReturn(RHEO_OK);
}

/* In the order of rows, so that sums are the same on any number of ranks. */
static void Tell(int64_t n, int width, const double *all, RheoSteerReport *report)
{
  double before = 0, after = 0;
  *report = (RheoSteerReport){.n = n};
  for (int64_t i = 0; i < n; i++) {
    const double *told = all + (i + 1) * width - TOLD;
    report->iterations += (int64_t)told[ITERATIONS];
    report->n_solves += (int64_t)told[SOLVES];
    if (told[FAILED] > 0) {
      report->n_failed++;
      continue;
    }
    if (!(told[CONVERGED] > 0)) report->n_unconverged++;
    before += told[BEFORE];
    after += told[AFTER];
  }
  report->before = before / (double)(n - report->n_failed);
  report->after = after / (double)(n - report->n_failed);
}

PetscErrorCode SteerRun(MPI_Comm comm, RheoDFlow dflow, const SteerProblem *p, double *source, double *x,
                        double *cost_after, RheoSteerReport *report)
{
  const int d = p->d, width = 2 * d + TOLD;
  RheoProgress progress;
  int64_t begin, end;
  double *mine, *all;
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_SAMPLE));
  RheoRange(comm, p->n, &begin, &end);
  PetscCall(PetscMalloc2((end - begin) * width, &mine, p->n * width, &all));
  PetscCall(RheoProgressCreate(comm, "steer", "samples", end - begin, &progress));
  for (int64_t i = begin; i < end && !stop; i++) {
    PetscCall(SearchRow(dflow, p, i, source + i * d, mine + (i - begin) * width));
    PetscCall(RheoProgressUpdate(progress, i - begin + 1, NULL));
    PetscCall(RheoStopPoll(&stop));
  }
  PetscCall(RheoProgressDestroy(&progress));
  PetscCall(RheoStopCheck(comm, "while samples were steered"));
  PetscCall(RheoGatherRows(comm, end - begin, width, mine, all));
  for (int64_t i = 0; i < p->n; i++) {
    PetscCall(PetscArraycpy(source + i * d, all + i * width, d));
    if (x) PetscCall(PetscArraycpy(x + i * d, all + i * width + d, d));
    if (cost_after) cost_after[i] = all[i * width + 2 * d + AFTER];
  }
  Tell(p->n, width, all, report);
  if (report->n_failed)
    RheoLog(
        comm, RHEO_LOG_WARNING,
        "%lld of %lld samples were not steered: the flow could not be solved, or what is asked is no number",
        (long long)report->n_failed, (long long)p->n);
  if (report->n_unconverged)
    RheoLog(comm, RHEO_LOG_WARNING,
            "%lld of %lld searches did not converge: see dflow.iterations, dflow.tolerance, dflow.sd",
            (long long)report->n_unconverged, (long long)p->n);
  PetscCall(PetscFree2(mine, all));
  PetscCall(RheoEventEnd(RHEO_EVENT_SAMPLE));
  PetscFunctionReturn(RHEO_OK);
}
