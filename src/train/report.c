/* What a training says of itself on stderr. */
#include "../base/provenance.h"
#include "train_impl.h"

PetscErrorCode RheoReportStart(RheoTrainer trainer)
{
  PetscFunctionBeginUser;
  if (!trainer->quiet)
    PetscCall(RheoProgressCreate(trainer->comm, "train", "epochs", (trainer->total - 1) / trainer->steps + 1,
                                 &trainer->progress));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReportStep(RheoTrainer trainer)
{
  const RheoHistory *h = &trainer->history.view;
  char note[96], validation[32] = "";

  PetscFunctionBeginUser;
  if (!trainer->progress || trainer->state.batch || !h->n) PetscFunctionReturn(RHEO_OK);
  if (trainer->sampler.n_validation)
    snprintf(validation, sizeof validation, ", validation %.4f", h->validation_loss[h->n - 1]);
  snprintf(note, sizeof note, "loss %.4f%s, lr %.2g", h->train_loss[h->n - 1], validation, h->lr[h->n - 1]);
  PetscCall(RheoProgressUpdate(trainer->progress, trainer->state.epoch, note));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReportEnd(RheoTrainer trainer)
{
  PetscFunctionBeginUser;
  if (trainer->progress) PetscCall(RheoProgressDestroy(&trainer->progress));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReportOutcome(RheoTrainer trainer)
{
  static const char *const reasons[] = {[RHEO_TRAIN_EPOCHS] = "all epochs done",
                                        [RHEO_TRAIN_STEPS] = "all steps done",
                                        [RHEO_TRAIN_PATIENCE] = "no more improvement",
                                        [RHEO_TRAIN_NOT_FINITE] = "loss not finite"};
  const RheoTrainState *state = &trainer->state;
  double rate, communication;
  char stage[40] = "";

  PetscFunctionBeginUser;
  PetscCall(RheoTrainerGetSpeed(trainer, &rate, &communication));
  if (trainer->clock.stage > 0.001 * trainer->clock.steps)
    snprintf(stage, sizeof stage, "%.1f %% batch stage, ", 100 * trainer->clock.stage / trainer->clock.steps);
  if (trainer->reason == RHEO_TRAIN_NOT_FINITE) {
    char kept[40] = "the start";
    if (state->best_epoch) snprintf(kept, sizeof kept, "epoch %lld", (long long)state->best_epoch);
    RheoLog(trainer->comm, RHEO_LOG_WARNING,
            "training stopped at step %lld: %s not finite (%lld steps skipped); the parameters kept are "
            "those of %s. Try a "
            "smaller train.lr or train.clip, and look for NaN or extreme values in the rows",
            (long long)state->step, state->unfit ? "the validation loss is" : "the loss or its gradient is",
            (long long)state->skipped, kept);
  } else if (state->skipped)
    RheoLog(trainer->comm, RHEO_LOG_WARNING, "%lld of %lld steps were skipped: loss or gradient not finite",
            (long long)state->skipped, (long long)state->step);
  if (!trainer->quiet)
    RheoLog(trainer->comm, RHEO_LOG_INFO,
            "trained %lld epochs, %lld steps (%s): best loss %.5g at epoch %lld; %.0f rows/s, %.1f %% "
            "communication, %s"
            "peak memory %.0f MB",
            (long long)state->epoch, (long long)state->step, reasons[trainer->reason], state->best_loss,
            (long long)state->best_epoch, rate, 100 * communication, stage, RheoPeakMemory() / 1e6);
  PetscFunctionReturn(RHEO_OK);
}
