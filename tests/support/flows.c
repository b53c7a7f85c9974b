#include "flows.h"
#include "check.h"
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FlowModel StartFlow(const char *text, int n_features, int n_context, const double *lower, const double *upper,
                    int rows, int training)
{
  FlowModel m = {.n_features = n_features, .n_context = n_context};
  RheoDeck deck;
  char yaml[1024];
  snprintf(yaml, sizeof yaml, "flow: {%s}\n", text);
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "test", yaml));
  OK(RheoFlowCreate(&m.flow));
  OK(RheoFlowSetFromDeck(m.flow, deck, "flow"));
  OK(RheoDeckDestroy(&deck));
  OK(RheoFlowSetSizes(m.flow, n_features, n_context));
  if (lower) OK(RheoFlowSetBounds(m.flow, lower, upper));
  OK(RheoFlowSetUp(m.flow));
  OK(RheoParamsCreate(&m.params));
  OK(RheoProgramCreate(rows, &m.program));
  m.scope = rx_enter(RheoScopeRoot(m.program, m.params, training), "flow");
  m.x = rx_rows(m.program, "x", n_features);
  m.noise = rx_rows(m.program, "noise", n_features);
  m.context = n_context ? rx_rows(m.program, "context", n_context) : RHEO_NONE;
  return m;
}

void DrawFlow(FlowModel *m, double noise)
{
  if (RheoProgramError(m->program)) fail_msg("%s", RheoProgramError(m->program));
  m->n_params = RheoParamsSize(m->params);
  m->values = RandomParameters(m->params, 5, noise);
  m->single = malloc((m->n_params + 1) * sizeof(float));
  assert_non_null(m->single);
  for (size_t i = 0; i < m->n_params; i++) m->values[i] = m->single[i] = (float)m->values[i];
}

void FinishFlow(FlowModel *m)
{
  free(m->values);
  free(m->single);
  OK(RheoFlowDestroy(&m->flow));
  OK(RheoProgramDestroy(&m->program));
  OK(RheoParamsDestroy(&m->params));
}

static void to_single(size_t n, const double *x, float *y)
{
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
}

void RunFlow(const FlowModel *m, RheoPrecision precision, const double *const *in, int n_out,
             const RheoVal *value, double *const *out)
{
  enum { MOST = 16 };
  RheoPlan plan;
  RheoWork work;
  const int n_in = RheoProgramInputCount(m->program);
  float *in_single[MOST] = {0}, *out_single[MOST] = {0};
  assert_true(n_in <= MOST && n_out <= MOST);
  OK(RheoPlanCreate(m->program, precision, n_out, value, &plan));
  OK(RheoWorkCreate(plan, &work));
  if (precision == RHEO_DOUBLE)
    RheoPlanRun(plan, work, m->values, (const void *const *)in, (void *const *)out);
  else {
    for (int k = 0; k < n_in; k++) {
      const size_t n = RheoShapeSize(RheoProgramInputShape(m->program, k));
      in_single[k] = malloc(n * sizeof(float));
      to_single(n, in[k], in_single[k]);
    }
    for (int k = 0; k < n_out; k++) out_single[k] = malloc(RheoShapeSize(rx_shape(value[k])) * sizeof(float));
    RheoPlanRun(plan, work, m->single, (const void *const *)in_single, (void *const *)out_single);
    for (int k = 0; k < n_out; k++)
      for (size_t i = 0; i < RheoShapeSize(rx_shape(value[k])); i++) out[k][i] = out_single[k][i];
    for (int k = 0; k < MOST; k++) free(in_single[k]), free(out_single[k]);
  }
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
}
