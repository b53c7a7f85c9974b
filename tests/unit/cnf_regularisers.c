/* Regularisers of maximum likelihood where they are known in closed form: along an affine field, and along the field of a
 * potential that is linear. */
#include "check.h"
#include "cnf_case.h"
#include <math.h>
#include <string.h>

enum { ROWS = 3, D = 2 };

static void Set(CnfCase *c, const char *name, const float *values)
{
  const RheoParamView *view = RheoParamsFind(c->params, name);
  assert_non_null(view);
  memcpy(c->values + view->offset, values, view->size * sizeof *values);
}

/* The penalty of each row from t = 1 to 0 by many small steps is the one expected. */
static void Expect(CnfCase *c, RheoAdjointConfig config, double expected)
{
  double z[ROWS * D] = {-1, 0.5, 0.25, 2, 0, 0}, penalty[ROWS];
  RheoSolveStatus status;
  RheoAdjoint adjoint;
  config.solve = (RheoSolveConfig){
      .scheme = "rk4", .steps = 40, .group = ROWS, .probes = 1, .precision = RHEO_SOLVE_DOUBLE};
  OK(RheoAdjointCreate(c->cnf, c->params, "cnf", ROWS, &config, &adjoint));
  OK(RheoAdjointForward(adjoint, c->values, ROWS, 1, 0, z, NULL, NULL, NULL, penalty, &status));
  assert_int_equal(status, RHEO_SOLVE_DONE);
  for (int r = 0; r < ROWS; r++)
    if (!(fabs(penalty[r] - expected) <= 1e-12))
      fail_msg("row %d: %.15g, not %.15g", r, penalty[r], expected);
  OK(RheoAdjointDestroy(&adjoint));
}

/* v = A z + b + c t. */
static void Affine(void **state)
{
  static const float a[D * D] = {0.5f, -0.25f, 2, -1}, none[D * D] = {0}, b[D] = {-3, 1.5f}, c[D] = {0.5f, 2};
  CnfCase k;
  (void)state;
  CnfCaseCreate("cnf: {velocity: affine, time: raw, standardize: no}\n", D, 0, 1, &k);
  Set(&k, "cnf.velocity.b", b);
  Set(&k, "cnf.velocity.c", c);
  Set(&k, "cnf.velocity.A", none);
  Expect(&k, (RheoAdjointConfig){.l1 = 2}, 2 * (3 - 0.25 + 1.5 + 1));
  Expect(&k, (RheoAdjointConfig){.acceleration = 2}, 2 * (0.25 + 4));
  Expect(&k, (RheoAdjointConfig){.kinetic = 1}, 9 - 1.5 + 0.25 / 3 + 2.25 + 3 + 4. / 3);
  Set(&k, "cnf.velocity.A", a);
  Expect(&k, (RheoAdjointConfig){.jacobian_diagonal = 2}, 2 * (0.25 + 1));
  Expect(&k, (RheoAdjointConfig){.jacobian_off_diagonal = 2}, 2 * (0.0625 + 4));
  Expect(&k, (RheoAdjointConfig){.jacobian = 2}, 2 * (0.25 + 1 + 0.0625 + 4));
  CnfCaseDestroy(&k);
}

/* Phi = b . [z, t], and T Phi(z, T t) of a field that runs for a time T. */
static void Potential(void **state)
{
  static const float up[D + 1] = {1, -2, 7}, down[D + 1] = {1, -2, -7}, solution[D + 1] = {1, -2, 2.5f};
  CnfCase k;
  (void)state;
  for (int own = 0; own < 2; own++) {
    CnfCaseCreate(own ? "cnf: {velocity: potential, time: raw, standardize: no,"
                        " likelihood: {end_time: learned, end_time_min: 2, end_time_max: 8}}\n"
                      : "cnf: {velocity: potential, time: raw, standardize: no}\n",
                  D, 0, 1, &k);
    memset(k.values, 0, k.n_values * sizeof *k.values);
    const double squared = own ? 16 : 1; /* of T, the geometric mean of its bounds */
    Set(&k, "cnf.velocity.b", up);
    Expect(&k, (RheoAdjointConfig){.hjb = 3}, 3 * squared * 4.5);
    Set(&k, "cnf.velocity.b", down);
    Expect(&k, (RheoAdjointConfig){.hjb = 3}, 3 * squared * 9.5);
    Set(&k, "cnf.velocity.b", solution);
    Expect(&k, (RheoAdjointConfig){.hjb = 3}, 0);
    CnfCaseDestroy(&k);
  }
}

static void NoPotential(void **state)
{
  RheoDeck deck;
  RheoCnf cnf;
  (void)state;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "case", "cnf: {likelihood: {hjb: 0.1}}\n"));
  OK(RheoCnfCreate(&cnf));
  REJECTS(RheoCnfSetFromDeck(cnf, deck, "cnf"),
          "cnf.likelihood.hjb = 0.1: is of fields that have a potential");
  OK(RheoCnfDestroy(&cnf));
  OK(RheoDeckDestroy(&deck));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Affine), cmocka_unit_test(Potential),
                                     cmocka_unit_test(NoPotential)};
  return RUN_TESTS(argc, argv, tests);
}
