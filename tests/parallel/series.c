/* The series of a training says what its history says, goes on where it was stopped, and never stands in the way. ranks: 1 2
 * sanitize: yes */
#include "train/series.h"
#include "base/log.h"
#include "capture.h"
#include "check.h"
#include "train/checkpoint.h"
#include "train_case.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 400, WIDTH = 3, EPOCHS = 6 };

static int rank, size;
static char folder[64], checkpoints[96], path[96];

static const double *Column(const RheoSeries *s, RheoSeriesColumn k)
{
  return s->column[k];
}

/* Trains as a program would, with a file or without; asked: the step to stop at, 0 for none. */
typedef struct {
  const RheoObjectiveType *type;
  const char *file;
  double every, lr;
  int64_t stop, calls;
} Training;

static PetscBool Asked(void *context)
{
  Training *t = context;
  return (PetscBool)(++t->calls == t->stop);
}

static uint64_t Train(Training *t, RheoHistory *copy)
{
  const RheoHistory *history;
  RheoTrainConfig config;
  TrainCase c;

  TrainCaseCreate(PETSC_COMM_WORLD, t->type, N, WIDTH, 1, &c);
  OK(RheoTrainConfigDefaults(&config));
  config.batch = 40;
  config.epochs = EPOCHS;
  config.lr = t->lr;
  config.schedule = RHEO_SCHEDULE_PLATEAU;
  config.plateau = 1;
  config.validation = 0.2;
  OK(RheoTrainerSetConfig(c.trainer, &config));
  OK(RheoTrainerSetSeries(c.trainer, t->file, t->every));
  const RheoSafeguard guard = {.config = {.steps = 7, .keep = 2, .restart = PETSC_TRUE},
                               .folder = checkpoints,
                               .asked = Asked,
                               .context = t};
  OK(RheoTrainerSetSafeguard(c.trainer, &guard, "case"));
  t->calls = 0;
  RheoErrorSetQuiet(PETSC_TRUE);
  const PetscErrorCode code = RheoTrainerRun(c.trainer);
  RheoErrorSetQuiet(PETSC_FALSE);
  assert_int_equal(code, t->stop ? RHEO_STOPPED : RHEO_OK);
  uint64_t checksum = 0;
  if (!code) {
    checksum = TrainCaseChecksum(&c);
    OK(RheoTrainerGetHistory(c.trainer, &history));
    if (copy) {
      *copy = *history;
      double **column[] = {&copy->epoch,           &copy->step, &copy->train_loss,
                           &copy->validation_loss, &copy->lr,   &copy->gradient_norm};
      for (int k = 0; k < 6; k++) {
        double *values = malloc((size_t)history->n * sizeof *values);
        memcpy(values, *column[k], (size_t)history->n * sizeof *values);
        *column[k] = values;
      }
    }
    OK(RheoCheckpointsRemove(PETSC_COMM_WORLD, checkpoints));
  }
  TrainCaseDestroy(&c);
  return checksum;
}

static void HistoryFree(RheoHistory *h)
{
  double *column[] = {h->epoch, h->step, h->train_loss, h->validation_loss, h->lr, h->gradient_norm};
  for (int k = 0; k < 6; k++) free(column[k]);
}

static RheoSeries Read(void)
{
  RheoSeries series;
  const char *wrong;
  OK(RheoSeriesRead(PETSC_COMM_WORLD, path, &series, &wrong));
  if (wrong) fail_msg("%s: %s", path, wrong);
  return series;
}

static char *Text(long *length)
{
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  char *text = calloc(1, (size_t)*length + 1);
  assert_int_equal(fread(text, 1, (size_t)*length, file), *length);
  fclose(file);
  return text;
}

static void Fresh(void)
{
  snprintf(folder, sizeof folder, "parallel_series_%d", size);
  snprintf(path, sizeof path, "%s/series.csv", folder);
  snprintf(checkpoints, sizeof checkpoints, "%s/checkpoint", folder);
  if (!rank) FreshFolder(folder);
  MPI_Barrier(PETSC_COMM_WORLD);
}

static double Printed(double x)
{
  char text[32];
  snprintf(text, sizeof text, "%.10g", x);
  return strtod(text, NULL);
}

