/* What training does, on problems whose answer is known. timeout: 120 */
#include "check.h"
#include "order.h"
#include "train/train_impl.h"
#include "train_case.h"
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static RheoTrainConfig Config(int64_t batch, int64_t epochs, double lr)
{
  RheoTrainConfig config;
  OK(RheoTrainConfigDefaults(&config));
  config.batch = batch;
  config.epochs = epochs;
  config.lr = lr;
  config.validation = 0;
  config.patience = 0;
  config.clip = 0;
  return config;
}

static const RheoHistory *Train(TrainCase *c, const RheoTrainConfig *config)
{
  const RheoHistory *history;
  memcpy(c->values, c->start, RheoParamsSize(c->params) * sizeof(float));
  OK(RheoTrainerSetConfig(c->trainer, config));
  OK(RheoTrainerRun(c->trainer));
  OK(RheoTrainerGetHistory(c->trainer, &history));
  return history;
}

static RheoTrainReason Reason(const TrainCase *c)
{
  RheoTrainReason reason;
  OK(RheoTrainerGetReason(c->trainer, &reason));
  return reason;
}

static double Largest(const TrainCase *c, const float *a, const float *b)
{
  double most = 0;
  for (size_t i = 0; i < RheoParamsSize(c->params); i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
  return most;
}

/* The linear model's loss at the parameters, worked out here. */
static double LinearLossAt(const TrainCase *c, const float *values, int64_t n, const uint64_t *row)
{
  int width = c->rows.width[0];
  double sum = 0, weights = 0;
  for (int64_t i = 0; i < n; i++) {
    uint64_t r = row ? row[i] : (uint64_t)i;
    double f = (double)values[TrainCasePlace(c, "model.weight_bias", 0)],
           w = c->rows.weight ? (double)c->weight[r] : 1;
    for (int k = 0; k < width; k++) {
      double x = (double)c->x[r * (uint64_t)width + (uint64_t)k];
      x = (x - (double)values[TrainCasePlace(c, "model.shift", (size_t)k)]) *
          (double)values[TrainCasePlace(c, "model.gain", (size_t)k)];
      f += x * (double)values[TrainCasePlace(c, "model.weight", (size_t)k)];
    }
    sum += w * 0.5 * (f - (double)c->y[r]) * (f - (double)c->y[r]);
    weights += w;
  }
  return sum / weights;
}

/* Weighted normal equations by elimination; the last unknown is the constant. */
enum { WIDTH = 3, UNKNOWNS = WIDTH + 1 };
static void LeastSquares(const TrainCase *c, double solution[UNKNOWNS])
{
  double a[UNKNOWNS][UNKNOWNS + 1] = {{0}};
  for (int64_t r = 0; r < c->rows.n; r++) {
    double z[UNKNOWNS + 1] = {[WIDTH] = 1, [UNKNOWNS] = (double)c->y[r]},
                        w = c->rows.weight ? (double)c->weight[r] : 1;
    for (int k = 0; k < WIDTH; k++) z[k] = ((double)c->x[r * WIDTH + k] - (double)0.1F) * 1.5;
    for (int i = 0; i < UNKNOWNS; i++)
      for (int k = 0; k <= UNKNOWNS; k++) a[i][k] += w * z[i] * z[k];
  }
  for (int i = 0; i < UNKNOWNS; i++)
    for (int r = 0; r < UNKNOWNS; r++) {
      double factor = a[r][i] / a[i][i];
      for (int k = i; k <= UNKNOWNS && r != i; k++) a[r][k] -= factor * a[i][k];
    }
  for (int i = 0; i < UNKNOWNS; i++) solution[i] = a[i][UNKNOWNS] / a[i][i];
}

static void TestLeastSquares(void **state)
{
  (void)state;
  for (int weighted = 0; weighted < 2; weighted++) {
    TrainCase c;
    double solution[UNKNOWNS];
    TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 301, WIDTH, weighted, &c);
    RheoTrainConfig config = Config(301, 1500, 0.05);
    config.schedule = RHEO_SCHEDULE_COSINE;
    Train(&c, &config);
    LeastSquares(&c, solution);
    for (size_t k = 0; k < WIDTH; k++)
      assert_true(fabs((double)c.values[TrainCasePlace(&c, "model.weight", k)] - solution[k]) < 1e-5);
    assert_true(fabs((double)c.values[TrainCasePlace(&c, "model.weight_bias", 0)] - solution[WIDTH]) < 1e-5);
    assert_int_equal(Reason(&c), RHEO_TRAIN_EPOCHS);
    TrainCaseDestroy(&c);
  }
}

