/* What a disk holds when power is lost, or the program killed, between any two steps of writing: never less than what was there
 * before, and all that a call has written when it returns. This program's own fsync, rename, unlink and rmdir stand before the
 * C library's and keep account of what is safe: the bytes of a file are when it was flushed, its name when its folder was. */
#include "check.h"
#include "io/journal.h"
#include "io/table.h"
#include "train/checkpoint_impl.h"
#include "train/model_file.h"
#include "train_case.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 400, PATH = 4096, DEPTH = 3 };
static const char disk[] = "power_loss_disk",
                  image[] = "power_loss_image"; /* what is watched; what is left of it */

/* ---- What was flushed ---- */
typedef struct {
  ino_t node;
  int folder;
  char name[64];
} Entry;

typedef struct {
  ino_t node;
  int held; /* open, so that the number is not given to another */
  size_t n; /* bytes, or entries */
  void *content;
} Safe;

static Safe safe[MOST];
static int n_safe, n_cuts;
static void (*look)(void); /* while it is watched: at what is left in the image */

static Safe *Find(ino_t node)
{
  for (int i = 0; i < n_safe; i++)
    if (safe[i].node == node) return &safe[i];
  return NULL;
}

static size_t ListEntries(const char *path, Entry **entries)
{
  DIR *all = opendir(path);
  size_t n = 0;
  *entries = calloc(MOST, sizeof **entries);
  for (const struct dirent *e; all && (e = readdir(all));) {
    struct stat info;
    if (e->d_name[0] == '.') continue;
    assert_true(n < MOST && strlen(e->d_name) < sizeof(*entries)->name);
    assert_int_equal(fstatat(dirfd(all), e->d_name, &info, 0), 0);
    (*entries)[n] = (Entry){.node = info.st_ino, .folder = S_ISDIR(info.st_mode)};
    strcpy((*entries)[n++].name, e->d_name);
  }
  if (all) closedir(all);
  return n;
}

