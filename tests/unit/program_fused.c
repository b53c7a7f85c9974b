/* The machinery of fused operations: shapes and their mistakes, parts, derivatives through the type's own
 * VJP, through the expansion, with cotangents that are missing, arguments that stand twice, and to second
 * order. */
#include "check.h"
#include "differences.h"
#include <math.h>
#include <string.h>

/* ---- polar(r, t) = (r cos t, r sin t), as small as a fused operation gets ---- */

static const char *polar_shape(const RheoShape *arg, int n_arg, RheoNode *node)
{
  if (n_arg != 2) return "needs radius and angle";
  if (!RheoShapeSame(arg[0], arg[1])) return "radius and angle differ";
  node->n_part = 2;
  node->part[0] = node->part[1] = arg[0];
  return NULL;
}

static void polar_expand(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part)
{
  (void)p;
  (void)node;
  part[0] = rx_mul(arg[0], rx_cos(arg[1]));
  part[1] = rx_mul(arg[0], rx_sin(arg[1]));
}

static void polar_double(const RheoNode *node, const RheoShape *shape, const double *const *arg,
                         double *const *part, double *scratch)
{
  (void)node;
  for (size_t j = 0; j < RheoShapeSize(shape[0]); j++) {
    scratch[0] = cos(arg[1][j]);
    scratch[1] = sin(arg[1][j]);
    for (int k = 0; k < 2; k++) part[k][j] = arg[0][j] * scratch[k];
  }
}

static void polar_single(const RheoNode *node, const RheoShape *shape, const float *const *arg,
                         float *const *part, float *scratch)
{
  (void)node;
  for (size_t j = 0; j < RheoShapeSize(shape[0]); j++) {
    scratch[0] = cosf(arg[1][j]);
    scratch[1] = sinf(arg[1][j]);
    for (int k = 0; k < 2; k++) part[k][j] = arg[0][j] * scratch[k];
  }
}

static size_t polar_scratch(const RheoNode *node, const RheoShape *shape)
{
  (void)node;
  (void)shape;
  return 2;
}

/* d radius = dx cos t + dy sin t; d angle = x dy - y dx. */
static void polar_vjp(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
                      const RheoVal *dpart, RheoVal *darg)
{
  (void)p;
  (void)node;
  assert_true(rx_exists(dpart[0]) && rx_exists(dpart[1]));
  darg[0] = rx_add(rx_mul(dpart[0], rx_cos(arg[1])), rx_mul(dpart[1], rx_sin(arg[1])));
  darg[1] = rx_sub(rx_mul(part[0], dpart[1]), rx_mul(part[1], dpart[0]));
}

static const RheoFusedType by_expansion = {.name = "polar",
                                           .summary = "polar to Cartesian coordinates",
                                           .shape = polar_shape,
                                           .expand = polar_expand,
                                           .run_single = polar_single,
                                           .run_double = polar_double,
                                           .scratch = polar_scratch};
static const RheoFusedType by_rule = {.name = "polar",
                                      .summary = "polar to Cartesian coordinates",
                                      .shape = polar_shape,
                                      .expand = polar_expand,
                                      .vjp = polar_vjp,
                                      .run_single = polar_single,
                                      .run_double = polar_double,
                                      .scratch = polar_scratch};

/* ---- The same functions of x and t with each of them ---- */

typedef enum { BOTH_PARTS, SECOND_PART, SAME_ARGUMENT, NESTED, ARGUMENTS_DEPEND, N_USE } Use;

static RheoVal use(const RheoFusedType *type, Use how, RheoVal x, RheoVal t)
{
  RheoProgram p = x.program;
  RheoVal arg[] = {x, t};
  if (how == SAME_ARGUMENT) arg[1] = x;
  if (how == ARGUMENTS_DEPEND) arg[1] = rx_mul(rx_square(x), t);
  RheoVal y = rx_fused(p, type, 2, arg, NULL, NULL);
  if (how == SECOND_PART) return rx_exp(rx_part(y, 1));
  if (how == NESTED) {
    RheoVal inner[] = {rx_part(y, 1), rx_part(y, 0)};
    y = rx_fused(p, type, 2, inner, NULL, NULL);
  }
  return rx_add(rx_square(rx_part(y, 0)), rx_mul(rx_exp(rx_part(y, 1)), t));
}

