#include "cnfs.h"
#include "check.h"
#include "model.h"
#include <stdio.h>
#include <stdlib.h>

static PetscErrorCode configure(RheoCnf cnf, const char *text)
{
  RheoDeck deck;
  char yaml[1024];
  snprintf(yaml, sizeof yaml, "cnf: {%s}\n", text);
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "test", yaml));
  PetscErrorCode code = RheoCnfSetFromDeck(cnf, deck, "cnf");
  OK(RheoDeckDestroy(&deck));
  return code;
}

RheoCnf CnfOf(const char *text)
{
  RheoCnf cnf;
  OK(RheoCnfCreate(&cnf));
  OK(configure(cnf, text));
  return cnf;
}

PetscErrorCode TryCnf(const char *text, int n_features, int n_context)
{
  RheoCnf cnf;
  OK(RheoCnfCreate(&cnf));
  PetscErrorCode code = configure(cnf, text);
  if (!code) code = RheoCnfSetSizes(cnf, n_features, n_context);
  if (!code) code = RheoCnfSetUp(cnf);
  OK(RheoCnfDestroy(&cnf));
  return code;
}

CnfModel StartCnf(const char *text, int n_features, int n_context, int rows, int training)
{
  CnfModel m = {.cnf = CnfOf(text), .n_features = n_features, .n_context = n_context};
  OK(RheoCnfSetSizes(m.cnf, n_features, n_context));
  OK(RheoCnfSetUp(m.cnf));
  OK(RheoParamsCreate(&m.params));
  OK(RheoProgramCreate(rows, &m.program));
  m.scope = rx_enter(RheoScopeRoot(m.program, m.params, training), "cnf");
  m.t = rx_rows(m.program, "t", 1);
  m.z = rx_rows(m.program, "z", n_features);
  m.context = n_context ? rx_rows(m.program, "context", n_context) : RHEO_NONE;
  return m;
}

void DrawCnf(CnfModel *m, double noise)
{
  if (RheoProgramError(m->program)) fail_msg("%s", RheoProgramError(m->program));
  m->n_params = RheoParamsSize(m->params);
  m->values = RandomParameters(m->params, 5, noise);
  m->single = malloc((m->n_params + 1) * sizeof(float));
  assert_non_null(m->single);
  for (size_t i = 0; i < m->n_params; i++) m->values[i] = m->single[i] = (float)m->values[i];
}

void FinishCnf(CnfModel *m)
{
  free(m->values);
  free(m->single);
  OK(RheoCnfDestroy(&m->cnf));
  OK(RheoProgramDestroy(&m->program));
  OK(RheoParamsDestroy(&m->params));
}
