/* Every fused operation: its kernels and those of its derivative against its expansion into primitives, for
 * values, first and second derivatives; second derivatives against differences; single against double
 * precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "interpreter.h"

enum { MAX_ARG = 4, MOST_IN = 2 * MAX_ARG + RHEO_MAX_PARTS, MOST_OUT = MOST_IN, MAX_SIZE = 4096 };

/* Arguments are uniform on (centre - spread, centre + spread). */
typedef struct {
  const char *name;
  int i[8];
  double r[4];
  int n_arg;
  RheoShape shape[MAX_ARG];
  double spread[MAX_ARG], centre[MAX_ARG];
} Case;

#define ACTIVATE(k)                                                                                          \
  {"activate", {k}, {0}, 1, {{2, {5, 7}}}, {4}, {0}},                                                        \
  {                                                                                                          \
    "activate_vjp", {k}, {0}, 2, {{2, {5, 7}}, {2, {5, 7}}}, {2, 1},                                         \
    {                                                                                                        \
      0                                                                                                      \
    }                                                                                                        \
  }
#define RQS(inverse, n_bin, bound)                                                                           \
  {"rqs", {inverse}, {bound}, 2, {{2, {9, 5}}, {3, {9, 5, 3 * (n_bin)-1}}}, {1.2 * (bound), 2}, {0}},        \
  {                                                                                                          \
    "rqs_vjp", {inverse}, {bound}, 4, {{2, {9, 5}}, {3, {9, 5, 3 * (n_bin)-1}}, {2, {9, 5}}, {2, {9, 5}}},   \
        {1.2 * (bound), 2, 1, 1},                                                                            \
    {                                                                                                        \
      0                                                                                                      \
    }                                                                                                        \
  }

static const Case CASES[] = {
    ACTIVATE(RHEO_ACT_NONE),
    ACTIVATE(RHEO_ACT_RELU),
    ACTIVATE(RHEO_ACT_LEAKY_RELU),
    ACTIVATE(RHEO_ACT_TANH),
    ACTIVATE(RHEO_ACT_SILU),
    ACTIVATE(RHEO_ACT_GELU),
    ACTIVATE(RHEO_ACT_SOFTPLUS),
    ACTIVATE(RHEO_ACT_ELU),
    ACTIVATE(RHEO_ACT_SIGMOID),
    ACTIVATE(RHEO_ACT_SELU),
    {"softmax", {0}, {0}, 1, {{2, {3, 41}}}, {5}, {0}},
    {"softmax", {0}, {0}, 1, {{3, {40, 4, 3}}}, {5}, {100}},
    {"softmax_vjp", {0}, {0}, 2, {{2, {7, 6}}, {2, {7, 6}}}, {1, 1}, {0}},
    {"log_softmax", {0}, {0}, 1, {{2, {3, 41}}}, {5}, {-100}},
    {"log_softmax", {0}, {0}, 1, {{1, {6}}}, {5}, {0}},
    {"log_softmax_vjp", {0}, {0}, 2, {{2, {7, 6}}, {2, {7, 6}}}, {1, 1}, {-2, 0}},
    {"layer_norm", {0}, {0}, 3, {{2, {5, 19}}, {1, {19}}, {1, {19}}}, {3, 1, 1}, {10, 1, 0}},
    {"layer_norm_vjp",
     {0},
     {0},
     4,
     {{2, {5, 7}}, {1, {7}}, {1, {7}}, {2, {5, 7}}},
     {3, 1, 1, 1},
     {0, 1, 0, 0}},
    RQS(0, 10, 3.),
    RQS(1, 10, 3.),
    RQS(0, 2, 1.),
    RQS(1, 3, 5.),
};
enum { N_CASE = sizeof CASES / sizeof *CASES };

static const RheoFusedType *find(const char *name)
{
  for (int k = 0; RheoFusedTypes[k]; k++)
    if (!strcmp(RheoFusedTypes[k]->name, name)) return RheoFusedTypes[k];
  return NULL;
}

static double uniform(unsigned *state) /* on (-1, 1) */
{
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 8) / 8388608. - 1;
}

/* The operation, L = sum of parts times weights, its gradient, and M = gradient times further weights, its
 * gradient by arguments and weights. Inputs: arguments, weights of parts, weights of the gradient. */
typedef struct {
  RheoProgram p;
  RheoVal arg[MAX_ARG], fused, part[RHEO_MAX_PARTS], weight[RHEO_MAX_PARTS], grad[MAX_ARG], second[MAX_ARG];
  RheoVal grad_weight[MAX_ARG], M;
  int n_arg, n_part, n_in;
  const double *in[MOST_IN];
} Setup;

static RheoVal input(Setup *s, const char *what, int k, RheoShape shape)
{
  char name[32];
  snprintf(name, sizeof name, "%s%d", what, k);
  s->n_in++;
  return rx_input(s->p, name, shape);
}

