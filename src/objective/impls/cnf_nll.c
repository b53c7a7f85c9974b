/* Maximum likelihood of a continuous flow: -log p(x | context) by solving from the data at t = 1 to the source at t = 0
 * with the integral of the divergence (FFJORD, Grathwohl et al. 2019), plus weighted integrals of the path's energy, of
 * the Jacobian's norm (RNODE, Finlay et al. 2020), of the acceleration, ... (cnf/likelihood.h has them all, and how they
 * differ from FFJORD's code). Gradients by the discrete adjoint.
 *
 * Learned end time (TO-FLOW, Du et al. 2022): T-steps and steps of the field alternate. Deviations: T is kept between its
 * bounds by a logistic function rather than by clipping, which would stop it there for good; a step that moves only T
 * (or only the field) is one whose other gradients are zero, so that the momentum of the optimiser still moves the
 * others a little.
 *
 * Validation leaves the regularisers out: it is the likelihood that is watched. Cost of a step: one solve forward, one
 * back, each stage of either about D + 1 evaluations of the network (exact divergence), back with its derivatives.
 *
 * Where a solve fails the loss is not a number: of the row, in validation by fixed steps; of all rows of the shard
 * otherwise. */
#include "../../base/log.h"
#include "../../cnf/adjoint.h"
#include "../../cnf/likelihood.h"
#include "../../cnf/scheme.h"
#include "../../program/plan.h"
#include "../objective_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const columns[] = {"x", "context", NULL};

/* Only names the parameters. */
static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  if (!model->cnf) return rx_fail(scope.program, "cnf_nll: needs a continuous flow");
  RheoVal z = rx_cnf_enter(model->cnf, scope, column[0], column[1]);
  RheoVal t = rx_fill(scope.program, RX_SHAPE(rx_dim(z, 0), 1), 1);
  RheoVal v = rx_cnf_velocity(model->cnf, scope, t, z, column[1], RHEO_NONE);
  RheoVal source = rx_cnf_leave(model->cnf, scope, rx_sub(z, v), column[1]);
  RheoVal log_prob = rx_cnf_source_log_prob(model->cnf, source);
  return rx_neg(rx_add(log_prob, rx_cnf_log_scale(model->cnf, scope)));
}

typedef struct {
  RheoPlan plan;
  RheoWork work;
} End;

typedef struct {
  RheoLikelihoodConfig config;
  RheoAdjoint adjoint;
  End enter, enter_pull, leave; /* enter_pull only where the data are shifted */
  int rows, d, c, probes;       /* probes 0: no noise */
  size_t n_params;
  const RheoParamView *end_time;                 /* NULL: fixed */
  double *values, *dvalues, *part;               /* (P) */
  double *x, *context, *z, *dz, *noise, *weight; /* (rows, .) */
  double *nll, *log_det, *penalty, *dlog_det;    /* (rows) */
  double time;                                   /* what the end time adds to a row's loss */
  PetscBool shifted, warned;
} Runner;

/* ---- Making one ---- */