/* A row of weight k is k rows. */
static void TestWeights(void **state)
{
  enum { N = 60, MOST = 4 };
  TrainCase once, often;
  int64_t n = 0;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, N, WIDTH, 1, &once);
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, MOST * N, WIDTH, 0, &often);
  for (int64_t i = 0; i < N; i++)
    for (int repeat = 0; repeat < (int)(2 * once.weight[i] + 0.5F); repeat++, n++) {
      memcpy(often.x + n * WIDTH, once.x + i * WIDTH, WIDTH * sizeof(float));
      often.y[n] = once.y[i];
    }
  often.rows.n = n;
  OK(RheoTrainerSetRows(often.trainer, &often.rows));
  RheoTrainConfig config = Config(1000, 50, 0.01);
  double loss = Train(&once, &config)->train_loss[49];
  assert_true(fabs(Train(&often, &config)->train_loss[49] - loss) < 1e-5 * loss);
  assert_true(Largest(&once, once.values, often.values) < 1e-4);
  assert_true(Largest(&once, once.values, once.start) > 0.1);
  TrainCaseDestroy(&once);
  TrainCaseDestroy(&often);
}

/* Rows keep their noise when a batch is cut otherwise; another seed gives other noise. */
static void TestNoise(void **state)
{
  TrainCase one, four;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseMlp, 200, WIDTH, 0, &one);
  TrainCaseCreate(PETSC_COMM_SELF, &CaseMlp, 200, WIDTH, 0, &four);
  RheoTrainConfig config = Config(50, 10, 0.01);
  config.shards = 1;
  Train(&one, &config);
  config.shards = 7;
  Train(&four, &config);
  assert_true(Largest(&one, one.values, four.values) < 1e-4);
  OK(RheoTrainerSetSeed(four.trainer, 18));
  Train(&four, &config);
  assert_true(Largest(&one, one.values, four.values) > 1e-2);
  TrainCaseDestroy(&one);
  TrainCaseDestroy(&four);
}

/* Losses of the history are means over rows, whatever the cut into batches and shards, and validation noise
 * does not change from epoch to epoch. The parameters stay where they are. */
static void TestHistoryLosses(void **state)
{
  TrainCase c;
  RheoSampler sampler;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 1000, WIDTH, 1, &c);
  OK(RheoSamplerCreate(17, 1000, 0.3, &sampler));
  uint64_t *training = SamplerTraining(&sampler);
  RheoTrainConfig config = Config(sampler.n_train, 3, 1e-30);
  config.shards = 7;
  config.validation = 0.3;
  const RheoHistory *h = Train(&c, &config);
  assert_int_equal(h->n, 3);
  for (int e = 0; e < 3; e++) {
    assert_true(fabs(h->train_loss[e] / LinearLossAt(&c, c.start, sampler.n_train, training) - 1) < 1e-5);
    assert_true(
        fabs(h->validation_loss[e] / LinearLossAt(&c, c.start, sampler.n_validation, sampler.validation) -
             1) < 1e-5);
    assert_int_equal((int)h->epoch[e], e + 1);
    assert_int_equal((int)h->step[e], e + 1);
  }
  TrainCaseDestroy(&c);
  TrainCaseCreate(PETSC_COMM_SELF, &CaseNoisy, 1000, WIDTH, 1, &c);
  h = Train(&c, &config);
  assert_true(h->validation_loss[0] == h->validation_loss[1] &&
              h->validation_loss[1] == h->validation_loss[2]);
  assert_true(h->train_loss[0] != h->train_loss[1]);
  free(training);
  OK(RheoSamplerDestroy(&sampler));
  TrainCaseDestroy(&c);
}

/* A learning rate at which the loss jumps about: the parameters handed back are those of the best epoch. */
static void TestBestKept(void **state)
{
  TrainCase c;
  RheoSampler sampler;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 300, WIDTH, 1, &c);
  OK(RheoSamplerCreate(17, 300, 0.2, &sampler));
  RheoTrainConfig config = Config(20, 200, 0.3);
  config.validation = 0.2;
  config.patience = 6;
  const RheoHistory *h = Train(&c, &config);
  int64_t best = 0;
  for (int64_t e = 0; e < h->n; e++)
    if (h->validation_loss[e] < h->validation_loss[best]) best = e;
  assert_int_equal(Reason(&c), RHEO_TRAIN_PATIENCE);
  assert_int_equal(h->n, best + 1 + 6);
  assert_true(h->validation_loss[h->n - 1] > 1.05 * h->validation_loss[best]);
  double loss = LinearLossAt(&c, c.values, sampler.n_validation, sampler.validation);
  assert_true(fabs(loss / h->validation_loss[best] - 1) < 1e-5);
  OK(RheoSamplerDestroy(&sampler));
  TrainCaseDestroy(&c);
}

