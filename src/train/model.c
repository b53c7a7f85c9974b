#include "train_impl.h"
#include <stdlib.h>
#include <string.h>

/* The objective's columns, and what a stage gives, as inputs of the program; those that the rows lack, or that have no
 * width, do not exist. */
static void MakeColumns(RheoTrainer trainer, RheoProgram program, RheoVal *column)
{
  const char *const *name = trainer->objective->columns;
  int c = 0;
  for (; name[c]; c++) {
    column[c] = RHEO_NONE;
    for (int k = 0; k < trainer->layout.n_columns; k++)
      if (!strcmp(trainer->layout.name[k], name[c]) && trainer->layout.width[k] > 0)
        column[c] = rx_rows(program, name[c], trainer->layout.width[k]);
  }
  column[c] = trainer->stage.width ? rx_rows(program, RHEO_FEED_GIVEN_NAME, trainer->stage.width) : RHEO_NONE;
}

static RheoVal RowLoss(RheoTrainer trainer, RheoProgram program, int training, int rows)
{
  RheoVal column[RHEO_TRAIN_COLUMNS + 1];
  RheoScope scope = RheoScopeRoot(program, trainer->params, training);
  if (trainer->scope[0]) scope = rx_enter(scope, "%s", trainer->scope);
  MakeColumns(trainer, program, column);
  RheoVal loss = trainer->objective->loss(scope, &trainer->model, column);
  if (!RheoShapeSame(rx_shape(loss), RX_SHAPE(rows)))
    return rx_fail(program, "objective %s: the loss must have one number for each of the %d rows",
                   trainer->objective->name, rows);
  return loss;
}

/* The weights of rows that only fill up a shard are zero, and these rows are copies of real ones, so that
 * they add nothing, not even a NaN, to sums. */
static PetscErrorCode CreatePlan(RheoTrainer trainer, int training, int rows, int64_t capacity,
                                 RheoTrainProgram *result)
{
  RheoProgram program;
  RheoVal out[2];

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(rows, &program));
  out[0] = RowLoss(trainer, program, training, rows);
  if (training) {
    RheoVal weight = rx_reshape(rx_rows(program, RHEO_FEED_WEIGHT_NAME, 1), RX_SHAPE(rows));
    out[0] = rx_sum_all(rx_mul(weight, out[0]));
    out[1] = rx_grad_params(out[0], trainer->params);
  }
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, training ? 2 : 1, out, &result->plan));
  PetscCall(RheoWorkCreate(result->plan, &result->work));
  PetscCall(RheoFeedCreate(program, &trainer->layout, capacity, &result->feed));
  PetscCall(PetscMalloc1((size_t)result->feed.n, &result->in));
  RheoFeedGet(&result->feed, 0, result->in);
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CreateRunner(RheoTrainer trainer, int training, int rows, int64_t capacity,
                                   RheoTrainProgram *result)
{
  PetscFunctionBeginUser;
  PetscCall(trainer->objective->runner->create(&trainer->model, trainer->params, trainer->scope, rows,
                                               &result->runner));
  PetscCall(RheoGatheringCreate(trainer->objective->columns, &trainer->layout, trainer->stage.width, capacity,
                                &result->gathering));
  if (training) PetscCall(RheoTrainAllocate((size_t)rows, &result->row_loss));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainProgramCreate(RheoTrainer trainer, int training, int rows, int64_t capacity,
                                      RheoTrainProgram *result)
{
  const size_t n_params = RheoParamsSize(trainer->params);

  PetscFunctionBeginUser;
  result->rows = rows;
  if (trainer->objective->runner)
    PetscCall(CreateRunner(trainer, training, rows, capacity, result));
  else
    PetscCall(CreatePlan(trainer, training, rows, capacity, result));
  PetscCheck(RheoParamsSize(trainer->params) == n_params, trainer->comm, PETSC_ERR_ARG_WRONGSTATE,
             "the loss names parameters that the layout did not have when it was handed to the trainer");
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainProgramDestroy(RheoTrainer trainer, RheoTrainProgram *program)
{
  PetscFunctionBeginUser;
  if (program->runner) PetscCall(trainer->objective->runner->destroy(&program->runner));
  PetscCall(RheoGatheringDestroy(&program->gathering));
  free(program->row_loss);
  PetscCall(RheoFeedDestroy(&program->feed));
  PetscCall(PetscFree(program->in));
  PetscCall(RheoWorkDestroy(&program->work));
  PetscCall(RheoPlanDestroy(&program->plan));
  *program = (RheoTrainProgram){0};
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Running them ---- */
void RheoTrainProgramFill(RheoTrainProgram *program, const RheoFeedSource *source)
{
  program->source = *source;
  if (program->runner)
    RheoGatheringFill(&program->gathering, source);
  else
    RheoFeedFill(&program->feed, source);
}

static double RunnerGradient(RheoTrainer trainer, RheoTrainProgram *program, const float *values,
                             float *gradient)
{
  const int64_t n = program->source.n_real;
  const RheoBatch batch = RheoGatheringGet(&program->gathering, &program->source, 0, n);
  double loss = 0;

  RheoTrainerNote(trainer, trainer->objective->runner->run(program->runner, &batch, 1, values,
                                                           program->row_loss, gradient));
  for (int64_t i = 0; i < n; i++)
    loss += (batch.weight ? (double)batch.weight[i] : 1) * (double)program->row_loss[i];
  return loss;
}

double RheoTrainProgramGradient(RheoTrainer trainer, RheoTrainProgram *program, const float *values,
                                float *gradient)
{
  float loss;

  if (program->runner) return RunnerGradient(trainer, program, values, gradient);
  RheoPlanRun(program->plan, program->work, values, program->in, (void *const[]){&loss, gradient});
  return (double)loss;
}

static void RunnerLosses(RheoTrainer trainer, RheoTrainProgram *program, const float *values, int64_t first,
                         int64_t n, float *row_loss)
{
  for (int64_t i = 0; i < n; i += program->rows) {
    const RheoBatch batch =
        RheoGatheringGet(&program->gathering, &program->source, first + i, PetscMin(program->rows, n - i));
    RheoTrainerNote(trainer,
                    trainer->objective->runner->run(program->runner, &batch, 0, values, row_loss + i, NULL));
  }
}

void RheoTrainProgramLosses(RheoTrainer trainer, RheoTrainProgram *program, const float *values,
                            int64_t first, int64_t n, float *row_loss)
{
  if (n <= 0) return;
  if (program->runner) {
    RunnerLosses(trainer, program, values, first, n, row_loss);
    return;
  }
  RheoFeedGet(&program->feed, first, program->in);
  RheoPlanRunRows(program->plan, program->work, values, n, program->in, (void *const[]){row_loss});
}
