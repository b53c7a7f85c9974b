/* The adjoint of an ODE solve against difference quotients of eighth order: every scheme, fixed steps and adaptive ones
 * that are held, log-determinants and regularisers, to a relative error of 1e-8; checkpoints; failure. timeout: 120 */
#include "check.h"
#include "cnf/scheme.h"
#include "cnf_case.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5, D = 2, C = 1, PROBES = 2, DIRECTIONS = 3 };

static const char deck[] = "cnf: {velocity: net, net: {type: mlp, hidden: 6, layers: 2, activation: tanh},\n"
                           "  time: raw, standardize: no}\n";

#define POTENTIAL                                                                                            \
  "cnf: {velocity: potential, net: {type: mlp, hidden: 6, layers: 2, activation: tanh},\n"                   \
  "  time: raw, standardize: no"
static const char potential[] = POTENTIAL "}\n",
                  own_time[] = POTENTIAL ", likelihood: {end_time: learned, end_time_max: 1}}\n";

static const RheoSolveConfig fixed = {.scheme = "rk4",
                                      .steps = 6,
                                      .rtol = 1e-4,
                                      .atol = 1e-4,
                                      .group = ROWS,
                                      .most = 1000,
                                      .probes = PROBES,
                                      .precision = RHEO_SOLVE_DOUBLE};

typedef struct {
  CnfCase *c;
  RheoAdjoint adjoint;
  double t0, t1;
  double z[ROWS * D], context[ROWS * C], noise[ROWS * PROBES * D];
  double dz[ROWS * D], dcontext[ROWS * C], *dvalues;
  PetscBool log_det;
} Problem;

/* A loss that weights every row and every output of the solve in its own way; fills its derivatives where asked. */
static double Loss(Problem *p, const float *values, const double *z0, const double *context,
                   PetscBool gradient)
{
  double z[ROWS * D], log_det[ROWS] = {0}, penalty[ROWS], dz[ROWS * D], dlog_det[ROWS], dpenalty[ROWS],
                      sum = 0;
  RheoSolveStatus status;
  memcpy(z, z0, sizeof z);
  OK(RheoAdjointForward(p->adjoint, values, ROWS, p->t0, p->t1, z, context, p->noise,
                        p->log_det ? log_det : NULL, penalty, &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  for (int i = 0; i < ROWS * D; i++) {
    sum += (0.7 - 0.1 * i) * z[i] + 0.5 * z[i] * z[i];
    dz[i] = 0.7 - 0.1 * i + z[i];
  }
  for (int r = 0; r < ROWS; r++) {
    dlog_det[r] = 0.5 + 0.2 * r;
    dpenalty[r] = 1.1 - 0.3 * r;
    sum += dlog_det[r] * log_det[r] + dpenalty[r] * penalty[r];
  }
  if (gradient) {
    memset(p->dvalues, 0, p->c->n_values * sizeof *p->dvalues);
    OK(RheoAdjointBackward(p->adjoint, dz, dlog_det, dpenalty, p->dcontext, p->dvalues));
    memcpy(p->dz, dz, sizeof dz);
  }
  return sum;
}

static void ProblemCreate(CnfCase *c, const RheoAdjointConfig *config, double t0, double t1, Problem *p)
{
  RheoStream stream = RheoStreamMake(5, RHEO_STREAM_TEST, 1, 0);
  *p = (Problem){.c = c, .t0 = t0, .t1 = t1, .log_det = config->log_det};
  for (int i = 0; i < ROWS * D; i++) p->z[i] = RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS * C; i++) p->context[i] = RheoStreamNormal(&stream);
  for (int i = 0; i < ROWS * PROBES * D; i++) p->noise[i] = RheoStreamNormal(&stream);
  p->dvalues = calloc(c->n_values, sizeof *p->dvalues);
  assert_non_null(p->dvalues);
  OK(RheoAdjointCreate(c->cnf, c->params, "cnf", ROWS, config, &p->adjoint));
}

static void ProblemDestroy(Problem *p)
{
  OK(RheoAdjointDestroy(&p->adjoint));
  free(p->dvalues);
}

/* Of the loss along a direction (values, z, context); the parts that are NULL do not move. */
static double Quotient(Problem *p, const double *dvalues, const double *dz, const double *dcontext)
{
  static const double weight[4] = {4. / 5, -1. / 5, 4. / 105, -1. / 280};
  const double h = 1. / 256;
  float *values = malloc(p->c->n_values * sizeof *values);
  double z[ROWS * D], context[ROWS * C], sum = 0;
  assert_non_null(values);
  for (int k = -4; k <= 4; k++) {
    if (!k) continue;
    for (size_t i = 0; i < p->c->n_values; i++)
      values[i] = (float)((double)p->c->values[i] + (dvalues ? k * h * dvalues[i] : 0));
    for (int i = 0; i < ROWS * D; i++) z[i] = p->z[i] + (dz ? k * h * dz[i] : 0);
    for (int i = 0; i < ROWS * C; i++) context[i] = p->context[i] + (dcontext ? k * h * dcontext[i] : 0);
    sum += (k > 0 ? 1 : -1) * weight[abs(k) - 1] * Loss(p, values, z, context, PETSC_FALSE) / h;
  }
  free(values);
  return sum;
}

/* The larger one; what is not a number is larger than any. */
static double Worse(double worst, double error)
{
  return error <= worst ? worst : error;
}

static double Norm(size_t n, const double *x)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sqrt(sum);
}

