/* A discrete flow as a density: two plans in single precision, one in double for points. */
#include "density_impl.h"

/* Rows of a compiled block: large enough that products of matrices pay, small enough to stay in cache. */
enum { BLOCK = 256 };
/* Rows are worked on in pieces, so that memory does not grow with their number. */
enum { PIECE = 4096 };

typedef struct {
  RheoFlow flow;
  RheoPlan sample, log_prob;
} Flow;

static RheoScope Scope(RheoDensity q, RheoProgram program)
{
  return rx_enter(RheoScopeRoot(program, q->params, 0), "flow");
}

static RheoVal Context(RheoDensity q, RheoProgram program)
{
  return q->c ? rx_rows(program, "context", q->c) : RHEO_NONE;
}

typedef PetscErrorCode (*Compiler)(RheoProgram, RheoPrecision, int, const RheoVal *, RheoPlan *);

/* Compiles density and sampling, which also names every parameter. */
static PetscErrorCode Compile(RheoDensity q, int rows, Compiler compile, RheoPlan *sample, RheoPlan *log_prob)
{
  const Flow *f = q->data;
  RheoProgram program;
  RheoVal out[2];

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(rows, &program));
  RheoVal z = rx_rows(program, "z", q->d), context = Context(q, program);
  out[0] = rx_flow_log_prob(f->flow, Scope(q, program), z, context);
  PetscCall(compile(program, RHEO_SINGLE, 1, out, log_prob));
  PetscCall(RheoProgramDestroy(&program));

  PetscCall(RheoProgramCreate(rows, &program));
  RheoVal noise = rx_noise(program, RheoFlowNoise(f->flow), "noise", q->d);
  context = Context(q, program);
  out[0] = rx_flow_sample(f->flow, Scope(q, program), noise, context, &out[1]);
  PetscCall(compile(program, RHEO_SINGLE, 2, out, sample));
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OneCompile(RheoDensity q)
{
  PetscFunctionBeginUser;
  PetscCall(Compile(q, 1, RheoPlanCreateFixed, &q->one_sample, &q->one_log_prob));
  PetscFunctionReturn(RHEO_OK);
}

static RheoInputKind Noise(RheoDensity q)
{
  return RheoFlowNoise(((Flow *)q->data)->flow);
}

