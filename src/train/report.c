/* What a training says of itself on stderr. */
#include "../base/provenance.h"
#include "train_impl.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* In steps, for an epoch may take hours. */
PetscErrorCode RheoReportStart(RheoTrainer trainer)
{
  PetscFunctionBeginUser;
  if (trainer->quiet) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoProgressCreate(trainer->comm, "train", "steps", trainer->total, &trainer->progress));
  PetscCall(RheoProgressBegin(trainer->progress, trainer->state.step));
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  char text[192];
  size_t n;
} Line;

/* Adds to it what is known. */
static void __attribute__((format(printf, 3, 4))) Add(Line *line, double value, const char *format, ...)
{
  va_list arguments;

  if (isnan(value) || line->n >= sizeof line->text) return;
  va_start(arguments, format);
  line->n += (size_t)vsnprintf(line->text + line->n, sizeof line->text - line->n, format, arguments);
  va_end(arguments);
}

/* What users look for first comes first: a terminal may be too narrow for the rest. */
static Line Note(const RheoTrainer trainer)
{
  const RheoTrainState *state = &trainer->state;
  const double *row = trainer->series.row, epochs = (double)trainer->total / (double)trainer->steps;
  Line line = {.n = 0};
  char rate[32];

  Add(&line, row[RHEO_SERIES_TRAIN_LOSS], "loss %.4f, ", row[RHEO_SERIES_TRAIN_LOSS]);
  Add(&line, row[RHEO_SERIES_VALIDATION_LOSS], "validation %.4f, ", row[RHEO_SERIES_VALIDATION_LOSS]);
  Add(&line, 0, "epoch %.*f/%.0f", state->batch ? 1 : 0,
      (double)state->epoch + (double)state->batch / (double)trainer->steps, ceil(epochs));
  Add(&line, row[RHEO_SERIES_LR], ", lr %.2g", row[RHEO_SERIES_LR]);
  Add(&line, row[RHEO_SERIES_GRADIENT_NORM], ", gradient %.2g", row[RHEO_SERIES_GRADIENT_NORM]);
  RheoAmount(row[RHEO_SERIES_SAMPLES_PER_S], rate);
  Add(&line, row[RHEO_SERIES_SAMPLES_PER_S], ", %s rows/s", rate);
  Add(&line, row[RHEO_SERIES_COMMUNICATION], ", %.0f %% communication", 100 * row[RHEO_SERIES_COMMUNICATION]);
  Add(&line, row[RHEO_SERIES_MEMORY], ", %.0f MB", row[RHEO_SERIES_MEMORY]);
  if (state->skipped) Add(&line, 0, ", %lld skipped", (long long)state->skipped);
  return line;
}

PetscErrorCode RheoReportStep(RheoTrainer trainer)
{
  PetscFunctionBeginUser;
  if (!trainer->progress || !RheoProgressIsDue(trainer->progress)) PetscFunctionReturn(RHEO_OK);
  const Line note = Note(trainer);
  PetscCall(RheoProgressUpdate(trainer->progress, trainer->state.step, note.text));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReportEnd(RheoTrainer trainer)
{
  PetscFunctionBeginUser;
  if (!trainer->progress) PetscFunctionReturn(RHEO_OK);
  const Line note = Note(trainer);
  PetscCall(RheoProgressUpdate(trainer->progress, trainer->state.step, note.text));
  PetscCall(RheoProgressDestroy(&trainer->progress));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReportOutcome(RheoTrainer trainer)
{
  static const char *const reasons[] = {[RHEO_TRAIN_EPOCHS] = "all epochs done",
                                        [RHEO_TRAIN_STEPS] = "all steps done",
                                        [RHEO_TRAIN_PATIENCE] = "no more improvement",
                                        [RHEO_TRAIN_NOT_FINITE] = "loss not finite"};
  const RheoTrainState *state = &trainer->state;
  double rate, communication, mine = RheoPeakMemory(), memory;
  char stage[40] = "";

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(&mine, &memory, 1, MPI_DOUBLE, MPI_MAX, trainer->comm));
  PetscCall(RheoTrainerGetSpeed(trainer, &rate, &communication));
  if (trainer->clock.stage > 0.001 * trainer->clock.steps)
    snprintf(stage, sizeof stage, "%.1f %% batch stage, ", 100 * trainer->clock.stage / trainer->clock.steps);
  if (trainer->reason == RHEO_TRAIN_NOT_FINITE) {
    char kept[40] = "the start";
    if (state->best_epoch) snprintf(kept, sizeof kept, "epoch %lld", (long long)state->best_epoch);
    RheoLog(trainer->comm, RHEO_LOG_WARNING,
            "training stopped at step %lld: %s not finite (%lld steps skipped); the parameters kept are "
            "those of %s. %sook for NaN or extreme values in the rows",
            (long long)state->step, state->unfit ? "the validation loss is" : "the loss or its gradient is",
            (long long)state->skipped, kept,
            state->skipped < state->step ? "Try a smaller train.lr or train.clip, and l" : "L");
  } else if (state->skipped)
    RheoLog(trainer->comm, RHEO_LOG_WARNING, "%lld of %lld steps were skipped: loss or gradient not finite",
            (long long)state->skipped, (long long)state->step);
  if (!trainer->quiet)
    RheoLog(trainer->comm, RHEO_LOG_INFO,
            "trained %lld epochs, %lld steps (%s): best loss %.5g at epoch %lld; %.0f rows/s, %.1f %% "
            "communication, %speak memory %.0f MB a rank",
            (long long)state->epoch, (long long)state->step, reasons[trainer->reason], state->best_loss,
            (long long)state->best_epoch, rate, 100 * communication, stage, memory / 1e6);
  PetscFunctionReturn(RHEO_OK);
}
