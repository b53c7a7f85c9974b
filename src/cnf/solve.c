/* Solvers: what the deck says, and samples, densities and ways in the user's coordinates. */
#include "../base/reduce.h"
#include "solve_impl.h"
#include <math.h>

#define FIELD(name) offsetof(RheoSolveConfig, name)
const RheoKey RheoSolveKeys[] = {
    {"scheme", RHEO_KEY_STRING, FIELD(scheme), "tsit5", NULL,
     "Runge-Kutta scheme: tsit5, euler, midpoint, heun, rk4, rk4_38 or PETSc's 3bs, 5dp, 8vr, ..."},
    {"steps", RHEO_KEY_COUNT, FIELD(steps), "0", "[0, inf)",
     "equal steps from t = 0 to 1; 0: as many as the tolerance asks for"},
    {"rtol", RHEO_KEY_REAL, FIELD(rtol), "1e-5", "(0, 1)", "relative error of a step"},
    {"atol", RHEO_KEY_REAL, FIELD(atol), "1e-5", "(0, inf)",
     "absolute error of a step, in standard deviations of the data where these are standardised"},
    {"group", RHEO_KEY_COUNT, FIELD(group), "256", "[1, 1000000]",
     "samples that share their steps; the worst of them decides"},
    {"most", RHEO_KEY_COUNT, FIELD(most), "10000", "[1, inf)", "steps of a solve at most"},
    {"divergence", RHEO_KEY_CHOICE, FIELD(divergence), "exact", "exact|normal|rademacher",
     "for log-densities: exact, or Hutchinson's estimate with normal or +-1 vectors"},
    {"probes", RHEO_KEY_INT, FIELD(probes), "1", "[1, 1000]", "Hutchinson vectors of a sample"},
    {"precision", RHEO_KEY_CHOICE, FIELD(precision), "single", "single|double", "of the velocity"},
    {0}};

/* ---- Life ---- */

enum { BLOCK = 128 }; /* rows that a program is compiled for */