static double Dot(size_t n, const double *x, const double *y)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* The worst error of the derivatives by values, by z and by the context along random directions, relative to the norm
 * of the gradient (a direction's entries are of order one). */
static double WorstError(Problem *p)
{
  const size_t n = p->c->n_values;
  RheoStream stream = RheoStreamMake(6, RHEO_STREAM_TEST, 2, 0);
  double worst = 0, *direction = malloc(n * sizeof *direction);
  assert_non_null(direction);
  Loss(p, p->c->values, p->z, p->context, PETSC_TRUE);
  OK(RheoAdjointFreeze(p->adjoint, PETSC_TRUE));
  for (int k = 0; k < DIRECTIONS; k++) {
    for (size_t i = 0; i < n; i++) direction[i] = round(16 * RheoStreamNormal(&stream)) / 16;
    const double values = Quotient(p, direction, NULL, NULL) - Dot(n, p->dvalues, direction);
    worst = Worse(worst, fabs(values) / Norm(n, p->dvalues));
    const double z = Quotient(p, NULL, direction, NULL) - Dot(ROWS * D, p->dz, direction);
    worst = Worse(worst, fabs(z) / Norm(ROWS * D, p->dz));
    const double context = Quotient(p, NULL, NULL, direction) - Dot(ROWS * C, p->dcontext, direction);
    worst = Worse(worst, fabs(context) / Norm(ROWS * C, p->dcontext));
  }
  OK(RheoAdjointFreeze(p->adjoint, PETSC_FALSE));
  free(direction);
  return worst;
}

static void CheckOne(CnfCase *c, const char *what, const RheoAdjointConfig *config, double t0, double t1)
{
  Problem p;
  ProblemCreate(c, config, t0, t1, &p);
  const double error = WorstError(&p);
  print_message("  %-16s %-8s %-8s error %.1e\n", what, config->solve.scheme,
                config->solve.steps ? "fixed" : "adaptive", error);
  assert_true(error <= 1e-8);
  ProblemDestroy(&p);
}

static const char *const schemes[] = {"euler", "midpoint", "heun",  "rk4",   "rk4_38", "tsit5",
                                      TSRK1FE, TSRK2A,     TSRK2B,  TSRK3,   TSRK3BS,  TSRK4,
                                      TSRK5F,  TSRK5DP,    TSRK5BS, TSRK6VR, TSRK7VR,  TSRK8VR};

static void TestFixedSteps(void **state)
{
  (void)state;
  CnfCase c;
  CnfCaseCreate(deck, D, C, 1, &c);
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.3};
    config.solve.scheme = schemes[i];
    CheckOne(&c, "log_det, kinetic", &config, 1, 0);
  }
  CnfCaseDestroy(&c);
}

static void TestAdaptiveSteps(void **state)
{
  static const char *const with_estimate[] = {"midpoint", "heun",  "tsit5", TSRK2A,  TSRK3BS, TSRK5F,
                                              TSRK5DP,    TSRK5BS, TSRK6VR, TSRK7VR, TSRK8VR};
  (void)state;
  CnfCase c;
  CnfCaseCreate(deck, D, C, 1, &c);
  for (size_t i = 0; i < sizeof with_estimate / sizeof *with_estimate; i++) {
    RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.3};
    config.solve.scheme = with_estimate[i];
    config.solve.steps = 0;
    CheckOne(&c, "log_det, kinetic", &config, 1, 0);
  }
  CnfCaseDestroy(&c);
}