static RheoVal dot(RheoVal sum, RheoVal x, RheoVal y)
{
  const RheoVal product = rx_sum_all(rx_mul(x, y));
  return rx_exists(sum) ? rx_add(sum, product) : product;
}

static Setup set_up(const Case *c, int expanded)
{
  Setup s = {.n_arg = c->n_arg};
  const RheoFusedType *type = find(c->name);
  OK(RheoProgramCreate(9, &s.p));
  for (int k = 0; k < c->n_arg; k++) s.arg[k] = input(&s, "arg", k, c->shape[k]);
  RheoNode node = {.n_part = 1};
  memcpy(node.i, c->i, sizeof node.i);
  memcpy(node.r, c->r, sizeof node.r);
  assert_null(type->shape(c->shape, c->n_arg, &node));
  s.n_part = node.n_part;
  if (expanded) {
    type->expand(s.p, &node, s.arg, s.part);
  } else {
    s.fused = rx_fused(s.p, type, c->n_arg, s.arg, c->i, c->r);
    for (int k = 0; k < s.n_part; k++) s.part[k] = rx_part(s.fused, k);
  }
  RheoVal L = RHEO_NONE, M = RHEO_NONE;
  for (int k = 0; k < s.n_part; k++) {
    assert_true(RheoShapeSame(rx_shape(s.part[k]), node.part[k]));
    s.weight[k] = input(&s, "weight", k, node.part[k]);
    L = dot(L, s.part[k], s.weight[k]);
  }
  rx_vjp(L, RHEO_NONE, s.n_arg, s.arg, s.grad);
  for (int k = 0; k < s.n_arg; k++) {
    s.grad_weight[k] = input(&s, "grad_weight", k, c->shape[k]);
    M = dot(M, s.grad[k], s.grad_weight[k]);
  }
  rx_vjp(M, RHEO_NONE, s.n_arg, s.arg, s.second);
  s.M = M;
  if (RheoProgramError(s.p)) fail_msg("%s: %s", c->name, RheoProgramError(s.p));
  return s;
}

static void fill_inputs(Setup *s, const Case *c, double (*store)[MAX_SIZE])
{
  unsigned state = 12345;
  for (int k = 0; k < s->n_in; k++) {
    const RheoShape shape = RheoProgramInputShape(s->p, k);
    const double spread = k < c->n_arg ? c->spread[k] : 1, centre = k < c->n_arg ? c->centre[k] : 0;
    assert_true(RheoShapeSize(shape) <= MAX_SIZE);
    for (size_t j = 0; j < RheoShapeSize(shape); j++)
      store[k][j] = (float)(centre + spread * uniform(&state));
    s->in[k] = store[k];
  }
}

static double largest(size_t n, const double *x)
{
  double top = 0;
  for (size_t j = 0; j < n; j++) top = fmax(top, fabs(x[j]));
  return top;
}

static void same(const Case *c, const char *what, RheoVal x, const double *a, const double *b,
                 double tolerance)
{
  const size_t n = RheoShapeSize(rx_shape(x));
  const double scale = 1 + largest(n, b);
  for (size_t j = 0; j < n; j++)
    if (!(fabs(a[j] - b[j]) <= tolerance * scale))
      fail_msg("%s (%d): %s [%zu]: kernel %.15g, expansion %.15g", c->name, c->i[0], what, j, a[j], b[j]);
}

static int outputs(const Setup *s, RheoVal *out)
{
  int n = 0;
  for (int k = 0; k < s->n_part; k++) out[n++] = s->part[k];
  for (int k = 0; k < s->n_arg; k++) out[n++] = s->grad[k];
  for (int k = 0; k < s->n_arg; k++) out[n++] = s->second[k];
  return n;
}

static void kernels_equal_expansions(void **state)
{
  (void)state;
  static double store[MOST_IN][MAX_SIZE];
  for (const Case *c = CASES; c < CASES + N_CASE; c++) {
    Setup fused = set_up(c, 0), plain = set_up(c, 1);
    RheoVal out_fused[MOST_OUT], out_plain[MOST_OUT];
    fill_inputs(&fused, c, store);
    fill_inputs(&plain, c, store);
    const int n = outputs(&fused, out_fused);
    outputs(&plain, out_plain);
    Interpretation a = interpret(fused.p, INTERPRET_KERNELS, NULL, fused.in, n, out_fused);
    Interpretation b = interpret(plain.p, INTERPRET_EXPANDED, NULL, plain.in, n, out_plain);
    for (int k = 0; k < n; k++) {
      const char *what = k < fused.n_part ? "value" : k < fused.n_part + fused.n_arg ? "gradient" : "second";
      same(c, what, out_fused[k], interpreted(a, out_fused[k]), interpreted(b, out_plain[k]), 1e-10);
    }
    interpretation_free(a);
    interpretation_free(b);
    OK(RheoProgramDestroy(&fused.p));
    OK(RheoProgramDestroy(&plain.p));
  }
}

