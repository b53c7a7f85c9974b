/* The life of a posterior: what the deck says, training, files. Asking it is in ask.c. */
#include "../base/log.h"
#include "posterior_impl.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const RheoKey RheoRunKeys[] = {{"seed", RHEO_KEY_COUNT, offsetof(RheoRunConfig, seed), "1", "[0, inf)",
                                "of every random number of the run"},
                               {"estimator", RHEO_KEY_CHOICE, offsetof(RheoRunConfig, estimator), "npe",
                                "npe", "how the posterior is estimated"},
                               {0}};

const RheoKey RheoDataKeys[] = {
    {"transform", RHEO_KEY_STRINGS, offsetof(RheoDataConfig, transform), "none", NULL,
     "of the data before standardisation, one for all columns or one each: " RHEO_DATA_TRANSFORM_RULE},
    {0}};

static const char *const TransformNames[] = {"none", "log1p", "sqrt", "log", "asinh", NULL};

static double TransformOne(int transform, double x)
{
  switch (transform) {
  case 1:
    return log1p(x);
  case 2:
    return sqrt(x);
  case 3:
    return log(x);
  case 4:
    return asinh(x);
  default:
    return x;
  }
}

void RheoPosteriorTransformData(RheoPosterior posterior, int64_t n, const double *x, float *y)
{
  const int c = posterior->c;
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < c; k++) y[i * c + k] = (float)TransformOne(posterior->transform[k], x[i * c + k]);
}

static PetscErrorCode ReadTransforms(RheoPosterior p)
{
  RheoDataConfig config = {{0, NULL}};

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(p->deck, "data", RheoDataKeys, &config));
  if (config.transform.n != 1 && config.transform.n != p->c)
    PetscCall(RheoDeckReject(p->deck, "data.transform",
                             "needs one name, or one for each of the %d columns of the data", p->c));
  PetscCall(PetscMalloc1(p->c, &p->transform));
  for (int k = 0; k < p->c; k++) {
    const char *name = config.transform.v[config.transform.n == 1 ? 0 : k];
    int found = -1;
    for (int t = 0; TransformNames[t]; t++)
      if (!strcmp(name, TransformNames[t])) found = t;
    if (found < 0)
      PetscCall(
          RheoDeckReject(p->deck, "data.transform", "'%s' is none of %s", name, RHEO_DATA_TRANSFORM_RULE));
    p->transform[k] = found;
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SetUpFlow(RheoPosterior p)
{
  PetscFunctionBeginUser;
  PetscCall(RheoFlowCreate(&p->flow));
  PetscCall(RheoFlowSetFromDeck(p->flow, p->deck, "flow"));
  PetscCall(RheoFlowSetSizes(p->flow, p->d, p->c));
  PetscCall(RheoFlowSetUp(p->flow));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows of a compiled block: large enough that products of matrices pay, small enough to stay in cache. */
enum { BLOCK = 256 };

/* Compiles sampling and density, which also names every parameter. */
static PetscErrorCode Compile(RheoPosterior p)
{
  RheoProgram program;
  RheoVal out[2];

  PetscFunctionBeginUser;
  PetscCall(RheoParamsCreate(&p->params));
  PetscCall(RheoProgramCreate(BLOCK, &program));
  RheoScope scope = rx_enter(RheoScopeRoot(program, p->params, 0), "flow");
  RheoVal theta = rx_rows(program, "theta", p->d), x = rx_rows(program, "x", p->c);
  out[0] = p->type->log_prob(p, scope, theta, x);
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, 1, out, &p->log_prob_plan));
  PetscCall(RheoProgramDestroy(&program));

  PetscCall(RheoProgramCreate(BLOCK, &program));
  scope = rx_enter(RheoScopeRoot(program, p->params, 0), "flow");
  RheoVal noise = rx_noise(program, RheoFlowNoise(p->flow), "noise", p->d);
  x = rx_rows(program, "x", p->c);
  out[0] = p->type->sample(p, scope, noise, x, &out[1]);
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, 2, out, &p->sample_plan));
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode AllocateFloats(size_t n, float **values)
{
  void *memory = NULL;

  PetscFunctionBeginUser;
  PetscCheck(!posix_memalign(&memory, 64, (n ? n : 1) * sizeof(float)), PETSC_COMM_SELF, PETSC_ERR_MEM,
             "No memory for %zu parameters", n);
  memset(memory, 0, (n ? n : 1) * sizeof(float));
  *values = memory;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorCreate(RheoDeck deck, int n_data, RheoPosterior *posterior)
{
  RheoPosterior p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  *posterior = p;
  p->deck = deck;
  p->c = n_data;
  PetscCall(RheoDeckGetComm(deck, &p->comm));
  PetscCall(RheoDeckRead(deck, "", RheoRunKeys, &p->run));
  p->type = RheoEstimatorTypes[p->run.estimator];
  PetscCall(RheoPriorCreate(&p->prior));
  PetscCall(RheoPriorSetFromDeck(p->prior, deck, "prior"));
  p->d = RheoPriorSize(p->prior);
  PetscCall(ReadTransforms(p));
  PetscCall(SetUpFlow(p));
  PetscCall(Compile(p));
  PetscCall(AllocateFloats(RheoParamsSize(p->params), &p->values));
  PetscCall(RheoParamsInit(p->params, (uint64_t)p->run.seed, p->values));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode HistoryCopy(const RheoHistory *from, RheoHistory *to)
{
  const int64_t n = from->n;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc6(n, &to->epoch, n, &to->step, n, &to->train_loss, n, &to->validation_loss, n, &to->lr,
                         n, &to->gradient_norm));
  to->n = n;
  PetscCall(PetscArraycpy(to->epoch, from->epoch, n));
  PetscCall(PetscArraycpy(to->step, from->step, n));
  PetscCall(PetscArraycpy(to->train_loss, from->train_loss, n));
  PetscCall(PetscArraycpy(to->validation_loss, from->validation_loss, n));
  PetscCall(PetscArraycpy(to->lr, from->lr, n));
  PetscCall(PetscArraycpy(to->gradient_norm, from->gradient_norm, n));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode HistoryFree(RheoHistory *h)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFree6(h->epoch, h->step, h->train_loss, h->validation_loss, h->lr, h->gradient_norm));
  h->n = 0;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorDestroy(RheoPosterior *posterior)
{
  RheoPosterior p = *posterior;

  PetscFunctionBeginUser;
  if (!p) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoPlanDestroy(&p->sample_plan));
  PetscCall(RheoPlanDestroy(&p->log_prob_plan));
  PetscCall(RheoParamsDestroy(&p->params));
  PetscCall(RheoFlowDestroy(&p->flow));
  PetscCall(RheoPriorDestroy(&p->prior));
  PetscCall(HistoryFree(&p->history));
  PetscCall(PetscFree(p->transform));
  free(p->values);
  free(p->m);
  free(p->v);
  if (p->owns_deck) PetscCall(RheoDeckDestroy(&p->deck));
  PetscCall(PetscFree(*posterior));
  PetscFunctionReturn(RHEO_OK);
}

