/* Rows of a series. Rank 0 looks at the clock; that a row is due travels with the norm of the gradient, like the wish to save
 * (safeguard.c), so that only steps that have a row cost messages. Nothing here changes what is trained. */
#include "../base/provenance.h"
#include "train_impl.h"
#include <math.h>
#include <string.h>

#define FIELD(name) offsetof(RheoSeriesConfig, name)
const RheoKey RheoSeriesKeys[] = {
    {"series", RHEO_KEY_BOOL, FIELD(series), "yes", NULL,
     RHEO_OF_RUN
     "write how training goes to DIR/series.csv: losses, speed, communication, memory, time left"},
    {"series_every", RHEO_KEY_REAL, FIELD(every), "30", "[0, inf)",
     RHEO_OF_RUN "seconds from row to row of it where epochs take long; 0: a row for every step"},
    {0}};
#undef FIELD

enum { ROWS_OF_EPOCHS = 500 }; /* in a time as long as that before */
static const double every_default = 30;

PetscErrorCode RheoTrainerSetSeries(RheoTrainer trainer, const char *path, double every)
{
  PetscFunctionBeginUser;
  trainer->series.path = path ? RheoIntern(path) : NULL;
  trainer->series.every = every;
  PetscFunctionReturn(RHEO_OK);
}

/* A warning when writing fails, and again only after it has succeeded. */
static void Complain(RheoTrainer trainer)
{
  RheoSeriesWriter *s = &trainer->series;
  const char *why = s->file.wrong ? s->file.wrong : s->file.error ? strerror(s->file.error) : NULL;

  if (why && !s->warned)
    RheoLog(trainer->comm, RHEO_LOG_WARNING, "%s: cannot be %s: %s; training goes on without it", s->path,
            s->file.wrong ? "continued" : "written", why);
  s->warned = (PetscBool)(why != NULL);
}

/* The turn's first row. */
static void PutStart(RheoTrainer trainer)
{
  RheoSeriesWriter *s = &trainer->series;
  PetscBool known[RHEO_SERIES_COLUMNS] = {PETSC_FALSE};

  known[RHEO_SERIES_TURN] = known[RHEO_SERIES_EPOCH] = known[RHEO_SERIES_STEP] = PETSC_TRUE;
  known[RHEO_SERIES_SECONDS] = known[RHEO_SERIES_SKIPPED] = known[RHEO_SERIES_RANKS] = PETSC_TRUE;
  RheoSeriesFilePut(&s->file, s->row, known);
}

/* Where the training stands. */
static void SetPlace(RheoTrainer trainer, double now)
{
  RheoSeriesWriter *s = &trainer->series;
  const RheoTrainState *state = &trainer->state;
  PetscMPIInt size = 1;

  MPI_Comm_size(trainer->comm, &size);
  s->row[RHEO_SERIES_TURN] = (double)s->file.turn;
  s->row[RHEO_SERIES_EPOCH] = (double)state->epoch + (double)state->batch / (double)trainer->steps;
  s->row[RHEO_SERIES_STEP] = (double)state->step;
  s->row[RHEO_SERIES_SECONDS] = now - s->begun;
  s->row[RHEO_SERIES_SKIPPED] = (double)state->skipped;
  s->row[RHEO_SERIES_RANKS] = size;
  s->last = now;
  s->last_step = state->step;
  s->epoch = state->epoch;
  s->batch = state->batch;
  s->clock = trainer->clock;
}

