/* Mistakes while building: the first is kept, with operation, shapes, and the file and line of the caller. */
#include "check.h"
#include "program/program_impl.h"
#include <math.h>
#include <string.h>

typedef struct {
  RheoProgram p, other;
  RheoParams params;
  RheoVal a, b, c, d, e, foreign; /* (8, 3), (4, 5), (2, 3, 4), (1, 4, 3), (1), (8, 3) */
} Bench;

static Bench set_up(void)
{
  Bench t;
  OK(RheoProgramCreate(8, &t.p));
  OK(RheoProgramCreate(8, &t.other));
  OK(RheoParamsCreate(&t.params));
  t.a = rx_rows(t.p, "a", 3);
  t.b = rx_input(t.p, "b", RX_SHAPE(4, 5));
  t.c = rx_input(t.p, "c", RX_SHAPE(2, 3, 4));
  t.d = rx_input(t.p, "d", RX_SHAPE(1, 4, 3));
  t.e = rx_fill(t.p, RX_SHAPE(1), 0.);
  t.foreign = rx_rows(t.other, "a", 3);
  assert_null(RheoProgramError(t.p));
  return t;
}

static void tear_down(Bench *t)
{
  OK(RheoProgramDestroy(&t->p));
  OK(RheoProgramDestroy(&t->other));
  OK(RheoParamsDestroy(&t->params));
  assert_null(t->p);
}

static void check_message(const Bench *t, RheoVal result, const char *text, int line)
{
  char expected[512];
  snprintf(expected, sizeof expected, "%s, at program_errors.c:%d", text, line);
  assert_false(rx_exists(result));
  assert_non_null(RheoProgramError(t->p));
  assert_string_equal(RheoProgramError(t->p), expected);
}

/* The expression is a mistake with this text, in a fresh program. */
#define FAILS(text, expression)                                                                              \
  do {                                                                                                       \
    Bench t = set_up();                                                                                      \
    RheoVal result = expression;                                                                             \
    check_message(&t, result, text, __LINE__);                                                               \
    tear_down(&t);                                                                                           \
  } while (0)

static void ShapesAreChecked(void **state)
{
  (void)state;
  FAILS("add: (8, 3) and (4, 5) do not broadcast", rx_add(t.a, t.b));
  FAILS("less: (4, 5) and (2, 3, 4) do not broadcast", rx_less(t.b, t.c));
  FAILS("select: (8, 3), (8, 3) and (4, 5) do not broadcast", rx_select(t.a, t.a, t.b));
  FAILS("matmul: (8, 3) x (4, 5): inner sizes differ", rx_matmul(t.a, t.b));
  FAILS("matmul: (8, 3)^T x (4, 5)^T: inner sizes differ", rx_matmul_t(t.a, 1, t.b, 1));
  FAILS("matmul: (8, 3) x (2, 3, 4): leading axes differ", rx_matmul(t.a, t.c));
  FAILS("matmul: (2, 3, 4) x (1, 4, 3): leading sizes differ", rx_matmul(t.c, t.d));
  FAILS("matmul: () x (4, 5): both need at least two axes", rx_matmul(rx_const(t.p, 1.), t.b));
  FAILS("sum: (8, 3) has no axis 2", rx_sum(t.a, 2));
  FAILS("sum: (8, 3) has no axis -3", rx_sum_keep(t.a, -3));
  FAILS("amax: (8, 3) has no axis 2", rx_amax(t.a, 2));
  FAILS("amax: (8, 3) has no axis 4", rx_log_sum_exp(t.a, 4));
  FAILS("cumsum: (8, 3) has no axis 2", rx_cumsum(t.a, 2, 0));
  FAILS("broadcast: (8, 3) does not broadcast to (8, 4)", rx_broadcast(t.a, RX_SHAPE(8, 4)));
  FAILS("broadcast: (8, 3) does not broadcast to (3)", rx_broadcast(t.a, RX_SHAPE(3)));
  FAILS("reshape: (8, 3) has 24 elements and cannot become (5, -1)", rx_reshape(t.a, RX_SHAPE(5, -1)));
  FAILS("reshape: (8, 3) has 24 elements and cannot become (-1, -1)", rx_reshape(t.a, RX_SHAPE(-1, -1)));
  FAILS("reshape: (8, 3) has 24 elements and cannot become (100, -1)", rx_reshape(t.a, RX_SHAPE(100, -1)));
  FAILS("permute: (8, 3): each axis once is needed", rx_permute(t.a, 2, (int[]){0, 0}));
  FAILS("permute: (2, 3, 4): each axis once is needed", rx_permute(t.c, 2, (int[]){0, 1}));
  FAILS("slice: (8, 3): [1, 4) is not within axis 1", rx_slice(t.a, -1, 1, 4));
  FAILS("slice: (8, 3): [2, 2) is not within axis 0", rx_slice(t.a, 0, 2, 2));
  FAILS("slice: (8, 3) has no axis 5", rx_slice(t.a, 5, 0, 1));
  FAILS("pad: (8, 3): by -1 and 0 zeros", rx_pad(t.a, 0, -1, 0));
  FAILS("concat: (8, 3) and (4, 5) differ beside axis 1", rx_concat2(-1, t.a, t.b));
  FAILS("concat: (8, 3) has no axis 2", rx_concat2(2, t.a, t.a));
  FAILS("gather: the index is (4, 5), not one axis", rx_gather(t.a, t.b, 0));
  FAILS("gather: (8, 3) has no place 3 along axis 1", rx_gather_fixed(t.a, 2, (int[]){0, 3}, 1));
  FAILS("scatter_add: (8, 3) by index (1) along axis 0 into 4 places", rx_scatter_add(t.a, t.e, 0, 4));
  FAILS("transpose: fewer than two axes", rx_transpose(rx_const(t.p, 1.)));
  FAILS("fill: (3, 0) is no shape: at most 4 sizes, each at least 1", rx_fill(t.p, RX_SHAPE(3, 0), 1.));
  FAILS("input: (8, 0) is no shape: at most 4 sizes, each at least 1", rx_rows(t.p, "empty", 0));
  FAILS("input: the name 'a' is taken", rx_noise(t.p, RHEO_INPUT_NOISE_NORMAL, "a", 2));
}