/* Rows that can be learned from, as floats: parameters as normal scores of their prior, and everything finite. */
static PetscErrorCode Prepare(RheoPosterior p, int64_t n, const double *theta, const double *x,
                              const double *weight, float *t, float *y, float *w, int64_t *n_good)
{
  int64_t good = 0;

  PetscFunctionBeginUser;
  for (int64_t i = 0; i < n; i++) {
    PetscBool keep = PETSC_TRUE;
    for (int k = 0; k < p->d; k++) {
      const double z = RheoPriorToNormal(p->prior, k, theta[i * p->d + k]);
      if (!isfinite(z)) keep = PETSC_FALSE;
      t[good * p->d + k] = (float)z;
    }
    RheoPosteriorTransformData(p, 1, x + i * p->c, y + good * p->c);
    for (int k = 0; k < p->c; k++)
      if (!isfinite(y[good * p->c + k])) keep = PETSC_FALSE;
    if (weight) {
      w[good] = (float)weight[i];
      if (!isfinite(w[good]) || w[good] < 0) keep = PETSC_FALSE;
    }
    if (keep) good++;
  }
  if (good < n)
    RheoLog(
        p->comm, RHEO_LOG_WARNING,
        "%lld of %lld simulations have values that are not finite (after data.transform), lie outside the "
        "prior or have a negative weight; training leaves them out",
        (long long)(n - good), (long long)n);
  RheoInputCheck(good >= 10, p->comm,
                 "%lld usable simulations are too few to train on; simulate more (simulate.n)",
                 (long long)good);
  *n_good = good;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode RunTrainer(RheoPosterior p, const RheoRows *rows)
{
  const RheoObjectiveType *objective;
  const RheoObjectiveModel model = {.flow = p->flow};
  const RheoHistory *history;
  RheoTrainer trainer;

  PetscFunctionBeginUser;
  PetscCall(RheoObjectiveFind(p->type->objective, &objective));
  PetscCall(RheoTrainerCreate(p->comm, &trainer));
  PetscCall(RheoTrainerSetFromDeck(trainer, p->deck, "train"));
  PetscCall(RheoTrainerSetSeed(trainer, (uint64_t)p->run.seed));
  PetscCall(RheoTrainerSetRows(trainer, rows));
  PetscCall(RheoTrainerSetObjective(trainer, objective, &model, "flow"));
  PetscCall(RheoTrainerSetParams(trainer, p->params, p->values));
  PetscCall(RheoTrainerRun(trainer));
  PetscCall(RheoTrainerGetReason(trainer, &p->reason));
  PetscCall(RheoTrainerGetSpeed(trainer, &p->rows_per_second, &p->communication));
  PetscCall(RheoTrainerGetHistory(trainer, &history));
  PetscCall(HistoryFree(&p->history));
  PetscCall(HistoryCopy(history, &p->history));
  free(p->m);
  free(p->v);
  PetscCall(AllocateFloats(RheoParamsSize(p->params), &p->m));
  PetscCall(AllocateFloats(RheoParamsSize(p->params), &p->v));
  PetscCall(RheoTrainerGetState(trainer, p->m, p->v, &p->step));
  PetscCall(RheoTrainerDestroy(&trainer));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorTrain(RheoPosterior p, int64_t n, const double *theta, const double *x,
                                  const double *weight)
{
  float *t, *y, *w;
  RheoRows rows = {.n_columns = 2, .name = {"x", "context"}, .width = {p->d, p->c}};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n * p->d, &t, n * p->c, &y, n, &w));
  PetscCall(Prepare(p, n, theta, x, weight, t, y, w, &rows.n));
  rows.value[0] = t;
  rows.value[1] = y;
  rows.weight = weight ? w : NULL;
  PetscCall(RheoFlowFit(p->flow, p->params, "flow", rows.n, t, y, p->values));
  PetscCall(RunTrainer(p, &rows));
  PetscCall(PetscFree3(t, y, w));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ToFile(RheoPosterior p, double *sizes, RheoModelFile *file)
{
  PetscFunctionBeginUser;
  *file = (RheoModelFile){.estimator = p->type->name,
                          .params = p->params,
                          .values = p->values,
                          .m = p->m,
                          .v = p->v,
                          .step = p->step,
                          .history = p->history,
                          .n_extras = 1};
  PetscCall(RheoDeckGetText(p->deck, &file->deck));
  sizes[0] = p->d;
  sizes[1] = p->c;
  file->extra[0] = (RheoExtra){"sizes", 2, sizes};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSave(RheoPosterior posterior, const char *path)
{
  RheoModelFile file;
  double sizes[2];

  PetscFunctionBeginUser;
  PetscCall(ToFile(posterior, sizes, &file));
  PetscCall(RheoModelWrite(posterior->comm, path, &file));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorGetChecksum(RheoPosterior posterior, uint64_t *checksum)
{
  RheoModelFile file;
  double sizes[2];

  PetscFunctionBeginUser;
  PetscCall(ToFile(posterior, sizes, &file));
  *checksum = RheoModelChecksum(&file);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode SameLayout(RheoParams a, RheoParams b, PetscBool *same)
{
  PetscFunctionBeginUser;
  *same = (PetscBool)(RheoParamsCount(a) == RheoParamsCount(b) && RheoParamsSize(a) == RheoParamsSize(b));
  for (int i = 0; *same && i < RheoParamsCount(a); i++) {
    const RheoParamView *u = RheoParamsView(a, i), *v = RheoParamsView(b, i);
    *same =
        (PetscBool)(!strcmp(u->name, v->name) && RheoShapeSame(u->shape, v->shape) && u->offset == v->offset);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorLoad(MPI_Comm comm, const char *path, RheoPosterior *posterior)
{
  RheoModelFile file;
  RheoDeck deck;
  PetscBool same;
  const RheoExtra *sizes = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(comm, path, &file));
  for (int i = 0; i < file.n_extras; i++)
    if (!strcmp(file.extra[i].name, "sizes") && file.extra[i].n == 2) sizes = &file.extra[i];
  RheoInputCheck(sizes && file.deck && sizes->value[1] >= 1 && sizes->value[1] <= INT_MAX, comm,
                 "%s: not the model of a posterior", path);
  PetscCall(RheoDeckCreate(comm, &deck));
  PetscCall(RheoDeckLoadText(deck, path, file.deck));
  PetscCall(RheoPosteriorCreate(deck, (int)sizes->value[1], posterior));
  RheoPosterior p = *posterior;
  p->owns_deck = PETSC_TRUE;
  PetscCall(SameLayout(p->params, file.params, &same));
  RheoInputCheck(same && sizes->value[0] == p->d, comm,
                 "%s: the parameters do not fit the network that its deck describes; was it written by "
                 "another version of Rheo?",
                 path);
  memcpy(p->values, file.values, RheoParamsSize(p->params) * sizeof(float));
  if (file.m && file.v) {
    PetscCall(AllocateFloats(RheoParamsSize(p->params), &p->m));
    PetscCall(AllocateFloats(RheoParamsSize(p->params), &p->v));
    memcpy(p->m, file.m, RheoParamsSize(p->params) * sizeof(float));
    memcpy(p->v, file.v, RheoParamsSize(p->params) * sizeof(float));
  }
  p->step = file.step;
  PetscCall(HistoryCopy(&file.history, &p->history));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

int RheoPosteriorSize(RheoPosterior posterior)
{
  return posterior->d;
}
int RheoPosteriorDataSize(RheoPosterior posterior)
{
  return posterior->c;
}
RheoPrior RheoPosteriorPrior(RheoPosterior posterior)
{
  return posterior->prior;
}
RheoDeck RheoPosteriorDeck(RheoPosterior posterior)
{
  return posterior->deck;
}
const RheoHistory *RheoPosteriorHistory(RheoPosterior posterior)
{
  return &posterior->history;
}

PetscErrorCode RheoPosteriorGetTrainer(RheoPosterior posterior, RheoTrainReason *reason,
                                       double *rows_per_second, double *communication)
{
  PetscFunctionBeginUser;
  *reason = posterior->reason;
  *rows_per_second = posterior->rows_per_second;
  *communication = posterior->communication;
  PetscFunctionReturn(RHEO_OK);
}