PetscErrorCode RheoSeriesStart(RheoTrainer trainer)
{
  RheoSeriesWriter *s = &trainer->series;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  *s = (RheoSeriesWriter){.path = s->path, .every = s->path ? s->every : every_default};
  s->on = (PetscBool)(s->path || !trainer->quiet);
  s->file.descriptor = -1;
  s->begun = RheoSeconds();
  s->begun_step = trainer->state.step;
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) s->row[k] = NAN;
  PetscCallMPI(MPI_Comm_rank(trainer->comm, &rank));
  if (rank == 0 && s->path) RheoSeriesFileOpen(s->path, &s->file);
  SetPlace(trainer, s->begun);
  if (rank == 0 && s->path) {
    PutStart(trainer);
    Complain(trainer);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscBool RheoSeriesDue(RheoTrainer trainer)
{
  const RheoSeriesWriter *s = &trainer->series;
  const RheoTrainState *state = &trainer->state;
  PetscMPIInt rank;

  if (!s->on || MPI_Comm_rank(trainer->comm, &rank) || rank) return PETSC_FALSE;
  const PetscBool last = (PetscBool)(state->batch + 1 == trainer->steps || state->step + 1 == trainer->total);
  const double now = RheoSeconds();
  const double gap = last ? fmin(s->every, (now - s->begun) / ROWS_OF_EPOCHS) : s->every;
  return (PetscBool)(now - s->last >= gap);
}

/* As this turn has gone so far. */
static double SecondsLeft(RheoTrainer trainer)
{
  const RheoSeriesWriter *s = &trainer->series;
  const double done = (double)(trainer->state.step - s->begun_step);
  return (RheoSeconds() - s->begun) / done * (double)(trainer->total - trainer->state.step);
}

/* Losses, norm and learning rate, of the epoch that has just ended or of the steps since the row before. */
static PetscErrorCode SetLosses(RheoTrainer trainer, double row[], PetscBool known[])
{
  const RheoSeriesWriter *s = &trainer->series;
  const RheoHistory *h = &trainer->history.view;
  const int64_t batch = trainer->state.batch, last = h->n - 1;
  int64_t first = s->epoch == trainer->state.epoch ? s->batch : 0, n_skipped;

  PetscFunctionBeginUser;
  if (!batch) {
    row[RHEO_SERIES_TRAIN_LOSS] = h->train_loss[last];
    row[RHEO_SERIES_VALIDATION_LOSS] = h->validation_loss[last];
    row[RHEO_SERIES_GRADIENT_NORM] = h->gradient_norm[last];
    row[RHEO_SERIES_LR] = h->lr[last];
    known[RHEO_SERIES_VALIDATION_LOSS] = (PetscBool)(trainer->sampler.n_validation > 0);
    PetscFunctionReturn(RHEO_OK);
  }
  known[RHEO_SERIES_VALIDATION_LOSS] = PETSC_FALSE;
  row[RHEO_SERIES_LR] = RheoTrainerRate(trainer, trainer->state.step - 1);
  first = PetscMax(first, batch - RHEO_SUM_STEPS);
  PetscCall(RheoTrainerMeans(trainer, first, &row[RHEO_SERIES_TRAIN_LOSS], &row[RHEO_SERIES_GRADIENT_NORM],
                             &n_skipped));
  PetscFunctionReturn(RHEO_OK);
}

/* What the machine did since the row before. On rank 0. */
static PetscErrorCode SetMachine(RheoTrainer trainer, double row[], PetscBool known[])
{
  const RheoTrainClock *now = &trainer->clock, *then = &trainer->series.clock;
  const double mine[] = {now->steps - then->steps, now->communication - then->communication,
                         now->stage - then->stage},
               memory = RheoPeakMemory();
  double all[3] = {0}, largest = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Reduce(mine, all, 3, MPI_DOUBLE, MPI_SUM, 0, trainer->comm));
  PetscCallMPI(MPI_Reduce(&memory, &largest, 1, MPI_DOUBLE, MPI_MAX, 0, trainer->comm));
  row[RHEO_SERIES_SAMPLES_PER_S] = (double)(now->rows - then->rows) / mine[0];
  row[RHEO_SERIES_COMMUNICATION] = all[1] / all[0];
  row[RHEO_SERIES_BATCH_STAGE] = all[2] / all[0];
  row[RHEO_SERIES_MEMORY] = fmax(row[RHEO_SERIES_MEMORY], largest / 1e6); /* Linux counts roughly */
  known[RHEO_SERIES_SAMPLES_PER_S] = (PetscBool)(mine[0] > 0);
  known[RHEO_SERIES_COMMUNICATION] = known[RHEO_SERIES_BATCH_STAGE] = (PetscBool)(all[0] > 0);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSeriesRow(RheoTrainer trainer, PetscBool ended)
{
  RheoSeriesWriter *s = &trainer->series;
  PetscBool known[RHEO_SERIES_COLUMNS];

  PetscFunctionBeginUser;
  if (!s->on) PetscFunctionReturn(RHEO_OK);
  for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) known[k] = PETSC_TRUE;
  PetscCall(SetLosses(trainer, s->row, known));
  PetscCall(SetMachine(trainer, s->row, known));
  s->row[RHEO_SERIES_LEFT] = ended ? 0 : SecondsLeft(trainer);
  SetPlace(trainer, RheoSeconds());
  if (s->file.descriptor >= 0) {
    RheoSeriesFilePut(&s->file, s->row, known);
    Complain(trainer);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSeriesEnd(RheoTrainer trainer)
{
  RheoSeriesWriter *s = &trainer->series;

  PetscFunctionBeginUser;
  if (!s->on) PetscFunctionReturn(RHEO_OK);
  if (s->last_step != trainer->state.step) PetscCall(RheoSeriesRow(trainer, PETSC_FALSE));
  RheoSeriesFileClose(&s->file);
  s->on = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}