static RheoVal vjp(RheoVal y, RheoVal dy, RheoVal x)
{
  RheoVal dx;
  (rx_vjp)(y, dy, 1, &x, &dx);
  return dx;
}

static void DerivativesAreChecked(void **state)
{
  (void)state;
  FAILS("vjp: (8, 3) is no scalar and needs a dy", rx_grad(t.a, t.a));
  FAILS("jvp: x is (8, 3), but v (4, 5)", rx_jvp(t.a, t.a, t.b));
  FAILS("vjp: y is (8, 3), but dy (4, 5)", rx_here(__FILE__, __LINE__, vjp(t.a, t.b, t.a)));
  Bench t = set_up();
  RheoVal dx;
  rx_vjp(t.a, t.b, 1, &t.a, &dx);
  check_message(&t, dx, "vjp: y is (8, 3), but dy (4, 5)", __LINE__ - 1);
  tear_down(&t);
}

static void ProgramsDoNotMix(void **state)
{
  (void)state;
  FAILS("add: argument 2 of 2 belongs to another program", rx_add(t.a, t.foreign));
  FAILS("concat: argument 2 of 2 belongs to another program", rx_concat2(0, t.a, t.foreign));
  FAILS("vjp: y and x belong to different programs", rx_grad(rx_sum_all(t.a), t.foreign));
}

static void MissingValuesAreNamed(void **state)
{
  (void)state;
  FAILS("mul: argument 1 of 2 does not exist", rx_mul(RHEO_NONE, t.a));
  FAILS("add: argument 2 of 2 does not exist", rx_add(t.a, RHEO_NONE));
  Bench t = set_up();
  assert_int_equal(rx_concat2(0, RHEO_NONE, t.a).id, t.a.id);
  assert_int_equal(rx_concat2(0, t.a, RHEO_NONE).id, t.a.id);
  assert_false(rx_exists(rx_add(RHEO_NONE, RHEO_NONE)));
  assert_false(rx_exists(rx_log_sum_exp(rx_mean_all(rx_transpose(RHEO_NONE)), 0)));
  assert_null(RheoProgramError(t.p));
  tear_down(&t);
}

/* What is built on a mistake is harmless, and a later one changes nothing; the place is where the innermost
 * wrong expression stands. */
