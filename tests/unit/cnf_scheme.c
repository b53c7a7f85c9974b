/* Schemes: every tableau meets the order conditions of its order, an embedded estimate those of one less and not of its
 * own, and unknown names are told. */
#include "check.h"
#include "cnf/scheme.h"
#include <math.h>
#include <string.h>

enum { STAGES = 16 };

static const struct {
  const char *name;
  int order, adaptive;
} schemes[] = {
    {"tsit5", 5, 1}, {"midpoint", 2, 1}, {"heun", 2, 1}, {"euler", 1, 0}, {"rk4", 4, 0}, {"rk4_38", 4, 0},
    {"1fe", 1, 0},   {"2a", 2, 1},       {"2b", 2, 0},   {"3", 3, 0},     {"3bs", 3, 1}, {"4", 4, 0},
    {"5f", 5, 1},    {"5dp", 5, 1},      {"5bs", 5, 1},  {"6vr", 6, 1},   {"7vr", 7, 1}, {"8vr", 8, 1},
};
enum { N_SCHEMES = sizeof schemes / sizeof schemes[0] };

typedef struct {
  int s;
  double a[STAGES][STAGES], c[STAGES];
} Tableau;

static void times_a(const Tableau *t, const double *x, double *y)
{
  for (int i = 0; i < t->s; i++) {
    y[i] = 0;
    for (int j = 0; j < t->s; j++) y[i] += t->a[i][j] * x[j];
  }
}

/* The largest error of the conditions of exactly that order (Hairer, Norsett & Wanner I, table II.2.2). */
static double Violation(const Tableau *t, const double *b, int order)
{
  static const int first[] = {0, 0, 1, 2, 4, 8, 17};
  static const double right[] = {1,       1. / 2,  1. / 3,  1. / 6,  1. / 4,  1. / 8,
                                 1. / 12, 1. / 24, 1. / 5,  1. / 10, 1. / 20, 1. / 15,
                                 1. / 20, 1. / 30, 1. / 40, 1. / 60, 1. / 120};
  double c2[STAGES] = {0}, c3[STAGES] = {0}, cac[STAGES] = {0}, ac[STAGES], ac2[STAGES], ac3[STAGES],
         aac[STAGES], acac[STAGES], aac2[STAGES], aaac[STAGES], left[17] = {0}, worst = 0;
  const double *c = t->c;
  for (int i = 0; i < t->s; i++) c2[i] = c[i] * c[i];
  for (int i = 0; i < t->s; i++) c3[i] = c2[i] * c[i];
  times_a(t, c, ac);
  times_a(t, c2, ac2);
  times_a(t, c3, ac3);
  times_a(t, ac, aac);
  for (int i = 0; i < t->s; i++) cac[i] = c[i] * ac[i];
  times_a(t, cac, acac);
  times_a(t, ac2, aac2);
  times_a(t, aac, aaac);
  for (int i = 0; i < t->s; i++) {
    const double term[17] = {
        1,      c[i],          c2[i],         ac[i],         c3[i],         c[i] * ac[i],
        ac2[i], aac[i],        c2[i] * c2[i], c2[i] * ac[i], ac[i] * ac[i], c[i] * ac2[i],
        ac3[i], c[i] * aac[i], acac[i],       aac2[i],       aaac[i]};
    for (int k = 0; k < 17; k++) left[k] += b[i] * term[k];
  }
  for (int k = first[order]; k < first[order + 1]; k++) worst = fmax(worst, fabs(left[k] - right[k]));
  return worst;
}

static Tableau TableauOf(TS ts, const PetscReal **b, const PetscReal **embedded)
{
  PetscInt s;
  const PetscReal *a, *c;
  Tableau t = {0};
  OK(TSRKGetTableau(ts, &s, &a, b, &c, embedded, NULL, NULL, NULL));
  assert_true(s <= STAGES);
  t.s = (int)s;
  for (int i = 0; i < t.s; i++) {
    double sum = 0;
    for (int j = 0; j < t.s; j++) sum += t.a[i][j] = a[i * s + j];
    t.c[i] = c[i];
    if (fabs(sum - c[i]) > 1e-13) fail_msg("stage %d: c is %.17g, the row's sum %.17g", i, c[i], sum);
  }
  return t;
}

static void order_conditions(void **state)
{
  (void)state;
  for (int k = 0; k < N_SCHEMES; k++) {
    TS ts;
    PetscBool adaptive;
    PetscInt order;
    const PetscReal *b, *embedded;
    OK(TSCreate(PETSC_COMM_SELF, &ts));
    OK(RheoSchemeSet(ts, schemes[k].name, &adaptive));
    OK(TSRKGetOrder(ts, &order));
    assert_int_equal(order, schemes[k].order);
    assert_int_equal(adaptive, schemes[k].adaptive);
    const Tableau t = TableauOf(ts, &b, &embedded);
    for (int p = 1; p <= order && p <= 5; p++) {
      if (Violation(&t, b, p) > 2e-14)
        fail_msg("%s: order %d is off by %.3g", schemes[k].name, p, Violation(&t, b, p));
      if (embedded && p < order && Violation(&t, embedded, p) > 2e-14)
        fail_msg("%s: order %d of the estimate is off by %.3g", schemes[k].name, p,
                 Violation(&t, embedded, p));
    }
    if (embedded && order <= 5 && Violation(&t, embedded, (int)order) < 1e-6)
      fail_msg("%s: the estimate sees no error", schemes[k].name);
    if (order < 5 && Violation(&t, b, (int)order + 1) < 1e-6)
      fail_msg("%s: has a higher order", schemes[k].name);
    OK(TSDestroy(&ts));
  }
}

static void unknown(void **state)
{
  TS ts;
  (void)state;
  OK(TSCreate(PETSC_COMM_SELF, &ts));
  REJECTS(RheoSchemeSet(ts, "tsit4", NULL), "no scheme 'tsit4'; did you mean tsit5? (known: tsit5, midpoint");
  REJECTS(RheoSchemeSet(ts, "", NULL), "no scheme ''");
  OK(TSDestroy(&ts));
  char text[256] = "";
  assert_false(RheoSchemeIsKnown("rk5", sizeof text, text));
  assert_non_null(strstr(text, "there is no scheme 'rk5'; did you mean rk4?"));
  for (int k = 0; k < N_SCHEMES; k++) assert_true(RheoSchemeIsKnown(schemes[k].name, sizeof text, text));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(order_conditions),
      cmocka_unit_test(unknown),
  };
  return RUN_TESTS(argc, argv, tests);
}
