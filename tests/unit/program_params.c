/* The layout of parameters, scopes, initial values, and the gradient as one vector. */
#include "base/random.h"
#include "check.h"
#include "differences.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static RheoInit uniform(double a)
{
  return (RheoInit){.kind = RHEO_INIT_UNIFORM, .a = a};
}

static void SameNameSamePlace(void **state)
{
  RheoProgram p, q;
  RheoParams params;
  (void)state;
  OK(RheoProgramCreate(2, &p));
  OK(RheoProgramCreate(5, &q));
  OK(RheoParamsCreate(&params));
  assert_int_equal(RheoParamsSize(params), 0);
  RheoVal w = rx_param(p, params, "w", RX_SHAPE(3, 2), uniform(1.));
  rx_param(p, params, "b", RX_SHAPE(2), (RheoInit){.kind = RHEO_INIT_ZERO, .no_decay = 1});
  assert_int_equal(rx_param(p, params, "w", RX_SHAPE(3, 2), uniform(9.)).id, w.id);
  RheoVal other = rx_param(q, params, "w", RX_SHAPE(3, 2), uniform(1.));
  assert_int_equal(q->node[other.id].offset, p->node[w.id].offset);
  assert_int_equal(RheoParamsCount(params), 2);
  assert_int_equal(RheoParamsSize(params), 8);
  const RheoParamView *b = RheoParamsFind(params, "b");
  assert_ptr_equal(b, RheoParamsView(params, 1));
  assert_int_equal(b->offset, 6);
  assert_int_equal(b->size, 2);
  assert_true(b->init.no_decay && !b->init.frozen);
  assert_true(RheoParamsFind(params, "w")->init.a == 1.);
  assert_null(RheoParamsFind(params, "c"));
  for (int i = 0; i < 100; i++) { /* views stay where they are while the list grows */
    char name[16];
    snprintf(name, sizeof name, "n%d", i);
    rx_param(q, params, name, RX_SHAPE(2), uniform(1.));
  }
  assert_string_equal(b->name, "b");
  assert_ptr_equal(b, RheoParamsFind(params, "b"));
  assert_null(RheoProgramError(p));
  assert_null(RheoProgramError(q));
  OK(RheoProgramDestroy(&p));
  OK(RheoProgramDestroy(&q));
  OK(RheoParamsDestroy(&params));
}

static void check_mistake(const char *text, const char *name, RheoShape shape, RheoInit init, int layout)
{
  RheoProgram p;
  RheoParams params[2];
  OK(RheoProgramCreate(2, &p));
  OK(RheoParamsCreate(&params[0]));
  OK(RheoParamsCreate(&params[1]));
  rx_param(p, params[0], "w", RX_SHAPE(3, 2), uniform(1.));
  assert_null(RheoProgramError(p));
  RheoVal wrong = rx_param(p, layout < 2 ? params[layout] : NULL, name, shape, init);
  assert_false(rx_exists(wrong));
  if (!strstr(RheoProgramError(p), text)) fail_msg("'%s' is not in '%s'", text, RheoProgramError(p));
  assert_non_null(strstr(RheoProgramError(p), ", at program_params.c:"));
  OK(RheoProgramDestroy(&p));
  OK(RheoParamsDestroy(&params[0]));
  OK(RheoParamsDestroy(&params[1]));
}

static void ClashesAreMistakes(void **state)
{
  (void)state;
  check_mistake("param: 'w' is (3, 2), not (2, 3)", "w", RX_SHAPE(2, 3), uniform(1.), 0);
  check_mistake("param: 'v' comes from another layout", "v", RX_SHAPE(2), uniform(1.), 1);
  check_mistake("param: 'v' needs a layout", "v", RX_SHAPE(2), uniform(1.), 2);
  check_mistake("param: 'v' starts from the identity, but is (2, 3)", "v", RX_SHAPE(2, 3),
                (RheoInit){.kind = RHEO_INIT_IDENTITY, .a = 1.}, 0);
  check_mistake("param: 'v' starts from values, but there are none", "v", RX_SHAPE(2),
                (RheoInit){.kind = RHEO_INIT_VALUES}, 0);
  check_mistake("param: (0) is no shape", "v", RX_SHAPE(0), uniform(1.), 0);
}

