/* A training that is stopped at any step and continued, on another number of ranks, ends in the same bits as one that was not;
 * damaged, foreign and unwritable checkpoints cost nothing but time. ranks: 1 2 4 */
#include "base/checksum.h"
#include "base/log.h"
#include "base/random.h"
#include "check.h"
#include "train/checkpoint_impl.h"
#include "train_case.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N = 300, WIDTH = 3 };

static int rank, size;
static char folder[64];

/* ---- Trainings that are asked to stop ---- */
typedef struct {
  const RheoObjectiveType *type;
  int weighted, shards, schedule;
  int64_t batch, epochs, steps, patience;
  double ema, validation, lr;
  int64_t window;
} Setting;

/* Losses of training are numbers, those of validation are not. */
static RheoVal UnfitLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  const RheoVal loss = CaseLinear.loss(scope, model, column);
  return scope.training ? loss : rx_add(loss, rx_log(rx_scale(loss, 0)));
}
static const char *const columns[] = {"x", "y", NULL};
static const RheoObjectiveType unfit = {.name = "unfit", .columns = columns, .loss = UnfitLoss};

static const Setting settings[] = {
    {&CaseMlp, 1, 4, RHEO_SCHEDULE_COSINE, 40, 4, 0, 0, 0.9, 0.1, 1e-2, 0},
    {&CaseLinear, 0, 7, RHEO_SCHEDULE_PLATEAU, 50, 9, 0, 3, 0, 0.3, 0.3,
     0}, /* cuts its rate, and loses patience */
    {&CaseNoisy, 1, 5, RHEO_SCHEDULE_CONSTANT, 64, 9, 11, 0, 0, 0, 1e-2, 0}, /* ends within an epoch */
    {&CasePoisson, 0, 4, RHEO_SCHEDULE_CONSTANT, 20, 9, 0, 0, 0, 0.2, 60,
     0}, /* skips steps until it gives up */
    {&CaseMlp, 1, 5, RHEO_SCHEDULE_CONSTANT, 20, 3, 0, 0, 0, 0.1, 1e-2, 45}, /* stops within windows */
    {&unfit, 0, 4, RHEO_SCHEDULE_CONSTANT, 90, 30, 0, 0, 0, 0.1, 1e-2, 0},   /* gives up after ten epochs */
    {&unfit, 0, 4, RHEO_SCHEDULE_CONSTANT, 90, 30, 0, 8, 0, 0.1, 1e-2, 0},   /* loses patience before that */
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* The last rank of a communicator counts the steps, and is the only one that is asked. */
typedef struct {
  int64_t calls, stop_at; /* 0: never */
  PetscBool last;
  int64_t full_at; /* from this step on the disk is full; 0: never */
} Asked;

static void LimitFiles(rlim_t bytes)
{
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes ? bytes : limit.rlim_max;
  signal(SIGXFSZ, SIG_IGN); /* then writing fails, as on a full disk */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static PetscBool IsAsked(void *context)
{
  Asked *asked = context;
  asked->calls++;
  if (asked->full_at && asked->calls == asked->full_at && !rank) LimitFiles(1000);
  return (PetscBool)(asked->last && asked->calls == asked->stop_at);
}

static RheoSafeguard Guard(MPI_Comm comm, Asked *asked, int64_t steps)
{
  int me, all;
  MPI_Comm_rank(comm, &me);
  MPI_Comm_size(comm, &all);
  asked->last = (PetscBool)(me == all - 1);
  return (RheoSafeguard){.config = {.steps = steps, .keep = 2, .restart = PETSC_TRUE},
                         .folder = folder,
                         .asked = IsAsked,
                         .context = asked};
}

static void Create(MPI_Comm comm, const Setting *s, TrainCase *c)
{
  RheoTrainConfig config;
  TrainCaseCreate(comm, s->type, N, WIDTH, s->weighted, c);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = s->batch;
  config.shards = s->shards;
  config.epochs = s->epochs;
  config.steps = s->steps;
  config.patience = s->patience;
  config.schedule = s->schedule;
  config.plateau = 2; /* more than 1, so that there is something to remember */
  config.ema = s->ema;
  config.lr = s->lr;
  config.validation = s->validation;
  config.window = s->window;
  OK(RheoTrainerSetConfig(c->trainer, &config));
}

static PetscErrorCode RunCase(MPI_Comm comm, const Setting *s, const RheoSafeguard *guard, uint64_t *checksum)
{
  TrainCase c;
  Create(comm, s, &c);
  if (guard) OK(RheoTrainerSetSafeguard(c.trainer, guard, "case"));
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = RheoTrainerRun(c.trainer);
  RheoErrorSetQuiet(PETSC_FALSE);
  if (!code && checksum) {
    const int64_t skipped = c.trainer->state.skipped; /* of which a message tells */
    *checksum = RheoChecksum(TrainCaseChecksum(&c), &skipped, sizeof skipped);
  }
  TrainCaseDestroy(&c);
  return code;
}

/* On all ranks, or on rank 0 while the others wait. */
static PetscErrorCode RunOn(int alone, const Setting *s, int64_t every, Asked *asked, uint64_t *checksum)
{
  int code = 0;
  if (!alone || !rank) {
    const MPI_Comm comm = alone ? PETSC_COMM_SELF : PETSC_COMM_WORLD;
    const RheoSafeguard guard = Guard(comm, asked, every);
    code = (int)RunCase(comm, s, &guard, checksum);
  }
  MPI_Bcast(&code, 1, MPI_INT, 0, PETSC_COMM_WORLD);
  MPI_Bcast(checksum, 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD);
  return (PetscErrorCode)code;
}

static void Clear(void)
{
  OK(RheoCheckpointsRemove(PETSC_COMM_WORLD, folder));
}

/* ---- Stopping and continuing ---- */
static void TestAnyStep(void **state)
{
  static const int64_t stops[] = {1, 5, 7, 10};
  (void)state;
  for (int i = 0; i < SETTINGS; i++) {
    const Setting *s = &settings[i];
    uint64_t expected = 0, sum = 0;
    OK(RunCase(PETSC_COMM_WORLD, s, NULL, &expected));
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++)
      for (int alone = 0; alone < 2; alone++) {
        Clear();
        assert_int_equal(RunOn(alone, s, 0, &(Asked){.stop_at = stops[k]}, &sum), RHEO_STOPPED);
        OK(RunOn(!alone, s, 0, &(Asked){0}, &sum));
        if (sum != expected)
          fail_msg("setting %d, stopped after step %lld: %016llx, not stopped: %016llx", i,
                   (long long)stops[k], (unsigned long long)sum, (unsigned long long)expected);
      }
  }
}

static void TestManyStops(void **state)
{
  (void)state;
  for (int i = 0; i < SETTINGS; i++) {
    uint64_t expected = 0, sum = 0;
    PetscErrorCode code = RHEO_STOPPED;
    int n = 0;
    OK(RunCase(PETSC_COMM_WORLD, &settings[i], NULL, &expected));
    Clear();
    for (; code; n++) {
      code = RunOn(n % 2, &settings[i], 2, &(Asked){.stop_at = 3}, &sum);
      assert_true(!code || code == RHEO_STOPPED);
      assert_true(n < 100);
    }
    assert_true(n > 3 && sum == expected);
  }
}

/* Without a folder too. */
static void TestStopsWithout(void **state)
{
  Asked asked = {.stop_at = 2};
  RheoSafeguard guard = Guard(PETSC_COMM_WORLD, &asked, 0);
  (void)state;
  guard.folder = NULL;
  assert_int_equal(RunCase(PETSC_COMM_WORLD, &settings[0], &guard, NULL), RHEO_STOPPED);
  assert_int_equal(asked.calls, 2);
  assert_int_equal(RheoExitStatus(RHEO_STOPPED), RHEO_EXIT_SIGNAL);
}

/* What has ended is not trained again. */
static void TestEnded(void **state)
{
  uint64_t first = 0, second = 0;
  (void)state;
  for (int i = 0; i < SETTINGS; i++) {
    Asked asked = {0};
    Clear();
    OK(RunOn(0, &settings[i], 5, &(Asked){0}, &first));
    OK(RunOn(1, &settings[i], 5, &asked, &second));
    assert_int_equal(asked.calls, 0);
    assert_true(first == second);
  }
}

static void TestTimeLimit(void **state)
{
  uint64_t expected = 0, sum = 0;
  char end[32];
  (void)state;
  OK(RunCase(PETSC_COMM_WORLD, &settings[0], NULL, &expected));
  for (int slurm = 0; slurm < 2; slurm++) {
    Asked asked = {0};
    RheoSafeguard guard = Guard(PETSC_COMM_WORLD, &asked, 0);
    Clear();
    snprintf(end, sizeof end, "%lld", (long long)time(NULL) + 5); /* too late to begin another step */
    if (slurm)
      setenv("SLURM_JOB_END_TIME", end, 1);
    else
      guard.config.time_limit = 1e-9;
    assert_int_equal(RunCase(PETSC_COMM_WORLD, &settings[0], &guard, &sum), RHEO_STOPPED);
    unsetenv("SLURM_JOB_END_TIME");
    assert_int_equal(asked.calls, 1);
    guard.config.time_limit = 0;
    OK(RunCase(PETSC_COMM_WORLD, &settings[0], &guard, &sum));
    assert_true(sum == expected);
  }
}

/* ---- Files: on rank 0 ---- */
static int CountFiles(void)
{
  int64_t *steps;
  const int n = RheoCheckpointList(folder, &steps);
  free(steps);
  return n;
}

static void TestKeep(void **state)
{
  uint64_t sum = 0;
  (void)state;
  for (int keep = 1; keep < 4; keep++) {
    Asked asked = {.stop_at = 11};
    RheoSafeguard guard = Guard(PETSC_COMM_WORLD, &asked, 2);
    guard.config.keep = keep;
    Clear();
    assert_int_equal(RunCase(PETSC_COMM_WORLD, &settings[0], &guard, &sum), RHEO_STOPPED);
    if (!rank) assert_int_equal(CountFiles(), keep);
  }
}

typedef struct {
  char path[RHEO_CHECKPOINT_PATH];
  size_t n;
  char *bytes;
} Content;

/* The checkpoints of steps 6 and 7. */
static void StopAtSeven(Content at[2])
{
  uint64_t sum = 0;
  Clear();
  assert_int_equal(RunOn(0, &settings[0], 6, &(Asked){.stop_at = 7}, &sum), RHEO_STOPPED);
  for (int k = 0; k < 2 && !rank; k++) {
    RheoCheckpointPath(folder, 6 + k, at[k].path);
    FILE *file = fopen(at[k].path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    at[k].n = (size_t)ftell(file);
    at[k].bytes = malloc(at[k].n);
    rewind(file);
    assert_int_equal(fread(at[k].bytes, 1, at[k].n, file), at[k].n);
    fclose(file);
  }
}

static void Put(const Content *at, size_t n)
{
  FILE *file = fopen(at->path, "wb");
  assert_true(file && fwrite(at->bytes, 1, n, file) == n);
  fclose(file);
}

static int IsGood(const char *path)
{
  RheoCheckpointFile file;
  RheoCheckpointHead head;
  const char *why = RheoCheckpointFileOpen(path, &file, &head);
  RheoCheckpointFileClose(&file);
  return !why;
}

/* On all ranks or on one. */
static void ContinuesOn(int alone, uint64_t expected, int64_t steps_left)
{
  uint64_t sum = 0;
  Asked asked = {0};
  OK(RunOn(alone, &settings[0], 0, &asked, &sum));
  assert_true(sum == expected);
  if (!alone || !rank) assert_int_equal(asked.calls, steps_left);
}

static void Continues(uint64_t expected, int64_t steps_left)
{
  ContinuesOn(0, expected, steps_left);
}

static int64_t StepsOf(const Setting *s)
{
  Asked asked = {0};
  uint64_t sum = 0;
  Clear();
  OK(RunOn(0, s, 0, &asked, &sum));
  return asked.calls;
}

/* Cut off at 20 lengths: the one before it is used; when that is cut off too, none is. */
static void TestCutOff(void **state)
{
  const int64_t total = StepsOf(&settings[0]);
  uint64_t expected = 0;
  Content at[2] = {0};
  (void)state;
  OK(RunCase(PETSC_COMM_WORLD, &settings[0], NULL, &expected));
  StopAtSeven(at);
  for (int i = 0; i < 20; i++) {
    Clear();
    if (!rank) {
      mkdir(folder, 0777);
      const size_t last = at[1].n - 1, some = i < 10 ? (size_t)i * 17 : last - (size_t)(i - 10) * last / 12;
      Put(&at[1], some);
      Put(&at[0], i == 19 ? 9 : at[0].n);
      assert_false(IsGood(at[1].path));
    }
    MPI_Barrier(PETSC_COMM_WORLD);
    Continues(expected, i == 19 ? total : total - 6);
  }
  Clear();
  for (int k = 0; k < 2; k++) free(at[k].bytes);
}

/* 200 bytes that have changed, each alone and all together: found, and the one before is gone on from. */
static void TestFlipped(void **state)
{
  const int64_t total = StepsOf(&settings[0]);
  uint64_t expected = 0;
  Content at[2] = {0};
  (void)state;
  OK(RunCase(PETSC_COMM_WORLD, &settings[0], NULL, &expected));
  StopAtSeven(at);
  for (uint64_t i = 0; i < 201; i++) {
    if (!rank) {
      for (uint64_t k = 0; k < (i < 200 ? 1 : 200); k++) {
        RheoStream stream = RheoStreamMake(4, RHEO_STREAM_TEST, 0, i < 200 ? i : k);
        at[1].bytes[RheoStreamInteger(&stream, at[1].n)] ^= (char)(1 + RheoStreamInteger(&stream, 255));
      }
      mkdir(folder, 0777);
      Put(&at[0], at[0].n);
      Put(&at[1], at[1].n);
      assert_false(IsGood(at[1].path));
      assert_true(IsGood(at[0].path));
      for (uint64_t k = 0; k < (i < 200 ? 1 : 0); k++) { /* back */
        RheoStream stream = RheoStreamMake(4, RHEO_STREAM_TEST, 0, i);
        at[1].bytes[RheoStreamInteger(&stream, at[1].n)] ^= (char)(1 + RheoStreamInteger(&stream, 255));
      }
    }
    MPI_Barrier(PETSC_COMM_WORLD);
    ContinuesOn(i % 20 != 0, expected, total - 6); /* ranks that share a core are slow, and add nothing */
    Clear();
  }
  for (int k = 0; k < 2; k++) free(at[k].bytes);
}

/* Something else of that name does no harm; what a kill left is swept away. */
static void TestStrangers(void **state)
{
  char path[RHEO_CHECKPOINT_PATH], other[RHEO_CHECKPOINT_PATH + 32], kept[RHEO_CHECKPOINT_PATH];
  uint64_t expected = 0;
  (void)state;
  const int64_t total = StepsOf(&settings[0]);
  OK(RunCase(PETSC_COMM_WORLD, &settings[0], NULL, &expected));
  Clear();
  snprintf(kept, sizeof kept, "%s/notes", folder);
  if (!rank) {
    mkdir(folder, 0777);
    RheoCheckpointPath(folder, 9, path);
    assert_int_equal(mkfifo(path, 0666), 0);
    RheoCheckpointPath(folder, 8, path);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(other, sizeof other, "%s/step000000000003.checkpoint.tmp", folder);
    fclose(fopen(other, "wb"));
    fclose(fopen(kept, "wb"));
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  uint64_t sum = 0;
  Asked asked = {0};
  OK(RunOn(0, &settings[0], 5, &asked, &sum));
  assert_true(sum == expected && asked.calls == total);
  Clear();
  if (!rank) {
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    unlink(kept);
    snprintf(other, sizeof other, "rm -rf '%s'", folder);
    assert_int_equal(system(other), 0);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* ---- Checkpoints of something else ---- */
/* What calls itself mlp, has parameters of its sizes and begins with its numbers, but under other names. */
static RheoVal OtherLoss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  return CaseMlp.loss(rx_enter(scope, "other"), model, column);
}

static void TestForeign(void **state)
{
  const RheoObjectiveType other = {.name = CaseMlp.name, .columns = columns, .loss = OtherLoss};
  uint64_t sum = 0;
  (void)state;
  for (int k = 0; k < 9; k++) {
    TrainCase c;
    Asked asked = {.stop_at = 3};
    RheoSafeguard guard = Guard(PETSC_COMM_WORLD, &asked, 0);
    Clear();
    assert_int_equal(RunCase(PETSC_COMM_WORLD, &settings[0], &guard, &sum), RHEO_STOPPED);
    Setting changed = settings[0];
    if (k == 0) changed.lr *= 2;
    if (k == 1) changed.weighted = 0;
    if (k == 2) changed.type = &CaseNoisy;
    if (k == 6) changed.type = &other;
    Create(PETSC_COMM_WORLD, &changed, &c);
    if (k == 6) { /* numbers are drawn by name */
      TrainCase same;
      Create(PETSC_COMM_WORLD, &settings[0], &same);
      assert_true(RheoParamsSize(same.params) == RheoParamsSize(c.params));
      memcpy(c.values, same.values, RheoParamsSize(c.params) * sizeof(float));
      TrainCaseDestroy(&same);
    }
    if (k == 3) OK(RheoTrainerSetSeed(c.trainer, 18));
    if (k == 4) c.x[N * WIDTH - 1] += 1;
    if (k == 7) c.values[TrainCasePlace(&c, "model.weight", 0)] += 1;
    if (k == 8) c.y[0] += 1;
    asked.stop_at = 0;
    OK(RheoTrainerSetSafeguard(c.trainer, &guard, k == 5 ? "another" : "case"));
    REJECTS(RheoTrainerRun(c.trainer), "is of another training");
    guard.config.restart = PETSC_FALSE;
    OK(RheoTrainerSetSafeguard(c.trainer, &guard, k == 5 ? "another" : "case"));
    OK(RheoTrainerRun(c.trainer));
    TrainCaseDestroy(&c);
  }
}

/* ---- A disk that is full ---- */
static void TestFullDisk(void **state)
{
  uint64_t expected = 0, sum = 0;
  char path[RHEO_CHECKPOINT_PATH];
  int64_t *steps;
  (void)state;
  OK(RunCase(PETSC_COMM_WORLD, &settings[0], NULL, &expected));
  Clear();
  OK(RunOn(0, &settings[0], 2, &(Asked){.full_at = 4}, &sum));
  LimitFiles(0);
  assert_true(sum == expected);
  Clear();
  assert_int_equal(RunOn(0, &settings[0], 2, &(Asked){.full_at = 1, .stop_at = 9}, &sum), RHEO_ERR_INPUT);
  LimitFiles(0);
  assert_non_null(strstr(RheoErrorMessage(), "no checkpoint could be written: File too large"));
  Clear();
  assert_int_equal(RunOn(0, &settings[0], 2, &(Asked){.full_at = 4, .stop_at = 9}, &sum), RHEO_STOPPED);
  LimitFiles(0);
  if (!rank) {
    assert_int_equal(RheoCheckpointList(folder, &steps), 1);
    RheoCheckpointPath(folder, steps[0], path);
    assert_int_equal(steps[0], 2);
    assert_true(IsGood(path));
    free(steps);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
  OK(RunOn(0, &settings[0], 2, &(Asked){0}, &sum));
  assert_true(sum == expected);
}

static void TestNoFolder(void **state)
{
  Asked asked = {0};
  RheoSafeguard guard = Guard(PETSC_COMM_WORLD, &asked, 2);
  char file[80], below[96];
  TrainCase c;
  (void)state;
  snprintf(file, sizeof file, "%s_file", folder);
  snprintf(below, sizeof below, "%s/checkpoint", file);
  if (!rank) fclose(fopen(file, "wb"));
  guard.folder = below;
  Create(PETSC_COMM_WORLD, &settings[0], &c);
  OK(RheoTrainerSetSafeguard(c.trainer, &guard, "case"));
  REJECTS(RheoTrainerRun(c.trainer), "cannot be used as a folder");
  assert_int_equal(asked.calls, 0);
  TrainCaseDestroy(&c);
  if (!rank) unlink(file);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(TestAnyStep), cmocka_unit_test(TestManyStops), cmocka_unit_test(TestStopsWithout),
      cmocka_unit_test(TestEnded),   cmocka_unit_test(TestTimeLimit), cmocka_unit_test(TestKeep),
      cmocka_unit_test(TestCutOff),  cmocka_unit_test(TestFlipped),   cmocka_unit_test(TestStrangers),
      cmocka_unit_test(TestForeign), cmocka_unit_test(TestFullDisk),  cmocka_unit_test(TestNoFolder),
  };
  RheoInitialize(&argc, &argv);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "parallel_checkpoint_%d", size);
  RheoLogSetLevel(RHEO_LOG_ERROR); /* what is damaged is damaged hundreds of times */
  const int status = RUN_TESTS(argc, argv, tests);
  RheoFinalize();
  return status;
}