static PetscErrorCode Compile(RheoProgram program, int n, const RheoVal *out, End *end)
{
  PetscFunctionBeginUser;
  PetscCall(RheoPlanCreate(program, RHEO_DOUBLE, n, out, &end->plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(end->plan, &end->work));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Begin(RheoParams params, const char *scope_name, const Runner *r, RheoProgram *program,
                            RheoScope *scope, RheoVal *context)
{
  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(r->rows, program));
  *scope = rx_enter(RheoScopeRoot(*program, params, 0), "%s", scope_name);
  *context = r->c ? rx_rows(*program, "context", r->c) : RHEO_NONE;
  PetscFunctionReturn(RHEO_OK);
}

/* The way in, x -> z(1), and the gradient of its shift. */
static PetscErrorCode CompileEnter(RheoCnf cnf, RheoParams params, const char *scope_name, Runner *r)
{
  RheoProgram program;
  RheoScope scope;
  RheoVal context, z, out;

  PetscFunctionBeginUser;
  PetscCall(Begin(params, scope_name, r, &program, &scope, &context));
  out = rx_cnf_enter(cnf, scope, rx_rows(program, "x", r->d), context);
  PetscCall(Compile(program, 1, &out, &r->enter));
  if (!r->shifted) PetscFunctionReturn(RHEO_OK);
  PetscCall(Begin(params, scope_name, r, &program, &scope, &context));
  z = rx_cnf_enter(cnf, scope, rx_rows(program, "x", r->d), context);
  out = rx_grad_params(rx_sum_all(rx_mul(z, rx_rows(program, "dz", r->d))), params);
  PetscCall(Compile(program, 1, &out, &r->enter_pull));
  PetscFunctionReturn(RHEO_OK);
}

/* The way out, z(0) -> minus the log density but for the path, and its gradients. */
static PetscErrorCode CompileLeave(RheoCnf cnf, RheoParams params, const char *scope_name, Runner *r)
{
  RheoProgram program;
  RheoScope scope;
  RheoVal context, out[4];

  PetscFunctionBeginUser;
  PetscCall(Begin(params, scope_name, r, &program, &scope, &context));
  RheoVal z = rx_rows(program, "z", r->d), x = rx_cnf_leave(cnf, scope, z, context);
  RheoVal weight = rx_reshape(rx_rows(program, "weight", 1), RX_SHAPE(-1));
  out[0] = rx_neg(rx_add(rx_cnf_source_log_prob(cnf, x), rx_cnf_log_scale(cnf, scope)));
  RheoVal sum = rx_sum_all(rx_mul(out[0], weight)), time = rx_cnf_end_time(cnf, scope);
  if (rx_exists(time)) { /* in the gradient only: validation leaves it out of the loss */
    out[3] = rx_scale(time, r->config.end_time_weight);
    sum = rx_add(sum, rx_mul(rx_sum_all(weight), out[3]));
  }
  out[1] = rx_grad(sum, z);
  out[2] = rx_grad_params(sum, params);
  PetscCall(Compile(program, rx_exists(time) ? 4 : 3, out, &r->leave));
  PetscFunctionReturn(RHEO_OK);
}

static RheoAdjointConfig AdjointConfig(const RheoLikelihoodConfig *c, int rows)
{
  return (RheoAdjointConfig){.solve = {.scheme = c->scheme,
                                       .steps = c->steps,
                                       .rtol = c->rtol,
                                       .atol = c->atol,
                                       .group = rows,
                                       .most = c->most,
                                       .divergence = c->divergence,
                                       .probes = c->probes,
                                       .precision = c->precision},
                             .checkpoints = c->checkpoints,
                             .log_det = PETSC_TRUE,
                             .kinetic = c->kinetic,
                             .l1 = c->l1,
                             .jacobian = c->jacobian,
                             .jacobian_diagonal = c->jacobian_diagonal,
                             .jacobian_off_diagonal = c->jacobian_off_diagonal,
                             .acceleration = c->acceleration,
                             .hjb = c->hjb};
}

static PetscErrorCode Allocate(Runner *r)
{
  const size_t rows = (size_t)r->rows, d = (size_t)r->d, c = (size_t)r->c, n = r->n_params;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n, &r->values, n, &r->dvalues, n, &r->part));
  PetscCall(PetscMalloc3(rows * d, &r->x, rows * d, &r->z, rows * d, &r->dz));
  PetscCall(PetscMalloc3(rows * c, &r->context, rows * d * (size_t)r->probes, &r->noise, rows, &r->weight));
  PetscCall(PetscMalloc4(rows, &r->nll, rows, &r->log_det, rows, &r->penalty, rows, &r->dlog_det));
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool has_estimate(const char *scheme)
{
  PetscBool estimate = PETSC_TRUE;
  TS ts;
  if (TSCreate(PETSC_COMM_SELF, &ts)) return PETSC_TRUE;
  (void)RheoSchemeSet(ts, scheme, &estimate);
  (void)TSDestroy(&ts);
  return estimate;
}

static PetscBool mistake(const RheoObjectiveModel *model, RheoMistake *m)
{
  const RheoCnfConfig *config = RheoCnfGetConfig(model->cnf);
  const RheoLikelihoodConfig *how = RheoCnfGetLikelihood(model->cnf);

  m->key = NULL;
  if (config->source != RHEO_SOURCE_NORMAL) {
    m->key = "cnf.source";
    snprintf(m->text, sizeof m->text,
             "maximum likelihood needs a source whose density is known and nowhere zero: normal");
  } else if (config->dropout > 0 || RheoCnfGetNet(model->cnf)->dropout > 0) {
    m->key = config->dropout > 0 ? "cnf.dropout" : "cnf.net.dropout";
    snprintf(
        m->text, sizeof m->text,
        "maximum likelihood follows one field and forgets nothing: must be 0, or take the objective cfm");
  } else if (how->steps == 0 && !has_estimate(how->scheme)) {
    m->key = "cnf.likelihood.scheme";
    snprintf(m->text, sizeof m->text,
             "'%.64s' has no error estimate to choose steps by; give cnf.likelihood.steps", how->scheme);
  } else if (how->steps == 0 && how->precision == RHEO_SOLVE_SINGLE &&
             PetscMax(how->rtol, how->atol) < 1e-6) {
    m->key = "cnf.likelihood.rtol";
    snprintf(m->text, sizeof m->text,
             "rtol and atol of %g and %g are beyond single precision; set cnf.likelihood.precision: double",
             how->rtol, how->atol);
  } else if (how->steps == 0 && how->checkpoints > 0) {
    m->key = "cnf.likelihood.checkpoints";
    snprintf(m->text, sizeof m->text, "needs fixed steps, cnf.likelihood.steps above 0");
  }
  return (PetscBool)(m->key != NULL);
}

