/* D-Flow: against the closed form where the flow is affine and the cost quadratic; bounds; part of a point given; a flow
 * that cannot be solved. */
#include "check.h"
#include "cnf/dflow.h"
#include "cnf/search_check.h"
#include "cnf_case.h"
#include <math.h>
#include <petsctao.h>
#include <string.h>

enum { D = 2 };

static RheoDFlowConfig Config(void)
{
  return (RheoDFlowConfig){.solve = {.scheme = "tsit5",
                                     .rtol = 1e-8,
                                     .atol = 1e-8,
                                     .most = 10000,
                                     .probes = 1,
                                     .precision = RHEO_SOLVE_DOUBLE},
                           .iterations = 200,
                           .tolerance = 1e-10};
}

typedef struct {
  double y[D], weight[D]; /* sum of weight (x - y)^2/2 over all rows */
} Target;

static PetscErrorCode Cost(void *data, int64_t n, const double *x, double *cost, double *dx)
{
  const Target *t = data;
  PetscFunctionBeginUser;
  *cost = 0;
  for (int64_t i = 0; i < n * D; i++) {
    const double miss = x[i] - t->y[i % D];
    *cost += 0.5 * t->weight[i % D] * miss * miss;
    dx[i] = t->weight[i % D] * miss;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* One problem of n rows. */
static PetscErrorCode Minimise(const CnfCase *c, const RheoDFlowConfig *config, int64_t n,
                               const double *context, Target *target, double *source, double *x,
                               RheoDFlowReport *report)
{
  RheoDFlow dflow;
  PetscFunctionBeginUser;
  PetscCall(RheoDFlowCreate(c->cnf, c->params, "cnf", c->values, config, n, &dflow));
  PetscCall(RheoDFlowMinimise(dflow, context, NULL, Cost, target, source, x, report));
  PetscCall(RheoDFlowDestroy(&dflow));
  PetscFunctionReturn(RHEO_OK);
}

/* x of a source, by a search that is not allowed to move. */
static void EndPoint(CnfCase *c, const double *source, double *x)
{
  RheoDFlowConfig config = Config();
  Target target = {{0, 0}, {0, 0}};
  RheoDFlowReport report;
  double copy[D];
  memcpy(copy, source, sizeof copy);
  OK(Minimise(c, &config, 1, NULL, &target, copy, x, &report));
  assert_true(copy[0] == source[0] && copy[1] == source[1]);
}

/* x = M s + m: the minimum of |M s + m - y|^2/2 + w |s|^2/2 solves (M'M + w) s = M'(y - m). */
static void TestAffine(void **state)
{
  const double points[3][D] = {{0, 0}, {1, 0}, {0, 1}}, w = 0.1;
  Target target = {{1.5, -0.7}, {1, 1}};
  RheoDFlowConfig config = Config();
  double end[3][D], m[D][D], a[D][D], b[D] = {0}, source[D] = {0.3, 0.4}, x[D];
  RheoDFlowReport report;
  CnfCase c;
  (void)state;
  CnfCaseCreate("cnf: {velocity: affine, standardize: no}\n", D, 0, 3, &c);
  for (int k = 0; k < 3; k++) EndPoint(&c, points[k], end[k]);
  for (int i = 0; i < D; i++)
    for (int k = 0; k < D; k++) m[i][k] = end[k + 1][i] - end[0][i];
  for (int i = 0; i < D; i++)
    for (int k = 0; k < D; k++) {
      a[i][k] = m[0][i] * m[0][k] + m[1][i] * m[1][k] + (i == k ? w : 0);
      b[i] += m[k][i] * (target.y[k] - end[0][k]);
    }
  const double det = a[0][0] * a[1][1] - a[0][1] * a[1][0];
  const double expected[D] = {(a[1][1] * b[0] - a[0][1] * b[1]) / det,
                              (a[0][0] * b[1] - a[1][0] * b[0]) / det};
  config.prior = w;
  OK(Minimise(&c, &config, 1, NULL, &target, source, x, &report));
  print_message("  %lld iterations, %lld solves, from %.3g to %.3g, off by %.1e\n",
                (long long)report.iterations, (long long)report.solves, report.start, report.end,
                fmax(fabs(source[0] - expected[0]), fabs(source[1] - expected[1])));
  assert_true(report.converged && report.status == RHEO_SOLVE_DONE && report.end < report.start);
  for (int i = 0; i < D; i++) {
    assert_true(fabs(source[i] - expected[i]) <= 1e-6);
    const double at = end[0][i] + m[i][0] * source[0] + m[i][1] * source[1];
    assert_true(fabs(x[i] - at) <= 1e-5 * (1 + fabs(at)));
  }
  CnfCaseDestroy(&c);
}

static const char *const net = "cnf: {velocity: net, net: {type: mlp, hidden: 16, layers: 2, activation: "
                               "tanh}, time: raw, standardize: no}\n";

/* One coordinate is given, the other is left to the flow; several rows, with a context. */
static void TestPartOfAPoint(void **state)
{
  enum { N = 4 };
  Target target = {{0.8, 0}, {1, 0}};
  RheoDFlowConfig config = Config();
  double source[N * D], x[N * D], context[N] = {-1, 0, 1, 2};
  RheoDFlowReport report;
  CnfCase c;
  (void)state;
  CnfCaseCreate(net, D, 1, 4, &c);
  for (int i = 0; i < N * D; i++) source[i] = 0.3 * (i - 4);
  config.solve.steps = 6; /* as the paper: midpoint, few steps */
  config.solve.scheme = "midpoint";
  config.checkpoints = 3;
  OK(Minimise(&c, &config, N, context, &target, source, x, &report));
  assert_true(report.converged);
  for (int i = 0; i < N; i++) assert_true(fabs(x[i * D] - 0.8) <= 1e-5);
  for (int i = 1; i < N; i++) assert_true(x[i * D + 1] != x[1]);
  CnfCaseDestroy(&c);
}

static void TestBounds(void **state)
{
  Target target = {{50, 50}, {1, 1}}; /* out of reach */
  RheoDFlowConfig config = Config();
  double source[D] = {0, 0}, x[D];
  RheoDFlowReport report;
  CnfCase c;
  (void)state;
  CnfCaseCreate(net, D, 0, 4, &c);
  config.bound = 1.5;
  OK(Minimise(&c, &config, 1, NULL, &target, source, x, &report));
  assert_true(fabs(source[0]) <= 1.5 && fabs(source[1]) <= 1.5);
  assert_true(fmax(fabs(source[0]), fabs(source[1])) == 1.5 && report.end < report.start);
  CnfCaseDestroy(&c);
}

static void TestFailure(void **state)
{
  Target target = {{0, 0}, {1, 1}};
  RheoDFlowConfig config = Config();
  double source[D] = {NAN, 0};
  RheoDFlowReport report;
  CnfCase c;
  (void)state;
  CnfCaseCreate(net, D, 0, 4, &c);
  OK(Minimise(&c, &config, 1, NULL, &target, source, NULL, &report));
  assert_int_equal(report.status, RHEO_SOLVE_NOT_FINITE);
  source[0] = 0.5;
  target = (Target){{1e200, 0}, {1, 1}}; /* its square is no number: nothing that TAO would take */
  OK(Minimise(&c, &config, 1, NULL, &target, source, NULL, &report));
  assert_int_equal(report.status, RHEO_SOLVE_NOT_FINITE);
  assert_true(source[0] == 0.5 && source[1] == 0);
  target = (Target){{1, 0}, {1e200, 1e200}}; /* that of the gradient is none */
  OK(Minimise(&c, &config, 1, NULL, &target, source, NULL, &report));
  assert_true(report.status == RHEO_SOLVE_DONE && report.cost_end < report.cost_start);
  config.iterations = 0;
  REJECTS(Minimise(&c, &config, 1, NULL, &target, source, NULL, &report), "iterations");
  CnfCaseDestroy(&c);
}

/* Each type that TAO has finds the minimum, or is refused. */
static void TestTypes(void **state)
{
  const char **name;
  int n, refused = 0;
  CnfCase c;
  (void)state;
  CnfCaseCreate(net, D, 0, 4, &c);
  OK(TaoInitializePackage());
  OK(PetscFunctionListGet(TaoList, &name, &n));
  for (int i = 0; i < n; i++) {
    Target target = {{0.3, -0.2}, {1, 1}};
    RheoDFlowConfig config = Config();
    double source[D] = {0.5, 0.5};
    RheoDFlowReport report;
    config.iterations = 500;
    OK(PetscOptionsSetValue(NULL, "-tao_type", name[i]));
    RheoErrorSetQuiet(PETSC_TRUE);
    const PetscErrorCode code = RheoSearchCheck(NULL, PETSC_COMM_SELF);
    RheoErrorSetQuiet(PETSC_FALSE);
    refused += code == RHEO_ERR_INPUT;
    if (code == RHEO_ERR_INPUT) continue;
    OK(code);
    OK(Minimise(&c, &config, 1, NULL, &target, source, NULL, &report));
    assert_int_equal(report.status, RHEO_SOLVE_DONE);
    assert_true(report.cost_end < 1e-6);
  }
  assert_true(refused > 10 && n - refused >= 7);
  OK(PetscOptionsClearValue(NULL, "-tao_type"));
  CnfCaseDestroy(&c);
}

static void RefuseOption(const char *option, const char *value, const char *message)
{
  OK(PetscOptionsSetValue(NULL, option, value));
  REJECTS(RheoSearchCheck(NULL, PETSC_COMM_SELF), message);
  OK(PetscOptionsClearValue(NULL, option));
}

static void TestOptions(void **state)
{
  (void)state;
  RefuseOption("-tao_type", "bnls", "-tao_type: PETSc has nothing of this name that needs gradients only");
  RefuseOption("-tao_ls_type", "foo", "-tao_ls_type: PETSc does not take this");
  RefuseOption("-tao_max_it", "abc", "-tao_max_it: PETSc does not take this");
  OK(RheoSearchCheck(NULL, PETSC_COMM_SELF));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestAffine), cmocka_unit_test(TestPartOfAPoint),
                                     cmocka_unit_test(TestBounds), cmocka_unit_test(TestFailure),
                                     cmocka_unit_test(TestTypes),  cmocka_unit_test(TestOptions)};
  return RUN_TESTS(argc, argv, tests);
}