/* Without validation the training loss is watched and the last parameters are kept. */
static void TestTolerance(void **state)
{
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 200, WIDTH, 0, &c);
  RheoTrainConfig config = Config(200, 3000, 0.05);
  config.patience = 5;
  config.tolerance = 1e-3;
  const RheoHistory *h = Train(&c, &config);
  assert_int_equal(Reason(&c), RHEO_TRAIN_PATIENCE);
  double best = INFINITY;
  int64_t stale = 0;
  for (int64_t e = 0; e < h->n; e++) {
    stale = h->train_loss[e] < best - 1e-3 ? 0 : stale + 1;
    best = fmin(best, h->train_loss[e]);
    assert_int_equal(stale == 5, e == h->n - 1);
    assert_true(isnan(h->validation_loss[e]));
  }
  float *last = malloc(RheoParamsSize(c.params) * sizeof *last);
  memcpy(last, c.values, RheoParamsSize(c.params) * sizeof *last);
  config.epochs = h->n;
  config.patience = 0;
  Train(&c, &config);
  assert_memory_equal(last, c.values, RheoParamsSize(c.params) * sizeof *last);
  free(last);
  TrainCaseDestroy(&c);
}

/* The average against its definition, from runs that end after 1, 2, ... steps. */
static void TestAverage(void **state)
{
  enum { STEPS = 6 };
  TrainCase c;
  double twin[64];
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 200, WIDTH, 0, &c);
  size_t n = RheoParamsSize(c.params);
  RheoTrainConfig config = Config(50, 100, 0.1);
  for (size_t i = 0; i < n; i++) twin[i] = (double)c.start[i];
  for (int t = 1; t <= STEPS; t++) {
    config.steps = t;
    Train(&c, &config);
    double decay = fmin(0.3, (1.0 + t) / (10.0 + t));
    for (size_t i = 0; i < n; i++) twin[i] = decay * twin[i] + (1 - decay) * (double)c.values[i];
  }
  assert_int_equal(Reason(&c), RHEO_TRAIN_STEPS);
  config.ema = 0.3;
  Train(&c, &config);
  for (size_t i = 0; i < n; i++) assert_true(fabs((double)c.values[i] - twin[i]) < 1e-5);
  TrainCaseDestroy(&c);
}

/* The optimiser sees a gradient of norm `clip`: its first moment after one step is (1 - beta1) of that. */
static void TestClip(void **state)
{
  TrainCase c;
  float m[64], v[64];
  double norm[2];
  int64_t step;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 200, WIDTH, 1, &c);
  for (int clipped = 0; clipped < 2; clipped++) {
    RheoTrainConfig config = Config(50, 1, 0.1);
    config.steps = 1;
    config.clip = clipped ? 0.125 : 1000;
    const RheoHistory *h = Train(&c, &config);
    OK(RheoTrainerGetState(c.trainer, m, v, &step));
    norm[clipped] = 0;
    for (size_t i = 0; i < RheoParamsSize(c.params); i++) norm[clipped] += 100 * (double)m[i] * (double)m[i];
    norm[clipped] = sqrt(norm[clipped]);
    assert_true(h->gradient_norm[0] > 1); /* before clipping, in both */
    assert_true(fabs(norm[clipped] - (clipped ? 0.125 : h->gradient_norm[0])) < 1e-5 * h->gradient_norm[0]);
    assert_int_equal(step, 1);
  }
  TrainCaseDestroy(&c);
}

static void TestFrozen(void **state)
{
  static const char *const frozen[] = {"model.shift", "model.gain"};
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseMlp, 200, WIDTH, 0, &c);
  RheoTrainConfig config = Config(50, 20, 0.1);
  config.decay = 0.5;
  config.ema = 0.9;
  Train(&c, &config);
  for (size_t k = 0; k < 2; k++) {
    size_t at = TrainCasePlace(&c, frozen[k], 0);
    assert_memory_equal(c.values + at, c.start + at, WIDTH * sizeof(float));
  }
  assert_true(Largest(&c, c.values, c.start) > 0.1);
  TrainCaseDestroy(&c);
}