/* What can be integrated, each alone and all together, in both directions. Where there are absolute values the parameter
 * `pushed` keeps what they are of from changing its sign. */
typedef struct {
  const char *what;
  RheoAdjointConfig config;
  const char *pushed;
} Integral;

static void Push(CnfCase *c, const char *name, double by)
{
  const RheoParamView *view = RheoParamsFind(c->params, name);
  assert_non_null(view);
  for (size_t i = 0; i < view->size; i++) c->values[view->offset + i] += (float)(i % 2 ? -by : by);
}

static void CheckIntegrals(const char *text, size_t n, const Integral *cases)
{
  for (size_t i = 0; i < n; i++) {
    RheoAdjointConfig config = cases[i].config;
    const int divergence = config.solve.divergence;
    CnfCase c;
    CnfCaseCreate(text, D, C, 1, &c);
    if (cases[i].pushed) Push(&c, cases[i].pushed, 4);
    config.solve = fixed;
    config.solve.divergence = divergence;
    CheckOne(&c, cases[i].what, &config, i % 2, 1 - (double)(i % 2));
    CnfCaseDestroy(&c);
  }
}

#define ESTIMATED(Divergence) .solve = {.divergence = RHEO_DIVERGENCE_##Divergence}
#define OUT "cnf.velocity.out.bias"

static void TestIntegrals(void **state)
{
  static const Integral cases[] = {
      {"none", {.log_det = PETSC_FALSE}, NULL},
      {"log_det", {.log_det = PETSC_TRUE}, NULL},
      {"hutchinson", {ESTIMATED(NORMAL), .log_det = PETSC_TRUE}, NULL},
      {"kinetic", {.kinetic = 0.5}, NULL},
      {"l1", {.l1 = 0.5}, OUT},
      {"frobenius", {.jacobian = 0.5}, NULL},
      {"jacobian", {ESTIMATED(NORMAL), .jacobian = 0.5}, NULL},
      {"diagonal", {.jacobian_diagonal = 0.5}, NULL},
      {"off diagonal", {.jacobian_off_diagonal = 0.5}, NULL},
      {"acceleration", {.acceleration = 0.5}, NULL},
      {"all",
       {.log_det = PETSC_TRUE,
        .kinetic = 0.2,
        .l1 = 0.1,
        .jacobian = 0.3,
        .jacobian_diagonal = 0.5,
        .jacobian_off_diagonal = 0.6,
        .acceleration = 0.4},
       OUT},
      {"all, estimated",
       {ESTIMATED(RADEMACHER), .log_det = PETSC_TRUE, .kinetic = 0.2, .l1 = 0.1, .jacobian = 0.3,
        .jacobian_diagonal = 0.5, .jacobian_off_diagonal = 0.6, .acceleration = 0.4},
       OUT},
  };
  (void)state;
  CheckIntegrals(deck, sizeof cases / sizeof *cases, cases);
}

/* Of a field that has a potential; also one that runs for a time of its own. */
static void TestPotentials(void **state)
{
  static const Integral cases[] = {
      {"hjb", {.hjb = 0.5}, "cnf.velocity.b"},
      {"hjb, more",
       {ESTIMATED(NORMAL), .log_det = PETSC_TRUE, .kinetic = 0.2, .jacobian_diagonal = 0.3, .hjb = 0.5},
       "cnf.velocity.b"},
  };
  (void)state;
  CheckIntegrals(potential, sizeof cases / sizeof *cases, cases);
  CheckIntegrals(own_time, sizeof cases / sizeof *cases, cases);
}

/* Integrals left for the way back are those of the way there; also with checkpoints, and where the last stage of a
 * step is the first of the next. */
