/* Compile and run against the naive interpreter on random programs. timeout: 300 */
#include "check.h"
#include "interpreter.h"
#include "program/plan_impl.h"
#include "random_program.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room behind every array, to see that nothing is written there. */
enum { GUARD = 8 };

typedef struct {
  double *out[RANDOM_MAX_OUT];
} Results;

static float *as_float(size_t n, const double *x)
{
  float *y = malloc((n + 1) * sizeof *y);
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
  return y;
}

static size_t out_size(const RandomProgram *r, int i)
{
  return RheoShapeSize(rx_shape(r->out[i]));
}

/* All of the plan; or, where parameters are fixed, its first part once and the rest again and again. */
static void run(RheoPlan plan, RheoWork work, const void *params, const void *const *in, void *const *out)
{
  if (!plan->is_fixed) {
    RheoPlanRun(plan, work, params, in, out);
    return;
  }
  RheoPlanPrepare(plan, work, params);
  for (int k = 0; k < 3; k++) RheoPlanRunPrepared(plan, work, params, in, out);
}

static Results run_double(const RandomProgram *r, RheoPlan plan, RheoWork work)
{
  Results results;
  for (int i = 0; i < r->n_out; i++) {
    results.out[i] = malloc((out_size(r, i) + GUARD) * sizeof(double));
    for (size_t j = 0; j < out_size(r, i) + GUARD; j++) results.out[i][j] = 12345.;
  }
  run(plan, work, r->param, (const void *const *)r->in, (void *const *)results.out);
  for (int i = 0; i < r->n_out; i++)
    for (int j = 0; j < GUARD; j++) assert_true(results.out[i][out_size(r, i) + (size_t)j] == 12345.);
  return results;
}

static Results run_single(const RandomProgram *r, RheoPlan plan, RheoWork work)
{
  Results results;
  float *out[RANDOM_MAX_OUT], *param = as_float(RheoParamsSize(r->params), r->param);
  float **in = malloc(((size_t)r->n_in + 1) * sizeof *in);
  for (int i = 0; i < r->n_in; i++)
    in[i] = as_float(RheoShapeSize(RheoProgramInputShape(r->program, i)), r->in[i]);
  for (int i = 0; i < r->n_out; i++) out[i] = malloc(out_size(r, i) * sizeof(float));
  run(plan, work, param, (const void *const *)in, (void *const *)out);
  for (int i = 0; i < r->n_out; i++) {
    results.out[i] = malloc(out_size(r, i) * sizeof(double));
    for (size_t j = 0; j < out_size(r, i); j++) results.out[i][j] = out[i][j];
    free(out[i]);
  }
  for (int i = 0; i < r->n_in; i++) free(in[i]);
  free(in);
  free(param);
  return results;
}

static void results_free(const RandomProgram *r, Results *results)
{
  for (int i = 0; i < r->n_out; i++) free(results->out[i]);
}

/* Largest difference of an output in units of its largest element (at least 1). */
static double difference(const RandomProgram *r, const Results *a, Interpretation b)
{
  double worst = 0;
  for (int i = 0; i < r->n_out; i++) {
    const double *y = interpreted(b, r->out[i]);
    double scale = 1, most = 0;
    for (size_t j = 0; j < out_size(r, i); j++) {
      scale = fmax(scale, fabs(y[j]));
      const double d = fabs(a->out[i][j] - y[j]);
      if (!(d <= most)) most = isnan(d) ? INFINITY : d;
    }
    worst = fmax(worst, most / scale);
  }
  return worst;
}

/* With fixed parameters the same bits come out. Returns how many steps did not have to be run again. */
static int check_fixed(const RandomProgram *r, int precision, const Results *all)
{
  RheoPlan plan;
  RheoWork work;
  OK(PlanCreate(r->program, precision ? RHEO_DOUBLE : RHEO_SINGLE, PLAN_FIXED, r->n_out, r->out, &plan));
  OK(RheoWorkCreate(plan, &work));
  memset(work->memory, 0xff, plan->arena_bytes + plan->scratch_bytes);
  Results results = precision ? run_double(r, plan, work) : run_single(r, plan, work);
  for (int i = 0; i < r->n_out; i++)
    for (size_t j = 0; j < out_size(r, i); j++)
      if (results.out[i][j] != all->out[i][j] && !(isnan(results.out[i][j]) && isnan(all->out[i][j])))
        fail_msg("fixed parameters: output %d is %.17g, not %.17g", i, results.out[i][j], all->out[i][j]);
  const int n_fixed = plan->n_fixed;
  results_free(r, &results);
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  return n_fixed;
}

static int n_fixed_steps; /* over all programs */

static void check_seed(uint64_t seed, int kind, int n_steps, double tolerance[2], double worst[2])
{
  RandomProgram r = random_program_make(seed, kind, n_steps);
  Interpretation naive =
      interpret(r.program, INTERPRET_KERNELS, r.param, (const double *const *)r.in, r.n_out, r.out);
  for (int precision = 0; precision < 2; precision++) {
    RheoPlan plan;
    RheoWork work;
    OK(RheoPlanCreate(r.program, precision ? RHEO_DOUBLE : RHEO_SINGLE, r.n_out, r.out, &plan));
    OK(RheoWorkCreate(plan, &work));
    memset(work->memory, 0xff, plan->arena_bytes + plan->scratch_bytes); /* NaN where nothing was written */
    Results results = precision ? run_double(&r, plan, work) : run_single(&r, plan, work);
    const double d = difference(&r, &results, naive);
    worst[precision] = fmax(worst[precision], d);
    if (d > tolerance[precision]) {
      OK(RheoPlanView(plan, stderr));
      fail_msg("seed %llu kind %d: off by %g in %s", (unsigned long long)seed, kind, d,
               precision ? "double" : "single");
    }
    n_fixed_steps += check_fixed(&r, precision, &results);
    results_free(&r, &results);
    OK(RheoWorkDestroy(&work));
    OK(RheoPlanDestroy(&plan));
  }
  interpretation_free(naive);
  random_program_free(&r);
}

