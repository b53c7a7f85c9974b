/* Batch stages and runners: who is in a group, what rows are given, the same bits on any number of ranks. ranks: 1 2 4 */
#include "base/random.h"
#include "check.h"
#include "order.h"
#include "train_case.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 500, WIDTH = 3, SEED = 17, GIVEN = 3 };

/* What the toys of this file do, and what was seen of them on this rank. */
static struct {
  int64_t group;      /* steps of a group */
  int fails;          /* FAILS_... */
  int64_t fails_step; /* of the optimiser */
  int64_t groups, rows, validated, wrong;
  TrainCase *of;
  RheoSampler sampler;        /* as the trainer's */
  int64_t told, batch, steps; /* train.batch, rows of a step, steps of an epoch */
} toy;
enum { FAILS_NOT, FAILS_STAGE, FAILS_RUNNER, FAILS_VALIDATION, FAILS_ROW };

static int IsLastRank(void)
{
  int rank, size;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  return rank == size - 1;
}

/* ---- A stage: rows sorted by x; the k-th is given y of the k-th from the end, the size of the group, and noise ---- */
static const float *sort_by;
static int ByX(const void *a, const void *b)
{
  const float x = sort_by[*(const int *)a * WIDTH], y = sort_by[*(const int *)b * WIDTH];
  return x < y ? -1 : x > y;
}

static void Pair(uint64_t seed, int64_t step, int64_t n, const uint64_t *index, const float *x,
                 const float *y, float *given)
{
  int *order = malloc((size_t)n * sizeof *order);
  for (int64_t i = 0; i < n; i++) order[i] = (int)i;
  sort_by = x;
  qsort(order, (size_t)n, sizeof *order, ByX);
  for (int64_t k = 0; k < n; k++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_COUPLE, (uint32_t)step, index[order[k]]);
    float *g = given + order[k] * GIVEN;
    g[0] = toy.group ? y[order[n - 1 - k]] : y[order[k]];
    g[1] = toy.group ? (float)n : 1;
    g[2] = (float)RheoStreamUniform(&stream);
  }
  free(order);
}

static int64_t Steps(const RheoObjectiveModel *model)
{
  (void)model;
  return toy.group;
}

static int Width(const RheoObjectiveModel *model)
{
  (void)model;
  return GIVEN;
}

static PetscErrorCode Couple(const RheoObjectiveModel *model, const RheoBatch *batch, float *given)
{
  PetscFunctionBeginUser;
  toy.groups++;
  RheoInputCheck(toy.fails != FAILS_STAGE || !IsLastRank() || batch->step < toy.fails_step, PETSC_COMM_SELF,
                 "the stage fails as it was told to");
  if (model->batch != toy.told || (batch->weight == NULL) != (toy.of->rows.weight == NULL)) toy.wrong++;
  Pair(batch->seed, batch->step, batch->n, batch->index, batch->column[0], batch->column[1], given);
  PetscFunctionReturn(RHEO_OK);
}
static const RheoBatchStage stage = {.steps = Steps, .width = Width, .run = Couple};

static RheoVal CoupledLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  RheoVal y = rx_add(column[1], rx_scale(rx_slice(column[2], 1, 0, 1), 0.3));
  RheoVal u = rx_noise(scope.program, RHEO_INPUT_NOISE_STRATIFIED, "strata", 1);
  RheoVal v = rx_noise(scope.program, RHEO_INPUT_NOISE_ANTITHETIC, "pairs", 1);
  y = rx_add(y, rx_mul(rx_slice(column[2], 1, 2, 3), rx_sub(u, rx_square(v))));
  return CaseLinear.loss(scope, model, (RheoVal[]){column[0], y});
}

static RheoVal LinearLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  return CaseLinear.loss(scope, model, column);
}

/* ---- A runner: linear regression by hand, which looks at what it is given ---- */
typedef struct {
  size_t shift, gain, weight, bias, n_params;
  int rows;
} Linear;

