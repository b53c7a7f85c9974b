/* Flow-matching objectives: their values from what they draw, what forgets, and their batch stage. */
#include "base/random.h"
#include "check.h"
#include "cnfs.h"
#include "model.h"
#include "objective/objective.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, D = 2, C = 2, INPUTS = 8 };

typedef struct {
  CnfModel m;
  RheoObjectiveModel model;
  RheoVal column[3];
  double data[INPUTS][B * 3];
  const double *in[INPUTS];
} Case;

static const RheoObjectiveType *find(const char *name)
{
  const RheoObjectiveType *type;
  OK(RheoObjectiveFind(name, &type));
  return type;
}

/* Columns x, context and, as wide as the stage says, given. */
static Case *start(const char *text, int n_context)
{
  Case *c = calloc(1, sizeof *c);
  assert_non_null(c);
  c->m = StartCnf(text, D, n_context, B, 1);
  c->model = (RheoObjectiveModel){.cnf = c->m.cnf, .batch = B};
  const int width = find("cfm")->stage->width(&c->model);
  c->column[0] = c->m.z;
  c->column[1] = c->m.context;
  c->column[2] = width ? rx_rows(c->m.program, "given", width) : RHEO_NONE;
  return c;
}

static void draw(Case *c)
{
  const int n = RheoProgramInputCount(c->m.program);
  assert_in_range(n, 0, INPUTS);
  DrawCnf(&c->m, 0.2);
  for (int k = 0; k < n; k++) {
    const RheoInputKind kind = RheoProgramInputKind(c->m.program, k);
    FillNormal(10 + (uint64_t)k, B * 3, c->data[k]);
    for (int i = 0; i < B * 3 && k && kind != RHEO_INPUT_DATA && kind != RHEO_INPUT_NOISE_NORMAL; i++)
      c->data[k][i] = 0.5 * erfc(c->data[k][i]);
    c->in[k] = c->data[k];
  }
}

static void finish(Case *c)
{
  FinishCnf(&c->m);
  free(c);
}

static double *input(Case *c, const char *name)
{
  const int k = RheoProgramInputFind(c->m.program, name);
  if (k < 0) fail_msg("there is no input '%s'", name);
  return c->data[k];
}

/* The linear path without width, by hand: z_t and the target of each row. */
static void by_hand(Case *c, const double *z0, double *place, double *target)
{
  const double *t = input(c, "cnf.times"), *z1 = input(c, "z");
  for (int r = 0; r < B; r++)
    for (int d = 0; d < D; d++) {
      const int k = r * D + d;
      target[k] = z1[k] - z0[k];
      place[k] = (1 - t[r]) * z0[k] + t[r] * z1[k];
    }
}

/* Velocities at given times and places, by a field built apart with the same parameters. */
static void velocity_at(Case *c, const double *t, const double *place, const double *context,
                        const double *forget, double *v)
{
  RheoProgram program;
  OK(RheoProgramCreate(B, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, c->m.params, 1), "cnf");
  RheoVal in_t = rx_rows(program, "t", 1), in_z = rx_rows(program, "z", D);
  RheoVal in_context = context ? rx_rows(program, "context", C) : RHEO_NONE;
  RheoVal in_forget = forget ? rx_rows(program, "forget", 1) : RHEO_NONE;
  Evaluate(rx_cnf_velocity(c->m.cnf, scope, in_t, in_z, in_context, in_forget), c->m.values,
           context ? (const double *[]){t, place, context, forget} : (const double *[]){t, place}, v);
  OK(RheoProgramDestroy(&program));
}

static void cfm_is_the_mean_square(void **state)
{
  double loss[B], place[B * D], target[B * D], v[B * D];
  (void)state;
  Case *c = start("standardize: no", C);
  RheoVal value = find("cfm")->loss(c->m.scope, &c->model, c->column);
  draw(c);
  Evaluate(value, c->m.values, c->in, loss);
  by_hand(c, input(c, "cnf.source"), place, target);
  velocity_at(c, input(c, "cnf.times"), place, input(c, "context"), NULL, v);
  for (int r = 0; r < B; r++)
    AssertNear(loss[r], (pow(v[r * D] - target[r * D], 2) + pow(v[r * D + 1] - target[r * D + 1], 2)) / D,
               1e-12);
  finish(c);
}

