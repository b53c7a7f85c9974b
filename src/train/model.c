#include "train_impl.h"
#include <string.h>

/* The objective's columns as inputs of the program; those that the rows lack, or that have no width, do not
 * exist. */
static void MakeColumns(RheoTrainer trainer, RheoProgram program, RheoVal *column)
{
  const char *const *name = trainer->objective->columns;
  for (int c = 0; name[c]; c++) {
    column[c] = RHEO_NONE;
    for (int k = 0; k < trainer->rows.n_columns; k++)
      if (!strcmp(trainer->rows.name[k], name[c]) && trainer->rows.width[k] > 0)
        column[c] = rx_rows(program, name[c], trainer->rows.width[k]);
  }
}

static RheoVal RowLoss(RheoTrainer trainer, RheoProgram program, int training, int rows)
{
  RheoVal column[RHEO_TRAIN_COLUMNS];
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
PetscErrorCode RheoTrainProgramCreate(RheoTrainer trainer, int training, int rows, int64_t capacity,
                                      RheoTrainProgram *result)
{
  RheoProgram program;
  RheoVal out[2];
  size_t n_params = RheoParamsSize(trainer->params);

  PetscFunctionBeginUser;
  PetscCall(RheoProgramCreate(rows, &program));
  out[0] = RowLoss(trainer, program, training, rows);
  if (training) {
    RheoVal weight = rx_reshape(rx_rows(program, RHEO_FEED_WEIGHT_NAME, 1), RX_SHAPE(rows));
    out[0] = rx_sum_all(rx_mul(weight, out[0]));
    out[1] = rx_grad_params(out[0], trainer->params);
  }
  PetscCheck(RheoParamsSize(trainer->params) == n_params, trainer->comm, PETSC_ERR_ARG_WRONGSTATE,
             "the loss names parameters that the layout did not have when it was handed to the trainer");
  result->rows = rows;
  PetscCall(RheoPlanCreate(program, RHEO_SINGLE, training ? 2 : 1, out, &result->plan));
  PetscCall(RheoWorkCreate(result->plan, &result->work));
  PetscCall(RheoFeedCreate(program, &trainer->rows, capacity, &result->feed));
  PetscCall(PetscMalloc1((size_t)result->feed.n, &result->in));
  RheoFeedGet(&result->feed, 0, result->in);
  PetscCall(RheoProgramDestroy(&program));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTrainProgramDestroy(RheoTrainProgram *program)
{
  PetscFunctionBeginUser;
  PetscCall(RheoFeedDestroy(&program->feed));
  PetscCall(PetscFree(program->in));
  PetscCall(RheoWorkDestroy(&program->work));
  PetscCall(RheoPlanDestroy(&program->plan));
  PetscFunctionReturn(RHEO_OK);
}