/* M at arg[k] + step times a direction. */
static double shifted(const Setup *s, int k, double step, double *moved)
{
  const double *kept = s->in[k];
  unsigned state = 99;
  Setup at = *s;
  for (size_t j = 0; j < RheoShapeSize(rx_shape(s->arg[k])); j++) moved[j] = kept[j] + step * uniform(&state);
  at.in[k] = moved;
  double M;
  interpret_value(s->M, INTERPRET_KERNELS, NULL, at.in, &M);
  return M;
}

static void second_derivatives_equal_differences(void **state)
{
  (void)state;
  static double store[MOST_IN][MAX_SIZE], moved[MAX_SIZE], second[MAX_SIZE];
  for (const Case *c = CASES; c < CASES + N_CASE; c++) {
    Setup s = set_up(c, 0);
    fill_inputs(&s, c, store);
    for (int k = 0; k < s.n_arg; k++) {
      const double step = 1e-6,
                   slope = (shifted(&s, k, step, moved) - shifted(&s, k, -step, moved)) / (2 * step);
      double expected = 0, size = 1;
      unsigned direction = 99;
      interpret_value(s.second[k], INTERPRET_KERNELS, NULL, s.in, second);
      for (size_t j = 0; j < RheoShapeSize(rx_shape(s.arg[k])); j++) {
        const double term = second[j] * uniform(&direction);
        expected += term;
        size += fabs(term);
      }
      if (!(fabs(slope - expected) <= 1e-6 * size))
        fail_msg("%s (%d): second derivative by argument %d: %.10g, by differences %.10g", c->name, c->i[0],
                 k, expected, slope);
    }
    OK(RheoProgramDestroy(&s.p));
  }
}

/* Through compile and run, where element-wise types run tile by tile. */
static void compiled(const Case *c, RheoPrecision precision, double tolerance, double (*store)[MAX_SIZE])
{
  static float in_single[MOST_IN][MAX_SIZE];
  static double out[MOST_OUT][MAX_SIZE], widened[MAX_SIZE];
  const void *in[MOST_IN];
  void *result[MOST_OUT];
  RheoVal output[MOST_OUT];
  RheoPlan plan;
  RheoWork work;
  Setup s = set_up(c, 0);
  fill_inputs(&s, c, store);
  const int n = outputs(&s, output);
  for (int k = 0; k < s.n_in; k++) {
    for (int j = 0; j < MAX_SIZE; j++) in_single[k][j] = (float)store[k][j];
    in[k] = precision == RHEO_SINGLE ? (const void *)in_single[k] : store[k];
  }
  for (int k = 0; k < n; k++) result[k] = out[k];
  OK(RheoPlanCreate(s.p, precision, n, output, &plan));
  OK(RheoWorkCreate(plan, &work));
  RheoPlanRun(plan, work, NULL, in, result);
  Interpretation exact = interpret(s.p, INTERPRET_EXPANDED, NULL, s.in, n, output);
  for (int k = 0; k < n; k++) {
    for (size_t j = 0; j < RheoShapeSize(rx_shape(output[k])); j++)
      widened[j] = precision == RHEO_SINGLE ? (double)((float *)result[k])[j] : out[k][j];
    same(c, "compiled", output[k], widened, interpreted(exact, output[k]), tolerance);
  }
  interpretation_free(exact);
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  OK(RheoProgramDestroy(&s.p));
}

static void compiled_double_equals_expansion(void **state)
{
  (void)state;
  static double store[MOST_IN][MAX_SIZE];
  for (const Case *c = CASES; c < CASES + N_CASE; c++) compiled(c, RHEO_DOUBLE, 1e-10, store);
}

static void single_is_close_to_double(void **state)
{
  (void)state;
  static double store[MOST_IN][MAX_SIZE];
  for (const Case *c = CASES; c < CASES + N_CASE; c++) compiled(c, RHEO_SINGLE, 1e-4, store);
}

static void types_are_complete(void **state)
{
  (void)state;
  for (int k = 0; RheoFusedTypes[k]; k++) {
    const RheoFusedType *type = RheoFusedTypes[k];
    int n_case = 0;
    for (int j = 0; j < N_CASE; j++) n_case += !strcmp(CASES[j].name, type->name);
    if (!n_case) fail_msg("%s has no case in this test", type->name);
    if (find(type->name) != type) fail_msg("%s stands twice in the table", type->name);
    assert_true(type->summary && type->shape && type->expand && type->run_single && type->run_double);
    assert_true(!type->tile_single == !type->tile_double);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(types_are_complete),
      cmocka_unit_test(kernels_equal_expansions),
      cmocka_unit_test(second_derivatives_equal_differences),
      cmocka_unit_test(compiled_double_equals_expansion),
      cmocka_unit_test(single_is_close_to_double),
  };
  return RUN_TESTS(argc, argv, tests);
}
