/* Short trainings whose speed is measured. */
#include "bench_problem.h"
#include <base/memory.h>
#include <stdlib.h>

static PetscErrorCode Allocate(size_t n, float **values)
{
  PetscFunctionBeginUser;
  *values = RheoAligned(n * sizeof(float));
  PetscCheck(*values, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for %zu numbers", n);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchProblemLayout(BenchProblem *p)
{
  RheoVal column[RHEO_TRAIN_COLUMNS + 1];
  RheoProgram program;

  PetscFunctionBeginUser;
  PetscCall(RheoParamsCreate(&p->params));
  PetscCall(RheoProgramCreate(1, &program));
  for (int k = 0; k < p->rows.n_columns; k++)
    column[k] = p->rows.width[k] ? rx_rows(program, p->rows.name[k], p->rows.width[k]) : RHEO_NONE;
  const RheoBatchStage *stage = p->objective->stage;
  const int given = stage ? stage->width(&p->model) : 0;
  if (given) column[p->rows.n_columns] = rx_rows(program, "given", given);
  p->objective->loss(rx_enter(RheoScopeRoot(program, p->params, 1), "model"), &p->model, column);
  PetscCheck(!RheoProgramError(program), PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s", RheoProgramError(program));
  PetscCall(RheoProgramDestroy(&program));
  PetscCall(Allocate(RheoParamsSize(p->params), &p->values));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchProblemPairs(BenchProblem *p, int64_t n, int width_x, int width_y)
{
  PetscFunctionBeginUser;
  PetscCall(Allocate((size_t)(n * width_x), &p->x));
  PetscCall(Allocate((size_t)(n * width_y), &p->y));
  RheoStreamFillNormal(1, RHEO_STREAM_TEST, 0, (size_t)n, NULL, 0, (size_t)width_x, p->x);
  RheoStreamFillNormal(1, RHEO_STREAM_TEST, 1, (size_t)n, NULL, 0, (size_t)width_y, p->y);
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < width_y; k++)
      p->y[i * width_y + k] = p->x[i * width_x + k % width_x] + 0.5f * p->y[i * width_y + k];
  p->rows.n = n;
  p->rows.width[0] = width_x;
  p->rows.width[1] = width_y;
  p->rows.value[0] = p->x;
  p->rows.value[1] = p->y;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchProblemCnf(const char *text, int n_features, const char *objective, BenchProblem *p)
{
  RheoDeck deck;

  PetscFunctionBeginUser;
  p->rows.n_columns = 2;
  p->rows.name[0] = "x";
  p->rows.name[1] = "context";
  p->rows.width[0] = n_features;
  p->rows.width[1] = 0;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", text));
  PetscCall(RheoCnfCreate(&p->cnf));
  PetscCall(RheoCnfSetFromDeck(p->cnf, deck, "cnf"));
  PetscCall(RheoDeckDestroy(&deck));
  PetscCall(RheoCnfSetSizes(p->cnf, n_features, 0));
  PetscCall(RheoCnfSetUp(p->cnf));
  p->model.cnf = p->cnf;
  PetscCall(RheoObjectiveFind(objective, &p->objective));
  PetscCall(BenchProblemLayout(p));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchProblemDestroy(BenchProblem *p)
{
  PetscFunctionBeginUser;
  PetscCall(RheoFlowDestroy(&p->flow));
  PetscCall(RheoCnfDestroy(&p->cnf));
  PetscCall(RheoParamsDestroy(&p->params));
  free(p->values);
  free(p->x);
  free(p->y);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchTrainerCreate(MPI_Comm comm, BenchProblem *p, int64_t batch, int shards, int64_t steps,
                                  RheoTrainer *trainer)
{
  RheoTrainConfig config;

  PetscFunctionBeginUser;
  PetscCall(RheoTrainConfigDefaults(&config));
  config.batch = batch;
  config.shards = shards;
  config.validation = 0;
  config.patience = 0;
  config.epochs = 1000000;
  config.steps = steps;
  PetscCall(RheoTrainerCreate(comm, trainer));
  PetscCall(RheoTrainerSetQuiet(*trainer, PETSC_TRUE));
  PetscCall(RheoTrainerSetConfig(*trainer, &config));
  PetscCall(RheoTrainerSetSeed(*trainer, 1));
  PetscCall(RheoTrainerSetRows(*trainer, &p->rows));
  PetscCall(RheoTrainerSetOrigin(*trainer, p->origin.n > 0 ? &p->origin : NULL));
  PetscCall(RheoTrainerSetObjective(*trainer, p->objective, &p->model, "model"));
  PetscCall(RheoTrainerSetParams(*trainer, p->params, p->values));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchTrainerRun(RheoTrainer trainer, BenchProblem *p, double *rate)
{
  double communication;

  PetscFunctionBeginUser;
  PetscCall(RheoParamsInit(p->params, 1, p->values));
  PetscCall(RheoTrainerRun(trainer));
  PetscCall(RheoTrainerGetSpeed(trainer, rate, &communication));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchTrainRate(BenchProblem *p, int64_t batch, int shards, double seconds, double *rate)
{
  const double start = MPI_Wtime();
  RheoTrainer trainer = NULL;
  int64_t steps = 4;

  PetscFunctionBeginUser;
  *rate = 0;
  do {
    const double begin = MPI_Wtime();
    double speed;
    if (!trainer) PetscCall(BenchTrainerCreate(PETSC_COMM_SELF, p, batch, shards, steps, &trainer));
    PetscCall(BenchTrainerRun(trainer, p, &speed));
    *rate = PetscMax(*rate, speed);
    if (MPI_Wtime() - begin < seconds / 8) {
      steps *= 2;
      PetscCall(RheoTrainerDestroy(&trainer));
    }
  } while (MPI_Wtime() - start < seconds);
  PetscCall(RheoTrainerDestroy(&trainer));
  PetscFunctionReturn(RHEO_OK);
}