static PetscErrorCode Create(RheoDensity q, RheoDeck deck)
{
  Flow *f;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&f));
  q->data = f;
  PetscCall(RheoFlowCreate(&f->flow));
  PetscCall(RheoFlowSetFromDeck(f->flow, deck, "flow"));
  PetscCall(RheoFlowSetSizes(f->flow, q->d, q->c));
  PetscCall(RheoFlowSetUp(f->flow));
  q->model.flow = f->flow;
  if (!q->objective) PetscCall(RheoObjectiveFind("nll", &q->objective));
  PetscCall(Compile(q, BLOCK, RheoPlanCreate, &f->sample, &f->log_prob));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Destroy(RheoDensity q)
{
  Flow *f = q->data;

  PetscFunctionBeginUser;
  PetscCall(RheoPlanDestroy(&f->sample));
  PetscCall(RheoPlanDestroy(&f->log_prob));
  PetscCall(RheoFlowDestroy(&f->flow));
  PetscCall(PetscFree(q->data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Fit(RheoDensity q, int64_t n, const float *z, const float *context)
{
  PetscFunctionBeginUser;
  PetscCall(RheoFlowFit(((Flow *)q->data)->flow, q->params, "flow", n, z, context, q->values));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Sample(RheoDensity q, const RheoDensityRows *rows, double *z, double *log_q)
{
  const Flow *f = q->data;
  const int64_t most = PetscMin(rows->n, PIECE);
  float *noise, *context, *out, *lp;
  RheoWork work;

  PetscFunctionBeginUser;
  PetscCall(RheoWorkCreate(f->sample, &work));
  PetscCall(PetscMalloc4(most * q->d, &noise, most * q->c, &context, most * q->d, &out, most, &lp));
  for (int64_t first = 0; first < rows->n; first += most) {
    const int64_t n = PetscMin(most, rows->n - first);
    RheoDensityNoise(rows, RheoFlowNoise(f->flow), q->d, first, n, noise);
    if (!rows->shared || !first) RheoDensityContext(q, rows, first, n, context);
    RheoPlanRunRows(f->sample, work, q->values, n, (const void *const[]){noise, context},
                    (void *const[]){out, lp});
    for (int64_t i = 0; i < n * q->d; i++) z[first * q->d + i] = out[i];
    for (int64_t i = 0; i < n && log_q; i++) log_q[first + i] = lp[i];
  }
  PetscCall(PetscFree4(noise, context, out, lp));
  PetscCall(RheoWorkDestroy(&work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode LogProb(RheoDensity q, const RheoDensityRows *rows, const double *z, double *log_q,
                              double *variance)
{
  const Flow *f = q->data;
  const int64_t most = PetscMin(rows->n, PIECE);
  float *in, *context, *lp;
  RheoWork work;

  PetscFunctionBeginUser;
  (void)variance; /* nothing is estimated */
  PetscCall(RheoWorkCreate(f->log_prob, &work));
  PetscCall(PetscMalloc3(most * q->d, &in, most * q->c, &context, most, &lp));
  for (int64_t first = 0; first < rows->n; first += most) {
    const int64_t n = PetscMin(most, rows->n - first);
    for (int64_t i = 0; i < n * q->d; i++) in[i] = (float)z[first * q->d + i];
    if (!rows->shared || !first) RheoDensityContext(q, rows, first, n, context);
    RheoPlanRunRows(f->log_prob, work, q->values, n, (const void *const[]){in, context}, (void *const[]){lp});
    for (int64_t i = 0; i < n; i++) log_q[first + i] = lp[i];
  }
  PetscCall(PetscFree3(in, context, lp));
  PetscCall(RheoWorkDestroy(&work));
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  RheoPlan plan; /* one row: log q(z) and its gradient */
  RheoWork work;
  double *values;
} Point;

static PetscErrorCode PointCreate(RheoDensityPoint point)
{
  RheoDensity q = point->q;
  const Flow *f = q->data;
  const size_t n = RheoParamsSize(q->params);
  RheoProgram program;
  RheoVal out[2];
  Point *p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  point->data = p;
  PetscCall(RheoProgramCreate(1, &program));
  RheoVal z = rx_rows(program, "z", q->d), context = Context(q, program);
  out[0] = rx_sum_all(rx_flow_log_prob(f->flow, Scope(q, program), z, context));
  out[1] = rx_grad(out[0], z);
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, 2, out, &p->plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(p->plan, &p->work));
  PetscCall(PetscMalloc1(n, &p->values));
  for (size_t i = 0; i < n; i++) p->values[i] = q->values[i];
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PointDestroy(RheoDensityPoint point)
{
  Point *p = point->data;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(p->values));
  PetscCall(RheoWorkDestroy(&p->work));
  PetscCall(RheoPlanDestroy(&p->plan));
  PetscCall(PetscFree(point->data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PointEvaluate(RheoDensityPoint point, const double *z, double *log_q, double *gradient)
{
  Point *p = point->data;

  PetscFunctionBeginUser;
  RheoPlanRun(p->plan, p->work, p->values, (const void *const[]){z, point->context},
              (void *const[]){log_q, gradient});
  PetscFunctionReturn(RHEO_OK);
}

const RheoDensityType RheoDensityType_Flow = {
    .name = "flow",
    .hills = 8, /* splines have kinks and many low ones, so that one search may end on the wrong one */
    .create = Create,
    .destroy = Destroy,
    .fit = Fit,
    .sample = Sample,
    .log_prob = LogProb,
    .one_compile = OneCompile,
    .noise = Noise,
    .point_create = PointCreate,
    .point_destroy = PointDestroy,
    .point_evaluate = PointEvaluate,
};