static void given_rows_are_the_source(void **state)
{
  double loss[B], place[B * D], target[B * D], v[B * D];
  (void)state;
  Case *c = start("source: data, standardize: no", 0);
  RheoVal value = find("cfm")->loss(c->m.scope, &c->model, c->column);
  draw(c);
  assert_int_equal(RheoProgramInputFind(c->m.program, "cnf.source"), -1);
  Evaluate(value, c->m.values, c->in, loss);
  by_hand(c, input(c, "given"), place, target);
  velocity_at(c, input(c, "cnf.times"), place, NULL, NULL, v);
  for (int r = 0; r < B; r++)
    AssertNear(loss[r], (pow(v[r * D] - target[r * D], 2) + pow(v[r * D + 1] - target[r * D + 1], 2)) / D,
               1e-12);
  finish(c);
}

static void forgotten_rows_ignore_their_context(void **state)
{
  const char *const names[] = {"cfm", "contrastive_fm"};
  double loss[B], other[B];
  (void)state;
  for (int k = 0; k < 2; k++) {
    Case *c = start("dropout: 0.5", C);
    RheoVal value = find(names[k])->loss(c->m.scope, &c->model, c->column);
    draw(c);
    double *u = input(c, "cnf.forget"), *context = input(c, "context");
    for (int r = 0; r < B; r++) u[r] = r % 2 ? 0.4 : 0.6;
    Evaluate(value, c->m.values, c->in, loss);
    for (int i = 0; i < B * C; i++) context[i] += 1;
    Evaluate(value, c->m.values, c->in, other);
    for (int r = 0; r < B; r++) assert_true((loss[r] == other[r]) == (r % 2));
    finish(c);
  }
}

static void contrast_is_the_other_rows_target(void **state)
{
  const double contrast = 0.25;
  double loss[B], place[B * D], target[B * D], v[B * D], forget[B];
  (void)state;
  Case *c = start("standardize: no, dropout: 0.5, contrast: 0.25", C);
  RheoVal value = find("contrastive_fm")->loss(c->m.scope, &c->model, c->column);
  draw(c);
  for (int r = 0; r < B; r++) forget[r] = input(c, "cnf.forget")[r] < 0.5;
  Evaluate(value, c->m.values, c->in, loss);
  by_hand(c, input(c, "cnf.source"), place, target);
  velocity_at(c, input(c, "cnf.times"), place, input(c, "context"), forget, v);
  for (int r = 0; r < B; r++) {
    const int o = (r + B - 1) % B;
    double own = 0, other = 0;
    for (int d = 0; d < D; d++) {
      own += pow(v[r * D + d] - target[r * D + d], 2) / D;
      other += pow(v[r * D + d] - target[o * D + d], 2) / D;
    }
    AssertNear(loss[r], own - (forget[r] ? 0 : contrast * other), 1e-12);
  }
  finish(c);
}