static PetscErrorCode create(const RheoObjectiveModel *model, RheoParams params, const char *scope_name,
                             int rows, void **out)
{
  char name[256];
  Runner *r;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&r));
  r->config = *RheoCnfGetLikelihood(model->cnf);
  r->rows = rows;
  r->d = RheoCnfFeatures(model->cnf);
  r->c = RheoCnfContext(model->cnf);
  r->shifted = (PetscBool)(RheoCnfGetConfig(model->cnf)->shift != RHEO_SHIFT_NONE);
  r->probes = r->config.divergence == RHEO_DIVERGENCE_EXACT ? 0 : r->config.probes;
  PetscCall(CompileEnter(model->cnf, params, scope_name, r));
  PetscCall(CompileLeave(model->cnf, params, scope_name, r));
  const RheoAdjointConfig config = AdjointConfig(&r->config, rows);
  PetscCall(RheoAdjointCreate(model->cnf, params, scope_name, rows, &config, &r->adjoint));
  snprintf(name, sizeof name, "%s.end_time", scope_name);
  r->end_time = RheoParamsFind(params, name);
  r->n_params = RheoParamsSize(params);
  PetscCall(Allocate(r));
  *out = r;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode EndDestroy(End *end)
{
  PetscFunctionBeginUser;
  PetscCall(RheoWorkDestroy(&end->work));
  PetscCall(RheoPlanDestroy(&end->plan));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode destroy(void **runner)
{
  Runner *r = *runner;

  PetscFunctionBeginUser;
  if (!r) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoAdjointDestroy(&r->adjoint));
  PetscCall(EndDestroy(&r->enter));
  PetscCall(EndDestroy(&r->enter_pull));
  PetscCall(EndDestroy(&r->leave));
  PetscCall(PetscFree3(r->values, r->dvalues, r->part));
  PetscCall(PetscFree3(r->x, r->z, r->dz));
  PetscCall(PetscFree3(r->context, r->noise, r->weight));
  PetscCall(PetscFree4(r->nll, r->log_det, r->penalty, r->dlog_det));
  PetscCall(PetscFree(r));
  *runner = NULL;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Running one ---- */

/* x (rows, width) from rows of the batch; those from n on are copies of the last. */
static void Take(int rows, int64_t n, int width, const float *from, double *x)
{
  for (int64_t i = 0; i < rows; i++)
    for (int k = 0; k < width; k++) x[i * width + k] = (double)from[(i < n ? i : n - 1) * width + k];
}

/* One draw a row and step, so that it is the same at all times of a solve. */
static void DrawNoise(const Runner *r, const RheoBatch *batch)
{
  const int width = r->probes * r->d;
  for (int64_t i = 0; width && i < batch->n; i++) {
    RheoStream stream =
        RheoStreamMake(batch->seed, RHEO_STREAM_NOISE, (uint32_t)batch->step, batch->index[i]);
    for (int k = 0; k < width; k++)
      r->noise[i * width + k] = r->config.divergence == RHEO_DIVERGENCE_NORMAL ? RheoStreamNormal(&stream)
                                : RheoStreamUniform(&stream) < 0.5             ? -1
                                                                               : 1;
  }
}

static void TakeBatch(Runner *r, const RheoBatch *batch, const float *values)
{
  for (size_t i = 0; i < r->n_params; i++) r->values[i] = (double)values[i];
  Take(r->rows, batch->n, r->d, batch->column[0], r->x);
  Take(r->rows, batch->n, r->c, batch->column[1], r->context);
  for (int64_t i = 0; i < r->rows; i++)
    r->weight[i] = i >= batch->n ? 0 : batch->weight ? (double)batch->weight[i] : 1;
  DrawNoise(r, batch);
}

/* The loss of each row from its three parts; what is not finite stays so. */
static void SumLosses(const Runner *r, int64_t n, int training, PetscBool lost, float *row_loss)
{
  for (int64_t i = 0; i < n; i++) {
    const double nll = r->nll[i] - r->log_det[i] + (training ? r->penalty[i] + r->time : 0);
    row_loss[i] = lost ? NAN : (float)nll;
  }
}

/* T-steps and steps of the field alternate. */
static void Alternate(const Runner *r, int64_t step)
{
  const size_t at = r->end_time->offset;
  const PetscBool turn = (PetscBool)(step % r->config.end_time_every == r->config.end_time_every - 1);
  const double moved = r->dvalues[at];
  if (turn) memset(r->dvalues, 0, r->n_params * sizeof *r->dvalues);
  r->dvalues[at] = turn ? moved : 0;
}

/* In: dz, weight and dvalues as the way out left them. */
static PetscErrorCode Gradient(Runner *r, const RheoBatch *batch, float *gradient)
{
  PetscFunctionBeginUser;
  for (int64_t i = 0; i < batch->n; i++) r->dlog_det[i] = -r->weight[i];
  PetscCall(RheoAdjointBackward(r->adjoint, r->dz, r->dlog_det, r->weight, NULL, r->dvalues));
  if (r->shifted) {
    const void *in[3];
    int n = 0;
    if (r->c) in[n++] = r->context;
    in[n++] = r->x;
    in[n] = r->dz; /* of copied rows it is zero: their weight is */
    RheoPlanRun(r->enter_pull.plan, r->enter_pull.work, r->values, in, (void *const[]){r->part});
    for (size_t i = 0; i < r->n_params; i++) r->dvalues[i] += r->part[i];
  }
  if (r->end_time) Alternate(r, batch->step);
  for (size_t i = 0; i < r->n_params; i++) gradient[i] = (float)r->dvalues[i];
  PetscFunctionReturn(RHEO_OK);
}

static void RunEnter(Runner *r)
{
  const void *in[2];
  int n = 0;
  if (r->c) in[n++] = r->context;
  in[n] = r->x;
  RheoPlanRun(r->enter.plan, r->enter.work, r->values, in, (void *const[]){r->z});
}

static void RunLeave(Runner *r)
{
  const void *in[3];
  int n = 0;
  if (r->c) in[n++] = r->context;
  in[n++] = r->z;
  in[n] = r->weight;
  RheoPlanRun(r->leave.plan, r->leave.work, r->values, in,
              (void *const[]){r->nll, r->dz, r->dvalues, &r->time});
}

/* Once: it is seldom the only time. */
static void Warn(Runner *r, const RheoBatch *batch, RheoSolveStatus status)
{
  if (r->warned) return;
  r->warned = PETSC_TRUE;
  RheoLog(PETSC_COMM_SELF, RHEO_LOG_WARNING,
          "maximum likelihood: a solve of %lld rows, the first of them number %llu, ended at t = %.6g: %s%s; "
          "later ones "
          "are counted only (see cnf.likelihood)",
          (long long)batch->n, (unsigned long long)batch->index[0], RheoAdjointFailedAt(r->adjoint),
          RheoSolveReason(status), status == RHEO_SOLVE_STEPS ? " cnf.likelihood.most" : "");
}

static PetscErrorCode run(void *runner, const RheoBatch *batch, int training, const float *values,
                          float *row_loss, float *gradient)
{
  RheoSolveStatus status;
  Runner *r = runner;

  PetscFunctionBeginUser;
  TakeBatch(r, batch, values);
  RunEnter(r);
  /* The way back gives the integrals too, so that a training step forward moves z alone. */
  PetscCall(RheoAdjointForward(r->adjoint, values, batch->n, 1, 0, r->z, r->context, r->noise,
                               gradient ? NULL : r->log_det, gradient ? NULL : r->penalty, &status));
  RunLeave(r);
  if (gradient && status == RHEO_SOLVE_DONE) {
    PetscCall(Gradient(r, batch, gradient));
    PetscCall(RheoAdjointGetIntegrals(r->adjoint, r->log_det, r->penalty));
  } else if (gradient) {
    memset(gradient, 0, r->n_params * sizeof *gradient);
  }
  const PetscBool lost = (PetscBool)(status != RHEO_SOLVE_DONE && (gradient || r->config.steps == 0));
  if (lost) Warn(r, batch, status);
  SumLosses(r, batch->n, training, lost, row_loss);
  PetscFunctionReturn(RHEO_OK);
}

static const RheoShardRunner shard_runner = {.create = create, .destroy = destroy, .run = run};

const RheoObjectiveType RheoObjectiveType_CnfNll = {
    .name = "cnf_nll",
    .summary = "negative log-density of x given the context, by a continuous flow; solved and differentiated",
    .reference = "Grathwohl et al. 2019; Finlay et al. 2020; Onken et al. 2021; Du et al. 2022",
    .trains = "cnf",
    .columns = columns,
    .loss = loss,
    .mistake = mistake,
    .runner = &shard_runner,
};
