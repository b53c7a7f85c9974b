/* A continuous flow as a density: PETSc TS follows the field.
 *
 * Rows that share their steps are a group of cnf.solve.group. Samples of one context that are numbered 0, 1, ... are grouped by
 * number, and whole groups are solved, so that a sample does not depend on where a call begins and ends. */
#include "../cnf/adjoint.h"
#include "../program/plan.h"
#include "../train/train.h"
#include "density_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows of a piece, about: memory does not grow with their number. */
enum { PIECE = 4096 };
enum { COLUMNS = 4 }; /* of an objective, at most */

typedef struct {
  const char *objective;
} ObjectiveConfig;

const RheoKey RheoDensityCnfKeys[] = {{"objective", RHEO_KEY_STRING, offsetof(ObjectiveConfig, objective),
                                       "cfm", NULL, "what training minimises"},
                                      {0}};

typedef struct {
  RheoCnf cnf;
  RheoSolveConfig config;
  RheoSolver solver;
} Cnf;

static PetscErrorCode FindObjective(RheoDensity q, RheoDeck deck)
{
  const RheoObjectiveType *const *type = RheoObjectiveTypes;
  ObjectiveConfig config;
  char suitable[256] = "";

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "cnf", RheoDensityCnfKeys, &config));
  for (; *type; type++) {
    const size_t written = strlen(suitable);
    if (strcmp((*type)->trains, "cnf")) continue;
    if (!strcmp((*type)->name, config.objective)) q->objective = *type;
    snprintf(suitable + written, sizeof suitable - written, "%s%s", written ? ", " : "", (*type)->name);
  }
  if (!q->objective)
    PetscCall(RheoDeckReject(deck, "cnf.objective",
                             "no objective of continuous flows is called %s (known: %s)", config.objective,
                             suitable));
  PetscFunctionReturn(RHEO_OK);
}

/* Training would see it too, but not where in the deck, and after simulations. */
static PetscErrorCode CheckObjective(RheoDensity q, RheoDeck deck)
{
  RheoTrainConfig train;
  RheoMistake mistake;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "train", RheoTrainKeys, &train));
  q->model.batch = train.batch;
  if (RheoObjectiveMistake(q->objective, &q->model, &mistake))
    PetscCall(RheoDeckReject(deck, mistake.key, "%s", mistake.text));
  PetscFunctionReturn(RHEO_OK);
}