/* Pairs count with exp(-cost / epsilon) over its mean in the batch, and with nothing else. */
static void weighted_pairs_count_with_their_weights(void **state)
{
  const double epsilon = 3;
  double loss[B], place[B * D], target[B * D], v[B * D], z0[B * D], weight[B], sum = 0;
  float x[B * D], given[B * (D + 1)];
  const uint64_t index[B] = {5, 3, 8, 13, 2, 21};
  (void)state;
  Case *c = start("standardize: no, coupling: weighted, weighted: {epsilon: 3}", 0);
  RheoVal value = find("cfm")->loss(c->m.scope, &c->model, c->column);
  draw(c);
  for (int k = 0; k < B * D; k++) input(c, "z")[k] = (double)(x[k] = (float)input(c, "z")[k]);
  const RheoBatch batch = {
      .seed = 3, .step = 5, .n = B, .index = index, .column = (const float *[]){x, NULL}};
  OK(find("cfm")->stage->run(&c->model, &batch, given));
  for (int i = 0; i < B * (D + 1); i++) input(c, "given")[i] = (double)given[i];
  Evaluate(value, c->m.values, c->in, loss);
  for (int r = 0; r < B; r++) {
    double cost = 0;
    for (int d = 0; d < D; d++) {
      z0[r * D + d] = (double)given[r * (D + 1) + d];
      cost += pow((double)x[r * D + d] - z0[r * D + d], 2);
    }
    sum += weight[r] = exp(-cost / epsilon);
  }
  by_hand(c, z0, place, target);
  velocity_at(c, input(c, "cnf.times"), place, NULL, NULL, v);
  double least = INFINITY, most = 0;
  for (int r = 0; r < B; r++) {
    const double w = weight[r] * B / sum;
    least = fmin(least, w);
    most = fmax(most, w);
    AssertNear(loss[r], w * (pow(v[r * D] - target[r * D], 2) + pow(v[r * D + 1] - target[r * D + 1], 2)) / D,
               1e-5 * (1 + loss[r]));
  }
  assert_true(most > 2 * least); /* or weights of one would pass */
  finish(c);
}

/* mu(y) = W2 silu(W1 y + b1) + b2 of the parameters below scope, added to x (B, D). */
static void add_shift(Case *c, const char *scope, double *x)
{
  static const char *const names[] = {"in.weight", "in.bias", "out.weight", "out.bias"};
  const double *p[4], *y = input(c, "context");
  int hidden = 0;
  for (int i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", scope, names[i]);
    const RheoParamView *view = RheoParamsFind(c->m.params, name);
    if (!view) fail_msg("no parameter '%s'", name);
    p[i] = c->m.values + view->offset;
    if (i == 1) hidden = (int)view->size;
  }
  for (int r = 0; r < B; r++) {
    for (int d = 0; d < D; d++) x[r * D + d] += p[3][d];
    for (int h = 0; h < hidden; h++) {
      double a = p[1][h];
      for (int k = 0; k < C; k++) a += y[r * C + k] * p[0][k * hidden + h];
      for (int d = 0; d < D; d++) x[r * D + d] += a / (1 + exp(-a)) * p[2][h * D + d];
    }
  }
}

/* CAR-Flow: both ends move with the context, and the target with them. */
static void shifts_move_both_ends(void **state)
{
  double loss[B], place[B * D], target[B * D], v[B * D], z0[B * D], z1[B * D], moved = 0;
  (void)state;
  Case *c = start("standardize: no, shift: both, net: {hidden: 7}", C);
  RheoVal value = find("cfm")->loss(c->m.scope, &c->model, c->column);
  draw(c);
  Evaluate(value, c->m.values, c->in, loss);
  for (int k = 0; k < B * D; k++) {
    z0[k] = input(c, "cnf.source")[k];
    z1[k] = input(c, "z")[k];
  }
  add_shift(c, "cnf.shift0", z0);
  add_shift(c, "cnf.shift1", z1);
  for (int k = 0; k < B * D; k++)
    moved = fmax(moved, fabs(z1[k] - input(c, "z")[k] - z0[k] + input(c, "cnf.source")[k]));
  assert_true(moved > 0.1);
  memcpy(input(c, "z"), z1, sizeof z1);
  by_hand(c, z0, place, target);
  velocity_at(c, input(c, "cnf.times"), place, input(c, "context"), NULL, v);
  for (int r = 0; r < B; r++)
    AssertNear(loss[r], (pow(v[r * D] - target[r * D], 2) + pow(v[r * D + 1] - target[r * D + 1], 2)) / D,
               1e-12);
  finish(c);
}

static void uniform_sources_are_drawn(void **state)
{
  (void)state;
  Case *c = start("source: uniform", 0);
  find("cfm")->loss(c->m.scope, &c->model, c->column);
  const int k = RheoProgramInputFind(c->m.program, "cnf.source");
  assert_true(k >= 0);
  assert_int_equal(RheoProgramInputKind(c->m.program, k), RHEO_INPUT_NOISE_UNIFORM);
  finish(c);
}