static void TestLeftForTheWayBack(void **state)
{
  static const char *const some[] = {"euler", "midpoint", "rk4", "tsit5", TSRK3BS};
  (void)state;
  CnfCase c;
  CnfCaseCreate(deck, D, C, 1, &c);
  for (size_t i = 0; i < 2 * sizeof some / sizeof *some; i++) {
    RheoAdjointConfig config = {
        .solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.3, .checkpoints = i % 2 ? 4 : 0};
    double z[ROWS * D], there[2][ROWS], back[2][ROWS], dz[ROWS * D] = {0};
    RheoSolveStatus status;
    Problem p;
    config.solve.scheme = some[i / 2];
    config.solve.steps = 9;
    ProblemCreate(&c, &config, 1, 0, &p);
    memcpy(z, p.z, sizeof z);
    OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 1, 0, z, p.context, NULL, there[0], there[1], &status));
    memcpy(z, p.z, sizeof z);
    OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 1, 0, z, p.context, NULL, NULL, NULL, &status));
    OK(RheoAdjointBackward(p.adjoint, dz, NULL, NULL, NULL, NULL));
    OK(RheoAdjointGetIntegrals(p.adjoint, back[0], back[1]));
    for (int k = 0; k < 2; k++)
      for (int r = 0; r < ROWS; r++) {
        assert_true(there[k][r] != 0);
        assert_true(fabs(there[k][r] - back[k][r]) <= 1e-13);
      }
    ProblemDestroy(&p);
  }
  CnfCaseDestroy(&c);
}

/* ---- Checkpoints ---- */

/* However many there are, the same bits. */
static void TestCheckpoints(void **state)
{
  static const int64_t checkpoints[] = {1, 2, 4, 7, 13, 22, 23, 100};
  RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.3};
  Problem all, few;
  CnfCase c;
  (void)state;
  config.solve.scheme = "tsit5";
  config.solve.steps = 23;
  CnfCaseCreate(deck, D, C, 1, &c);
  ProblemCreate(&c, &config, 1, 0, &all);
  const double loss = Loss(&all, c.values, all.z, all.context, PETSC_TRUE);
  for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
    config.checkpoints = checkpoints[i];
    ProblemCreate(&c, &config, 1, 0, &few);
    assert_true(Loss(&few, c.values, few.z, few.context, PETSC_TRUE) == loss);
    assert_memory_equal(few.dvalues, all.dvalues, c.n_values * sizeof *all.dvalues);
    assert_memory_equal(few.dz, all.dz, ROWS * D * sizeof *all.dz);
    ProblemDestroy(&few);
  }
  ProblemDestroy(&all);
  CnfCaseDestroy(&c);
}

/* Bytes that the process grows by while a forward solve of 256 steps of rk4 on 4096 numbers is remembered. */
static double Growth(CnfCase *c, int64_t checkpoints)
{
  enum { N = 2048 };
  RheoAdjointConfig config = {.solve = fixed, .checkpoints = checkpoints};
  RheoSolveStatus status;
  RheoAdjoint adjoint;
  PetscLogDouble before, after;
  double *z = malloc(N * D * sizeof *z);
  assert_non_null(z);
  for (int i = 0; i < N * D; i++) z[i] = 0.001 * i;
  config.solve.steps = 256;
  OK(RheoAdjointCreate(c->cnf, c->params, "cnf", N, &config, &adjoint));
  OK(PetscMemoryGetCurrentUsage(&before));
  OK(RheoAdjointForward(adjoint, c->values, N, 0, 1, z, NULL, NULL, NULL, NULL, &status));
  OK(PetscMemoryGetCurrentUsage(&after));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  memset(z, 0, N * D * sizeof *z);
  OK(RheoAdjointBackward(adjoint, z, NULL, NULL, NULL, NULL));
  OK(RheoAdjointDestroy(&adjoint));
  free(z);
  return after - before;
}

static void TestCheckpointMemory(void **state)
{
  CnfCase c;
  (void)state;
  CnfCaseCreate("cnf: {velocity: affine, standardize: no}\n", D, 0, 1, &c);
  const double few = Growth(&c, 16), all = Growth(&c, 0);
  const double stored = 256. * 4 * 4096 * sizeof(double);
  print_message("  with 16 checkpoints %.1f MB, with all stages %.1f MB (stored: %.1f MB)\n", few * 1e-6,
                all * 1e-6, stored * 1e-6);
  assert_true(all > 0.8 * stored);
  assert_true(few < 0.25 * all);
  CnfCaseDestroy(&c);
}

/* ---- Use ---- */

