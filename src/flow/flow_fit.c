/* Data-dependent start: rows stream through the layers so far, in blocks, and each layer that asks for it
 * gets their mean and standard deviation. */
#include "../program/plan.h"
#include "flow_impl.h"
#include <stdio.h>

enum { FIT_BLOCK = 512 };

/* The moments of what reaches layer `place`. */
static PetscErrorCode moments_at(RheoFlow flow, RheoParams params, const char *scope_name, int place,
                                 int64_t n, const float *x, const float *context, const float *values,
                                 RheoMomentSums *m)
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
    RheoMomentSumsAdd(m, rows, block);
  }
  RheoMomentSumsFinish(m);
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
  RheoMomentSums m;
  PetscFunctionBeginUser;
  PetscCall(RheoMomentSumsCreate(flow->n_context, &m));
  RheoMomentSumsAdd(&m, n, context);
  RheoMomentSumsFinish(&m);
  PetscCall(RheoMomentsSet(params, below(scope_name, "context"), flow->n_context, m.mean, m.sd, values));
  PetscCall(RheoMomentSumsDestroy(&m));
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
    RheoMomentSums m;
    if (!t->type->fit) continue;
    PetscCall(RheoMomentSumsCreate(flow->n_features, &m));
    PetscCall(moments_at(flow, params, scope_name, i, n, x, context, values, &m));
    PetscCall(t->type->fit(t, params, below(scope_name, flow->layer[i].name), m.mean, m.sd, values));
    PetscCall(RheoMomentSumsDestroy(&m));
  }
  PetscFunctionReturn(RHEO_OK);
}