/* ---- The batch stage ---- */

enum { N = 40 };

typedef struct {
  RheoCnf cnf;
  RheoObjectiveModel model;
  float x[N * D], y[N * C], source[N * D];
  const float *column[2];
  uint64_t index[N];
  RheoBatch batch;
} StageCase;

static StageCase *stage_start(const char *text, int n_context)
{
  StageCase *c = calloc(1, sizeof *c);
  double normal[N * 2];
  assert_non_null(c);
  c->cnf = CnfOf(text);
  OK(RheoCnfSetSizes(c->cnf, D, n_context));
  OK(RheoCnfSetUp(c->cnf));
  FillNormal(1, N * 2, normal);
  for (int k = 0; k < N * D; k++) c->x[k] = c->y[k] = (float)normal[k];
  for (int k = 0; k < N * D; k++) c->source[k] = (float)(1000 + k / D);
  for (int r = 0; r < N; r++) c->index[r] = (uint64_t)(7 * r + 100);
  c->model = (RheoObjectiveModel){.cnf = c->cnf, .origin = D, .batch = N};
  c->column[0] = c->x;
  c->column[1] = n_context ? c->y : NULL;
  c->batch =
      (RheoBatch){.seed = 3, .step = 5, .n = N, .index = c->index, .column = c->column, .origin = c->source};
  return c;
}

static void stage_finish(StageCase *c)
{
  OK(RheoCnfDestroy(&c->cnf));
  free(c);
}

static void stage_is_there_where_needed(void **state)
{
  const RheoBatchStage *stage = find("cfm")->stage;
  (void)state;
  assert_ptr_equal(stage, find("contrastive_fm")->stage);
  StageCase *c = stage_start("", 0);
  assert_int_equal(stage->width(&c->model), 0);
  stage_finish(c);
  c = stage_start("source: data", 0);
  assert_int_equal(stage->width(&c->model), D);
  assert_int_equal(stage->steps(&c->model), 0);
  stage_finish(c);
}

/* Without a coupling a row is given the row of the source that came with it. */
static void source_rows_pass_through(void **state)
{
  float given[N * D];
  (void)state;
  StageCase *c = stage_start("source: data", 0);
  OK(find("cfm")->stage->run(&c->model, &c->batch, given));
  assert_memory_equal(given, c->source, sizeof given);
  stage_finish(c);
}

/* Every coupling of the table gives each row a row of the source, and a weight of mean one where it has weights. */
static void every_coupling_runs(void **state)
{
  const RheoBatchStage *stage = find("cfm")->stage;
  (void)state;
  for (int k = 0; RheoCouplingTypes[k]; k++)
    for (int n_context = 0; n_context <= C; n_context += C)
      for (int of_data = 0; of_data < 2; of_data++) {
        const RheoCouplingType *type = RheoCouplingTypes[k];
        char text[128];
        float given[N * (D + 1)], again[N * (D + 1)];
        double sum = 0;
        snprintf(text, sizeof text, "coupling: %s, source: %s", type->name, of_data ? "data" : "normal");
        StageCase *c = stage_start(text, n_context);
        const int width = stage->width(&c->model);
        assert_int_equal(width > 0, of_data || type->couples || type->n_weights);
        assert_int_equal(stage->steps(&c->model), type->couples || type->n_weights);
        if (width && !(n_context == 0 && strstr(type->name, "c2ot"))) {
          OK(stage->run(&c->model, &c->batch, given));
          OK(stage->run(&c->model, &c->batch, again));
          assert_memory_equal(given, again, (size_t)(N * width) * sizeof *given);
          for (int r = 0; r < N; r++) {
            assert_true(isfinite(given[r * width]) && (!of_data || given[r * width] >= 1000));
            if (width > D) sum += (double)given[r * width + D];
          }
          if (width > D) AssertNear(sum, N, 1e-3 * N);
        }
        stage_finish(c);
      }
}

