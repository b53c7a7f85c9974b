/* Asking a transport: samples, densities, paths. Ranks take whole groups of rows, so that rows share
 * their adaptive steps with the same mates on any number of ranks. */
#include "../base/reduce.h"
#include "../base/stop.h"
#include "transport_impl.h"

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