/* The loss names every parameter, in a program that is not run. */
static PetscErrorCode NameParameters(RheoDensity q)
{
  const int given = q->objective->stage ? q->objective->stage->width(&q->model) : 0;
  RheoVal column[COLUMNS] = {{0}};
  RheoProgram program;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(2, &program));
  for (; q->objective->columns[n]; n++) {
    const int width = strcmp(q->objective->columns[n], "context") ? q->d : q->c;
    column[n] = width ? rx_rows(program, q->objective->columns[n], width) : RHEO_NONE;
  }
  if (given) column[n] = rx_rows(program, "given", given);
  (void)q->objective->loss(rx_enter(RheoScopeRoot(program, q->params, 1), "cnf"), &q->model, column);
  PetscCheck(!RheoProgramError(program), PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s", RheoProgramError(program));
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetSolver(RheoDensity q, RheoDeck deck)
{
  Cnf *f = q->data;

  PetscFunctionBeginUser;
  PetscCall(RheoCnfSetGuidance(f->cnf, deck, "cnf"));
  PetscCall(RheoSolveRead(deck, &f->config));
  PetscCall(RheoSolverDestroy(&f->solver));
  PetscCall(RheoSolverCreate(f->cnf, q->params, "cnf", &f->config, &f->solver));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Create(RheoDensity q, RheoDeck deck)
{
  Cnf *f;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&f));
  q->data = f;
  PetscCall(RheoCnfCreate(&f->cnf));
  PetscCall(RheoCnfSetFromDeck(f->cnf, deck, "cnf"));
  PetscCall(RheoCnfSetSizes(f->cnf, q->d, q->c));
  PetscCall(RheoCnfSetUp(f->cnf));
  q->model.cnf = f->cnf;
  if (!q->objective) PetscCall(FindObjective(q, deck));
  PetscCall(CheckObjective(q, deck));
  PetscCall(NameParameters(q));
  PetscCall(SetSolver(q, deck));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(RheoDensity q)
{
  Cnf *f = q->data;

  PetscFunctionBeginUser;
  PetscCall(RheoSolverDestroy(&f->solver));
  PetscCall(RheoCnfDestroy(&f->cnf));
  PetscCall(PetscFree(q->data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Fit(RheoDensity q, int64_t n, const float *z, const float *context)
{
  PetscFunctionBeginUser;
  PetscCall(RheoCnfFit(((Cnf *)q->data)->cnf, q->params, "cnf", n, z, context, q->values));
  PetscFunctionReturn(RHEO_OK);
}

/* Buffers of one piece of rows. */
typedef struct {
  int64_t n;
  uint64_t *index;
  float *noise, *seen;
  double *context, *in, *out, *log_q, *variance;
} Piece;

static PetscErrorCode PieceCreate(RheoDensity q, int64_t most, Piece *p)
{
  const int64_t d = q->d, c = q->c;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc7(most, &p->index, most * d, &p->noise, most * c, &p->seen, most * c, &p->context,
                         most * d, &p->in, most * d, &p->out, most, &p->log_q));
  PetscCall(PetscMalloc1(most, &p->variance));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PieceDestroy(Piece *p)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree7(p->index, p->noise, p->seen, p->context, p->in, p->out, p->log_q));
  PetscCall(PetscFree(p->variance));
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool Finite(int c, const float *context)
{
  for (int k = 0; k < c; k++)
    if (!isfinite(context[k])) return PETSC_FALSE;
  return PETSC_TRUE;
}

/* Numbers and contexts of rows. Where a context is not finite zeros stand in, so that the row's group is not spoilt. */
static RheoSolveRows PieceFill(RheoDensity q, const RheoDensityRows *rows, Piece *p)
{
  const int c = q->c;
  p->n = rows->n;
  for (int64_t i = 0; i < p->n; i++) p->index[i] = rows->index ? rows->index[i] : rows->first + (uint64_t)i;
  RheoDensityContext(q, rows, 0, p->n, p->seen);
  for (int64_t i = 0; i < p->n; i++) {
    const PetscBool finite = Finite(c, p->seen + i * c);
    for (int k = 0; k < c; k++) p->context[i * c + k] = finite ? p->seen[i * c + k] : 0;
  }
  return (RheoSolveRows){.n = p->n, .context = c ? p->context : NULL, .seed = rows->seed, .index = p->index};
}

/* Such rows have no answer. */
static double Answer(RheoDensity q, const Piece *p, int64_t i, double value)
{
  return Finite(q->c, p->seen + i * q->c) ? value : NAN;
}

/* Rows first .. first + n - 1 of rows. */
static RheoDensityRows Part(const RheoDensityRows *rows, int c, int64_t first, int64_t n)
{
  RheoDensityRows part = *rows;
  part.n = n;
  part.first = rows->first + (uint64_t)first;
  if (rows->index) part.index = rows->index + first;
  if (!rows->shared && rows->context) part.context = rows->context + first * c;
  return part;
}

static PetscErrorCode SamplePiece(RheoDensity q, const RheoDensityRows *rows, PetscBool with_log_q, Piece *p)
{
  const Cnf *f = q->data;
  const int source = RheoCnfGetConfig(f->cnf)->source;
  const RheoSolveRows solve = PieceFill(q, rows, p);
  RheoSolveReport report;

  PetscFunctionBeginUser;
  PetscCheck(source != RHEO_SOURCE_DATA, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONGSTATE,
             "Where the source is data, samples start from rows that a density does not have");
  RheoDensityStarts(rows, source, q->d, 0, p->n, p->noise, p->in);
  PetscCall(RheoSolverSample(f->solver, &solve, p->in, p->out, with_log_q ? p->log_q : NULL, &report));
  PetscFunctionReturn(RHEO_OK);
}

/* A whole number of groups, so that a piece cuts none. */
static int64_t PieceRows(const Cnf *f)
{
  const int64_t group = f->config.group;
  return group < PIECE ? PIECE / group * group : group;
}

static PetscErrorCode Sample(RheoDensity q, const RheoDensityRows *rows, double *z, double *log_q)
{
  const Cnf *f = q->data;
  const int64_t group = f->config.group, d = q->d;
  RheoDensityRows all = *rows;
  int64_t before = 0;
  Piece p;

  PetscFunctionBeginUser;
  PetscCall(RheoSolverSetValues(f->solver, q->values));
  if ((rows->shared || !q->c) && !rows->index) { /* whole groups */
    before = (int64_t)(rows->first % (uint64_t)group);
    all.first -= (uint64_t)before;
    all.n = (before + rows->n + group - 1) / group * group;
  }
  const int64_t most = PetscMin(all.n, PieceRows(f));
  PetscCall(PieceCreate(q, most, &p));
  for (int64_t first = 0; first < all.n; first += most) {
    const RheoDensityRows part = Part(&all, q->c, first, PetscMin(most, all.n - first));
    PetscCall(SamplePiece(q, &part, log_q != NULL, &p));
    for (int64_t i = 0; i < p.n; i++) {
      const int64_t to = first + i - before;
      if (to < 0 || to >= rows->n) continue;
      for (int64_t k = 0; k < d; k++) z[to * d + k] = Answer(q, &p, i, p.out[i * d + k]);
      if (log_q) log_q[to] = Answer(q, &p, i, p.log_q[i]);
    }
  }
  PetscCall(PieceDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode LogProb(RheoDensity q, const RheoDensityRows *rows, const double *z, double *log_q,
                              double *variance)
{
  const Cnf *f = q->data;
  const PetscBool estimated = (PetscBool)(variance && f->config.divergence != RHEO_DIVERGENCE_EXACT);
  const int64_t most = PetscMin(rows->n, PieceRows(f));
  RheoSolveReport report;
  Piece p;

  PetscFunctionBeginUser;
  PetscCall(RheoSolverSetValues(f->solver, q->values));
  PetscCall(PieceCreate(q, most, &p));
  for (int64_t first = 0; first < rows->n; first += most) {
    const RheoDensityRows part = Part(rows, q->c, first, PetscMin(most, rows->n - first));
    const RheoSolveRows solve = PieceFill(q, &part, &p);
    PetscCall(RheoSolverLogProb(f->solver, &solve, z + first * q->d, p.log_q, estimated ? p.variance : NULL,
                                NULL, &report));
    for (int64_t i = 0; i < p.n; i++) log_q[first + i] = Answer(q, &p, i, p.log_q[i]);
    for (int64_t i = 0; estimated && i < p.n; i++) variance[first + i] = Answer(q, &p, i, p.variance[i]);
  }
  PetscCall(PieceDestroy(&p));
  PetscFunctionReturn(RHEO_OK);
}

/* One point: from z to z(1), back along the field to z(0), and what the source says of it; then the same way back for the
 * gradient, by the adjoint. In double precision, with an exact divergence, so that the slope is that of what is told. */
typedef struct {
  RheoAdjoint adjoint;
  RheoPlan enter, leave;
  RheoWork enter_work, leave_work;
  double *values;   /* (P) */
  double *z, *rate; /* (D) on the way, and the derivative of log q with respect to it */
} Point;

/* enter: z, dz(1) -> z(1), dz(1)/dz dz(1); leave: z(0) -> log density of the source there with the change of scale, and its
 * gradient. */
static PetscErrorCode CompileEnds(RheoDensity q, RheoCnf cnf, Point *p)
{
  RheoProgram program;
  RheoVal out[3];

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(1, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, q->params, 0), "cnf");
  RheoVal z = rx_rows(program, "z", q->d), rate = rx_rows(program, "rate", q->d);
  RheoVal context = q->c ? rx_rows(program, "context", q->c) : RHEO_NONE;
  out[0] = rx_cnf_enter(cnf, scope, z, context);
  rx_vjp(out[0], rate, 1, &z, &out[1]);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 2, out, &p->enter));
  PetscCall(RheoProgramDestroy(&program));

  PetscCall(RheoProgramCreate(1, &program));
  scope = rx_enter(RheoScopeRoot(program, q->params, 0), "cnf");
  z = rx_rows(program, "z", q->d);
  context = q->c ? rx_rows(program, "context", q->c) : RHEO_NONE;
  RheoVal source = rx_cnf_leave(cnf, scope, z, context);
  out[0] = rx_add(rx_sum_all(rx_cnf_source_log_prob(cnf, source)), rx_cnf_log_scale(cnf, scope));
  out[1] = rx_grad(out[0], z);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 2, out, &p->leave));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(p->enter, &p->enter_work));
  PetscCall(RheoWorkCreate(p->leave, &p->leave_work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PointCreate(RheoDensityPoint point)
{
  RheoDensity q = point->q;
  const Cnf *f = q->data;
  const size_t n = RheoParamsSize(q->params);
  RheoAdjointConfig config = {.solve = f->config, .log_det = PETSC_TRUE, .fixed = PETSC_TRUE};
  Point *p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  point->data = p;
  config.solve.divergence = RHEO_DIVERGENCE_EXACT;
  config.solve.precision = RHEO_SOLVE_DOUBLE;
  config.solve.rtol = PetscMin(config.solve.rtol, 1e-6);
  config.solve.atol = PetscMin(config.solve.atol, 1e-6);
  PetscCall(RheoAdjointCreate(f->cnf, q->params, "cnf", 1, &config, &p->adjoint));
  PetscCall(CompileEnds(q, f->cnf, p));
  PetscCall(PetscMalloc3(n, &p->values, q->d, &p->z, q->d, &p->rate));
  for (size_t i = 0; i < n; i++) p->values[i] = q->values[i];
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PointDestroy(RheoDensityPoint point)
{
  Point *p = point->data;

  PetscFunctionBeginUser;
  PetscCall(PetscFree3(p->values, p->z, p->rate));
  PetscCall(RheoWorkDestroy(&p->enter_work));
  PetscCall(RheoWorkDestroy(&p->leave_work));
  PetscCall(RheoPlanDestroy(&p->enter));
  PetscCall(RheoPlanDestroy(&p->leave));
  PetscCall(RheoAdjointDestroy(&p->adjoint));
  PetscCall(PetscFree(point->data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PointEvaluate(RheoDensityPoint point, const double *z, double *log_q, double *gradient)
{
  RheoDensity q = point->q;
  const double *context = q->c ? point->context : NULL, one = 1;
  Point *p = point->data;
  RheoSolveStatus status;
  double log_det;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(p->rate, q->d));
  RheoPlanRun(p->enter, p->enter_work, p->values, (const void *const[]){z, p->rate, context},
              (void *const[]){p->z, gradient});
  PetscCall(RheoAdjointForward(p->adjoint, q->values, 1, 1, 0, p->z, context, NULL, &log_det, NULL, &status));
  if (status != RHEO_SOLVE_DONE) { /* for a line search: a wall */
    *log_q = -INFINITY;
    PetscFunctionReturn(RHEO_OK);
  }
  RheoPlanRun(p->leave, p->leave_work, p->values, (const void *const[]){p->z, context},
              (void *const[]){log_q, p->rate});
  *log_q += log_det;
  PetscCall(RheoAdjointBackward(p->adjoint, p->rate, &one, NULL, NULL, NULL));
  RheoPlanRun(p->enter, p->enter_work, p->values, (const void *const[]){z, p->rate, context},
              (void *const[]){p->z, gradient});
  PetscFunctionReturn(RHEO_OK);
}

const RheoDensityType RheoDensityType_Cnf = {
    .name = "cnf",
    .hills = 2, /* smooth */
    .create = Create,
    .destroy = Destroy,
    .fit = Fit,
    .sample = Sample,
    .log_prob = LogProb,
    .set_solver = SetSolver,
    .point_create = PointCreate,
    .point_destroy = PointDestroy,
    .point_evaluate = PointEvaluate,
};