static void CheckFinite(const TrainCase *c)
{
  for (size_t i = 0; i < RheoParamsSize(c->params); i++) assert_true(isfinite(c->values[i]));
}

/* What the trainer writes to stderr; up to `size` characters. */
static void Capture(TrainCase *c, const RheoTrainConfig *config, size_t size, char *text)
{
  int keep = dup(STDERR_FILENO), file = open("train_stderr.txt", O_RDWR | O_CREAT | O_TRUNC, 0600);
  fflush(stderr);
  dup2(file, STDERR_FILENO);
  Train(c, config);
  fflush(stderr);
  dup2(keep, STDERR_FILENO);
  ssize_t n = pread(file, text, size - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  close(file);
  close(keep);
  unlink("train_stderr.txt");
}

static void TestAllRowsBad(void **state)
{
  TrainCase c;
  char text[2000];
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 200, WIDTH, 0, &c);
  for (int i = 0; i < 200; i++) c.x[i * WIDTH] = NAN;
  RheoTrainConfig config = Config(10, 20, 0.1);
  config.validation = 0.1;
  Capture(&c, &config, sizeof text, text);
  assert_int_equal(Reason(&c), RHEO_TRAIN_NOT_FINITE);
  assert_non_null(strstr(text, "not finite"));
  assert_non_null(strstr(text, "in the rows"));
  assert_null(strstr(text, "train.lr"));
  assert_memory_equal(c.values, c.start, RheoParamsSize(c.params) * sizeof(float));
  TrainCaseDestroy(&c);
}

/* A learning rate that grows until exp overflows, and one at which it does from the start. */
static void TestDivergence(void **state)
{
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CasePoisson, 200, WIDTH, 0, &c);
  for (int validation = 0; validation < 2; validation++) {
    RheoTrainConfig config = Config(10, 50, 1e9);
    config.validation = validation ? 0.2 : 0;
    config.warmup = 1000000000;
    Train(&c, &config);
    assert_int_equal(Reason(&c), RHEO_TRAIN_NOT_FINITE);
    CheckFinite(&c);
    config.warmup = 0;
    const RheoHistory *h = Train(&c, &config);
    assert_int_equal(Reason(&c), RHEO_TRAIN_NOT_FINITE);
    assert_int_equal(h->n, 0);
    assert_memory_equal(c.values, c.start, RheoParamsSize(c.params) * sizeof(float));
  }
  TrainCaseDestroy(&c);
}

/* One step in 200 is skipped, the others train; in each epoch of ten steps two bad rows are too many. */
static void TestOneBadRow(void **state)
{
  TrainCase c;
  int64_t step;
  float m[64], v[64];
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 2000, WIDTH, 0, &c);
  c.x[1234 * WIDTH] = INFINITY;
  RheoTrainConfig config = Config(10, 3, 0.01);
  const RheoHistory *h = Train(&c, &config);
  assert_int_equal(Reason(&c), RHEO_TRAIN_EPOCHS);
  OK(RheoTrainerGetState(c.trainer, m, v, &step));
  assert_int_equal(step, 597);
  assert_int_equal((int)h->step[2], 600);
  assert_true(isfinite(h->train_loss[2]) && h->train_loss[2] < 0.1);
  CheckFinite(&c);
  for (int i = 0; i < 2000; i += 400) c.x[i * WIDTH] = NAN;
  config.batch = 100;
  Train(&c, &config);
  assert_int_equal(Reason(&c), RHEO_TRAIN_NOT_FINITE);
  CheckFinite(&c);
  TrainCaseDestroy(&c);
}

/* Training goes well but no validation can be had: said, not hidden behind patience. */
static void TestBadValidation(void **state)
{
  TrainCase c;
  RheoSampler sampler;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 200, WIDTH, 0, &c);
  OK(RheoSamplerCreate(17, 200, 0.1, &sampler));
  c.x[sampler.validation[0] * WIDTH] = NAN;
  RheoTrainConfig config = Config(10, 4, 0.1);
  config.validation = 0.1;
  Train(&c, &config);
  assert_int_equal(Reason(&c), RHEO_TRAIN_NOT_FINITE);
  CheckFinite(&c);
  OK(RheoSamplerDestroy(&sampler));
  TrainCaseDestroy(&c);
}