/* A row for every step: epochs' ends say what the history says, to the digits that are printed. */
static void RowsAreTheHistory(void **state)
{
  Training t = {&CaseMlp, NULL, 0, 0.02, 0, 0};
  RheoHistory h;
  (void)state;
  Fresh();
  const uint64_t without = Train(&t, NULL);
  t.file = path;
  assert_true(Train(&t, &h) == without);
  RheoSeries s = Read();
  const double *step = Column(&s, RHEO_SERIES_STEP), *seconds = Column(&s, RHEO_SERIES_SECONDS);
  assert_int_equal(h.n, EPOCHS);
  assert_int_equal(s.n, (int64_t)h.step[h.n - 1] + 1);
  assert_true(isnan(Column(&s, RHEO_SERIES_TRAIN_LOSS)[0]) && seconds[0] == 0);
  for (int64_t i = 0, e = 0; i < s.n; i++) {
    assert_true(step[i] == (double)i && Column(&s, RHEO_SERIES_TURN)[i] == 1);
    assert_true(Column(&s, RHEO_SERIES_RANKS)[i] == size);
    if (!i) continue;
    assert_true(seconds[i] >= seconds[i - 1]);
    const double share = Column(&s, RHEO_SERIES_COMMUNICATION)[i];
    assert_true(share >= 0 && share <= 1 && Column(&s, RHEO_SERIES_SAMPLES_PER_S)[i] > 0);
    assert_true(Column(&s, RHEO_SERIES_MEMORY)[i] > 1 && Column(&s, RHEO_SERIES_MEMORY)[i] < 1e5);
    assert_true((Column(&s, RHEO_SERIES_LEFT)[i] > 0) == (i + 1 < s.n));
    if (step[i] == h.step[e]) {
      assert_true(Column(&s, RHEO_SERIES_EPOCH)[i] == h.epoch[e]);
      assert_true(Column(&s, RHEO_SERIES_TRAIN_LOSS)[i] == Printed(h.train_loss[e]));
      assert_true(Column(&s, RHEO_SERIES_VALIDATION_LOSS)[i] == Printed(h.validation_loss[e]));
      assert_true(Column(&s, RHEO_SERIES_GRADIENT_NORM)[i] == Printed(h.gradient_norm[e]));
      assert_true(Column(&s, RHEO_SERIES_LR)[i] == Printed(h.lr[e]));
      e++;
    } else {
      assert_true(isnan(Column(&s, RHEO_SERIES_VALIDATION_LOSS)[i]));
      assert_true(isfinite(Column(&s, RHEO_SERIES_TRAIN_LOSS)[i]));
      const double epoch = Column(&s, RHEO_SERIES_EPOCH)[i];
      assert_true(epoch > (double)e && epoch < (double)(e + 1));
    }
  }
  OK(RheoSeriesFree(&s));
  HistoryFree(&h);
}

/* A training that is stopped and continued is two turns of one file, whose first lines stay; one after it is another. */
static void TurnsAreAppended(void **state)
{
  Training t = {&CaseMlp, NULL, 0, 0.02, 0, 0};
  long first, all;
  (void)state;
  Fresh();
  const uint64_t without = Train(&t, NULL);
  t.file = path;
  t.stop = 10;
  Train(&t, NULL);
  MPI_Barrier(PETSC_COMM_WORLD);
  char *before = Text(&first);
  t.stop = 0;
  assert_true(Train(&t, NULL) == without);
  RheoSeries s = Read();
  MPI_Barrier(PETSC_COMM_WORLD);
  char *after = Text(&all);
  assert_true(all > first && !strncmp(before, after, (size_t)first));
  int64_t i = 0;
  while (i < s.n && Column(&s, RHEO_SERIES_TURN)[i] == 1) i++;
  assert_true(i > 1 && i < s.n && Column(&s, RHEO_SERIES_TURN)[i] == 2);
  assert_true(Column(&s, RHEO_SERIES_STEP)[i] == Column(&s, RHEO_SERIES_STEP)[i - 1]);
  assert_true(isnan(Column(&s, RHEO_SERIES_TRAIN_LOSS)[i]));
  assert_int_equal(RheoSeriesLatest(&s), 0);
  const int64_t n = s.n;
  OK(RheoSeriesFree(&s));
  free(before);
  free(after);
  t.file = path;
  assert_true(Train(&t, NULL) == without);
  s = Read();
  assert_true(Column(&s, RHEO_SERIES_TURN)[s.n - 1] == 3);
  assert_int_equal(RheoSeriesLatest(&s), n);
  OK(RheoSeriesFree(&s));
}