static void Remember(int file)
{
  char path[64];
  struct stat info;
  assert_int_equal(fstat(file, &info), 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  Safe *s = Find(info.st_ino);
  if (!s) {
    assert_true(n_safe < MOST);
    s = &safe[n_safe++];
    *s = (Safe){.node = info.st_ino, .held = open(path, O_RDONLY)};
    assert_true(s->held >= 0);
  }
  free(s->content);
  if (S_ISDIR(info.st_mode))
    s->n = ListEntries(path, (Entry **)&s->content);
  else {
    s->n = (size_t)info.st_size;
    s->content = malloc(s->n + 1);
    assert_int_equal(pread(s->held, s->content, s->n, 0), (ssize_t)s->n);
  }
}

/* ---- What is left ---- */
/* Of a folder: the names that are safe, or, where the bit of its depth is set, those that it has now, which the disk may have seen to
 * by itself. Of a file: the bytes that were flushed. */
static void Build(const char *path, ino_t node, const char *into, int depth, unsigned now)
{
  char from[PATH], to[PATH];
  const Safe *s = Find(node);
  Entry *entries = NULL;
  size_t n = s ? s->n : 0;
  if (now >> depth & 1) n = ListEntries(path, &entries);
  assert_int_equal(mkdir(into, 0777), 0);
  for (size_t i = 0; i < n; i++) {
    const Entry *e = entries ? &entries[i] : (const Entry *)s->content + i;
    const Safe *file = Find(e->node);
    assert_true(snprintf(from, sizeof from, "%s/%s", path, e->name) < PATH);
    assert_true(snprintf(to, sizeof to, "%s/%s", into, e->name) < PATH);
    if (e->folder)
      Build(from, e->node, to, depth + 1, now);
    else {
      FILE *copy = fopen(to, "wb");
      assert_non_null(copy);
      if (file) assert_int_equal(fwrite(file->content, 1, file->n, copy), file->n);
      fclose(copy);
    }
  }
  free(entries);
}

static int Remove(const char *path, const struct stat *info, int type, struct FTW *place)
{
  (void)info;
  (void)type;
  (void)place;
  return remove(path);
}

static void Clean(const char *path)
{
  if (nftw(path, Remove, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT) fail_msg("%s is in the way", path);
}

/* Power is lost now; on a disk that was slow, on one that was quick, and on those that were quick with some folders. */
static void Cut(void)
{
  void (*const looking)(void) = look;
  const int error = errno;
  struct stat root;
  if (!looking) return;
  look = NULL; /* what looks is not looked at */
  assert_int_equal(stat(disk, &root), 0);
  for (unsigned now = 0; now < 1U << DEPTH; now++) {
    Clean(image);
    Build(disk, root.st_ino, image, 0, now);
    looking();
  }
  n_cuts++;
  look = looking;
  errno = error;
}

/* ---- In the place of the C library's ---- */
int fsync(int file)
{
  Cut();
  const int status = (int)syscall(SYS_fsync, file);
  if (look && !status) Remember(file);
  Cut();
  return status;
}

int rename(const char *from, const char *to)
{
  Cut();
  const int status = renameat(AT_FDCWD, from, AT_FDCWD, to);
  Cut();
  return status;
}

int unlink(const char *path)
{
  Cut();
  const int status = unlinkat(AT_FDCWD, path, 0);
  Cut();
  return status;
}

int rmdir(const char *path)
{
  Cut();
  const int status = unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
  Cut();
  return status;
}

/* ---- What is watched ---- */
static const char *In(const char *root, const char *name)
{
  char path[PATH];
  snprintf(path, PATH, "%s/%s", root, name);
  return RheoIntern(path);
}

/* All that is there is safe, from here on it is watched. */
static int Settle(const char *path, const struct stat *info, int type, struct FTW *place)
{
  const int file = open(path, O_RDONLY);
  (void)info;
  (void)type;
  (void)place;
  assert_true(file >= 0);
  Remember(file);
  close(file);
  return 0;
}

static void Watch(void (*what)(void))
{
  assert_int_equal(nftw(disk, Settle, 16, FTW_PHYS), 0);
  n_cuts = 0;
  look = what;
}

static void Unwatch(int cuts)
{
  Cut();
  look = NULL;
  assert_true(n_cuts > cuts);
}

static int Start(void **state)
{
  (void)state;
  Clean(disk);
  return mkdir(disk, 0777);
}

static int End(void **state)
{
  (void)state;
  look = NULL;
  for (; n_safe; n_safe--) {
    close(safe[n_safe - 1].held);
    free(safe[n_safe - 1].content);
  }
  Clean(disk);
  Clean(image);
  return 0;
}

/* ---- Checkpoints ---- */
static int64_t calls, promised; /* steps; the step whose checkpoint has been written, -1: none */

/* The step of the latest, -1 where there is none; all are whole. */
static int64_t Latest(const char *folder)
{
  char path[RHEO_CHECKPOINT_PATH];
  RheoCheckpointFile file;
  RheoCheckpointHead head;
  int64_t *steps;
  const int n = RheoCheckpointList(folder, &steps);
  const int64_t latest = n ? steps[0] : -1;
  for (int i = 0; i < n; i++) {
    RheoCheckpointPath(folder, steps[i], path);
    const char *why = RheoCheckpointFileOpen(path, &file, &head);
    if (why) fail_msg("%s: %s", path, why);
    RheoCheckpointFileClose(&file);
  }
  free(steps);
  return latest;
}

static void LookAtCheckpoints(void)
{
  assert_true(Latest(In(image, "run/checkpoint")) >= promised);
}

static PetscBool Asked(void *context)
{
  (void)context;
  promised = calls++; /* a checkpoint after every step; none before the first */
  if (promised == 0) promised = -1;
  Cut();
  return PETSC_FALSE;
}

static void Train(const char *folder, int64_t steps)
{
  RheoTrainConfig config;
  TrainCase c;
  TrainCaseCreate(PETSC_COMM_WORLD, &CaseMlp, 64, 3, 0, &c);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 16;
  config.steps = steps;
  OK(RheoTrainerSetConfig(c.trainer, &config));
  const RheoSafeguard guard = {
      .config = {.steps = 1, .keep = 2, .restart = PETSC_TRUE}, .folder = folder, .asked = Asked};
  calls = 0;
  OK(RheoTrainerSetSafeguard(c.trainer, &guard, NULL));
  OK(RheoTrainerRun(c.trainer));
  TrainCaseDestroy(&c);
}

static void TestCheckpoints(void **state)
{
  enum { STEPS = 6 };
  (void)state;
  promised = -1;
  Watch(LookAtCheckpoints);
  Train(In(disk, "run/checkpoint"), STEPS);
  assert_int_equal(calls, STEPS);
  promised = STEPS;
  Unwatch(4 * STEPS);
}

/* ---- Models ---- */
static int64_t oldest; /* the step of the model that is there at least; 0: none */

static int64_t StepOfModel(void)
{
  RheoModelFile model;
  const char *path = In(image, "model.h5");
  if (access(path, F_OK)) return 0;
  OK(RheoModelRead(PETSC_COMM_WORLD, path, &model));
  const int64_t step = model.step;
  OK(RheoModelFileFree(&model));
  return step;
}

static void WriteModel(int64_t step)
{
  TrainCase c;
  TrainCaseCreate(PETSC_COMM_WORLD, &CaseMlp, 64, 3, 0, &c);
  const RheoModelFile model = {
      .estimator = "npe", .deck = "seed: 1\n", .params = c.params, .values = c.values, .step = step};
  OK(RheoModelWrite(PETSC_COMM_WORLD, In(disk, "model.h5"), &model));
  TrainCaseDestroy(&c);
}

static void LookAtModel(void)
{
  assert_true(StepOfModel() >= oldest);
}

static void TestModel(void **state)
{
  (void)state;
  WriteModel(1);
  oldest = 1;
  Watch(LookAtModel);
  WriteModel(2);
  oldest = 2;
  Unwatch(4);
}

static void LookAtModelOrCheckpoint(void)
{
  if (!StepOfModel()) assert_true(Latest(In(image, "checkpoint")) >= 0);
}

/* A training's end: the checkpoints go when the model is safe. */
static void TestModelOrCheckpoint(void **state)
{
  (void)state;
  Train(In(disk, "checkpoint"), 2);
  Watch(LookAtModelOrCheckpoint);
  WriteModel(1);
  OK(RheoCheckpointsRemove(PETSC_COMM_WORLD, In(disk, "checkpoint")));
  Unwatch(6);
}

/* ---- Simulations ---- */
enum { ROWS = 30 };
static int64_t kept; /* rows that are there at least */

static PetscErrorCode Open(const char *root, RheoJournal *journal)
{
  return RheoJournalOpen(PETSC_COMM_WORLD, In(root, "data.h5.parts"), 5, sizeof(double), ROWS, journal);
}

static void LookAtRows(void)
{
  const char *path = In(image, "data.h5");
  RheoJournal journal;
  RheoTable *table;
  if (!access(path, F_OK)) {
    OK(RheoTableRead(PETSC_COMM_WORLD, path, "dataset", PETSC_TRUE, &table));
    assert_int_equal(table->n, ROWS);
    OK(RheoTableDestroy(&table));
    return;
  }
  OK(Open(image, &journal));
  assert_true(RheoJournalCount(journal) >= kept);
  OK(RheoJournalDestroy(&journal));
}

static void TestSimulations(void **state)
{
  static const char *const column[] = {"a"};
  RheoTable table = {.kind = "dataset", .verb = "test", .n = ROWS, .end = ROWS, .n_blocks = 1};
  RheoJournal journal;
  double row[ROWS];
  (void)state;
  for (int i = 0; i < ROWS; i++) row[i] = i;
  kept = 0;
  Watch(LookAtRows);
  OK(Open(disk, &journal));
  for (int i = 0; i < ROWS; i += 10) {
    OK(RheoJournalAppend(journal, i, 10, row + i));
    kept = i + 10;
    Cut();
  }
  OK(RheoJournalDestroy(&journal));
  table.block[0] = (RheoBlock){"parameters", 1, RHEO_STORE_DOUBLE, column, NULL, row};
  OK(RheoTableWrite(PETSC_COMM_WORLD, In(disk, "data.h5"), &table));
  OK(RheoJournalRemove(PETSC_COMM_WORLD, In(disk, "data.h5.parts")));
  assert_int_not_equal(access(In(disk, "data.h5.parts"), F_OK), 0);
  Unwatch(12);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(TestCheckpoints, Start, End),
      cmocka_unit_test_setup_teardown(TestModel, Start, End),
      cmocka_unit_test_setup_teardown(TestModelOrCheckpoint, Start, End),
      cmocka_unit_test_setup_teardown(TestSimulations, Start, End),
  };
  return RUN_TESTS(argc, argv, tests);
}
