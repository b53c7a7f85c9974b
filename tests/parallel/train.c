/* Training gives the same bits on any number of ranks. ranks: 1 2 3 4 8 */
#include "check.h"
#include "train_case.h"
#include <math.h>

enum { N = 700, WIDTH = 3 };

typedef struct {
  const char *name;
  const RheoObjectiveType *type;
  int64_t n, batch, epochs, steps, patience;
  int shards, weighted, schedule, spoil;
  double ema, validation, clip, decay, lr;
  int64_t window, chunk;
} Setting;

/* Shards that divide the batch and that do not, more shards than rows of the batch leave, and everything that
 * has state. */
static const Setting settings[] = {
    {"plain", &CaseLinear, N, 64, 4, 0, 0, 8, 0, RHEO_SCHEDULE_CONSTANT, 0, 0, 0.1, 5, 0, 1e-2, 0, 0},
    {"all", &CaseMlp, N, 100, 6, 0, 0, 9, 1, RHEO_SCHEDULE_COSINE, 0, 0.9, 0.2, 0.5, 0.1, 1e-2, 0, 0},
    {"plateau", &CaseMlp, N, 50, 12, 0, 3, 11, 1, RHEO_SCHEDULE_PLATEAU, 0, 0, 0.2, 1, 0, 5e-2, 0, 0},
    {"few rows", &CaseNoisy, 9, 200, 5, 0, 0, 8, 0, RHEO_SCHEDULE_CONSTANT, 0, 0, 0.3, 5, 0, 1e-2, 0, 0},
    {"steps", &CaseNoisy, N, 64, 5, 13, 0, 8, 1, RHEO_SCHEDULE_CONSTANT, 0, 0.99, 0, 0, 0.01, 1e-2, 0, 0},
    {"one bad row", &CaseLinear, N, 8, 2, 0, 0, 8, 0, RHEO_SCHEDULE_CONSTANT, 1, 0, 0, 5, 0, 1e-2, 0, 0},
    {"diverging", &CasePoisson, N, 64, 9, 0, 0, 8, 0, RHEO_SCHEDULE_CONSTANT, 0, 0, 0.1, 0, 0, 1e9, 0, 0},
    {"windows", &CaseMlp, N, 50, 3, 0, 0, 9, 1, RHEO_SCHEDULE_CONSTANT, 0, 0.9, 0.2, 5, 0, 1e-2, 130, 7},
    {"one batch a window", &CaseNoisy, N, 60, 3, 19, 0, 8, 0, RHEO_SCHEDULE_CONSTANT, 0, 0, 0.1, 5, 0, 1e-2,
     1, 0},
};

static uint64_t Train(MPI_Comm comm, const Setting *s)
{
  TrainCase c;
  RheoTrainConfig config;
  TrainCaseCreate(comm, s->type, s->n, WIDTH, s->weighted, &c);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = s->batch;
  config.epochs = s->epochs;
  config.steps = s->steps;
  config.patience = s->patience;
  config.plateau = 1;
  config.warmup = 5;
  config.shards = s->shards;
  config.schedule = s->schedule;
  config.ema = s->ema;
  config.validation = s->validation;
  config.clip = s->clip;
  config.decay = s->decay;
  config.lr = s->lr;
  config.window = s->window;
  config.chunk = s->chunk;
  if (s->spoil) c.x[WIDTH * 5] = NAN;
  OK(RheoTrainerSetConfig(c.trainer, &config));
  OK(RheoTrainerRun(c.trainer));
  uint64_t checksum = TrainCaseChecksum(&c);
  TrainCaseDestroy(&c);
  return checksum;
}

static void TestSameBits(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    uint64_t serial = Train(PETSC_COMM_SELF, &settings[i]), parallel = Train(PETSC_COMM_WORLD, &settings[i]);
    if (serial != parallel)
      fail_msg("%s: checksum %016llx, alone %016llx", settings[i].name, (unsigned long long)parallel,
               (unsigned long long)serial);
  }
}

/* The checksum sees a change of what should not matter less than a rank: the number of shards, the seed of
 * noise. */
static void TestChecksumSees(void **state)
{
  Setting other = settings[1];
  (void)state;
  other.shards = 10;
  assert_true(Train(PETSC_COMM_SELF, &settings[1]) != Train(PETSC_COMM_SELF, &other));
}

static void TestTooManyRanks(void **state)
{
  TrainCase c;
  RheoTrainConfig config;
  int size;
  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  TrainCaseCreate(PETSC_COMM_WORLD, &CaseLinear, N, WIDTH, 0, &c);
  OK(RheoTrainConfigDefaults(&config));
  config.shards = size - 1;
  if (size > 1) REJECTS(RheoTrainerSetConfig(c.trainer, &config), "-train_shards");
  config.shards = size;
  OK(RheoTrainerSetConfig(c.trainer, &config));
  RheoDeck deck;
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "my.yaml", "train:\n  shards: 1\n"));
  if (size > 1) REJECTS(RheoTrainerSetFromDeck(c.trainer, deck, "train"), "-train_shards");
  OK(RheoDeckDestroy(&deck));
  TrainCaseDestroy(&c);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestSameBits), cmocka_unit_test(TestChecksumSees),
                                     cmocka_unit_test(TestTooManyRanks)};
  return RUN_TESTS(argc, argv, tests);
}