/* Fewer rows than compiled for: the same answers, and forward solves may be given up. */
static void TestFewerRows(void **state)
{
  RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE};
  double z[ROWS * D], log_det[ROWS], dz[ROWS * D], dlog_det[ROWS] = {0};
  RheoSolveStatus status;
  RheoAdjoint adjoint;
  Problem p;
  CnfCase c;
  (void)state;
  CnfCaseCreate(deck, D, C, 1, &c);
  ProblemCreate(&c, &config, 0, 1, &p);
  OK(RheoAdjointCreate(c.cnf, c.params, "cnf", 600, &config, &adjoint));
  double *sum = calloc(c.n_values, sizeof *sum);
  assert_non_null(sum);
  Loss(&p, c.values, p.z, p.context, PETSC_TRUE);
  for (int turn = 0; turn < 3; turn++) {
    memcpy(z, p.z, sizeof z);
    OK(RheoAdjointForward(adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, log_det, NULL, &status));
  }
  for (int i = 0; i < ROWS * D; i++) dz[i] = 0.7 - 0.1 * i + z[i];
  for (int r = 0; r < ROWS; r++) dlog_det[r] = 0.5 + 0.2 * r;
  OK(RheoAdjointBackward(adjoint, dz, dlog_det, NULL, NULL, sum));
  for (int i = 0; i < ROWS * D; i++) assert_true(fabs(dz[i] - p.dz[i]) <= 1e-12);
  for (size_t i = 0; i < c.n_values; i++) assert_true(fabs(sum[i] - p.dvalues[i]) <= 1e-12);
  free(sum);
  OK(RheoAdjointDestroy(&adjoint));
  ProblemDestroy(&p);
  CnfCaseDestroy(&c);
}

/* Single precision is close to double. */
static void TestSingle(void **state)
{
  RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.1};
  Problem exact, single;
  CnfCase c;
  (void)state;
  CnfCaseCreate(deck, D, C, 1, &c);
  ProblemCreate(&c, &config, 0, 1, &exact);
  config.solve.precision = RHEO_SOLVE_SINGLE;
  ProblemCreate(&c, &config, 0, 1, &single);
  Loss(&exact, c.values, exact.z, exact.context, PETSC_TRUE);
  Loss(&single, c.values, exact.z, exact.context, PETSC_TRUE);
  for (size_t i = 0; i < c.n_values; i++) single.dvalues[i] -= exact.dvalues[i];
  const double error = Norm(c.n_values, single.dvalues) / Norm(c.n_values, exact.dvalues);
  assert_true(error > 0 && error < 1e-5);
  ProblemDestroy(&single);
  ProblemDestroy(&exact);
  CnfCaseDestroy(&c);
}

static void TestFailure(void **state)
{
  RheoAdjointConfig config = {.solve = fixed};
  double dz[ROWS * D] = {0}, z[ROWS * D];
  RheoSolveStatus status;
  Problem p;
  CnfCase c;
  (void)state;
  CnfCaseCreate(deck, D, C, 1, &c);
  ProblemCreate(&c, &config, 0, 1, &p);
  memcpy(z, p.z, sizeof z);
  z[2 * D] = NAN; /* the third row only */
  OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
  assert_int_equal(status, RHEO_SOLVE_NOT_FINITE);
  for (int i = 0; i < ROWS * D; i++) assert_int_equal(isfinite(z[i]) != 0, i / D != 2);
  RheoErrorSetQuiet(PETSC_TRUE);
  assert_int_equal(RheoAdjointBackward(p.adjoint, dz, NULL, NULL, NULL, NULL), PETSC_ERR_ORDER);
  RheoErrorSetQuiet(PETSC_FALSE);
  ProblemDestroy(&p);
  config.solve.steps = 0;
  config.solve.scheme = "tsit5";
  ProblemCreate(&c, &config, 0, 1, &p);
  memcpy(z, p.z, sizeof z);
  z[2 * D] = NAN;
  OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
  assert_int_equal(status, RHEO_SOLVE_NOT_FINITE);
  memcpy(z, p.z, sizeof z); /* and it can be used again */
  OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  for (int frozen = 1; frozen >= 0;
       frozen--) { /* other steps from here on, and no way back along those of before */
    OK(RheoAdjointFreeze(p.adjoint, (PetscBool)frozen));
    RheoErrorSetQuiet(PETSC_TRUE);
    assert_int_equal(RheoAdjointBackward(p.adjoint, dz, NULL, NULL, NULL, NULL), PETSC_ERR_ORDER);
    RheoErrorSetQuiet(PETSC_FALSE);
    OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
    assert_int_equal(status, RHEO_SOLVE_DONE);
  }
  ProblemDestroy(&p);
  config.solve.most = 2;
  config.solve.rtol = config.solve.atol = 1e-10;
  ProblemCreate(&c, &config, 0, 1, &p);
  OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
  assert_int_equal(status, RHEO_SOLVE_STEPS);
  ProblemDestroy(&p);
  CnfCaseDestroy(&c);
}

