/* Rows of a second data set: which ones the steps are given, whoever holds them, on any number of ranks. ranks: 1 2 4 */
#include "base/reduce.h"
#include "check.h"
#include "train_case.h"
#include <stdlib.h>
#include <string.h>

enum { N = 130, N_ORIGIN = 33, BATCH = 20, EPOCHS = 2, STEPS = 11, D = 3 };

/* What the stage saw on this rank. */
static struct {
  int64_t group;
  int came[STEPS + 1][N_ORIGIN]; /* how often a row of the second set came in a step, or in validation */
  uint64_t pairs;                /* which came with which row */
} seen;

static int64_t Steps(const RheoObjectiveModel *model)
{
  (void)model;
  return seen.group;
}
static int Width(const RheoObjectiveModel *model)
{
  assert_int_equal(model->origin, D);
  return D;
}

static PetscErrorCode Note(const RheoObjectiveModel *model, const RheoBatch *batch, float *given)
{
  (void)model;
  PetscFunctionBeginUser;
  for (int64_t i = 0; i < batch->n; i++) {
    const float *row = batch->origin + i * D;
    const int64_t step = batch->step == RHEO_VALIDATION_STEP ? STEPS : batch->step + i / BATCH;
    assert_in_range(step, 0, STEPS);
    assert_in_range(row[0], 0, N_ORIGIN - 1);
    assert_true(row[1] == row[0] + 0.5F && row[2] == -row[0]);
    seen.came[step][(int)row[0]]++;
    seen.pairs += (batch->index[i] + 1) * (uint64_t)(1009 * step + (int)row[0] + 1);
  }
  memcpy(given, batch->origin, (size_t)batch->n * D * sizeof *given);
  PetscFunctionReturn(RHEO_OK);
}

static const RheoBatchStage stage = {.steps = Steps, .width = Width, .run = Note};

static RheoVal Loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  RheoVal y = rx_add(column[1], rx_scale(rx_slice(column[2], 1, 0, 1), 0.01));
  return CaseLinear.loss(scope, model, (RheoVal[]){column[0], y});
}

static const char *const columns[] = {"x", "y", NULL};
static const RheoObjectiveType with_origin = {
    .name = "origin", .summary = "", .reference = "", .columns = columns, .loss = Loss, .stage = &stage};

/* shared: each rank holds its part of the second set, and no more. */
static uint64_t Train(MPI_Comm comm, int64_t group, int shared)
{
  const RheoObjectiveModel model = {0};
  RheoTrainConfig config;
  TrainCase c;
  RheoRows origin = {.n = N_ORIGIN, .n_columns = 1, .name = {"origin"}, .width = {D}};
  int64_t begin = 0, end = N_ORIGIN;
  memset(&seen, 0, sizeof seen);
  seen.group = group;
  if (shared) {
    RheoRange(comm, N_ORIGIN, &origin.begin, &origin.end);
    begin = origin.begin;
    end = origin.end;
  }
  float *row = malloc((size_t)((end - begin) * D + 1) * sizeof *row);
  for (int64_t i = begin; i < end; i++)
    memcpy(row + (i - begin) * D, (float[]){(float)i, (float)i + 0.5F, (float)-i}, D * sizeof *row);
  origin.value[0] = row;
  TrainCaseCreate(comm, &CaseLinear, N, 2, 0, &c);
  OK(RheoTrainerSetObjective(c.trainer, &with_origin, &model, "model"));
  OK(RheoTrainConfigDefaults(&config));
  config.batch = BATCH;
  config.shards = 5;
  config.epochs = EPOCHS;
  config.validation = 0.1;
  OK(RheoTrainerSetConfig(c.trainer, &config));
  OK(RheoTrainerSetQuiet(c.trainer, PETSC_TRUE));
  OK(RheoTrainerSetOrigin(c.trainer, &origin));
  OK(RheoTrainerRun(c.trainer));
  const uint64_t sum = TrainCaseChecksum(&c);
  TrainCaseDestroy(&c);
  free(row);
  OK(MPI_Allreduce(MPI_IN_PLACE, seen.came, (STEPS + 1) * N_ORIGIN, MPI_INT, MPI_SUM, comm));
  OK(MPI_Allreduce(MPI_IN_PLACE, &seen.pairs, 1, MPI_UINT64_T, MPI_SUM, comm));
  return sum;
}

/* After k steps each row of the second set has come as often as any other, or once more. */
static void AssertInTurn(void)
{
  int total[N_ORIGIN] = {0}, steps = 0;
  for (int s = 0; s < STEPS; s++) {
    int rows = 0, least = 1 << 30, most = 0;
    for (int i = 0; i < N_ORIGIN; i++) {
      rows += seen.came[s][i];
      total[i] += seen.came[s][i];
    }
    if (!rows) break;
    steps++;
    assert_int_equal(rows, BATCH);
    for (int i = 0; i < N_ORIGIN; i++) {
      least = PetscMin(least, total[i]);
      most = PetscMax(most, total[i]);
    }
    assert_true(most - least <= 1 && least == (s + 1) * BATCH / N_ORIGIN);
  }
  assert_true(steps >= 10); /* the set has begun anew several times, in mid-step and in mid-epoch */
}

static void in_turn(void **state)
{
  (void)state;
  for (int64_t group = 0; group < 3; group++) { /* rows alone, of a batch, of two batches */
    int validated = 0;
    Train(PETSC_COMM_WORLD, group, 1);
    AssertInTurn();
    for (int i = 0; i < N_ORIGIN; i++) validated += seen.came[STEPS][i];
    assert_true(validated > 0);
  }
}

static void any_ranks(void **state)
{
  (void)state;
  for (int64_t group = 0; group < 3; group++) {
    const uint64_t one = Train(PETSC_COMM_SELF, group, 0), pairs = seen.pairs;
    assert_true(Train(PETSC_COMM_WORLD, group, 1) == one);
    assert_true(seen.pairs == pairs);
    assert_true(Train(PETSC_COMM_WORLD, group, 0) == one);
    assert_true(seen.pairs == pairs);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(in_turn), cmocka_unit_test(any_ranks)};
  return RUN_TESTS(argc, argv, tests);
}