static void FirstMistakeWins(void **state)
{
  (void)state;
  Bench t = set_up();
  RheoVal wrong = rx_exp(rx_add(rx_square(t.a), t.b));
  int line = __LINE__ - 1, n = t.p->n;
  char first[512];
  check_message(&t, wrong, "add: (8, 3) and (4, 5) do not broadcast", line);
  strcpy(first, RheoProgramError(t.p));
  RheoVal d[1], x[] = {t.a};
  rx_vjp(rx_sum_all(wrong), RHEO_NONE, 1, x, d);
  assert_false(rx_exists(d[0]));
  assert_false(rx_exists(rx_concat(0, 2, (RheoVal[]){wrong, t.a})));
  assert_false(rx_exists(rx_concat2(0, wrong, t.a)));
  assert_false(rx_exists(rx_jvp(wrong, t.a, t.a)));
  assert_false(rx_exists(rx_matmul(t.a, t.b)));
  assert_false(rx_exists(rx_log_sum_exp(rx_select(wrong, t.a, t.b), 0)));
  assert_false(rx_exists(rx_fill(t.p, RX_SCALAR, 1.)));
  assert_false(rx_exists(rx_grad_params(wrong, t.params)));
  assert_string_equal(RheoProgramError(t.p), first);
  assert_int_equal(t.p->n, n);
  tear_down(&t);
}

static void CallersOwnMistakes(void **state)
{
  (void)state;
  FAILS("spline: needs at least 2 bins, got 1", rx_fail(t.p, "spline: needs at least %d bins, got %d", 2, 1));
  Bench t = set_up();
  RheoScope scope = RheoScopeRoot(t.p, t.params, 0);
  for (int i = 0; i < 40; i++) scope = rx_enter(scope, "section%d", i);
  assert_non_null(strstr(RheoProgramError(t.p), "is too long"));
  tear_down(&t);
  char name[600];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  t = set_up();
  RheoVal x = rx_fail(t.p, "%s", name); /* cut off, but still with its place */
  assert_false(rx_exists(x));
  assert_non_null(strstr(RheoProgramError(t.p), "x, at program_errors.c:"));
  tear_down(&t);
  RheoProgram none = NULL;
  OK(RheoProgramDestroy(&none));
}

/* What changes nothing appends nothing. */
static void IdentitiesAreFree(void **state)
{
  (void)state;
  Bench t = set_up();
  int n = t.p->n;
  assert_int_equal(rx_scale(t.a, 1.).id, t.a.id);
  assert_int_equal(rx_offset(t.a, 0.).id, t.a.id);
  assert_int_equal(rx_reshape(t.a, RX_SHAPE(-1, 3)).id, t.a.id);
  assert_int_equal(rx_broadcast(t.a, RX_SHAPE(8, 3)).id, t.a.id);
  assert_int_equal(rx_permute(t.c, 3, (int[]){0, 1, -1}).id, t.c.id);
  assert_int_equal(rx_slice(t.a, 1, 0, 3).id, t.a.id);
  assert_int_equal(rx_pad(t.a, 1, 0, 0).id, t.a.id);
  assert_int_equal(rx_concat(0, 1, &t.a).id, t.a.id);
  assert_int_equal(t.p->n, n);
  tear_down(&t);
}

static void InputsAreListed(void **state)
{
  (void)state;
  Bench t = set_up();
  rx_noise(t.p, RHEO_INPUT_NOISE_UNIFORM, "time", 1);
  assert_int_equal(RheoProgramInputCount(t.p), 5);
  assert_int_equal(RheoProgramInputFind(t.p, "c"), 2);
  assert_int_equal(RheoProgramInputFind(t.p, "e"), -1);
  assert_string_equal(RheoProgramInputName(t.p, 1), "b");
  assert_int_equal(RheoProgramInputKind(t.p, 0), RHEO_INPUT_DATA);
  assert_int_equal(RheoProgramInputKind(t.p, 4), RHEO_INPUT_NOISE_UNIFORM);
  assert_true(RheoShapeSame(RheoProgramInputShape(t.p, 4), RX_SHAPE(8, 1)));
  assert_true(RheoProgramInputIsRows(t.p, 0) && RheoProgramInputIsRows(t.p, 4));
  assert_false(RheoProgramInputIsRows(t.p, 1));
  assert_int_equal(RheoProgramRows(t.p), 8);
  assert_int_equal(rx_dim(t.c, -1), 4);
  assert_int_equal(rx_dim(t.c, 3), 0);
  assert_int_equal(rx_dim(RHEO_NONE, 0), 0);
  tear_down(&t);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ShapesAreChecked),  cmocka_unit_test(DerivativesAreChecked),
      cmocka_unit_test(ProgramsDoNotMix),  cmocka_unit_test(MissingValuesAreNamed),
      cmocka_unit_test(FirstMistakeWins),  cmocka_unit_test(CallersOwnMistakes),
      cmocka_unit_test(IdentitiesAreFree), cmocka_unit_test(InputsAreListed),
  };
  return RUN_TESTS(argc, argv, tests);
}
