/* Data-dependent start: rows stream through the layers so far, in blocks, and each layer that asks for it
 * gets their mean and standard deviation. */
#include "../program/plan.h"
#include "flow_impl.h"
#include <math.h>
#include <stdio.h>

enum { FIT_BLOCK = 512 };

PetscErrorCode RheoFlowFindValues(RheoParams params, const char *prefix, const char *name, int n,
                                  float *values, float **found)
{
  char full[320];
  PetscFunctionBeginUser;
  snprintf(full, sizeof full, "%s%s%s", prefix, prefix[0] ? "." : "", name);
  const RheoParamView *view = RheoParamsFind(params, full);
  PetscCheck(view, PETSC_COMM_SELF, PETSC_ERR_ORDER, "there is no parameter '%s': build a program first",
             full);
  PetscCheck(view->size == (size_t)n, PETSC_COMM_SELF, PETSC_ERR_ARG_SIZ, "'%s' has %zu elements, not %d",
             full, view->size, n);
  *found = values + view->offset;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowSetMoments(RheoParams params, const char *prefix, int n, const double *mean,
                                  const double *sd, float *values)
{
  float *to_mean, *to_sd;
  PetscFunctionBeginUser;
  PetscCall(RheoFlowFindValues(params, prefix, "mean", n, values, &to_mean));
  PetscCall(RheoFlowFindValues(params, prefix, "sd", n, values, &to_sd));
  for (int d = 0; d < n; d++) {
    to_mean[d] = (float)mean[d];
    to_sd[d] = (float)sd[d];
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Mean and sum of squared deviations, updated row by row in the order of the rows (Welford 1962). */
typedef struct {
  int width;
  int64_t n;
  double *mean, *sd;
} Moments;

static PetscErrorCode moments_create(int width, Moments *m)
{
  PetscFunctionBeginUser;
  *m = (Moments){.width = width};
  PetscCall(PetscCalloc1(2 * (size_t)width, &m->mean));
  m->sd = m->mean + width;
  PetscFunctionReturn(RHEO_OK);
}

static void moments_add(Moments *m, int64_t n_rows, const float *x)
{
  for (int64_t r = 0; r < n_rows; r++, x += m->width) {
    const double weight = 1. / (double)++m->n;
    for (int d = 0; d < m->width; d++) {
      const double off = x[d] - m->mean[d];
      m->mean[d] += weight * off;
      m->sd[d] += off * (x[d] - m->mean[d]);
    }
  }
}

/* A constant column is left as wide as it is. */
static void moments_finish(Moments *m)
{
  for (int d = 0; d < m->width; d++) {
    const double sd = sqrt(m->sd[d] / (double)m->n);
    m->sd[d] = isfinite(sd) && sd > 1e-6 * fabs(m->mean[d]) && sd > 0 ? sd : 1;
    if (!isfinite(m->mean[d])) m->mean[d] = 0;
  }
}

/* The moments of what reaches layer `place`. */
static PetscErrorCode moments_at(RheoFlow flow, RheoParams params, const char *scope_name, int place,
                                 int64_t n, const float *x, const float *context, const float *values,
                                 Moments *m)
{
  RheoProgram program;
  RheoPlan plan;
  RheoWork work;
  float *block;
  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(FIT_BLOCK, &program));
  RheoScope scope = RheoScopeRoot(program, params, 0);
  if (scope_name[0]) scope = rx_enter(scope, "%s", scope_name);
  RheoVal in = rx_rows(program, "x", flow->n_features);
  RheoVal in_context = flow->n_context ? rx_rows(program, "context", flow->n_context) : RHEO_NONE;
  RheoVal out = rx_flow_layers(flow, scope, place, in, in_context, NULL);
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, 1, &out, &plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(plan, &work));
  PetscCall(PetscMalloc1((size_t)FIT_BLOCK * (size_t)flow->n_features, &block));
  for (int64_t r = 0; r < n; r += FIT_BLOCK) {
    const int64_t rows = n - r < FIT_BLOCK ? n - r : FIT_BLOCK;
    const void *inputs[] = {x + r * flow->n_features, context ? context + r * flow->n_context : NULL};
    RheoPlanRunRows(plan, work, values, rows, inputs, (void *[]){block});
    moments_add(m, rows, block);
  }
  moments_finish(m);
  PetscCall(PetscFree(block));
  PetscCall(RheoWorkDestroy(&work));
  PetscCall(RheoPlanDestroy(&plan));
  PetscFunctionReturn(RHEO_OK);
}

static const char *below(const char *scope_name, const char *name)
{
  char full[256];
  snprintf(full, sizeof full, "%s%s%s", scope_name, scope_name[0] ? "." : "", name);
  return RheoIntern(full);
}

static PetscErrorCode fit_context(RheoFlow flow, RheoParams params, const char *scope_name, int64_t n,
                                  const float *context, float *values)
{
  Moments m;
  PetscFunctionBeginUser;
  PetscCall(moments_create(flow->n_context, &m));
  moments_add(&m, n, context);
  moments_finish(&m);
  PetscCall(RheoFlowSetMoments(params, below(scope_name, "context"), flow->n_context, m.mean, m.sd, values));
  PetscCall(PetscFree(m.mean));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowFit(RheoFlow flow, RheoParams params, const char *scope_name, int64_t n,
                           const float *x, const float *context, float *values)
{
  PetscFunctionBeginUser;
  PetscCheck(flow->ready, PETSC_COMM_SELF, PETSC_ERR_ORDER, "a flow must be set up before it is fitted");
  PetscCheck(!flow->n_context || context, PETSC_COMM_SELF, PETSC_ERR_ARG_NULL, "this flow needs a context");
  if (n < 2) PetscFunctionReturn(RHEO_OK);
  if (flow->n_context && flow->config.standardize)
    PetscCall(fit_context(flow, params, scope_name, n, context, values));
  for (int i = 0; i < flow->n_layers; i++) {
    const RheoTransform *t = &flow->layer[i].transform;
    Moments m;
    if (!t->type->fit) continue;
    PetscCall(moments_create(flow->n_features, &m));
    PetscCall(moments_at(flow, params, scope_name, i, n, x, context, values, &m));
    PetscCall(t->type->fit(t, params, below(scope_name, flow->layer[i].name), m.mean, m.sd, values));
    PetscCall(PetscFree(m.mean));
  }
  PetscFunctionReturn(RHEO_OK);
}
