/* The classifier two-sample test on Rheo's own networks and trainer. */
#include "c2st.h"
#include "../base/event.h"
#include "../base/random.h"
#include "../base/stop.h"
#include "../program/plan.h"
#include "../train/train.h"
#include <math.h>
#include <stdlib.h>

enum { FOLDS = 5, BATCH = 200 };
static const double Penalty = 1e-4; /* alpha of the protocol */

/* Glorot's uniform bound with the gain of the hidden layers' ReLU in every layer, for weights and biases alike, as the
 * protocol's library starts its networks. */
static RheoVal Layer(RheoScope scope, int place, RheoVal x, int n_out, RheoActivation activation,
                     RheoVal *squares)
{
  const int n_in = rx_dim(x, 1);
  const RheoInit init = {.kind = RHEO_INIT_UNIFORM, .a = sqrt(6.0 / (n_in + n_out))};
  RheoScope here = rx_enter(scope, "%d", place);
  RheoVal weight = rx_scope_param(here, "weight", RX_SHAPE(n_in, n_out), init);
  RheoVal bias = rx_scope_param(here, "bias", RX_SHAPE(n_out), init);
  RheoVal sum = rx_sum_all(rx_square(weight));
  *squares = rx_exists(*squares) ? rx_add(*squares, sum) : sum;
  return rx_linear(x, weight, bias, activation);
}

static RheoVal Logit(RheoScope scope, int hidden, RheoVal x, RheoVal *squares)
{
  *squares = RHEO_NONE;
  RheoVal h = Layer(scope, 0, x, hidden, RHEO_ACT_RELU, squares);
  h = Layer(scope, 1, h, hidden, RHEO_ACT_RELU, squares);
  return Layer(scope, 2, h, 1, RHEO_ACT_NONE, squares);
}

/* Cross-entropy of a logit z and label y, softplus(z) - y z, plus the penalty alpha/2 |W|^2 spread over a
 * batch. */
static RheoVal Loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  RheoVal squares, z = Logit(scope, model->net->hidden, column[0], &squares);
  RheoVal loss = rx_sub(rx_softplus(z), rx_mul(column[1], z));
  return rx_add(rx_sum(loss, 1), rx_scale(squares, 0.5 * Penalty / BATCH));
}

static const RheoObjectiveType Objective = {
    .name = "c2st",
    .summary = "cross-entropy of a two-layer classifier with an L2 penalty",
    .columns = (const char *const[]){"x", "y", NULL},
    .loss = Loss,
};

typedef struct {
  int d, hidden;
  int64_t n;    /* rows of both sets */
  float *x, *y; /* (n, d), (n, 1): in the shuffled order */
  uint64_t seed;
} Sets;

/* Both sets, standardised by the first, in an order that mixes them. */
static PetscErrorCode Mix(Sets *s, int64_t n_x, const double *x, const double *y)
{
  const int d = s->d;
  double *mean, *sd;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc2(d, &mean, d, &sd));
  for (int64_t i = 0; i < n_x; i++)
    for (int k = 0; k < d; k++) mean[k] += x[i * d + k] / (double)n_x;
  for (int64_t i = 0; i < n_x; i++)
    for (int k = 0; k < d; k++) sd[k] += (x[i * d + k] - mean[k]) * (x[i * d + k] - mean[k]) / (double)n_x;
  for (int64_t i = 0; i < s->n; i++) {
    const int64_t from = (int64_t)RheoPermute(s->seed, RHEO_STREAM_CHECK, 0, (uint64_t)s->n, (uint64_t)i);
    const double *row = from < n_x ? x + from * d : y + (from - n_x) * d;
    for (int k = 0; k < d; k++) s->x[i * d + k] = (float)((row[k] - mean[k]) / (sd[k] > 0 ? sqrt(sd[k]) : 1));
    s->y[i] = from >= n_x;
  }
  PetscCall(PetscFree2(mean, sd));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Accuracy(const Sets *s, RheoParams params, const float *values, int64_t begin,
                               int64_t end, double *accuracy)
{
  RheoProgram program;
  RheoPlan plan;
  RheoWork work;
  RheoVal squares;
  float *z;
  int64_t right = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(256, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, params, 0), "c2st");
  RheoVal out = Logit(scope, s->hidden, rx_rows(program, "x", s->d), &squares);
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, 1, &out, &plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(RheoWorkCreate(plan, &work));
  PetscCall(PetscMalloc1(end - begin, &z));
  RheoPlanRunRows(plan, work, values, end - begin, (const void *const[]){s->x + begin * s->d},
                  (void *const[]){z});
  for (int64_t i = 0; i < end - begin; i++) right += (z[i] > 0) == (s->y[begin + i] > 0.5f);
  *accuracy = (double)right / (double)(end - begin);
  PetscCall(PetscFree(z));
  PetscCall(RheoWorkDestroy(&work));
  PetscCall(RheoPlanDestroy(&plan));
  PetscFunctionReturn(RHEO_OK);
}

