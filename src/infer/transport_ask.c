/* Asking a transport: samples, densities, paths, and how good they are. Ranks take whole groups of rows, so that rows share
 * their adaptive steps with the same mates on any number of ranks. */
#include "../base/reduce.h"
#include "../base/stop.h"
#include "distance.h"
#include "transport_impl.h"
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

/* One report of all ranks; the first row that failed speaks for all. begin: number of this rank's first row. */
static PetscErrorCode MergeReports(RheoTransport t, int64_t begin, RheoSolveReport *report)
{
  int64_t sums[4] = {report->n_failed, report->steps, report->rejected, report->evaluations}, all[4];
  struct {
    int64_t failed, status;
    double t, dt;
  } mine = {report->failed < 0 ? INT64_MAX : begin + report->failed, report->status, report->t, report->dt},
    *each;
  PetscMPIInt size;
  int first = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(t->comm, &size));
  PetscCall(PetscMalloc1(size, &each));
  PetscCallMPI(MPI_Allreduce(sums, all, 4, MPI_INT64_T, MPI_SUM, t->comm));
  PetscCallMPI(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, each, sizeof mine, MPI_BYTE, t->comm));
  for (int r = 1; r < size; r++)
    if (each[r].failed < each[first].failed) first = r;
  *report = (RheoSolveReport){.n_failed = all[0],
                              .failed = all[0] ? each[first].failed : -1,
                              .status = (RheoSolveStatus)each[first].status,
                              .t = each[first].t,
                              .dt = each[first].dt,
                              .steps = all[1],
                              .rejected = all[2],
                              .evaluations = all[3]};
  PetscCall(PetscFree(each));
  PetscFunctionReturn(RHEO_OK);
}

/* Takes the report on rows that begin at row first into that on all of a rank's. */
static void AddReport(RheoSolveReport *all, const RheoSolveReport *some, int64_t first)
{
  if (all->failed < 0 && some->failed >= 0) {
    all->failed = first + some->failed;
    all->status = some->status;
    all->t = some->t;
    all->dt = some->dt;
  }
  all->n_failed += some->n_failed;
  all->steps += some->steps;
  all->rejected += some->rejected;
  all->evaluations += some->evaluations;
}

/* What this rank solves: its rows, their context, their numbers. */
typedef struct {
  int64_t begin, end, n;
  double *context;
  uint64_t *index;
  RheoSolver solver;
  RheoSolveRows rows;
  int c, d;
  int64_t at_once; /* rows between two questions whether to stop: whole groups */
} Piece;

static PetscErrorCode PieceCreate(RheoTransport t, const RheoTransportRows *rows,
                                  const RheoSolveConfig *solve, Piece *p)
{
  const int c = RheoDataSetContextSize(t->target), m = RheoDataSetConditions(t->target);

  PetscFunctionBeginUser;
  *p = (Piece){.c = c, .d = RheoTransportSize(t), .at_once = 4096};
  RheoInputCheck(!m || rows->condition, t->comm,
                 "the model is conditional: %d condition%s for each row needed", m, m > 1 ? "s" : "");
  if (t->continuous) {
    PetscCall(RheoSolverCreate(RheoDensityModel(t->density)->cnf, RheoDensityParams(t->density),
                               RheoDensityScope(t->density), solve ? solve : &t->solve, &p->solver));
    PetscCall(RheoSolverSetValues(p->solver, RheoDensityValues(t->density)));
    const int64_t group = solve ? solve->group : t->solve.group;
    p->at_once = PetscMax(1, p->at_once / group) * group;
    RheoSolverRange(p->solver, t->comm, rows->n, &p->begin, &p->end);
  } else {
    RheoRange(t->comm, rows->n, &p->begin, &p->end);
  }
  p->n = p->end - p->begin;
  PetscCall(PetscMalloc2(p->n * c, &p->context, p->n, &p->index));
  if (c) RheoDataSetContext(t->target, p->n, rows->condition + p->begin * m, p->context);
  for (int64_t i = 0; i < p->n; i++) p->index[i] = rows->first + (uint64_t)(p->begin + i);
  p->rows = (RheoSolveRows){p->n, c ? p->context : NULL, rows->seed, p->index};
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PieceDestroy(Piece *p)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSolverDestroy(&p->solver));
  PetscCall(PetscFree2(p->context, p->index));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows of a piece from first on, as many as are worked on at a time. */