/* Parameters that stay change no other derivative, and nobody gets one of theirs. */
static void TestParametersStay(void **state)
{
  RheoAdjointConfig config = {.solve = fixed, .log_det = PETSC_TRUE, .kinetic = 0.3};
  double there[ROWS * D], dcontext[ROWS * C];
  RheoSolveStatus status;
  Problem p;
  CnfCase c;
  (void)state;
  CnfCaseCreate(deck, D, C, 1, &c);
  for (int stay = 0; stay < 2; stay++) {
    double z[ROWS * D], dz[ROWS * D], ones[ROWS];
    config.fixed = (PetscBool)stay;
    ProblemCreate(&c, &config, 0, 1, &p);
    memcpy(z, p.z, sizeof z);
    OK(RheoAdjointForward(p.adjoint, c.values, ROWS, 0, 1, z, p.context, NULL, NULL, NULL, &status));
    for (int i = 0; i < ROWS * D; i++) dz[i] = 1 + 0.1 * i;
    for (int r = 0; r < ROWS; r++) ones[r] = 1;
    if (stay) {
      RheoErrorSetQuiet(PETSC_TRUE);
      assert_int_equal(RheoAdjointBackward(p.adjoint, dz, ones, ones, NULL, p.dvalues),
                       PETSC_ERR_ARG_WRONGSTATE);
      RheoErrorSetQuiet(PETSC_FALSE);
    }
    OK(RheoAdjointBackward(p.adjoint, dz, ones, ones, stay ? p.dcontext : dcontext, NULL));
    if (stay) {
      assert_memory_equal(dz, there, sizeof dz);
      assert_memory_equal(p.dcontext, dcontext, sizeof dcontext);
    }
    memcpy(there, dz, sizeof dz);
    ProblemDestroy(&p);
  }
  CnfCaseDestroy(&c);
}

static void TestMistakes(void **state)
{
  RheoAdjointConfig config = {.solve = fixed};
  RheoAdjoint adjoint;
  CnfCase c;
  (void)state;
  CnfCaseCreate(deck, D, C, 1, &c);
  config.solve.scheme = "rk5";
  REJECTS(RheoAdjointCreate(c.cnf, c.params, "cnf", ROWS, &config, &adjoint), "there is no scheme 'rk5'");
  config.solve.scheme = "rk4";
  config.solve.steps = 0;
  REJECTS(RheoAdjointCreate(c.cnf, c.params, "cnf", ROWS, &config, &adjoint), "no error estimate");
  config.solve.scheme = "tsit5";
  config.checkpoints = 4;
  REJECTS(RheoAdjointCreate(c.cnf, c.params, "cnf", ROWS, &config, &adjoint), "checkpoints need fixed steps");
  config.checkpoints = 0;
  config.hjb = 0.1;
  REJECTS(RheoAdjointCreate(c.cnf, c.params, "cnf", ROWS, &config, &adjoint), "have a potential");
  CnfCaseDestroy(&c);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestFixedSteps),
                                     cmocka_unit_test(TestAdaptiveSteps),
                                     cmocka_unit_test(TestIntegrals),
                                     cmocka_unit_test(TestPotentials),
                                     cmocka_unit_test(TestLeftForTheWayBack),
                                     cmocka_unit_test(TestCheckpoints),
                                     cmocka_unit_test(TestCheckpointMemory),
                                     cmocka_unit_test(TestFewerRows),
                                     cmocka_unit_test(TestSingle),
                                     cmocka_unit_test(TestFailure),
                                     cmocka_unit_test(TestParametersStay),
                                     cmocka_unit_test(TestMistakes)};
  return RUN_TESTS(argc, argv, tests);
}
