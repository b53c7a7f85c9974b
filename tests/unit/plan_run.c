/* What a plan promises beside the right numbers: no allocation, threads, any number of rows, the same bits in groups
 * and without, memory used again, gradients written where they belong. */
#include "check.h"
#include "program/kernels/product.h"
#include "program/plan_impl.h"
#include "random_program.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Allocations are counted while `counting` ---- */

static volatile int counting; /* the compiler takes malloc for a function that changes nothing */
static volatile long n_allocations;

#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
enum { CAN_COUNT = 1 };
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t n)
{
  n_allocations += counting;
  return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
  n_allocations += counting;
  return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
  n_allocations += counting;
  return __libc_realloc(old, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
  n_allocations += counting;
  return __libc_memalign(alignment, n);
}

int posix_memalign(void **memory, size_t alignment, size_t n)
{
  n_allocations += counting;
  *memory = __libc_memalign(alignment, n);
  return *memory ? 0 : ENOMEM;
}
#else
enum { CAN_COUNT = 0 };
#endif

/* ---- A network with its loss and gradient ---- */

enum { B = 37, WIDTH = 19, LAYERS = 3 };

typedef struct {
  RheoProgram program;
  RheoParams params;
  RheoVal out[3]; /* prediction (B, WIDTH), loss, gradient (P) */
  float *values, *x, *y;
} Model;

static RheoVal dense(Model *m, int l, RheoVal x, RheoActivation activation)
{
  char name[32];
  const RheoInit init = {.kind = RHEO_INIT_NORMAL, .a = 0.25};
  snprintf(name, sizeof name, "%d.weight", l);
  const RheoVal w = rx_param(m->program, m->params, name, RX_SHAPE(WIDTH, WIDTH), init);
  snprintf(name, sizeof name, "%d.bias", l);
  return rx_linear(x, w, rx_param(m->program, m->params, name, RX_SHAPE(WIDTH), init), activation);
}

static Model model_make(void)
{
  Model m = {0};
  OK(RheoProgramCreate(B, &m.program));
  OK(RheoParamsCreate(&m.params));
  const RheoVal x = rx_rows(m.program, "x", WIDTH), y = rx_rows(m.program, "y", WIDTH);
  RheoVal h = x;
  for (int l = 0; l < LAYERS; l++) h = rx_add(dense(&m, l, h, RHEO_ACT_SILU), h);
  m.out[0] = dense(&m, LAYERS, h, RHEO_ACT_NONE);
  m.out[1] = rx_mean_all(rx_square(rx_sub(m.out[0], y)));
  m.out[2] = rx_grad_params(m.out[1], m.params);
  m.values = malloc(RheoParamsSize(m.params) * sizeof(float));
  OK(RheoParamsInit(m.params, 1, m.values));
  m.x = malloc(sizeof(float) * 10 * B * WIDTH);
  m.y = malloc(sizeof(float) * 10 * B * WIDTH);
  for (int i = 0; i < 10 * B * WIDTH; i++) {
    m.x[i] = (float)sin(i);
    m.y[i] = (float)cos(1.7 * i);
  }
  return m;
}

static void model_free(Model *m)
{
  free(m->values);
  free(m->x);
  free(m->y);
  OK(RheoProgramDestroy(&m->program));
  OK(RheoParamsDestroy(&m->params));
}

/* ---- The tests ---- */

static void no_allocation(void **state)
{
  (void)state;
  if (!CAN_COUNT || !product_is_fast()) skip(); /* the libraries' products allocate */
  for (int seed = 0; seed < 60; seed++) {
    RandomProgram r = random_program_make((uint64_t)seed, RANDOM_FUSED | RANDOM_DERIVATIVES, 12);
    RheoPlan plan;
    RheoWork work;
    double *out[RANDOM_MAX_OUT];
    for (int i = 0; i < r.n_out; i++) out[i] = malloc(RheoShapeSize(rx_shape(r.out[i])) * sizeof(double));
    OK(RheoPlanCreate(r.program, RHEO_DOUBLE, r.n_out, r.out, &plan));
    OK(RheoWorkCreate(plan, &work));
    n_allocations = 0;
    counting = 1;
    RheoPlanRun(plan, work, r.param, (const void *const *)r.in, (void *const *)out);
    counting = 0;
    assert_int_equal(n_allocations, 0);
    OK(RheoWorkDestroy(&work));
    OK(RheoPlanDestroy(&plan));
    for (int i = 0; i < r.n_out; i++) free(out[i]);
    random_program_free(&r);
  }
  counting = 1; /* the counter counts */
  void *volatile memory = malloc(10);
  counting = 0;
  assert_int_equal(n_allocations, 1);
  free(memory);
}

static void groups_change_no_bit(void **state)
{
  int fewer = 0;
  (void)state;
  for (int seed = 0; seed < 300; seed++) {
    RandomProgram r = random_program_make((uint64_t)seed, RANDOM_FUSED | RANDOM_DERIVATIVES, 12);
    double *out[2][RANDOM_MAX_OUT];
    int n_steps[2];
    for (int without = 0; without < 2; without++) {
      RheoPlan plan;
      RheoWork work;
      for (int i = 0; i < r.n_out; i++)
        out[without][i] = calloc(RheoShapeSize(rx_shape(r.out[i])), sizeof(double));
      OK(PlanCreate(r.program, RHEO_DOUBLE, without ? PLAN_WITHOUT_GROUPS : 0, r.n_out, r.out, &plan));
      OK(RheoWorkCreate(plan, &work));
      RheoPlanRun(plan, work, r.param, (const void *const *)r.in, (void *const *)out[without]);
      n_steps[without] = RheoPlanGetInfo(plan).n_steps;
      OK(RheoWorkDestroy(&work));
      OK(RheoPlanDestroy(&plan));
    }
    for (int i = 0; i < r.n_out; i++) {
      assert_memory_equal(out[0][i], out[1][i], RheoShapeSize(rx_shape(r.out[i])) * sizeof(double));
      free(out[0][i]);
      free(out[1][i]);
    }
    assert_true(n_steps[0] <= n_steps[1]);
    fewer += n_steps[0] < n_steps[1];
    random_program_free(&r);
  }
  if (fewer < 100) fail_msg("only %d programs had groups", fewer);
}

typedef struct {
  const Model *m;
  RheoPlan plan;
  RheoWork work;
  float prediction[B * WIDTH], loss, *gradient;
  int shift;
} Thread;

static void *run_often(void *context)
{
  Thread *t = context;
  const void *in[] = {t->m->x + t->shift, t->m->y + t->shift};
  for (int k = 0; k < 50; k++)
    RheoPlanRun(t->plan, t->work, t->m->values, in, (void *[]){t->prediction, &t->loss, t->gradient});
  return NULL;
}

static void two_threads(void **state)
{
  Model m = model_make();
  Thread thread[4];
  RheoPlan plan;
  pthread_t id[2];
  const size_t n = RheoParamsSize(m.params);
  (void)state;
  OK(RheoPlanCreate(m.program, RHEO_SINGLE, 3, m.out, &plan));
  for (int k = 0; k < 4; k++) {
    thread[k] =
        (Thread){.m = &m, .plan = plan, .shift = k % 2 * B * WIDTH, .gradient = malloc(n * sizeof(float))};
    OK(RheoWorkCreate(plan, &thread[k].work));
  }
  for (int k = 0; k < 2; k++) assert_int_equal(pthread_create(&id[k], NULL, run_often, &thread[k]), 0);
  for (int k = 0; k < 2; k++) assert_int_equal(pthread_join(id[k], NULL), 0);
  for (int k = 2; k < 4; k++) run_often(&thread[k]);
  for (int k = 0; k < 2; k++) {
    assert_memory_equal(thread[k].prediction, thread[k + 2].prediction, sizeof thread[k].prediction);
    assert_memory_equal(thread[k].gradient, thread[k + 2].gradient, n * sizeof(float));
    assert_true(thread[k].loss == thread[k + 2].loss && thread[k].loss > 0);
  }
  assert_true(thread[0].loss != thread[1].loss);
  for (int k = 0; k < 4; k++) {
    free(thread[k].gradient);
    OK(RheoWorkDestroy(&thread[k].work));
  }
  OK(RheoPlanDestroy(&plan));
  model_free(&m);
}

static int same_row(const float *a, const float *b)
{
  if (product_is_fast()) return !memcmp(a, b, WIDTH * sizeof *a);
  for (int k = 0; k < WIDTH; k++)
    if (fabsf(a[k] - b[k]) > 1e-6f * (1 + fabsf(b[k]))) return 0;
  return 1;
}

/* Each row of any number of rows is what that row gives alone, bit by bit (but for what a library's products do); nothing
 * is written behind the last. */
static void any_number_of_rows(void **state)
{
  const int counts[] = {1, B - 1, B, B + 1, 3 * B + 2};
  Model m = model_make();
  RheoPlan plan;
  RheoWork work;
  (void)state;
  OK(RheoPlanCreate(m.program, RHEO_SINGLE, 1, m.out, &plan));
  OK(RheoWorkCreate(plan, &work));
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    const int n = counts[c];
    float *out = malloc(sizeof(float) * (size_t)(n + 1) * WIDTH), alone[WIDTH];
    for (int k = 0; k < WIDTH; k++) out[n * WIDTH + k] = 77.f;
    RheoPlanRunRows(plan, work, m.values, n, (const void *[]){m.x, NULL}, (void *[]){out});
    for (int r = 0; r < n; r++) {
      RheoPlanRunRows(plan, work, m.values, 1, (const void *[]){m.x + r * WIDTH, NULL}, (void *[]){alone});
      assert_true(same_row(out + r * WIDTH, alone));
    }
    for (int k = 0; k < WIDTH; k++) assert_true(out[n * WIDTH + k] == 77.f);
    free(out);
  }
  OK(RheoWorkDestroy(&work));
  OK(RheoPlanDestroy(&plan));
  model_free(&m);
}

