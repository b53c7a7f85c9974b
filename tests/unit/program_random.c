/* The generator of random programs, and what holds for all of them: no mistakes, nothing infinite, all
 * operations occur, derivatives agree with differences. timeout: 300 */
#include "base/random.h"
#include "check.h"
#include "interpreter.h"
#include "random_program.h"
#include <math.h>
#include <stdlib.h>

static int all_finite(Interpretation result, const RandomProgram *r)
{
  for (int k = 0; k < r->n_out; k++) {
    const double *y = interpreted(result, r->out[k]);
    for (size_t j = 0; j < RheoShapeSize(rx_shape(r->out[k])); j++)
      if (!isfinite(y[j])) return 0;
  }
  return 1;
}

static void EveryOperationOccursAndAllIsFinite(void **state)
{
  int count[RHEO_OP_COUNT] = {0};
  (void)state;
  for (int seed = 0; seed < 2000; seed++) {
    int kind = seed % 2 ? RANDOM_DERIVATIVES : RANDOM_PLAIN;
    RandomProgram r =
        random_program_make((uint64_t)seed, kind | (seed % 3 ? 0 : RANDOM_SMOOTH), 5 + seed % 26);
    if (RheoProgramError(r.program)) fail_msg("seed %d: %s", seed, RheoProgramError(r.program));
    Interpretation result =
        interpret(r.program, INTERPRET_KERNELS, r.param, (const double *const *)r.in, r.n_out, r.out);
    if (!all_finite(result, &r)) fail_msg("seed %d: not finite", seed);
    for (int id = 0; id < r.program->n; id++) count[r.program->node[id].op]++;
    interpretation_free(result);
    random_program_free(&r);
  }
  for (int op = 0; op < RHEO_OP_COUNT; op++)
    if (RheoOps[op].class != RHEO_CLASS_FUSED && RheoOps[op].class != RHEO_CLASS_PART && count[op] < 20)
      fail_msg("%s occurs %d times", RheoOps[op].name, count[op]);
}

/* The directional derivative of every output along all parameters and inputs at once, from JVPs. */
static double worst_tangent(RandomProgram *r, RheoStream stream)
{
  RheoVal x[64], v[64];
  int n = 0;
  for (int i = 0; i < r->n_in && n < 32; i++) x[n++] = (RheoVal){r->program, r->program->input[i].node};
  for (int i = 0; i < r->program->n_param && n < 64; i++)
    x[n++] = (RheoVal){r->program, r->program->param[i].node};
  double *direction[64], *at[64];
  for (int i = 0; i < n; i++) {
    RheoShape shape = rx_shape(x[i]);
    const RheoNode *node = &r->program->node[x[i].id];
    at[i] = node->op == RHEO_OP_INPUT ? r->in[node->i[0]] : r->param + node->offset;
    direction[i] = calloc(RheoShapeSize(shape), sizeof(double));
    for (size_t j = 0; j < RheoShapeSize(shape); j++) direction[i][j] = 2. * RheoStreamUniform(&stream) - 1.;
    v[i] = rx_literal(r->program, shape, direction[i]);
  }
  RheoVal y = r->out[r->n_out - 1], tangent = RHEO_NONE;
  for (int i = 0; i < n; i++) {
    RheoVal part = rx_jvp(y, x[i], v[i]);
    tangent = rx_exists(tangent) ? rx_add(tangent, part) : part;
  }
  size_t size = RheoShapeSize(rx_shape(y));
  double *exact = calloc(size, sizeof(double)), *value = calloc(size, sizeof(double));
  double *difference = calloc(size, sizeof(double)), worst = 0., largest = 1.;
  interpret_value(tangent, INTERPRET_KERNELS, r->param, (const double *const *)r->in, exact);
  static const double place[] = {-2., -1., 1., 2.}, weight[] = {1. / 12., -8. / 12., 8. / 12., -1. / 12.};
  const double h = 2e-4;
  for (int k = 0; k < 4; k++) {
    double moved = k == 0 ? place[0] : place[k] - place[k - 1];
    for (int i = 0; i < n; i++)
      for (size_t j = 0; j < RheoShapeSize(rx_shape(x[i])); j++) at[i][j] += moved * h * direction[i][j];
    interpret_value(y, INTERPRET_KERNELS, r->param, (const double *const *)r->in, value);
    for (size_t j = 0; j < size; j++) difference[j] += weight[k] * value[j] / h;
  }
  for (size_t j = 0; j < size; j++) {
    worst = fmax(worst, fabs(exact[j] - difference[j]));
    largest = fmax(largest, fabs(exact[j]));
  }
  for (int i = 0; i < n; i++) free(direction[i]);
  free(exact);
  free(value);
  free(difference);
  return worst / largest;
}

static void TangentsAgreeWithDifferences(void **state)
{
  (void)state;
  for (int seed = 0; seed < 400; seed++) {
    int kind = RANDOM_SMOOTH | (seed % 4 ? 0 : RANDOM_DERIVATIVES) | (seed % 3 ? 0 : RANDOM_FUSED);
    RandomProgram r = random_program_make((uint64_t)seed, kind, 3 + seed % 14);
    double worst = worst_tangent(&r, RheoStreamMake((uint64_t)seed, RHEO_STREAM_TEST, 7, 0));
    if (!(worst < 1e-6)) fail_msg("seed %d: relative error %.2e", seed, worst);
    random_program_free(&r);
  }
}

static double worst_difference(const RandomProgram *r, Interpretation a, Interpretation b)
{
  double worst = 0.;
  for (int k = 0; k < r->n_out; k++) {
    const double *x = interpreted(a, r->out[k]), *y = interpreted(b, r->out[k]);
    double largest = 1., most = 0.;
    for (size_t j = 0; j < RheoShapeSize(rx_shape(r->out[k])); j++) {
      largest = fmax(largest, fabs(y[j]));
      most = fabs(x[j] - y[j]) <= most ? most : fabs(x[j] - y[j]);
    }
    worst = most / largest <= worst ? worst : most / largest;
  }
  return worst;
}

/* About one program in 4000 takes a step (floor, comparisons) exactly where rounding decides, so a few may differ. */
static void ExpansionsAgreeWithKernels(void **state)
{
  enum { PROGRAMS = 600, MAY_DIFFER = 3 };
  int n_differ = 0;
  (void)state;
  for (int seed = 0; seed < PROGRAMS; seed++) {
    int kind = RANDOM_DERIVATIVES | RANDOM_FUSED | (seed % 2 ? RANDOM_SMOOTH : 0);
    RandomProgram r = random_program_make((uint64_t)seed, kind, 6 + seed % 20);
    const double *const *in = (const double *const *)r.in;
    Interpretation kernels = interpret(r.program, INTERPRET_KERNELS, r.param, in, r.n_out, r.out);
    Interpretation expanded = interpret(r.program, INTERPRET_EXPANDED, r.param, in, r.n_out, r.out);
    double worst = worst_difference(&r, kernels, expanded);
    int same = worst <= 1e-9;
    if (!same && kind & RANDOM_SMOOTH) fail_msg("seed %d: off by %.2e", seed, worst);
    n_differ += !same;
    interpretation_free(kernels);
    interpretation_free(expanded);
    random_program_free(&r);
  }
  assert_true(n_differ <= MAY_DIFFER);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(EveryOperationOccursAndAllIsFinite),
      cmocka_unit_test(TangentsAgreeWithDifferences),
      cmocka_unit_test(ExpansionsAgreeWithKernels),
  };
  return RUN_TESTS(argc, argv, tests);
}
