#include "train_case.h"
#include "base/checksum.h"
#include "base/random.h"
#include "check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 16 };

static RheoVal Standardise(RheoScope scope, RheoVal x)
{
  RheoInit shift = {.kind = RHEO_INIT_FILL, .a = 0.1, .frozen = 1},
           gain = {.kind = RHEO_INIT_FILL, .a = 1.5, .frozen = 1};
  int width = rx_dim(x, 1);
  return rx_mul(rx_sub(x, rx_scope_param(scope, "shift", RX_SHAPE(width), shift)),
                rx_scope_param(scope, "gain", RX_SHAPE(width), gain));
}

static RheoVal Dense(RheoScope scope, RheoVal x, const char *name, int n_out)
{
  char bias[32];
  snprintf(bias, sizeof bias, "%s_bias", name);
  RheoInit init = {.kind = RHEO_INIT_NORMAL, .a = 0.3};
  RheoVal w = rx_scope_param(scope, name, RX_SHAPE(rx_dim(x, 1), n_out), init);
  RheoVal b = rx_scope_param(scope, bias, RX_SHAPE(n_out), (RheoInit){.kind = RHEO_INIT_ZERO, .no_decay = 1});
  return rx_add(rx_matmul(x, w), b);
}

static RheoVal SquaredError(RheoVal f, RheoVal y)
{
  return rx_sum(rx_scale(rx_square(rx_sub(f, y)), 0.5), 1);
}

static RheoVal LinearLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  (void)model;
  return SquaredError(Dense(scope, Standardise(scope, column[0]), "weight", 1), column[1]);
}

static RheoVal MlpLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  (void)model;
  RheoVal h = rx_tanh(Dense(scope, Standardise(scope, column[0]), "hidden", HIDDEN));
  if (scope.training) {
    RheoVal u = rx_noise(scope.program, RHEO_INPUT_NOISE_UNIFORM, "dropout", HIDDEN);
    h = rx_mul(h, rx_scale(rx_less(u, rx_const(scope.program, 0.8)), 1 / 0.8));
  }
  return SquaredError(Dense(scope, h, "weight", 1), column[1]);
}

static RheoVal PoissonLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  (void)model;
  RheoVal f = Dense(scope, Standardise(scope, column[0]), "weight", 1);
  return rx_sum(rx_sub(rx_exp(f), rx_mul(column[1], f)), 1);
}

static RheoVal NoisyLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  (void)model;
  RheoVal f = Dense(scope, Standardise(scope, column[0]), "weight", 1);
  return SquaredError(rx_add(f, rx_noise(scope.program, RHEO_INPUT_NOISE_NORMAL, "noise", 1)), column[1]);
}

static const char *const columns[] = {"x", "y", NULL};
const RheoObjectiveType CaseLinear = {.name = "linear", .columns = columns, .loss = LinearLoss};
const RheoObjectiveType CaseMlp = {.name = "mlp", .columns = columns, .loss = MlpLoss};
const RheoObjectiveType CasePoisson = {.name = "poisson", .columns = columns, .loss = PoissonLoss};
const RheoObjectiveType CaseNoisy = {.name = "noisy", .columns = columns, .loss = NoisyLoss};

static void MakeRows(TrainCase *c, int64_t n, int width, int weighted)
{
  c->x = malloc((size_t)n * (size_t)width * sizeof(float));
  c->y = malloc((size_t)n * sizeof(float));
  c->weight = malloc((size_t)n * sizeof(float));
  for (int64_t i = 0; i < n; i++) {
    RheoStream stream = RheoStreamMake(11, RHEO_STREAM_TEST, 0, (uint64_t)i);
    double y = 1 + 0.3 * RheoStreamNormal(&stream);
    for (int k = 0; k < width; k++) {
      double x = RheoStreamNormal(&stream);
      c->x[i * width + k] = (float)x;
      y += x * (k % 2 ? -1 : 1) * (k + 1) / 2;
    }
    c->y[i] = (float)y;
    c->weight[i] = 0.5F * (float)(1 + i % 4);
  }
  c->rows =
      (RheoRows){.n = n, .n_columns = 2, .name = {"x", "y"}, .width = {width, 1}, .value = {c->x, c->y}};
  if (weighted) c->rows.weight = c->weight;
}

static void NameParams(TrainCase *c, const RheoObjectiveType *type, int width)
{
  RheoProgram program;
  OK(RheoParamsCreate(&c->params));
  OK(RheoProgramCreate(2, &program));
  RheoVal column[3] = {rx_rows(program, "x", width), rx_rows(program, "y", 1)};
  if (type->stage) column[2] = rx_rows(program, "given", type->stage->width(NULL));
  type->loss(rx_enter(RheoScopeRoot(program, c->params, 0), "model"), NULL, column);
  assert_null(RheoProgramError(program));
  OK(RheoProgramDestroy(&program));
}

void TrainCaseCreate(MPI_Comm comm, const RheoObjectiveType *type, int64_t n, int width, int weighted,
                     TrainCase *c)
{
  *c = (TrainCase){0};
  MakeRows(c, n, width, weighted);
  NameParams(c, type, width);
  size_t bytes = (RheoParamsSize(c->params) * sizeof(float) + 63) / 64 * 64;
  c->values = aligned_alloc(64, bytes);
  c->start = aligned_alloc(64, bytes);
  OK(RheoParamsInit(c->params, 5, c->values));
  memcpy(c->start, c->values, RheoParamsSize(c->params) * sizeof(float));
  OK(RheoTrainerCreate(comm, &c->trainer));
  OK(RheoTrainerSetSeed(c->trainer, 17));
  OK(RheoTrainerSetRows(c->trainer, &c->rows));
  OK(RheoTrainerSetObjective(c->trainer, type, NULL, "model"));
  OK(RheoTrainerSetParams(c->trainer, c->params, c->values));
  OK(RheoTrainerSetQuiet(c->trainer, PETSC_TRUE));
}

void TrainCaseDestroy(TrainCase *c)
{
  OK(RheoTrainerDestroy(&c->trainer));
  OK(RheoParamsDestroy(&c->params));
  free(c->x);
  free(c->y);
  free(c->weight);
  free(c->values);
  free(c->start);
}

uint64_t TrainCaseChecksum(const TrainCase *c)
{
  size_t n = RheoParamsSize(c->params);
  float *m = malloc(n * sizeof *m), *v = malloc(n * sizeof *v);
  int64_t step;
  const RheoHistory *h;
  RheoTrainReason reason;
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, c->values, n * sizeof(float));
  OK(RheoTrainerGetState(c->trainer, m, v, &step));
  OK(RheoTrainerGetHistory(c->trainer, &h));
  OK(RheoTrainerGetReason(c->trainer, &reason));
  const double *column[] = {h->epoch, h->step, h->train_loss, h->validation_loss, h->lr, h->gradient_norm};
  sum = RheoChecksum(sum, m, n * sizeof *m);
  sum = RheoChecksum(sum, v, n * sizeof *v);
  sum = RheoChecksum(sum, &step, sizeof step);
  sum = RheoChecksum(sum, &reason, sizeof reason);
  for (size_t k = 0; k < sizeof column / sizeof *column; k++)
    sum = RheoChecksum(sum, column[k], (size_t)h->n * sizeof(double));
  free(m);
  free(v);
  return sum;
}

size_t TrainCasePlace(const TrainCase *c, const char *name, size_t i)
{
  const RheoParamView *view = RheoParamsFind(c->params, name);
  if (!view) fail_msg("no parameter '%s'", name);
  assert_true(i < view->size);
  return view->offset + i;
}
