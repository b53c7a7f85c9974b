#include "solves.h"
#include "check.h"
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

CnfModel FieldOf(const char *text, int n_features, int n_context, double noise)
{
  CnfModel m = StartCnf(text, n_features, n_context, 4, 0);
  rx_cnf_velocity(m.cnf, m.scope, m.t, m.z, m.context, RHEO_NONE);
  rx_cnf_finish(m.cnf, m.scope, rx_cnf_start(m.cnf, m.scope, m.z, m.context), m.context);
  rx_cnf_log_scale(m.cnf, m.scope);
  DrawCnf(&m, noise);
  return m;
}

void SetParam(CnfModel *m, const char *name, const double *values)
{
  char full[128];
  snprintf(full, sizeof full, "cnf.%s", name);
  const RheoParamView *view = RheoParamsFind(m->params, full);
  if (!view) fail_msg("no parameter %s", full);
  for (size_t i = 0; i < view->size; i++) m->single[view->offset + i] = (float)values[i];
}

RheoSolveConfig SolveConfigOf(const char *text)
{
  RheoSolveConfig config;
  RheoDeck deck;
  char yaml[512];
  snprintf(yaml, sizeof yaml, "cnf: {solve: {%s}}\n", text);
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "test", yaml));
  OK(RheoDeckRead(deck, "cnf.solve", RheoSolveKeys, &config));
  OK(RheoDeckDestroy(&deck));
  return config;
}

RheoSolveConfig TightConfig(void)
{
  return SolveConfigOf("rtol: 1e-10, atol: 1e-10, precision: double");
}

RheoSolver SolverOf(const CnfModel *m, RheoSolveConfig config)
{
  RheoSolver solver;
  OK(RheoSolverCreate(m->cnf, m->params, "cnf", &config, &solver));
  OK(RheoSolverSetValues(solver, m->single));
  return solver;
}

double AffineFlow(int d, const double *a, const double *b, const double *c, double t0, double t1, double *z)
{
  const int n = d + 2;
  gsl_matrix *m = gsl_matrix_calloc((size_t)n, (size_t)n), *e = gsl_matrix_alloc((size_t)n, (size_t)n);
  double start[64], trace = 0;
  for (int i = 0; i < d; i++) {
    start[i] = z[i];
    trace += a[i * d + i];
    for (int j = 0; j < d; j++) gsl_matrix_set(m, (size_t)i, (size_t)j, a[i * d + j] * (t1 - t0));
    gsl_matrix_set(m, (size_t)i, (size_t)d, c[i] * (t1 - t0));
    gsl_matrix_set(m, (size_t)i, (size_t)d + 1, b[i] * (t1 - t0));
  }
  start[d] = t0;
  start[d + 1] = 1;
  gsl_matrix_set(m, (size_t)d, (size_t)d + 1, t1 - t0);
  gsl_linalg_exponential_ss(m, e, GSL_PREC_DOUBLE);
  for (int i = 0; i < d; i++) {
    z[i] = 0;
    for (int j = 0; j < n; j++) z[i] += gsl_matrix_get(e, (size_t)i, (size_t)j) * start[j];
  }
  gsl_matrix_free(m);
  gsl_matrix_free(e);
  return trace * (t1 - t0);
}