static void TestPlateau(void **state)
{
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 300, WIDTH, 0, &c);
  RheoTrainConfig config = Config(20, 60, 0.3);
  config.validation = 0.2;
  config.schedule = RHEO_SCHEDULE_PLATEAU;
  config.plateau = 2;
  config.plateau_factor = 0.5;
  const RheoHistory *h = Train(&c, &config);
  double best = INFINITY, lr = 0.3;
  for (int64_t e = 0, stale = 0; e < h->n; e++) {
    assert_true(fabs(h->lr[e] - lr) < 1e-12);
    stale = h->validation_loss[e] < best ? 0 : stale + 1;
    best = fmin(best, h->validation_loss[e]);
    if (stale == 2) {
      lr /= 2;
      stale = 0;
    }
  }
  assert_true(lr < 0.1);
  TrainCaseDestroy(&c);
}

/* Length of the history and place of the last step, with batches that do not divide the rows. */
static void TestLengths(void **state)
{
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 105, WIDTH, 0, &c);
  RheoTrainConfig config = Config(10, 7, 0.01);
  const RheoHistory *h = Train(&c, &config);
  assert_int_equal(h->n, 7);
  assert_int_equal((int)h->step[6], 70);
  assert_int_equal(Reason(&c), RHEO_TRAIN_EPOCHS);
  config.steps = 34;
  h = Train(&c, &config);
  assert_int_equal(h->n, 4);
  assert_int_equal((int)h->step[3], 34);
  assert_int_equal(Reason(&c), RHEO_TRAIN_STEPS);
  TrainCaseDestroy(&c);
}

static void TestLogLines(void **state)
{
  TrainCase c;
  char text[4000];
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 100, WIDTH, 0, &c);
  RheoTrainConfig config = Config(10, 3, 0.01);
  Capture(&c, &config, sizeof text, text);
  assert_string_equal(text, "");
  OK(RheoTrainerSetQuiet(c.trainer, PETSC_FALSE));
  Capture(&c, &config, sizeof text, text);
  assert_non_null(strstr(text, "trained 3 epochs, 30 steps (all epochs done)"));
  assert_non_null(strstr(text, "rows/s"));
  double rate = 0, communication = -1;
  OK(RheoTrainerGetSpeed(c.trainer, &rate, &communication));
  assert_true(rate > 0 && communication >= 0 && communication <= 1);
  TrainCaseDestroy(&c);
}

static void TestMistakes(void **state)
{
  TrainCase c;
  (void)state;
  TrainCaseCreate(PETSC_COMM_SELF, &CaseLinear, 100, WIDTH, 1, &c);
  RheoTrainConfig config = Config(10, 3, 0.01);
  config.shards = 11;
  REJECTS(RheoTrainerSetConfig(c.trainer, &config), "train.shards");
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  OK(RheoDeckLoadText(deck, "my.yaml", "train:\n  batch: 7\n  shards: 8\n"));
  REJECTS(RheoTrainerSetFromDeck(c.trainer, deck, "train"), "my.yaml:3: train.shards");
  OK(RheoDeckSet(deck, "train.shards", "7"));
  OK(RheoTrainerSetFromDeck(c.trainer, deck, "train"));
  OK(RheoDeckDestroy(&deck));
  c.weight[7] = -1;
  REJECTS(RheoTrainerSetRows(c.trainer, &c.rows), "weight of row 7");
  c.rows.n = 0;
  REJECTS(RheoTrainerSetRows(c.trainer, &c.rows), "no rows");
  TrainCaseDestroy(&c);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(TestLeastSquares),  cmocka_unit_test(TestWeights),    cmocka_unit_test(TestNoise),
      cmocka_unit_test(TestHistoryLosses), cmocka_unit_test(TestBestKept),   cmocka_unit_test(TestTolerance),
      cmocka_unit_test(TestAverage),       cmocka_unit_test(TestClip),       cmocka_unit_test(TestFrozen),
      cmocka_unit_test(TestAllRowsBad),    cmocka_unit_test(TestDivergence), cmocka_unit_test(TestOneBadRow),
      cmocka_unit_test(TestBadValidation), cmocka_unit_test(TestPlateau),    cmocka_unit_test(TestLengths),
      cmocka_unit_test(TestLogLines),      cmocka_unit_test(TestMistakes)};
  return RUN_TESTS(argc, argv, tests);
}
