#include "training.h"
#include "../sim/simulator.h"
#include "../train/checkpoint.h"
#include "../train/series.h"
#include <stdlib.h>
#include <string.h>

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

PetscErrorCode RheoTrainingFree(RheoTraining *training)
{
  RheoHistory *h = &training->history;

  PetscFunctionBeginUser;
  PetscCall(PetscFree6(h->epoch, h->step, h->train_loss, h->validation_loss, h->lr, h->gradient_norm));
  free(training->m);
  free(training->v);
  *training = (RheoTraining){0};
  PetscFunctionReturn(RHEO_OK);
}

/* What the deck says of model and training. Rows have a fingerprint of their own, wherever they come from, and what is done
 * with the model afterwards may change between a training and its continuation. */
static PetscErrorCode Identity(RheoDeck deck, const char **identity)
{
  static const char *const other[] = {"title",       "sample",   "check",     "plot",        "simulate",
                                      "observation", "truncate", "data.file", "data.stream", "target.stream"};
  const char *text, *name;
  RheoDeck copy;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetText(deck, &text));
  PetscCall(RheoDeckGetName(deck, &name));
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &copy));
  PetscCall(RheoDeckLoadText(copy, name, text));
  for (size_t i = 0; i < sizeof other / sizeof *other; i++) PetscCall(RheoDeckRemove(copy, other[i]));
  PetscCall(RheoDeckGetText(copy, &text));
  *identity = RheoIntern(text);
  PetscCall(RheoDeckDestroy(&copy));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Run(RheoTrainer trainer, RheoDeck deck, const RheoSafeguard *guard, const char *series)
{
  RheoSeriesConfig config;
  RheoSimulateConfig simulate;
  RheoSafeguard unused;
  const char *identity = NULL;

  PetscFunctionBeginUser;
  /* Reading a table is what takes keys that say how a run goes out of the deck's text. Here it happens whoever runs the
   * training, and before the text is asked for. */
  PetscCall(RheoSafeguardRead(deck, NULL, &unused));
  PetscCall(RheoDeckRead(deck, "simulate", RheoSimulateKeys, &simulate));
  PetscCall(RheoDeckRead(deck, "train", RheoSeriesKeys, &config));
  if (guard) {
    PetscCall(Identity(deck, &identity));
    PetscCall(RheoTrainerSetSafeguard(trainer, guard, identity));
  }
  PetscCall(RheoTrainerSetSeries(trainer, config.series ? series : NULL, config.every));
  PetscCall(RheoTrainerRun(trainer));
  PetscFunctionReturn(RHEO_OK);
}

static void Column(const RheoRowLayout *layout, int k, int64_t n, const float *record, float *column)
{
  const size_t width = (size_t)layout->width[k];
  for (int64_t i = 0; width && i < n; i++)
    memcpy(column + (size_t)i * width, record + i * layout->size + layout->offset[k], width * sizeof *column);
}

/* Standardisation and the like. */
static PetscErrorCode Fit(RheoDensity density, uint64_t seed, RheoRowSource source)
{
  const RheoRowLayout *layout = RheoRowSourceLayout(source);
  float *record, *x, *context;
  int64_t n;

  PetscFunctionBeginUser;
  PetscCall(RheoRowSourceSample(source, seed, &n, &record));
  PetscCall(PetscMalloc2(n * layout->width[0], &x, n * layout->width[1], &context));
  Column(layout, 0, n, record, x);
  Column(layout, 1, n, record, context);
  free(record);
  PetscCall(RheoDensityFit(density, n, x, layout->width[1] ? context : NULL));
  PetscCall(PetscFree2(x, context));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainingStreams(RheoDeck deck, int choice, int64_t n, const RheoRowLayout *layout,
                                   PetscBool *streams)
{
  RheoTrainConfig config;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "train", RheoTrainKeys, &config));
  *streams = (PetscBool)(choice == RHEO_STREAMING_YES ||
                         (choice == RHEO_STREAMING_AUTO && n > RheoTrainWindowRows(&config, layout)));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainingRun(RheoDeck deck, uint64_t seed, RheoRowSource source, const RheoRows *origin,
                               RheoDensity density, const RheoSafeguard *guard, const char *series,
                               RheoTraining *training)
{
  RheoParams params = RheoDensityParams(density);
  const RheoHistory *history;
  RheoTrainer trainer;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  PetscCall(RheoTrainingFree(training));
  PetscCall(Fit(density, seed, source));
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(RheoTrainerCreate(comm, &trainer));
  PetscCall(RheoTrainerSetFromDeck(trainer, deck, "train"));
  PetscCall(RheoTrainerSetSeed(trainer, seed));
  PetscCall(RheoTrainerSetSource(trainer, source));
  PetscCall(RheoTrainerSetOrigin(trainer, origin));
  PetscCall(RheoTrainerSetObjective(trainer, RheoDensityObjective(density), RheoDensityModel(density),
                                    RheoDensityScope(density)));
  PetscCall(RheoTrainerSetParams(trainer, params, RheoDensityValues(density)));
  const PetscErrorCode code = Run(trainer, deck, guard, series);
  if (code == RHEO_STOPPED) PetscCall(RheoTrainerDestroy(&trainer));
  PetscCall(code);
  PetscCall(RheoTrainerGetReason(trainer, &training->reason));
  PetscCall(RheoTrainerGetSpeed(trainer, &training->rows_per_second, &training->communication));
  PetscCall(RheoTrainerGetHistory(trainer, &history));
  PetscCall(HistoryCopy(history, &training->history));
  PetscCall(RheoParamsAllocate(params, &training->m));
  PetscCall(RheoParamsAllocate(params, &training->v));
  PetscCall(RheoTrainerGetState(trainer, training->m, training->v, &training->step));
  PetscCall(RheoTrainerDestroy(&trainer));
  if (!training->step)
    SETERRQ(comm, RHEO_ERR_NOTHING, "nothing was learned, the warning says why; no model is written");
  PetscFunctionReturn(RHEO_OK);
}

void RheoTrainingPut(const RheoTraining *training, RheoDensity density, RheoModelFile *file)
{
  file->params = RheoDensityParams(density);
  file->values = RheoDensityValues(density);
  file->m = training->m;
  file->v = training->v;
  file->step = training->step;
  file->history = training->history;
}

PetscErrorCode RheoTrainingTake(MPI_Comm comm, const char *path, const RheoModelFile *file,
                                RheoDensity density, RheoTraining *training)
{
  RheoParams params = RheoDensityParams(density);
  const size_t bytes = RheoParamsSize(params) * sizeof(float);

  PetscFunctionBeginUser;
  RheoInputCheck(RheoParamsSame(params, file->params), comm,
                 "%s: the parameters do not fit the network that its deck describes; was it written by "
                 "another version of Rheo?",
                 path);
  PetscCall(RheoTrainingFree(training));
  memcpy(RheoDensityValues(density), file->values, bytes);
  if (file->m && file->v) {
    PetscCall(RheoParamsAllocate(params, &training->m));
    PetscCall(RheoParamsAllocate(params, &training->v));
    memcpy(training->m, file->m, bytes);
    memcpy(training->v, file->v, bytes);
  }
  training->step = file->step;
  PetscCall(HistoryCopy(&file->history, &training->history));
  PetscFunctionReturn(RHEO_OK);
}