/* Gradients of parameters come out of products and sums right in their place of the flat array, and values that never
 * live together share memory. */
static void memory(void **state)
{
  Model m = model_make();
  RheoPlan plan;
  (void)state;
  OK(RheoPlanCreate(m.program, RHEO_SINGLE, 3, m.out, &plan));
  const RheoPlanInfo info = RheoPlanGetInfo(plan);
  assert_true(info.arena_bytes > 0 && 2 * info.arena_bytes < info.arena_bytes_without_reuse);
  assert_true(info.n_groups > 0 && info.n_groups <= 3 * LAYERS && info.n_removed > 0);
  for (int s = 0; s < plan->n_step; s++) assert_int_not_equal(plan->step[s].kind, PLAN_STEP_COPY);
  const double gemms = 3 * LAYERS + 2;
  assert_true(info.flops == gemms * 2. * B * WIDTH * WIDTH);
  OK(RheoPlanDestroy(&plan));
  model_free(&m);
}

static void mistakes_are_reported(void **state)
{
  RheoProgram p, q;
  RheoPlan plan = NULL;
  (void)state;
  OK(RheoProgramCreate(4, &p));
  OK(RheoProgramCreate(4, &q));
  const RheoVal x = rx_rows(p, "x", 3), other = rx_rows(q, "x", 3), wrong = rx_matmul(x, x);
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = RheoPlanCreate(p, RHEO_DOUBLE, 1, &wrong, &plan);
  const int named = strstr(RheoErrorMessage(), "matmul") && strstr(RheoErrorMessage(), "plan_run.c");
  const PetscErrorCode foreign = RheoPlanCreate(q, RHEO_DOUBLE, 1, &x, &plan);
  RheoErrorSetQuiet(PETSC_FALSE);
  assert_int_equal(code, PETSC_ERR_ARG_WRONG);
  assert_true(named);
  assert_int_equal(foreign, PETSC_ERR_ARG_WRONG);
  assert_null(plan);
  (void)other;
  OK(RheoProgramDestroy(&p));
  OK(RheoProgramDestroy(&q));
}

static void view_names_the_steps(void **state)
{
  Model m = model_make();
  RheoPlan plan;
  char *text = NULL;
  size_t size = 0;
  (void)state;
  OK(RheoPlanCreate(m.program, RHEO_SINGLE, 3, m.out, &plan));
  FILE *file = open_memstream(&text, &size);
  OK(RheoPlanView(plan, file));
  fclose(file);
  assert_non_null(strstr(text, "gemm"));
  assert_non_null(strstr(text, "activate_vjp("));
  assert_int_equal(CountLines(text, "#") + plan->n_step, 2 + plan->n_step);
  free(text);
  OK(RheoPlanDestroy(&plan));
  model_free(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_allocation),
      cmocka_unit_test(groups_change_no_bit),
      cmocka_unit_test(two_threads),
      cmocka_unit_test(any_number_of_rows),
      cmocka_unit_test(memory),
      cmocka_unit_test(mistakes_are_reported),
      cmocka_unit_test(view_names_the_steps),
  };
  return RUN_TESTS(argc, argv, tests);
}