static void check_use(const RheoFusedType *type, Use how, InterpretMode mode)
{
  RheoProgram p;
  double x_at[] = {0.3, 1.2, -0.7}, t_at[] = {0.4, -0.8, 1.7}, dy_at[] = {1., -0.5, 0.7},
         v_at[] = {-0.2, 0.6, 1.1};
  const double *const in[] = {x_at, t_at, dy_at, v_at};
  double *at[] = {x_at, t_at};
  OK(RheoProgramCreate(3, &p));
  RheoVal x[] = {rx_input(p, "x", RX_SHAPE(3)), rx_input(p, "t", RX_SHAPE(3))}, dx[2], second[2];
  RheoVal dy = rx_input(p, "dy", RX_SHAPE(3)), v = rx_input(p, "v", RX_SHAPE(3));
  RheoVal y = use(type, how, x[0], x[1]);
  rx_vjp(y, dy, 2, x, dx);
  RheoVal along = rx_sum_all(rx_add(rx_mul(dx[0], v), rx_square(dx[1])));
  rx_vjp(along, RHEO_NONE, 2, x, second);
  if (RheoProgramError(p)) fail_msg("%s", RheoProgramError(p));
  for (int i = 0; i < 2; i++) {
    double first_error = difference_error(y, dy_at, x[i], at[i], dx[i], mode, NULL, in);
    double second_error = difference_error(along, NULL, x[i], at[i], second[i], mode, NULL, in);
    double jvp_error = tangent_error(y, x[i], at[i], v_at, rx_jvp(y, x[i], v), mode, NULL, in);
    if (!(first_error < 1e-6 && second_error < 1e-6 && jvp_error < 1e-6))
      fail_msg("use %d, argument %d: %.1e %.1e %.1e", how, i, first_error, second_error, jvp_error);
  }
  OK(RheoProgramDestroy(&p));
}

static void DerivativesThroughTheExpansion(void **state)
{
  (void)state;
  for (int how = 0; how < N_USE; how++) check_use(&by_expansion, (Use)how, INTERPRET_KERNELS);
}

static void DerivativesThroughTheRule(void **state)
{
  (void)state;
  for (int how = 0; how < N_USE; how++) check_use(&by_rule, (Use)how, INTERPRET_KERNELS);
}

static void ExpandedValues(void **state)
{
  (void)state;
  for (int how = 0; how < N_USE; how++) check_use(&by_rule, (Use)how, INTERPRET_EXPANDED);
}

/* ---- Parts and mistakes ---- */

static void PartsAreFoundAgain(void **state)
{
  RheoProgram p;
  (void)state;
  OK(RheoProgramCreate(3, &p));
  RheoVal x = rx_input(p, "x", RX_SHAPE(3)), y = rx_fused(p, &by_rule, 2, (RheoVal[]){x, x}, NULL, NULL);
  RheoVal first = rx_part(y, 0), second = rx_part(y, 1);
  assert_int_not_equal(first.id, second.id);
  assert_int_equal(rx_part(y, 0).id, first.id);
  assert_int_equal(rx_part(y, 1).id, second.id);
  assert_false(rx_exists(rx_part(y, 2)));
  assert_non_null(strstr(RheoProgramError(p), "part: fused has no part 2"));
  OK(RheoProgramDestroy(&p));
}

static void MistakesNameTheType(void **state)
{
  RheoProgram p, other;
  (void)state;
  OK(RheoProgramCreate(3, &p));
  OK(RheoProgramCreate(3, &other));
  RheoVal x = rx_input(p, "x", RX_SHAPE(3)), y = rx_input(p, "y", RX_SHAPE(2, 3));
  assert_false(rx_exists(RX_HERE(rx_fused(p, &by_rule, 2, (RheoVal[]){x, y}, NULL, NULL))));
  assert_non_null(
      strstr(RheoProgramError(p), "polar: (3), (2, 3): radius and angle differ, at program_fused.c:"));
  RheoVal z = rx_input(other, "x", RX_SHAPE(3));
  assert_false(rx_exists(rx_fused(other, &by_rule, 2, (RheoVal[]){z, x}, NULL, NULL)));
  assert_non_null(strstr(RheoProgramError(other), "polar: argument 2 of 2 belongs to another program"));
  OK(RheoProgramDestroy(&p));
  OK(RheoProgramDestroy(&other));
}

static void EveryTypeIsComplete(void **state)
{
  (void)state;
  for (int k = 0; RheoFusedTypes[k]; k++) {
    const RheoFusedType *type = RheoFusedTypes[k];
    assert_non_null(type->name);
    assert_non_null(type->summary);
    assert_true(type->shape && type->expand && type->run_single && type->run_double);
    assert_true(!type->tile_single == !type->tile_double);
    for (int j = 0; j < k; j++) assert_string_not_equal(type->name, RheoFusedTypes[j]->name);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(DerivativesThroughTheExpansion),
      cmocka_unit_test(DerivativesThroughTheRule),
      cmocka_unit_test(ExpandedValues),
      cmocka_unit_test(PartsAreFoundAgain),
      cmocka_unit_test(MistakesNameTheType),
      cmocka_unit_test(EveryTypeIsComplete),
  };
  return RUN_TESTS(argc, argv, tests);
}