PetscErrorCode RheoSolverCreate(RheoCnf cnf, RheoParams params, const char *scope_name,
                                const RheoSolveConfig *config, RheoSolver *solver)
{
  RheoSolver s;

  PetscFunctionBeginUser;
  PetscCall(SolveCheck(NULL, config));
  PetscCall(PetscNew(&s));
  s->cnf = cnf;
  s->params = params;
  s->scope = RheoIntern(scope_name);
  s->config = *config;
  s->d = RheoCnfFeatures(cnf);
  s->c = RheoCnfContext(cnf);
  s->k = config->divergence == RHEO_DIVERGENCE_EXACT ? 1 : config->probes;
  s->block = (int)PetscMin(config->group, BLOCK);
  PetscCall(PetscMalloc1(RheoParamsSize(params), &s->exact));
  PetscCall(SolveFieldCompile(s, 0));
  *solver = s;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverDestroy(RheoSolver *solver)
{
  PetscFunctionBeginUser;
  if (!*solver) PetscFunctionReturn(RHEO_OK);
  PetscCall(SolveStepperDestroy(&(*solver)->full));
  PetscCall(SolveStepperDestroy(&(*solver)->other));
  PetscCall(SolvePlansDestroy(*solver));
  PetscCall(PetscFree((*solver)->exact));
  PetscCall(PetscFree(*solver));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverSetValues(RheoSolver solver, const float *values)
{
  PetscFunctionBeginUser;
  solver->values = values;
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoSolverGroup(RheoSolver solver)
{
  return solver->config.group;
}

void RheoSolverRange(RheoSolver solver, MPI_Comm comm, int64_t n, int64_t *begin, int64_t *end)
{
  const int64_t group = solver->config.group;
  RheoRange(comm, (n + group - 1) / group, begin, end);
  *begin = PetscMin(n, *begin * group);
  *end = PetscMin(n, *end * group);
}

/* Values may have been changed in place since the last call. */
static PetscErrorCode Ready(RheoSolver solver)
{
  const size_t n = RheoParamsSize(solver->params);

  PetscFunctionBeginUser;
  PetscCheck(solver->values, PETSC_COMM_SELF, PETSC_ERR_ORDER, "RheoSolverSetValues comes first");
  for (size_t i = 0; i < n; i++) solver->exact[i] = solver->values[i];
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Solves ---- */

/* log_det (n) becomes the mean of probes (n, K), variance (n) that of the mean. */
static void Average(int k, int64_t n, const double *probes, double *log_det, double *variance)
{
  for (int64_t i = 0; i < n; i++) {
    double sum = 0, squares = 0;
    for (int j = 0; j < k; j++) sum += probes[i * k + j];
    for (int j = 0; j < k; j++) squares += pow(probes[i * k + j] - sum / k, 2);
    if (log_det) log_det[i] = sum / k;
    if (variance) variance[i] = k > 1 ? squares / (k - 1) / k : NAN;
  }
}

/* From t0 to t1 in place. */
static PetscErrorCode Integrate(RheoSolver solver, const RheoSolveRows *rows, double t0, double t1, double *z,
                                double *log_det, double *variance, double *energy, RheoSolveReport *report)
{
  const double times[] = {t0, t1};
  double *probes = NULL;

  PetscFunctionBeginUser;
  if (log_det) PetscCall(PetscMalloc1(rows->n * solver->k, &probes));
  for (int64_t i = 0; log_det && i < rows->n * solver->k; i++)
    probes[i] = 0; /* a way of length 0 stores nothing */
  for (int64_t i = 0; energy && i < rows->n; i++) energy[i] = 0;
  const SolveCall call = {
      .rows = rows, .n_times = 2, .times = times, .begin = z, .path = z, .log_det = probes, .energy = energy};
  PetscCall(SolveRowsRun(solver, &call, report));
  if (log_det) Average(solver->k, rows->n, probes, log_det, variance);
  PetscCall(PetscFree(probes));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverIntegrate(RheoSolver solver, const RheoSolveRows *rows, double t0, double t1,
                                   double *z, double *log_det, double *energy, RheoSolveReport *report)
{
  PetscFunctionBeginUser;
  PetscCall(Ready(solver));
  PetscCall(Integrate(solver, rows, t0, t1, z, log_det, NULL, energy, report));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverSample(RheoSolver solver, const RheoSolveRows *rows, const double *source, double *x,
                                double *log_prob, RheoSolveReport *report)
{
  const int64_t n = rows->n;
  double *z, *density, *log_det, *back;

  PetscFunctionBeginUser;
  PetscCall(Ready(solver));
  PetscCall(PetscMalloc4(n * solver->d, &z, n, &density, n, &log_det, n * solver->d, &back));
  PetscCall(SolveEndRun(solver, SOLVE_START, n, source, rows->context, z, NULL));
  if (log_prob) PetscCall(SolveEndRun(solver, SOLVE_DENSITY, n, z, rows->context, back, density));
  PetscCall(Integrate(solver, rows, 0, 1, z, log_prob ? log_det : NULL, NULL, NULL, report));
  PetscCall(SolveEndRun(solver, SOLVE_FINISH, n, z, rows->context, x, NULL));
  for (int64_t i = 0; log_prob && i < n; i++) log_prob[i] = density[i] - log_det[i];
  PetscCall(PetscFree4(z, density, log_det, back));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverLogProb(RheoSolver solver, const RheoSolveRows *rows, const double *x,
                                 double *log_prob, double *variance, double *source, RheoSolveReport *report)
{
  const int64_t n = rows->n;
  double *z, *density, *back;

  PetscFunctionBeginUser;
  PetscCall(Ready(solver));
  PetscCall(PetscMalloc3(n * solver->d, &z, n, &density, n * solver->d, &back));
  PetscCall(SolveEndRun(solver, SOLVE_ENTER, n, x, rows->context, z, NULL));
  PetscCall(Integrate(solver, rows, 1, 0, z, log_prob, variance, NULL, report));
  PetscCall(SolveEndRun(solver, log_prob ? SOLVE_DENSITY : SOLVE_LEAVE, n, z, rows->context,
                        source ? source : back, density));
  for (int64_t i = 0; log_prob && i < n; i++) log_prob[i] += density[i];
  PetscCall(PetscFree3(z, density, back));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSolverTrajectory(RheoSolver solver, const RheoSolveRows *rows, const double *source,
                                    int n_times, const double *times, double *path, RheoSolveReport *report)
{
  const int64_t n = rows->n, size = n * solver->d;
  double *z, *stops;

  PetscFunctionBeginUser;
  PetscCall(Ready(solver));
  PetscCall(PetscMalloc2(size, &z, n_times + 1, &stops));
  stops[0] = 0;
  PetscCall(PetscArraycpy(stops + 1, times, n_times));
  for (int i = 0; i < n_times; i++)
    PetscCheck(stops[i + 1] >= stops[i] && stops[i + 1] <= 1, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
               "Times of a trajectory must ascend in [0, 1]; number %d is %g", i + 1, times[i]);
  PetscCall(SolveEndRun(solver, SOLVE_START, n, source, rows->context, z, NULL));
  const SolveCall call = {.rows = rows, .n_times = n_times + 1, .times = stops, .begin = z, .path = path};
  PetscCall(SolveRowsRun(solver, &call, report));
  for (int i = 0; i < n_times; i++) {
    PetscCall(PetscArraycpy(z, path + i * size, size));
    PetscCall(SolveEndRun(solver, SOLVE_FINISH, n, z, rows->context, path + i * size, NULL));
  }
  PetscCall(PetscFree2(z, stops));
  PetscFunctionReturn(RHEO_OK);
}