/* Names the parameters. */
static PetscErrorCode Layout(const Sets *s, RheoParams *params)
{
  RheoProgram program;
  RheoVal squares;

  PetscFunctionBeginUser;
  PetscCall(RheoParamsCreate(params));
  PetscCall(RheoProgramCreate(1, &program));
  Logit(rx_enter(RheoScopeRoot(program, *params, 0), "c2st"), s->hidden, rx_rows(program, "x", s->d),
        &squares);
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Fold(const Sets *s, int fold, double *accuracy)
{
  const int64_t begin = s->n * fold / FOLDS, end = s->n * (fold + 1) / FOLDS, n = s->n - (end - begin);
  const RheoNetConfig net = {.hidden = s->hidden};
  const RheoObjectiveModel model = {.net = &net, .n_out = 1};
  RheoTrainConfig config;
  RheoTrainer trainer;
  RheoParams params;
  float *x, *y;
  float *values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(n * s->d, &x, n, &y));
  PetscCall(PetscArraycpy(x, s->x, begin * s->d));
  PetscCall(PetscArraycpy(x + begin * s->d, s->x + end * s->d, (s->n - end) * s->d));
  PetscCall(PetscArraycpy(y, s->y, begin));
  PetscCall(PetscArraycpy(y + begin, s->y + end, s->n - end));
  PetscCall(Layout(s, &params));
  PetscCall(RheoParamsAllocate(params, &values));
  PetscCall(RheoParamsInit(params, s->seed + (uint64_t)fold, values));

  PetscCall(RheoTrainConfigDefaults(&config));
  config.batch = PetscMin(BATCH, n);
  config.shards = 1;
  config.epochs = 10000;
  config.lr = 1e-3;
  config.schedule = RHEO_SCHEDULE_CONSTANT;
  config.warmup = 0;
  config.beta1 = 0.9;
  config.beta2 = 0.999;
  config.epsilon = 1e-8;
  config.decay = config.clip = config.ema = config.validation = 0;
  config.patience = 11; /* the library ends when more than 10 epochs in a row brought nothing */
  config.tolerance = 1e-4;
  const RheoRows rows = {.n = n, .n_columns = 2, .name = {"x", "y"}, .width = {s->d, 1}, .value = {x, y}};
  PetscCall(RheoTrainerCreate(PETSC_COMM_SELF, &trainer));
  PetscCall(RheoTrainerSetQuiet(trainer, PETSC_TRUE));
  PetscCall(RheoTrainerSetConfig(trainer, &config));
  PetscCall(RheoTrainerSetSeed(trainer, s->seed + (uint64_t)fold));
  PetscCall(RheoTrainerSetRows(trainer, &rows));
  PetscCall(RheoTrainerSetObjective(trainer, &Objective, &model, "c2st"));
  PetscCall(RheoTrainerSetParams(trainer, params, values));
  PetscCall(RheoTrainerRun(trainer));
  PetscCall(RheoTrainerDestroy(&trainer));

  PetscCall(Accuracy(s, params, values, begin, end, accuracy));
  PetscCall(RheoParamsDestroy(&params));
  free(values);
  PetscCall(PetscFree2(x, y));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoC2st(MPI_Comm comm, int d, int64_t n_x, const double *x, int64_t n_y, const double *y,
                        uint64_t seed, double *c2st)
{
  /* Sets of different size would be told apart by their size alone. */
  const int64_t each = PetscMin(n_x, n_y);
  Sets s = {.d = d, .hidden = 10 * d, .n = 2 * each, .seed = seed};
  double mine[FOLDS] = {0}, all[FOLDS];
  PetscMPIInt rank, size;
  PetscBool stop = PETSC_FALSE;
  int finite = 1;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_C2ST));
  RheoInputCheck(n_x >= 2 * FOLDS && n_y >= 2 * FOLDS, comm,
                 "a classifier test needs at least %d samples in each set, got %lld and %lld", 2 * FOLDS,
                 (long long)n_x, (long long)n_y);
  for (int64_t i = 0; i < n_x * d; i++) finite &= isfinite(x[i]) != 0;
  for (int64_t i = 0; i < n_y * d; i++) finite &= isfinite(y[i]) != 0;
  RheoInputCheck(finite, comm, "a classifier test needs finite samples; some are NaN or infinite");
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc2(s.n * d, &s.x, s.n, &s.y));
  PetscCall(Mix(&s, each, x, y));
  for (int fold = rank; fold < FOLDS && !stop; fold += size) {
    PetscCall(Fold(&s, fold, &mine[fold]));
    PetscCall(RheoStopPoll(&stop));
  }
  PetscCall(RheoStopCheck(comm, "in the classifier test"));
  PetscCall(PetscFree2(s.x, s.y));
  /* Each entry comes from one rank and is zero elsewhere, so that this sum is exact. */
  PetscCallMPI(MPI_Allreduce(mine, all, FOLDS, MPI_DOUBLE, MPI_SUM, comm));
  *c2st = 0;
  for (int fold = 0; fold < FOLDS; fold++) *c2st += all[fold] / FOLDS;
  PetscCall(RheoEventEnd(RHEO_EVENT_C2ST));
  PetscFunctionReturn(RHEO_OK);
}