static PetscErrorCode LinearCreate(const RheoObjectiveModel *model, RheoParams params, const char *scope_name,
                                   int rows, void **runner)
{
  (void)model;
  PetscFunctionBeginUser;
  Linear *l = calloc(1, sizeof *l);
  assert_string_equal(scope_name, "model");
  l->shift = RheoParamsFind(params, "model.shift")->offset;
  l->gain = RheoParamsFind(params, "model.gain")->offset;
  l->weight = RheoParamsFind(params, "model.weight")->offset;
  l->bias = RheoParamsFind(params, "model.weight_bias")->offset;
  l->n_params = RheoParamsSize(params);
  l->rows = rows;
  *runner = l;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode LinearDestroy(void **runner)
{
  PetscFunctionBeginUser;
  free(*runner);
  *runner = NULL;
  PetscFunctionReturn(RHEO_OK);
}

/* The rows of the group that the rows of a batch belong to, in order; returns their number. */
static int64_t GroupOf(const RheoBatch *batch, int64_t row, int64_t *first_step, uint64_t *index)
{
  const int64_t size = PetscMin(toy.group, toy.steps) * toy.batch;
  if (batch->step == RHEO_VALIDATION_STEP) {
    int64_t place = 0;
    SamplerShuffled(&toy.sampler, 0, toy.sampler.n_validation, index);
    while (index[place] != batch->index[row]) place++;
    const int64_t begin = place / size * size, n = PetscMin(size, toy.sampler.n_validation - begin);
    SamplerShuffled(&toy.sampler, begin, begin + n, index);
    *first_step = RHEO_VALIDATION_STEP;
    return n;
  }
  const int64_t epoch = batch->step / toy.steps, b = batch->step % toy.steps;
  const int64_t first = b / toy.group * toy.group, last = PetscMin(first + toy.group, toy.steps);
  SamplerOrder(&toy.sampler, epoch, first * toy.batch, last * toy.batch, index);
  *first_step = epoch * toy.steps + first;
  return (last - first) * toy.batch;
}

/* What a row should be given, by computing its whole group here. */
static void LookAtGiven(const RheoBatch *batch)
{
  static uint64_t index[N];
  static float x[N * WIDTH], y[N], given[N * GIVEN];
  for (int64_t i = 0; i < batch->n; i++) {
    int64_t step = batch->step, n = 1, at = 0;
    if (toy.group)
      n = GroupOf(batch, i, &step, index);
    else
      index[0] = batch->index[i];
    for (int64_t k = 0; k < n; k++) {
      memcpy(x + k * WIDTH, toy.of->x + index[k] * WIDTH, WIDTH * sizeof *x);
      y[k] = toy.of->y[index[k]];
    }
    Pair(SEED, step, n, index, x, y, given);
    while (at < n && index[at] != batch->index[i]) at++;
    toy.wrong += at == n || memcmp(given + at * GIVEN, batch->column[2] + i * GIVEN, GIVEN * sizeof(float));
    toy.wrong += batch->column[1][i] != toy.of->y[batch->index[i]];
  }
}

static PetscErrorCode LinearRun(void *runner, const RheoBatch *batch, int training, const float *values,
                                float *row_loss, float *gradient)
{
  const Linear *l = runner;
  PetscFunctionBeginUser;
  assert_true(batch->n >= 1 && batch->n <= l->rows && !training == !gradient);
  RheoInputCheck(toy.fails != (training ? FAILS_RUNNER : FAILS_VALIDATION) || !IsLastRank() ||
                     (training && batch->step < toy.fails_step),
                 PETSC_COMM_SELF, "the runner fails as it was told to");
  if (gradient) memset(gradient, 0, l->n_params * sizeof *gradient);
  for (int64_t i = 0; i < batch->n; i++) {
    const float *x = batch->column[0] + i * WIDTH, weight = batch->weight ? batch->weight[i] : 1;
    float f = values[l->bias];
    for (int k = 0; k < WIDTH; k++)
      f +=
          (x[k] - values[l->shift + (size_t)k]) * values[l->gain + (size_t)k] * values[l->weight + (size_t)k];
    const float error = f - batch->column[1][i];
    row_loss[i] = error * error / 2;
    if (training && toy.fails == FAILS_ROW && batch->step == toy.fails_step) row_loss[i] = NAN;
    for (int k = 0; gradient && k < WIDTH; k++)
      gradient[l->weight + (size_t)k] +=
          weight * error * (x[k] - values[l->shift + (size_t)k]) * values[l->gain + (size_t)k];
    if (gradient) gradient[l->bias] += weight * error;
  }
  *(training ? &toy.rows : &toy.validated) += batch->n;
  if (toy.steps) LookAtGiven(batch);
  PetscFunctionReturn(RHEO_OK);
}
static const RheoShardRunner runner = {.create = LinearCreate, .destroy = LinearDestroy, .run = LinearRun};

static const char *const columns[] = {"x", "y", NULL};
static const RheoObjectiveType coupled = {
    .name = "coupled", .columns = columns, .loss = CoupledLoss, .stage = &stage};
static const RheoObjectiveType by_hand = {
    .name = "by hand", .columns = columns, .loss = LinearLoss, .runner = &runner};
static const RheoObjectiveType both = {
    .name = "both", .columns = columns, .loss = LinearLoss, .stage = &stage, .runner = &runner};

/* ---- Trainings ---- */
typedef struct {
  int64_t n, batch, group, epochs, steps;
  int shards, weighted;
  double validation;
  int64_t window;
} Setting;

static const Setting settings[] = {
    {N, 32, 1, 3, 0, 4, 0, 0.1, 0},   /* each step for itself */
    {N, 32, 3, 3, 0, 4, 1, 0.2, 0},   /* 12 or 13 steps in groups of three: the last one is shorter */
    {N, 30, 4, 3, 21, 7, 0, 0.1, 0},  /* shards of two sizes; ends within a group */
    {N, 32, 99, 2, 0, 4, 0, 0.5, 0},  /* a group is an epoch; more rows for validation than in a group */
    {9, 32, 2, 4, 0, 8, 0, 0.3, 0},   /* fewer rows than shards */
    {N, 32, 0, 2, 0, 5, 1, 0.1, 0},   /* no groups */
    {N, 16, 2, 2, 0, 4, 1, 0.2, 100}, /* windows of three groups, which four ranks cannot share evenly */
    {N, 10, 0, 2, 55, 5, 0, 0.1, 75}, /* windows without groups; ends within one */
    {N, 4, 1, 1, 0, 4, 0, 0.1, 0},    /* one epoch of many groups */
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static void Start(MPI_Comm comm, const RheoObjectiveType *type, const Setting *s, int looks, TrainCase *c)
{
  RheoTrainConfig config;
  memset(&toy, 0, sizeof toy);
  toy.of = c;
  toy.group = s->group;
  toy.told = s->batch;
  TrainCaseCreate(comm, type, s->n, WIDTH, s->weighted, c);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = s->batch;
  config.epochs = s->epochs;
  config.steps = s->steps;
  config.shards = s->shards;
  config.validation = s->validation;
  config.window = s->window;
  config.lr = 1e-2;
  OK(RheoTrainerSetConfig(c->trainer, &config));
  if (!looks) return;
  OK(RheoSamplerCreate(SEED, s->n, s->validation, &toy.sampler));
  toy.batch = PetscMin(s->batch, toy.sampler.n_train);
  toy.steps = toy.sampler.n_train / toy.batch;
  if (!s->window) return;
  const int64_t unit = toy.batch * PetscMax(1, s->group), window = s->window / unit * unit;
  OK(RheoSamplerCut(&toy.sampler, PetscMax(1, window / 64), window));
}

static int64_t SumOverRanks(int64_t x)
{
  int64_t sum;
  MPI_Allreduce(&x, &sum, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD);
  return sum;
}

static int64_t MostOfRanks(int64_t x)
{
  int64_t most;
  MPI_Allreduce(&x, &most, 1, MPI_INT64_T, MPI_MAX, PETSC_COMM_WORLD);
  return most;
}

static int64_t Ceiling(int64_t n, int64_t d)
{
  return (n + d - 1) / d;
}

/* Of n groups the most that one rank computes: ranks take turns anew in every window. */
static int64_t Share(int64_t n, int64_t in_window)
{
  int size;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  return n / in_window * Ceiling(in_window, size) + Ceiling(n % in_window, size);
}

/* Groups are what the header says, each is computed once in all, by ranks that take turns, and its rows find their own. */
static void TestGroups(void **state)
{
  (void)state;
  for (int i = 0; i < SETTINGS; i++) {
    const Setting *s = &settings[i];
    TrainCase c;
    Start(PETSC_COMM_WORLD, &both, s, 1, &c);
    const int64_t total = s->steps ? s->steps : s->epochs * toy.steps, batch = toy.batch;
    OK(RheoTrainerRun(c.trainer));
    assert_int_equal(SumOverRanks(toy.rows), total * batch);
    assert_int_equal(SumOverRanks(toy.validated), Ceiling(total, toy.steps) * toy.sampler.n_validation);
    if (s->group) {
      const int64_t whole = total / toy.steps * Ceiling(toy.steps, s->group),
                    rest = Ceiling(total % toy.steps, s->group),
                    validation = Ceiling(toy.sampler.n_validation, PetscMin(s->group, toy.steps) * batch);
      const int64_t in_epoch = Ceiling(toy.steps, s->group),
                    in_window = s->window ? s->window / (s->group * batch) : in_epoch;
      const int64_t most = MostOfRanks(toy.groups);
      assert_int_equal(SumOverRanks(toy.groups), whole + rest + validation);
      assert_true(most <= total / toy.steps * Share(in_epoch, in_window) + Share(rest, in_window) +
                              Share(validation, validation));
      if (total == toy.steps && !s->window)
        assert_true(most <= Share(whole + validation, whole + validation) + 1);
    }
    if (toy.wrong) fail_msg("setting %d: %lld rows are given the wrong thing", i, (long long)toy.wrong);
    OK(RheoSamplerDestroy(&toy.sampler));
    TrainCaseDestroy(&c);
  }
}

static uint64_t Train(MPI_Comm comm, const RheoObjectiveType *type, const Setting *s)
{
  TrainCase c;
  Start(comm, type, s, 0, &c);
  OK(RheoTrainerRun(c.trainer));
  uint64_t checksum = TrainCaseChecksum(&c);
  TrainCaseDestroy(&c);
  return checksum;
}

static void TestSameBits(void **state)
{
  static const RheoObjectiveType *const types[] = {&coupled, &by_hand};
  uint64_t other = 0;
  (void)state;
  for (int t = 0; t < 2; t++) {
    for (int i = 0; i < SETTINGS; i++) {
      uint64_t serial = Train(PETSC_COMM_SELF, types[t], &settings[i]);
      uint64_t parallel = Train(PETSC_COMM_WORLD, types[t], &settings[i]);
      if (serial != parallel)
        fail_msg("%s, setting %d: checksum %016llx, alone %016llx", types[t]->name, i,
                 (unsigned long long)parallel, (unsigned long long)serial);
    }
  }
  /* What is given reaches the parameters. */
  Setting changed = settings[1];
  other = Train(PETSC_COMM_SELF, &coupled, &changed);
  changed.group = 2;
  assert_true(Train(PETSC_COMM_SELF, &coupled, &changed) != other);
}

/* The same training by a program and by hand, with weights. */
static void TestRunnerAgrees(void **state)
{
  TrainCase program, hand;
  const RheoHistory *h[2];
  (void)state;
  Start(PETSC_COMM_WORLD, &CaseLinear, &settings[1], 0, &program);
  OK(RheoTrainerRun(program.trainer));
  Start(PETSC_COMM_WORLD, &by_hand, &settings[1], 0, &hand);
  OK(RheoTrainerRun(hand.trainer));
  for (size_t i = 0; i < RheoParamsSize(program.params); i++)
    assert_true(fabs((double)(program.values[i] - hand.values[i])) < 1e-4);
  assert_true(fabs((double)(hand.values[TrainCasePlace(&hand, "model.weight", 0)] -
                            hand.start[TrainCasePlace(&hand, "model.weight", 0)])) > 0.05);
  OK(RheoTrainerGetHistory(program.trainer, &h[0]));
  OK(RheoTrainerGetHistory(hand.trainer, &h[1]));
  for (int64_t e = 0; e < h[0]->n; e++) {
    assert_true(fabs(h[0]->train_loss[e] / h[1]->train_loss[e] - 1) < 1e-4);
    assert_true(fabs(h[0]->validation_loss[e] / h[1]->validation_loss[e] - 1) < 1e-4);
    assert_true(fabs(h[0]->gradient_norm[e] / h[1]->gradient_norm[e] - 1) < 1e-4);
  }
  TrainCaseDestroy(&program);
  TrainCaseDestroy(&hand);
}

/* One rank fails, all of them return, with the same code. */
static void TestFailure(void **state)
{
  static const struct {
    const RheoObjectiveType *type;
    int fails;
    int64_t step, group;
  } cases[] = {{&coupled, FAILS_STAGE, 6, 3},
               {&coupled, FAILS_STAGE, 6, 0},
               {&coupled, FAILS_STAGE, RHEO_VALIDATION_STEP, 1},
               {&by_hand, FAILS_RUNNER, 4, 0},
               {&by_hand, FAILS_VALIDATION, 0, 0}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    TrainCase c;
    Setting s = settings[1];
    s.group = cases[i].group; /* so that the last rank has one too */
    s.validation = cases[i].step == RHEO_VALIDATION_STEP ? 0.5 : 0.2;
    Start(PETSC_COMM_WORLD, cases[i].type, &s, 0, &c);
    toy.fails = cases[i].fails;
    toy.fails_step = cases[i].step;
    REJECTS(RheoTrainerRun(c.trainer), IsLastRank() ? "as it was told to" : "failed on another rank");
    toy.fails = FAILS_NOT;
    OK(RheoTrainerRun(c.trainer));
    TrainCaseDestroy(&c);
  }
}

/* Rows that cannot be computed cost a step, no more. */
static void TestRowFails(void **state)
{
  TrainCase c;
  int64_t step;
  size_t n;
  (void)state;
  Start(PETSC_COMM_WORLD, &by_hand, &(Setting){N, 4, 0, 2, 0, 4, 0, 0, 0}, 0, &c);
  toy.fails = FAILS_ROW;
  toy.fails_step = 2;
  OK(RheoTrainerRun(c.trainer));
  n = RheoParamsSize(c.params);
  float *m = malloc(2 * n * sizeof *m);
  OK(RheoTrainerGetState(c.trainer, m, m + n, &step));
  assert_int_equal(step, 2 * (N / 4) - 1);
  for (size_t i = 0; i < n; i++) assert_true(isfinite(c.values[i]));
  free(m);
  TrainCaseDestroy(&c);
}

/* The objective's own check is asked before anything is made. */
static PetscErrorCode CheckBatch(MPI_Comm comm, const RheoObjectiveModel *model)
{
  PetscFunctionBeginUser;
  RheoInputCheck(96 % model->batch == 0, comm,
                 "cnf.coupling_batch must be a multiple of train.batch = %lld, got 96",
                 (long long)model->batch);
  PetscFunctionReturn(RHEO_OK);
}

static void TestCheck(void **state)
{
  static const RheoObjectiveType checked = {
      .name = "checked", .columns = columns, .loss = CoupledLoss, .stage = &stage, .check = CheckBatch};
  TrainCase c;
  (void)state;
  Start(PETSC_COMM_WORLD, &checked, &settings[2], 0, &c);
  REJECTS(RheoTrainerRun(c.trainer), "must be a multiple of train.batch = 30, got 96");
  assert_int_equal(toy.groups, 0);
  TrainCaseDestroy(&c);
  assert_true(Train(PETSC_COMM_WORLD, &checked, &settings[1]) ==
              Train(PETSC_COMM_SELF, &coupled, &settings[1]));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestGroups),       cmocka_unit_test(TestSameBits),
                                     cmocka_unit_test(TestRunnerAgrees), cmocka_unit_test(TestFailure),
                                     cmocka_unit_test(TestRowFails),     cmocka_unit_test(TestCheck)};
  return RUN_TESTS(argc, argv, tests);
}