static void ScopesNameParameters(void **state)
{
  RheoProgram p;
  RheoParams params;
  (void)state;
  OK(RheoProgramCreate(2, &p));
  OK(RheoParamsCreate(&params));
  RheoScope root = RheoScopeRoot(p, params, 1), flow = rx_enter(root, "flow"),
            third = rx_enter(flow, "%d", 3);
  rx_scope_param(root, "scale", RX_SCALAR, uniform(1.));
  rx_scope_param(rx_enter(third, "net"), "weight", RX_SHAPE(2), uniform(1.));
  assert_string_equal(third.name, "flow.3");
  assert_true(third.training);
  assert_non_null(RheoParamsFind(params, "scale"));
  assert_non_null(RheoParamsFind(params, "flow.3.net.weight"));
  assert_null(RheoProgramError(p));
  OK(RheoProgramDestroy(&p));
  OK(RheoParamsDestroy(&params));
}

/* ---- Initial values ---- */

static void InitialValues(void **state)
{
  enum { N = 20000, REST = 4 + 9 + 3 };
  RheoProgram p;
  RheoParams params;
  double given[] = {0.25, -8., 3.};
  float *first = calloc(2 * N + REST, sizeof *first), *second = calloc(2 * N + REST, sizeof *second);
  double mean[2] = {0., 0.}, square[2] = {0., 0.}, largest = 0.;
  (void)state;
  OK(RheoProgramCreate(2, &p));
  OK(RheoParamsCreate(&params));
  rx_param(p, params, "uniform", RX_SHAPE(N), uniform(0.5));
  rx_param(p, params, "normal", RX_SHAPE(N), (RheoInit){.kind = RHEO_INIT_NORMAL, .a = 2.});
  rx_param(p, params, "fill", RX_SHAPE(2), (RheoInit){.kind = RHEO_INIT_FILL, .a = 7.});
  rx_param(p, params, "zero", RX_SHAPE(2), (RheoInit){.kind = RHEO_INIT_ZERO, .a = 7.});
  rx_param(p, params, "identity", RX_SHAPE(3, 3), (RheoInit){.kind = RHEO_INIT_IDENTITY, .a = 2.});
  rx_param(p, params, "values", RX_SHAPE(3), (RheoInit){.kind = RHEO_INIT_VALUES, .values = given});
  given[0] = 99.; /* was copied */
  assert_int_equal(RheoParamsSize(params), 2 * N + REST);
  OK(RheoParamsInit(params, 5, first));
  OK(RheoParamsInit(params, 5, second));
  assert_memory_equal(first, second, (2 * N + REST) * sizeof *first);
  for (int j = 0; j < N; j++) {
    largest = fmax(largest, fabs(first[j]));
    for (int k = 0; k < 2; k++) {
      mean[k] += first[k * N + j] / N;
      square[k] += first[k * N + j] * first[k * N + j] / N;
    }
  }
  assert_true(largest <= 0.5 && largest > 0.499);
  assert_true(fabs(mean[0]) < 5. * 0.5 / sqrt(3. * N) && fabs(square[0] - 0.25 / 3.) < 0.003);
  assert_true(fabs(mean[1]) < 5. * 2. / sqrt(N) && fabs(square[1] - 4.) < 5. * 4. * sqrt(2. / N));
  static const float rest[] = {7, 7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0.25f, -8, 3};
  assert_memory_equal(first + 2 * N, rest, sizeof rest);
  OK(RheoParamsInit(params, 6, second));
  assert_memory_not_equal(first, second, N * sizeof *first);
  assert_memory_not_equal(first, first + N / 2, 100 * sizeof *first);
  OK(RheoProgramDestroy(&p));
  OK(RheoParamsDestroy(&params));
  free(first);
  free(second);
}

/* ---- The gradient of a layout ---- */

