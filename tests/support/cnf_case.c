#include "cnf_case.h"
#include "check.h"
#include <math.h>
#include <stdlib.h>

static void Name(RheoCnf cnf, RheoParams params)
{
  const int d = RheoCnfFeatures(cnf), c = RheoCnfContext(cnf);
  RheoProgram program;
  OK(RheoProgramCreate(1, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, params, 0), "cnf");
  RheoVal x = rx_rows(program, "x", d), t = rx_rows(program, "t", 1);
  RheoVal context = c ? rx_rows(program, "context", c) : RHEO_NONE;
  RheoVal z = rx_cnf_enter(cnf, scope, x, context);
  rx_cnf_velocity(cnf, scope, t, z, context, RHEO_NONE);
  rx_cnf_leave(cnf, scope, z, context);
  rx_cnf_log_scale(cnf, scope);
  if (RheoProgramError(program)) fail_msg("%s", RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
}

void CnfCaseCreate(const char *text, int n_features, int n_context, uint64_t seed, CnfCase *c)
{
  RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_TEST, 0, 0);
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "case", text));
  OK(RheoCnfCreate(&c->cnf));
  OK(RheoCnfSetFromDeck(c->cnf, deck, "cnf"));
  OK(RheoDeckDestroy(&deck));
  OK(RheoCnfSetSizes(c->cnf, n_features, n_context));
  OK(RheoCnfSetUp(c->cnf));
  OK(RheoParamsCreate(&c->params));
  Name(c->cnf, c->params);
  c->n_values = RheoParamsSize(c->params);
  c->values = malloc((c->n_values + 1) * sizeof *c->values);
  assert_non_null(c->values);
  OK(RheoParamsInit(c->params, seed, c->values));
  for (size_t i = 0; i < c->n_values; i++)
    c->values[i] = (float)(round(((double)c->values[i] + 0.3 * RheoStreamNormal(&stream)) * 4096) / 4096);
}

void CnfCaseDestroy(CnfCase *c)
{
  OK(RheoCnfDestroy(&c->cnf));
  OK(RheoParamsDestroy(&c->params));
  free(c->values);
}