static RheoSolveRows Next(const Piece *p, int64_t first)
{
  return (RheoSolveRows){PetscMin(p->at_once, p->n - first), p->c ? p->context + first * p->c : NULL,
                         p->rows.seed, p->index + first};
}

/* A flow's rows, for RheoDensitySample and RheoDensityLogProb. */
static PetscErrorCode FlowRows(const Piece *p, const RheoSolveRows *some, float **context,
                               RheoDensityRows *rows)
{
  const int64_t size = some->n * p->c;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(size, context));
  for (int64_t i = 0; i < size; i++) (*context)[i] = (float)some->context[i];
  *rows = (RheoDensityRows){.n = some->n, .context = *context, .seed = some->seed, .index = some->index};
  PetscFunctionReturn(RHEO_OK);
}

/* source (n, D), x (n, D), log_prob (n) or NULL: of this rank's rows. May be stopped: RheoStopCheck has to follow. */
static PetscErrorCode SamplePiece(RheoTransport t, const Piece *p, const double *source, double *x,
                                  double *log_prob, RheoSolveReport *report)
{
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  for (int64_t first = 0; first < p->n && !stop; first += p->at_once) {
    const RheoSolveRows some = Next(p, first);
    double *log_some = log_prob ? log_prob + first : NULL;
    RheoSolveReport own = {.failed = -1};
    if (t->continuous) {
      PetscCall(RheoSolverSample(p->solver, &some, source + first * p->d, x + first * p->d, log_some, &own));
    } else {
      RheoDensityRows flow;
      float *context;
      PetscCall(FlowRows(p, &some, &context, &flow));
      PetscCall(RheoDensitySample(t->density, &flow, x + first * p->d, log_some));
      PetscCall(PetscFree(context));
    }
    AddReport(report, &own, first);
    PetscCall(RheoStopPoll(&stop));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* x (n, D), log_prob (n), its variance (n), source (n, D), where a continuous flow's come from: likewise. */
static PetscErrorCode LogProbPiece(RheoTransport t, const Piece *p, const double *x, double *log_prob,
                                   double *variance, double *source, RheoSolveReport *report)
{
  PetscBool stop = PETSC_FALSE;

  PetscFunctionBeginUser;
  for (int64_t first = 0; first < p->n && !stop; first += p->at_once) {
    const RheoSolveRows some = Next(p, first);
    RheoSolveReport own = {.failed = -1};
    if (t->continuous) {
      PetscCall(RheoSolverLogProb(p->solver, &some, x + first * p->d, log_prob + first, variance + first,
                                  source + first * p->d, &own));
      for (int64_t i = 0; t->solve.divergence == RHEO_DIVERGENCE_EXACT && i < some.n; i++)
        variance[first + i] = 0;
    } else {
      RheoDensityRows flow;
      float *context;
      PetscCall(FlowRows(p, &some, &context, &flow));
      PetscCall(RheoDensityLogProb(t->density, &flow, x + first * p->d, log_prob + first, variance + first));
      PetscCall(PetscFree(context));
    }
    AddReport(report, &own, first);
    PetscCall(RheoStopPoll(&stop));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSample(RheoTransport t, const RheoTransportRows *rows,
                                   const RheoSolveConfig *solve, double *x, double *log_prob,
                                   RheoSolveReport *report)
{
  const int d = RheoTransportSize(t);
  RheoSolveReport own = {.failed = -1};
  double *mine, *log_mine = NULL;
  Piece p;

  PetscFunctionBeginUser;
  RheoInputCheck(!log_prob || RheoTransportHasLogProb(t), t->comm,
                 "samples that start from a data set have no density that anybody knows");
  PetscCall(PieceCreate(t, rows, solve, &p));
  PetscCall(PetscMalloc1(p.n * d, &mine));
  if (log_prob) PetscCall(PetscMalloc1(p.n, &log_mine));
  PetscCall(SamplePiece(t, &p, t->continuous ? rows->source + p.begin * d : NULL, mine, log_mine, &own));
  PetscCall(RheoStopCheck(t->comm, "while samples were drawn"));
  PetscCall(RheoGatherRows(t->comm, p.n, d, mine, x));
  if (log_prob) {
    PetscCall(RheoGatherRows(t->comm, p.n, 1, log_mine, log_prob));
    if (t->continuous) PetscCall(TransportAddSourceLogProb(t, rows, rows->source, log_prob, NULL));
  }
  PetscCall(MergeReports(t, p.begin, &own));
  if (report) *report = own;
  PetscCall(PetscFree(mine));
  PetscCall(PetscFree(log_mine));
  PetscCall(PieceDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportLogProb(RheoTransport t, const RheoTransportRows *rows, const double *x,
                                    double *log_prob, RheoSolveReport *report)
{
  PetscFunctionBeginUser;
  PetscCall(RheoTransportEstimateLogProb(t, rows, x, log_prob, NULL, report));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportEstimateLogProb(RheoTransport t, const RheoTransportRows *rows, const double *x,
                                            double *log_prob, double *variance, RheoSolveReport *report)
{
  const int d = RheoTransportSize(t);
  RheoSolveReport own = {.failed = -1};
  double *mine, *spread, *source, *from;
  Piece p;

  PetscFunctionBeginUser;
  RheoInputCheck(RheoTransportHasLogProb(t), t->comm,
                 "a model that starts from a data set has no density: nobody knows that of the source");
  PetscCall(PieceCreate(t, rows, NULL, &p));
  PetscCall(PetscMalloc4(p.n, &mine, p.n, &spread, p.n * d, &source, rows->n * d, &from));
  PetscCall(LogProbPiece(t, &p, x + p.begin * d, mine, spread, source, &own));
  PetscCall(RheoStopCheck(t->comm, "while densities were computed"));
  PetscCall(RheoGatherRows(t->comm, p.n, 1, mine, log_prob));
  if (variance) PetscCall(RheoGatherRows(t->comm, p.n, 1, spread, variance));
  if (t->base) PetscCall(RheoGatherRows(t->comm, p.n, d, source, from));
  PetscCall(TransportAddSourceLogProb(t, rows, from, log_prob, variance));
  PetscCall(MergeReports(t, p.begin, &own));
  if (report) *report = own;
  PetscCall(PetscFree4(mine, spread, source, from));
  PetscCall(PieceDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportPath(RheoTransport t, const RheoTransportRows *rows, const RheoSolveConfig *solve,
                                 int n_times, const double *times, double *path, RheoSolveReport *report)
{
  const int d = RheoTransportSize(t);
  RheoSolveReport own = {.failed = -1};
  double *mine;
  Piece p;

  PetscFunctionBeginUser;
  RheoInputCheck(t->continuous, t->comm, "a discrete flow has no paths from source to data");
  PetscCall(PieceCreate(t, rows, solve, &p));
  PetscCall(PetscMalloc1(n_times * p.n * d, &mine));
  PetscCall(RheoSolverTrajectory(p.solver, &p.rows, rows->source + p.begin * d, n_times, times, mine, &own));
  for (int k = 0; k < n_times; k++)
    PetscCall(RheoGatherRows(t->comm, p.n, d, mine + k * p.n * d, path + k * rows->n * d));
  PetscCall(MergeReports(t, p.begin, &own));
  if (report) *report = own;
  PetscCall(PetscFree(mine));
  PetscCall(PieceDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

/* energy (n): the integral of |dx/dt|^2 along a row's path, from its places after every step. Of an adaptive solve 16 chords
 * do: what they miss falls with the square of their number, and every stop costs a step. */
static PetscErrorCode PathEnergies(RheoTransport t, const RheoTransportRows *rows,
                                   const RheoSolveConfig *solve, double *energy)
{
  enum { ADAPTIVE = 16, AT_ONCE = 1024 };
  const int d = RheoTransportSize(t), steps = solve->steps ? (int)solve->steps : ADAPTIVE;
  const int m = RheoDataSetConditions(t->target);
  double *times, *path;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(steps + 1, &times, (int64_t)(steps + 1) * AT_ONCE * d, &path));
  for (int k = 0; k <= steps; k++) times[k] = (double)k / steps;
  for (int64_t first = 0; first < rows->n; first += AT_ONCE) {
    RheoTransportRows some = *rows;
    some.n = PetscMin(AT_ONCE, rows->n - first);
    some.source = rows->source + first * d;
    some.condition = m ? rows->condition + first * m : NULL;
    some.first = rows->first + (uint64_t)first;
    PetscCall(RheoTransportPath(t, &some, solve, steps + 1, times, path, NULL));
    PetscCall(RheoStopCheck(t->comm, "while paths were measured"));
    for (int64_t i = 0; i < some.n; i++) {
      energy[first + i] = 0;
      for (int k = 0; k < steps; k++)
        for (int j = 0; j < d; j++)
          energy[first + i] +=
              steps * pow(path[((k + 1) * some.n + i) * d + j] - path[(k * some.n + i) * d + j], 2);
    }
  }
  PetscCall(PetscFree2(times, path));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestPoints(RheoTransport t, int64_t n, RheoTransportTest *test)
{
  const int d = RheoTransportSize(t), m = RheoDataSetConditions(t->target);

  PetscFunctionBeginUser;
  PetscCall(RheoDataSetRead(t->target));
  n = PetscMin(n, RheoDataSetTestCount(t->target));
  if (t->source) {
    PetscCall(RheoDataSetRead(t->source));
    n = PetscMin(n, RheoDataSetTestCount(t->source));
  }
  *test = (RheoTransportTest){.n = n, .w2_source = NAN, .w2_floor = NAN};
  PetscCall(
      PetscMalloc4(n * d, &test->source, n * d, &test->target, n * m, &test->condition, n * d, &test->start));
  PetscCall(RheoDataSetTest(t->target, 0, n, test->target, test->condition));
  if (t->source)
    PetscCall(RheoDataSetTest(t->source, 0, n, test->source, NULL));
  else
    PetscCall(RheoTransportSource(t, t->seed, UINT64_C(1) << 40, n, test->source));
  if (t->continuous) {
    const RheoTransportRows rows = {n, test->source, test->condition, t->seed, UINT64_C(1) << 40};
    PetscCall(RheoTransportPath(t, &rows, NULL, 1, (const double[]){0}, test->start, NULL));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestCreate(RheoTransport t, int64_t n, RheoTransportTest *test)
{
  const int d = RheoTransportSize(t);
  double *other;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportTestPoints(t, n, test));
  if (t->continuous)
    PetscCall(RheoWasserstein(t->comm, d, test->n, test->start, test->target, &test->w2_source));
  if (RheoDataSetToy(t->target)) {
    PetscCall(PetscMalloc1(test->n * d, &other));
    PetscCall(RheoDataSetTest(t->target, test->n, test->n, other, NULL));
    PetscCall(RheoWasserstein(t->comm, d, test->n, other, test->target, &test->w2_floor));
    PetscCall(PetscFree(other));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportTestFree(RheoTransportTest *test)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(test->source, test->target, test->condition, test->start));
  PetscFunctionReturn(RHEO_OK);
}

/* KL(N(m, S) | N(mu, v I)) with the moments of x (n, D). */
static PetscErrorCode NormalKl(int64_t n, int d, const double *x, double mu, double v, double *kl)
{
  gsl_matrix *s = gsl_matrix_calloc((size_t)d, (size_t)d);
  double *mean, trace = 0, distance = 0, log_det = 0;

  PetscFunctionBeginUser;
  PetscCheck(s, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for a covariance of %d dimensions", d);
  PetscCall(PetscCalloc1(d, &mean));
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < d; j++) mean[j] += x[i * d + j] / (double)n;
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < d; j++)
      for (int k = 0; k <= j; k++)
        *gsl_matrix_ptr(s, (size_t)j, (size_t)k) +=
            (x[i * d + j] - mean[j]) * (x[i * d + k] - mean[k]) / (double)(n - 1);
  for (int j = 0; j < d; j++) {
    trace += gsl_matrix_get(s, (size_t)j, (size_t)j) / v;
    distance += pow(mean[j] - mu, 2) / v;
  }
  const int singular = gsl_linalg_cholesky_decomp1(s);
  for (int j = 0; j < d; j++) log_det += 2 * log(gsl_matrix_get(s, (size_t)j, (size_t)j));
  *kl = singular ? INFINITY : 0.5 * (trace + distance - d - log_det + d * log(v));
  gsl_matrix_free(s);
  PetscCall(PetscFree(mean));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows of samples that arrived go to the front, with their test points. */
static int64_t Compact(int64_t n, int d, double *x, double *target, double *energy)
{
  int64_t good = 0;
  for (int64_t i = 0; i < n; i++) {
    PetscBool finite = PETSC_TRUE;
    for (int k = 0; k < d; k++) finite = (PetscBool)(finite && isfinite(x[i * d + k]));
    if (!finite) continue;
    memmove(x + good * d, x + i * d, (size_t)d * sizeof *x);
    memmove(target + good * d, target + i * d, (size_t)d * sizeof *x);
    energy[good++] = energy[i];
  }
  return good;
}

static PetscErrorCode Distances(RheoTransport t, int64_t n, const double *x, const double *target,
                                RheoTransportMetrics *m)
{
  enum { DIRECTIONS = 200, PAIRS = 5000 };
  const int d = RheoTransportSize(t);
  const int64_t few = PetscMin(n, PAIRS);
  RheoToy toy = RheoDataSetToy(t->target);
  double mean, sd;

  PetscFunctionBeginUser;
  PetscCall(RheoWasserstein(t->comm, d, n, x, target, &m->w2));
  PetscCall(RheoStopCheck(t->comm, "in the check"));
  PetscCall(RheoSlicedWasserstein(t->comm, d, n, x, n, target, DIRECTIONS, t->seed, &m->sliced_w2));
  PetscCall(RheoMmd(t->comm, d, few, x, few, target, 0, &m->mmd));
  PetscCall(RheoEnergyDistance(t->comm, d, few, x, few, target, &m->energy_distance));
  if (toy && RheoToyIsNormal(toy, &mean, &sd)) PetscCall(NormalKl(n, d, x, mean, sd * sd, &m->normal_kl));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportMeasure(RheoTransport t, const RheoTransportTest *test,
                                    const RheoSolveConfig *solve, RheoTransportMetrics *m)
{
  const int d = RheoTransportSize(t);
  const RheoTransportRows rows = {test->n, test->source, test->condition, t->seed, UINT64_C(1) << 40};
  double *x, *target, *energy, sum = 0;

  PetscFunctionBeginUser;
  *m = (RheoTransportMetrics){0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, {.failed = -1}};
  if (!solve) solve = &t->solve;
  PetscCall(PetscMalloc3(test->n * d, &x, test->n * d, &target, test->n, &energy));
  PetscCall(PetscArraycpy(target, test->target, test->n * d));
  PetscCall(RheoTransportSample(t, &rows, solve, x, NULL, &m->report));
  if (t->continuous) PetscCall(PathEnergies(t, &rows, solve, energy));
  m->n = Compact(test->n, d, x, target, energy);
  m->evaluations = t->continuous ? (double)m->report.evaluations / (double)test->n : NAN;
  for (int64_t i = 0; i < m->n; i++) sum += energy[i];
  if (t->continuous && m->n) m->path_energy = RheoPathEnergyExcess(sum / (double)m->n, test->w2_source);
  if (m->n >= 2) PetscCall(Distances(t, m->n, x, target, m));
  PetscCall(PetscFree3(x, target, energy));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportMeasureDensity(RheoTransport t, const RheoTransportTest *test, double *mean,
                                           double *error, double *exact)
{
  const RheoTransportRows rows = {test->n, NULL, test->condition, t->seed, UINT64_C(1) << 40};
  RheoToy toy = RheoDataSetToy(t->target);
  double *log_prob, square = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(test->n, &log_prob));
  PetscCall(RheoTransportLogProb(t, &rows, test->target, log_prob, NULL));
  *mean = 0;
  *exact = NAN;
  for (int64_t i = 0; i < test->n; i++) *mean += log_prob[i] / (double)test->n;
  for (int64_t i = 0; i < test->n; i++) square += pow(log_prob[i] - *mean, 2) / (double)(test->n - 1);
  *error = sqrt(square / (double)test->n);
  if (toy && RheoToyHasLogProb(toy) && !RheoDataSetConditions(t->target)) {
    *exact = 0;
    RheoToyLogProb(toy, test->n, test->target, log_prob);
    for (int64_t i = 0; i < test->n; i++) *exact += log_prob[i] / (double)test->n;
  }
  PetscCall(PetscFree(log_prob));
  PetscFunctionReturn(RHEO_OK);
}