/* Where epochs are short, and the time between rows is long, the first and the last row are there at least, and not all. */
static void RowsAreNotTooMany(void **state)
{
  Training t = {&CaseLinear, path, 1e9, 0.02, 0, 0};
  (void)state;
  Fresh();
  Train(&t, NULL);
  RheoSeries s = Read();
  assert_true(s.n >= 2 && s.n <= EPOCHS + 1);
  for (int64_t i = 0; i < s.n; i++) {
    const double epoch = Column(&s, RHEO_SERIES_EPOCH)[i];
    assert_true(epoch == floor(epoch));
  }
  assert_true(Column(&s, RHEO_SERIES_EPOCH)[s.n - 1] == EPOCHS && Column(&s, RHEO_SERIES_LEFT)[s.n - 1] == 0);
  OK(RheoSeriesFree(&s));
}

static void PutLine(const char *text, const char *mode)
{
  if (!rank) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
  }
  MPI_Barrier(PETSC_COMM_WORLD);
}

/* A line that was cut in two hides itself and nothing else. */
static void TornLinesAreLeftOut(void **state)
{
  Training t = {&CaseMlp, path, 0, 0.02, 0, 0};
  (void)state;
  Fresh();
  Train(&t, NULL);
  RheoSeries s = Read();
  const int64_t n = s.n;
  OK(RheoSeriesFree(&s));
  PutLine("1,9,99,0.5,-1.2", "a");
  s = Read();
  assert_int_equal(s.n, n);
  OK(RheoSeriesFree(&s));
  Train(&t, NULL);
  s = Read();
  assert_int_equal(s.n, 2 * n);
  assert_true(Column(&s, RHEO_SERIES_TURN)[n] == 2);
  OK(RheoSeriesFree(&s));
}

/* Trains with a file that cannot be had: one warning, and the same result. */
static void Unwritable(const char *file, const char *why, uint64_t expected)
{
  Training t = {&CaseMlp, file, 0, 0.02, 0, 0};
  Capture capture = CaptureStart(STDERR_FILENO, 0);
  const uint64_t found = Train(&t, NULL);
  char *text = CaptureEnd(&capture);
  if (found != expected) fail_msg("%s: another result", file);
  if (!rank) {
    const char *at = strstr(text, "warning: ");
    if (!at || !strstr(at, why) || !strstr(at, "training goes on without it"))
      fail_msg("no warning: %s", text);
    if (strstr(at + 1, "warning: ")) fail_msg("more than one warning: %s", text);
  }
  free(text);
}

static void NothingStandsInTheWay(void **state)
{
  Training t = {&CaseMlp, NULL, 0, 0.02, 0, 0};
  RheoSeries s;
  const char *wrong;
  long length;
  (void)state;
  Fresh();
  const uint64_t expected = Train(&t, NULL);
  Unwritable("parallel_series_absent/series.csv", strerror(ENOENT), expected);
  Unwritable(folder, strerror(EISDIR), expected);
  if (!access("/dev/full", W_OK)) Unwritable("/dev/full", strerror(ENOSPC), expected);
  PutLine("a,b\n1,2\n", "w");
  Unwritable(path, "cannot be continued: it is not a series", expected);
  char *text = Text(&length);
  assert_string_equal(text, "a,b\n1,2\n");
  free(text);
  OK(RheoSeriesRead(PETSC_COMM_WORLD, path, &s, &wrong));
  assert_true(wrong && s.n == 0);
  OK(RheoSeriesFree(&s));
}

/* Losses that are not finite are numbers of the series too. */
static void FailuresAreTold(void **state)
{
  Training t = {&CasePoisson, path, 0, 60, 0, 0};
  (void)state;
  Fresh();
  RheoLogSetLevel(RHEO_LOG_ERROR);
  Train(&t, NULL);
  RheoLogSetLevel(RHEO_LOG_INFO);
  RheoSeries s = Read();
  assert_true(s.n > 1 && Column(&s, RHEO_SERIES_SKIPPED)[s.n - 1] > 0);
  OK(RheoSeriesFree(&s));
}

int main(int argc, char **argv)
{
  RheoInitialize(&argc, &argv);
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(RowsAreTheHistory),     cmocka_unit_test(TurnsAreAppended),
      cmocka_unit_test(RowsAreNotTooMany),     cmocka_unit_test(TornLinesAreLeftOut),
      cmocka_unit_test(NothingStandsInTheWay), cmocka_unit_test(FailuresAreTold),
  };
  const int status = RUN_TESTS(argc, argv, tests);
  RheoFinalize();
  return status;
}