/* Order: frozen (2), w (3, 2), unnamed (4), b (2), unused (5). */
static RheoVal build(RheoProgram p, RheoParams params, RheoProgram elsewhere)
{
  RheoVal x = rx_rows(p, "x", 3);
  RheoVal frozen = rx_param(p, params, "frozen", RX_SHAPE(2), (RheoInit){.frozen = 1});
  RheoVal w = rx_param(p, params, "w", RX_SHAPE(3, 2), uniform(1.));
  rx_param(elsewhere, params, "unnamed", RX_SHAPE(4), uniform(1.));
  RheoVal b = rx_param(p, params, "b", RX_SHAPE(2), uniform(1.));
  rx_param(p, params, "unused", RX_SHAPE(5), uniform(1.));
  return rx_mean_all(rx_square(rx_mul(rx_tanh(rx_add(rx_matmul(x, w), b)), frozen)));
}

static void GradientOfALayout(void **state)
{
  enum { P = 2 + 6 + 4 + 2 + 5 };
  RheoProgram p, elsewhere;
  RheoParams params;
  double values[P], rows[6], gradient[P], g[P];
  const double *const in[] = {rows};
  (void)state;
  OK(RheoProgramCreate(2, &p));
  OK(RheoProgramCreate(2, &elsewhere));
  OK(RheoParamsCreate(&params));
  RheoVal loss = build(p, params, elsewhere);
  assert_int_equal(RheoParamsSize(params), P);
  for (int j = 0; j < P; j++) values[j] = sin(1. + 2. * j);
  for (int j = 0; j < 6; j++) rows[j] = cos(3. * j);
  int first = p->n, zeros = 0;
  RheoVal all = rx_grad_params(loss, params);
  assert_null(RheoProgramError(p));
  assert_true(RheoShapeSame(rx_shape(all), RX_SHAPE(P)));
  const RheoNode *node = &p->node[all.id];
  assert_int_equal(node->op, RHEO_OP_CONCAT);
  assert_int_equal(node->n_arg, 5);
  for (int k = 0; k < node->n_arg; k++) zeros += p->node[node->arg[k]].op == RHEO_OP_FILL;
  assert_int_equal(zeros, 3);
  assert_true(p->n > first);
  interpret_value(all, INTERPRET_KERNELS, values, in, gradient);
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    RheoVal x = view->init.frozen || !strcmp(view->name, "unnamed")
                    ? RHEO_NONE
                    : rx_param(p, params, view->name, view->shape, view->init);
    for (size_t j = 0; !rx_exists(x) && j < view->size; j++) assert_true(gradient[view->offset + j] == 0.);
    if (!rx_exists(x)) continue;
    RheoVal dx = rx_grad(loss, x);
    assert_true(difference_error(loss, NULL, x, values + view->offset, dx, INTERPRET_KERNELS, values, in) <
                1e-6);
    interpret_value(dx, INTERPRET_KERNELS, values, in, g);
    assert_memory_equal(g, gradient + view->offset, view->size * sizeof *g);
  }
  OK(RheoProgramDestroy(&p));
  OK(RheoProgramDestroy(&elsewhere));
  OK(RheoParamsDestroy(&params));
}

static void LayoutsWithoutGradient(void **state)
{
  RheoProgram p;
  RheoParams params, other;
  double zero[4] = {1., 1., 1., 1.};
  (void)state;
  OK(RheoProgramCreate(2, &p));
  OK(RheoParamsCreate(&params));
  OK(RheoParamsCreate(&other));
  rx_param(p, params, "w", RX_SHAPE(3), uniform(1.));
  rx_param(p, params, "v", RX_SCALAR, uniform(1.));
  interpret_value(rx_grad_params(rx_const(p, 3.), params), INTERPRET_KERNELS, NULL, NULL, zero);
  for (int j = 0; j < 4; j++) assert_true(zero[j] == 0.);
  assert_false(rx_exists(rx_grad_params(rx_const(p, 3.), other)));
  assert_non_null(strstr(RheoProgramError(p), "grad_params: not the program's layout, at program_params.c"));
  OK(RheoProgramDestroy(&p));
  OK(RheoParamsDestroy(&params));
  OK(RheoParamsDestroy(&other));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(SameNameSamePlace),    cmocka_unit_test(ClashesAreMistakes),
      cmocka_unit_test(ScopesNameParameters), cmocka_unit_test(InitialValues),
      cmocka_unit_test(GradientOfALayout),    cmocka_unit_test(LayoutsWithoutGradient),
  };
  return RUN_TESTS(argc, argv, tests);
}