/* Whether cfm tells a mistake, which is of that key. */
static int mistaken(const RheoObjectiveModel *model, const char *key)
{
  RheoMistake mistake;
  if (!find("cfm")->mistake(model, &mistake)) return 0;
  assert_string_equal(mistake.key, key);
  return 1;
}

static void mistakes_are_the_users(void **state)
{
  (void)state;
  StageCase *c = stage_start("source: data", 0);
  OK(find("cfm")->check(PETSC_COMM_SELF, &c->model));
  c->model.origin = 0;
  REJECTS(find("cfm")->check(PETSC_COMM_SELF, &c->model), "no source data");
  stage_finish(c);
  for (int k = 0; RheoCouplingTypes[k]; k++) {
    char text[128];
    snprintf(text, sizeof text, "coupling: %s, coupling_batch: 100", RheoCouplingTypes[k]->name);
    c = stage_start(text, C);
    assert_true(mistaken(&c->model, "cnf.coupling_batch"));
    c->model.batch = 25;
    assert_false(mistaken(&c->model, NULL));
    if (RheoCouplingTypes[k]->couples) assert_int_equal(find("cfm")->stage->steps(&c->model), 4);
    stage_finish(c);
  }
}

/* A coupling that needs conditions is told before any batch that there are none. */
static void conditions_are_there_where_needed(void **state)
{
  int n = 0;
  (void)state;
  for (int k = 0; RheoCouplingTypes[k]; k++) {
    char text[128];
    snprintf(text, sizeof text, "coupling: %s", RheoCouplingTypes[k]->name);
    StageCase *c = stage_start(text, C), *without = stage_start(text, 0);
    assert_false(mistaken(&c->model, NULL));
    assert_int_equal(mistaken(&without->model, "cnf.coupling"), RheoCouplingTypes[k]->needs_condition);
    n += RheoCouplingTypes[k]->needs_condition;
    stage_finish(c);
    stage_finish(without);
  }
  assert_int_equal(n, 1); /* c2ot */
}

static void given_of(const char *text, float *given)
{
  StageCase *c = stage_start(text, 0);
  OK(find("cfm")->stage->run(&c->model, &c->batch, given));
  stage_finish(c);
}

/* Sinkhorn's pairs are those of the path's Schroedinger bridge where the deck does not say otherwise: 2 sigma^2, in units of
 * rows as the field sees them. */
static void bridges_couple_with_their_own_regularisation(void **state)
{
#define SINKHORN "standardize: no, coupling: sinkhorn, "
  float own[N * D], same[N * D], fixed[N * D], linear[N * D], two[N * D];
  (void)state;
  given_of(SINKHORN "path: sb, sigma: 0.5", own);
  given_of(SINKHORN "path: sb, sigma: 0.5, sinkhorn: {regularisation: 0.5}", same);
  given_of(SINKHORN "path: sb, sigma: 0.5, sinkhorn: {regularisation: 2}", fixed);
  assert_memory_equal(own, same, sizeof own);
  assert_memory_not_equal(own, fixed, sizeof own);
  given_of(SINKHORN "path: linear, sigma: 0.5", linear);
  given_of(SINKHORN "path: sb, sigma: 1", two);
  assert_memory_equal(linear, fixed, sizeof fixed);
  assert_memory_equal(two, fixed, sizeof fixed);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cfm_is_the_mean_square),
      cmocka_unit_test(given_rows_are_the_source),
      cmocka_unit_test(forgotten_rows_ignore_their_context),
      cmocka_unit_test(contrast_is_the_other_rows_target),
      cmocka_unit_test(weighted_pairs_count_with_their_weights),
      cmocka_unit_test(shifts_move_both_ends),
      cmocka_unit_test(uniform_sources_are_drawn),
      cmocka_unit_test(stage_is_there_where_needed),
      cmocka_unit_test(source_rows_pass_through),
      cmocka_unit_test(every_coupling_runs),
      cmocka_unit_test(mistakes_are_the_users),
      cmocka_unit_test(conditions_are_there_where_needed),
      cmocka_unit_test(bridges_couple_with_their_own_regularisation),
  };
  return RUN_TESTS(argc, argv, tests);
}