static void check_kind(int kind, int n, int n_steps, double single)
{
  double worst[2] = {0, 0}, tolerance[2] = {single, 1e-9};
  for (int seed = 0; seed < n; seed++) check_seed((uint64_t)seed, kind, n_steps, tolerance, worst);
  printf("kind %d: %d programs, largest differences %.2g single, %.2g double; %d steps of parameters alone\n",
         kind, n, worst[0], worst[1], n_fixed_steps);
  assert_true(n_fixed_steps > 0);
}

static void plain(void **state)
{
  (void)state;
  check_kind(RANDOM_PLAIN, 1500, 20, 1e-2);
}

/* Long enough for groups to reach their limits; smooth, because in so many comparisons rounding decides now and then on
 * which side of a step a value falls. */
static void long_programs(void **state)
{
  (void)state;
  check_kind(RANDOM_SMOOTH | RANDOM_FUSED, 40, 400, 1e-2);
}

/* Hundreds of element-wise operations that all could be one group: tensors of full shape, rows, columns and numbers, each
 * read by many. The limits of a group cut them up, and the pieces may not wait for one another. */
static void more_than_a_group(void **state)
{
  enum { N_STEPS = 300, R = 41, C = 37 };
  (void)state;
  for (unsigned seed = 1; seed <= 20; seed++) {
    RandomProgram r = {.n_in = 4};
    OK(RheoProgramCreate(R, &r.program));
    OK(RheoParamsCreate(&r.params));
    RheoVal v[N_STEPS + 4] = {
        rx_input(r.program, "full", RX_SHAPE(R, C)), rx_input(r.program, "row", RX_SHAPE(C)),
        rx_input(r.program, "column", RX_SHAPE(R, 1)), rx_input(r.program, "number", RX_SCALAR)};
    double x[4][R * C], *in[4] = {x[0], x[1], x[2], x[3]};
    for (int k = 0; k < 4; k++)
      for (int j = 0; j < R * C; j++) x[k][j] = (float)sin(k + 2.3 * j);
    unsigned draw = seed;
    for (int k = 4; k < N_STEPS + 4; k++) {
      draw = draw * 1664525u + 1013904223u;
      const RheoVal a =
          v[draw >> 8 & 3 ? k - 1 - (int)(draw >> 10) % (k < 20 ? k : 20) : (int)(draw >> 10) % k];
      const RheoVal b = v[(draw >> 16) % (unsigned)k];
      v[k] = draw >> 28 < 6    ? rx_sin(rx_add(a, b))
             : draw >> 28 < 12 ? rx_mul(a, rx_cos(b))
                               : rx_sub(a, rx_tanh(b));
    }
    r.in = in;
    r.n_out = RANDOM_MAX_OUT;
    for (int i = 0; i < RANDOM_MAX_OUT; i++) r.out[i] = rx_sin(rx_add(v[N_STEPS + 3 - 17 * i], v[0]));
    RheoPlan plan;
    RheoWork work;
    OK(RheoPlanCreate(r.program, RHEO_DOUBLE, r.n_out, r.out, &plan));
    OK(RheoWorkCreate(plan, &work));
    Interpretation naive =
        interpret(r.program, INTERPRET_KERNELS, NULL, (const double *const *)in, r.n_out, r.out);
    Results results = run_double(&r, plan, work);
    assert_true(difference(&r, &results, naive) < 1e-11);
    int n_full = 0, most = 0;
    for (int s = 0; s < plan->n_step; s++) {
      if (plan->step[s].kind != PLAN_STEP_GROUP || plan->step[s].group->size != R * C) continue;
      n_full++;
      if (plan->step[s].group->n_instruction > most) most = plan->step[s].group->n_instruction;
    }
    assert_true(n_full > 1 && most > PLAN_MAX_INSTRUCTIONS / 2 && most <= PLAN_MAX_INSTRUCTIONS);
    results_free(&r, &results);
    interpretation_free(naive);
    OK(RheoWorkDestroy(&work));
    OK(RheoPlanDestroy(&plan));
    OK(RheoProgramDestroy(&r.program));
    OK(RheoParamsDestroy(&r.params));
  }
}

static void with_fused(void **state)
{
  (void)state;
  check_kind(RANDOM_FUSED, 500, 20, 1e-2);
}

static void with_derivatives(void **state)
{
  (void)state;
  check_kind(RANDOM_SMOOTH | RANDOM_DERIVATIVES | RANDOM_FUSED, 500, 12, 1e-2);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain),
      cmocka_unit_test(with_fused),
      cmocka_unit_test(long_programs),
      cmocka_unit_test(more_than_a_group),
      cmocka_unit_test(with_derivatives),
  };
  return RUN_TESTS(argc, argv, tests);
}
