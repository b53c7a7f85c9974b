/* The loop. A step exchanges three messages: slices of the gradient, partial norms, slices of parameters.
 * Losses are wanted once an epoch only and travel then; a loss that is not finite makes itself known through
 * the gradient. */
#include "../base/event.h"
#include "train_impl.h"
#include <math.h>
#include <string.h>

enum { SKIPPED_ROW_MOST = 10, SKIPPED_PERCENT_MOST = 1 };
static const double norm_most = 1e18; /* its square must not overflow in single precision */

static int StateIsLast(const RheoTrainer trainer)
{
  return trainer->state.batch == trainer->steps || trainer->state.step == trainer->total;
}

static PetscErrorCode StateStart(RheoTrainer trainer)
{
  RheoTrainState *state = &trainer->state;
  size_t begin = trainer->optimiser.begin, bytes = (trainer->optimiser.end - begin) * sizeof(float);

  PetscFunctionBeginUser;
  RheoTrainState fresh = {.lr_factor = 1, .best_loss = INFINITY};
  fresh.p = state->p;
  fresh.m = state->m;
  fresh.v = state->v;
  fresh.average = state->average;
  fresh.best = state->best;
  fresh.loss = state->loss;
  fresh.weight = state->weight;
  fresh.norm = state->norm;
  *state = fresh;
  memcpy(state->p, trainer->values + begin, bytes);
  PetscCall(RheoReduceAllgather(trainer->reduce, state->p, trainer->p));
  memcpy(state->best, trainer->values + begin, bytes);
  if (state->average) memcpy(state->average, trainer->values + begin, bytes);
  memset(state->m, 0, bytes);
  memset(state->v, 0, bytes);
  trainer->clock = (RheoTrainClock){0};
  trainer->failure = RHEO_OK;
  PetscCall(RheoHistoryClear(&trainer->history));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Sums over shards ---- */
PetscErrorCode RheoTrainerSumOverShards(RheoTrainer trainer, int64_t first, int64_t end, RheoOfShard of_shard,
                                        double *sums)
{
  double *piece = trainer->piece;

  PetscFunctionBeginUser;
  for (int64_t b = first; b < end; b += RHEO_SUM_STEPS) {
    const int64_t n = PetscMin(RHEO_SUM_STEPS, end - b);
    for (int shard = trainer->first; shard < trainer->end; shard++)
      for (int64_t i = 0; i < n; i++)
        piece[(shard - trainer->first) * n + i] = of_shard(trainer, shard, b + i);
    PetscCall(RheoReduceScalars(trainer->reduce, (int)n, piece, sums + (b - first)));
  }
  PetscFunctionReturn(RHEO_OK);
}

static double LossOfShard(const RheoTrainer trainer, int shard, int64_t step)
{
  return trainer->state.loss[(shard - trainer->first) * trainer->steps + step];
}

/* ---- A step ---- */
static PetscErrorCode ShardGradient(RheoTrainer trainer, int shard)
{
  RheoTrainState *state = &trainer->state;
  RheoTrainProgram *program = &trainer->training;
  int64_t begin, end;
  double loss = 0;
  float *gradient;

  PetscFunctionBeginUser;
  RheoShardRange(trainer->batch, trainer->config.shards, shard, &begin, &end);
  PetscCall(RheoReduceGetBuffer(trainer->reduce, shard, &gradient));
  if (end > begin) {
    RheoTrainProgramFill(program, &(RheoFeedSource){.layout = &trainer->layout,
                                                    .seed = trainer->seed,
                                                    .step = state->step,
                                                    .n = program->rows,
                                                    .n_real = end - begin,
                                                    .place = begin,
                                                    .batch = trainer->batch,
                                                    .record = RheoWindowRecord(trainer, state->batch, begin),
                                                    .index = RheoWindowIndex(trainer, state->batch, begin),
                                                    .given = RheoStageGiven(trainer, begin)});
    loss = RheoTrainProgramGradient(trainer, program, trainer->p, gradient);
  } else
    memset(gradient, 0, RheoParamsSize(trainer->params) * sizeof *gradient);
  if (!isfinite(loss) || trainer->failure) gradient[0] = NAN; /* reaches every rank through the norm */
  state->loss[(shard - trainer->first) * trainer->steps + state->batch] = loss;
  PetscCall(RheoReduceAdd(trainer->reduce, shard));
  PetscFunctionReturn(RHEO_OK);
}

double RheoTrainerRate(const RheoTrainer trainer, int64_t step)
{
  return RheoScheduleRate(&trainer->config, step, trainer->total, trainer->state.lr_factor);
}

/* The gradient's slice is still to be multiplied by scale. */
static PetscErrorCode Update(RheoTrainer trainer, double scale)
{
  RheoTrainState *state = &trainer->state;
  const RheoTrainConfig *config = &trainer->config;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_UPDATE));
  state->update++;
  RheoOptimiserStep(&trainer->optimiser, config, state->update, RheoTrainerRate(trainer, state->step), scale,
                    trainer->gradient, state->p, state->m, state->v);
  if (state->average)
    RheoOptimiserAverage(&trainer->optimiser, config->ema, state->update, state->p, state->average);
  double before = MPI_Wtime();
  PetscCall(RheoReduceAllgather(trainer->reduce, state->p, trainer->p));
  trainer->clock.communication += MPI_Wtime() - before;
  PetscCall(RheoEventEnd(RHEO_EVENT_UPDATE));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode GradientNorm(RheoTrainer trainer, double *norm)
{
  double sum, before = MPI_Wtime();

  PetscFunctionBeginUser;
  PetscCall(RheoReduceFinish(trainer->reduce, &trainer->gradient));
  trainer->clock.communication += MPI_Wtime() - before;
  RheoOptimiserNorms(&trainer->optimiser, trainer->gradient);
  before = MPI_Wtime();
  PetscCall(RheoReduceBlocks(trainer->reduce, trainer->optimiser.partial, RheoGuardWish(trainer), &sum,
                             &trainer->guard.most));
  trainer->clock.communication += MPI_Wtime() - before;
  *norm = sqrt(sum);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Step(RheoTrainer trainer)
{
  RheoTrainState *state = &trainer->state;
  double norm = 0, before = MPI_Wtime(), weight = state->weight[state->batch], clip = trainer->config.clip;

  PetscFunctionBeginUser;
  PetscCall(RheoStageStep(trainer));
  PetscCall(RheoEventBegin(RHEO_EVENT_GRADIENT));
  for (int shard = trainer->first; shard < trainer->end; shard++) PetscCall(ShardGradient(trainer, shard));
  PetscCall(RheoEventEnd(RHEO_EVENT_GRADIENT));
  PetscCall(RheoEventBegin(RHEO_EVENT_SUM));
  PetscCall(GradientNorm(trainer, &norm));
  PetscCall(RheoEventEnd(RHEO_EVENT_SUM));
  if (weight > 0) norm /= weight;
  double factor = clip > 0 && norm > clip ? clip / norm : 1;
  if (norm * factor < norm_most) { /* false for NaN */
    if (weight > 0) PetscCall(Update(trainer, factor / weight));
    state->norm[state->batch] = norm;
    state->skipped_row = 0;
  } else {
    state->norm[state->batch] = NAN;
    state->skipped++;
    state->skipped_row++;
    PetscCall(RheoTrainerAgree(trainer));
  }
  state->step++;
  state->batch++;
  trainer->clock.steps += MPI_Wtime() - before;
  trainer->clock.rows += trainer->batch;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- An epoch's end ---- */
static PetscErrorCode Validate(RheoTrainer trainer, const float *values, double *loss)
{
  const RheoSampler *sampler = &trainer->sampler;
  RheoTrainProgram *program = &trainer->validating;
  int64_t first, begin, end;

  PetscFunctionBeginUser;
  RheoShardRange(sampler->n_validation, trainer->config.shards, trainer->first, &first, &end);
  for (int shard = trainer->first; shard < trainer->end; shard++) {
    RheoShardRange(sampler->n_validation, trainer->config.shards, shard, &begin, &end);
    float *row_loss = trainer->row_loss + (begin - first);
    double sum = 0;
    RheoTrainProgramLosses(trainer, program, values, begin - first, end - begin, row_loss);
    for (int64_t i = begin; i < end; i++) {
      const double weight = trainer->row_weight ? (double)trainer->row_weight[i - first] : 1;
      sum += weight * (double)row_loss[i - begin];
    }
    trainer->piece[shard - trainer->first] = trainer->failure ? NAN : sum;
  }
  PetscCall(RheoReduceScalars(trainer->reduce, 1, trainer->piece, loss));
  if (!isfinite(*loss)) PetscCall(RheoTrainerAgree(trainer));
  *loss /= trainer->validation_weight;
  PetscFunctionReturn(RHEO_OK);
}

/* The average of weights is what is validated and kept; training goes on from the parameters themselves. */
static PetscErrorCode ValidateKept(RheoTrainer trainer, double *loss)
{
  PetscFunctionBeginUser;
  *loss = NAN;
  if (!trainer->sampler.n_validation) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoEventBegin(RHEO_EVENT_VALIDATE));
  if (trainer->state.average)
    PetscCall(RheoReduceAllgather(trainer->reduce, trainer->state.average, trainer->averaged));
  PetscCall(Validate(trainer, trainer->state.average ? trainer->averaged : trainer->p, loss));
  PetscCall(RheoEventEnd(RHEO_EVENT_VALIDATE));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerMeans(RheoTrainer trainer, int64_t first, double *loss, double *norm,
                                int64_t *n_skipped)
{
  const RheoTrainState *state = &trainer->state;
  double loss_sum = 0, weight_sum = 0, norm_sum = 0;

  PetscFunctionBeginUser;
  PetscCall(RheoTrainerSumOverShards(trainer, first, state->batch, LossOfShard, trainer->sums));
  *n_skipped = 0;
  for (int64_t b = first; b < state->batch; b++) {
    if (isfinite(state->norm[b])) {
      loss_sum += trainer->sums[b - first];
      weight_sum += state->weight[b];
      norm_sum += state->norm[b];
    } else
      ++*n_skipped;
  }
  *loss = loss_sum / weight_sum;
  *norm = norm_sum / (double)(state->batch - first - *n_skipped);
  PetscFunctionReturn(RHEO_OK);
}

/* The best is kept however little better it is; an improvement that ends waiting must be larger than the
 * tolerance. */
static void KeepBest(RheoTrainer trainer, double loss)
{
  RheoTrainState *state = &trainer->state;
  const float *kept = state->average ? state->average : state->p;
  int improved = loss < state->best_loss - trainer->config.tolerance;

  state->stale = improved ? 0 : state->stale + 1;
  state->stale_plateau = improved ? 0 : state->stale_plateau + 1;
  if (loss < state->best_loss) {
    state->best_loss = loss;
    state->best_epoch = state->epoch;
    memcpy(state->best, kept, (trainer->optimiser.end - trainer->optimiser.begin) * sizeof(float));
  }
  state->unfit = isfinite(loss) ? 0 : state->unfit + 1;
  if (trainer->config.schedule == RHEO_SCHEDULE_PLATEAU && state->stale_plateau >= trainer->config.plateau) {
    state->lr_factor *= trainer->config.plateau_factor;
    state->stale_plateau = 0;
  }
}

/* Returns whether training ends here. */
static PetscBool Ends(RheoTrainer trainer, int64_t n_steps, int64_t n_skipped)
{
  const RheoTrainConfig *config = &trainer->config;
  const RheoTrainState *state = &trainer->state;
  PetscBool last = (PetscBool)(state->step == trainer->total);

  if ((n_skipped > 1 && 100 * n_skipped > SKIPPED_PERCENT_MOST * n_steps) ||
      state->unfit >= SKIPPED_ROW_MOST || (last && !state->best_epoch)) {
    trainer->reason = RHEO_TRAIN_NOT_FINITE;
    return PETSC_TRUE;
  }
  if (config->patience > 0 && state->stale >= config->patience) {
    trainer->reason = RHEO_TRAIN_PATIENCE;
    return PETSC_TRUE;
  }
  trainer->reason = state->epoch < config->epochs ? RHEO_TRAIN_STEPS : RHEO_TRAIN_EPOCHS;
  return last;
}

static PetscErrorCode EpochEnd(RheoTrainer trainer, PetscBool *ends)
{
  RheoTrainState *state = &trainer->state;
  double train_loss = 0, validation_loss = 0, norm = 0, rate;
  int64_t n_skipped = 0, n_steps = state->batch;

  PetscFunctionBeginUser;
  PetscCall(RheoTrainerMeans(trainer, 0, &train_loss, &norm, &n_skipped));
  PetscCall(ValidateKept(trainer, &validation_loss));
  rate = RheoTrainerRate(trainer, state->step - 1);
  state->epoch++;
  state->batch = 0;
  double entry[RHEO_HISTORY_COLUMNS] = {
      (double)state->epoch, (double)state->step, train_loss, validation_loss, rate, norm};
  PetscCall(RheoHistoryAppend(&trainer->history, entry));
  KeepBest(trainer, trainer->sampler.n_validation ? validation_loss : train_loss);
  *ends = Ends(trainer, n_steps, n_skipped);
  if (*ends || trainer->guard.most >= RHEO_WISH_ROW) PetscCall(RheoSeriesRow(trainer, *ends));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- The run ---- */
/* What the caller gets: the best parameters by validation; without it the last ones, unless these are
 * suspect. */
static PetscErrorCode HandOver(RheoTrainer trainer)
{
  const RheoTrainState *state = &trainer->state;
  const float *last = state->average ? state->average : state->p;
  int best = trainer->sampler.n_validation > 0 || trainer->reason == RHEO_TRAIN_NOT_FINITE;

  PetscFunctionBeginUser;
  PetscCall(RheoReduceAllgather(trainer->reduce, best ? state->best : last, trainer->values));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainerRun(RheoTrainer trainer)
{
  PetscBool ends = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(RheoTrainerSetUp(trainer));
  PetscCall(StateStart(trainer));
  PetscCall(RheoGuardStart(trainer, &ends));
  if (trainer->state.batch > 0 && !ends) {
    PetscCall(RheoWindowResume(trainer));
    RheoGuardResume(trainer);
  }
  if (!ends) PetscCall(RheoSeriesStart(trainer));
  PetscCall(RheoReportStart(trainer));
  while (!ends) {
    PetscCall(RheoWindowReach(trainer));
    PetscCall(Step(trainer));
    if (trainer->state.skipped_row >= SKIPPED_ROW_MOST) {
      trainer->reason = RHEO_TRAIN_NOT_FINITE;
      ends = PETSC_TRUE;
    } else if (StateIsLast(trainer))
      PetscCall(EpochEnd(trainer, &ends));
    else if (trainer->guard.most == RHEO_WISH_ROW)
      PetscCall(RheoSeriesRow(trainer, PETSC_FALSE));
    PetscCall(RheoReportStep(trainer));
    PetscCall(RheoGuardStep(trainer, &ends));
  }
  PetscCall(RheoSeriesEnd(trainer));
  PetscCall(RheoReportEnd(trainer));
  PetscCall(RheoGuardReport(trainer));
  PetscCall(HandOver(trainer));
  PetscCall(RheoReportOutcome(trainer));
  PetscFunctionReturn(RHEO_OK);
}
