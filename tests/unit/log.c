/* Log lines, progress, provenance.
 * ranks: 1 2 */
#include "base/log.h"
#include "base/provenance.h"
#include "capture.h"
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int Rank(void)
{
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  return rank;
}

static void LinesComeFromRankZero(void **state)
{
  (void)state;
  Capture capture = CaptureStart(STDERR_FILENO, 0);
  RheoLog(PETSC_COMM_WORLD, RHEO_LOG_INFO, "epoch %d", 3);
  RheoLog(PETSC_COMM_WORLD, RHEO_LOG_WARNING, "slow");
  RheoLog(PETSC_COMM_WORLD, RHEO_LOG_DEBUG, "detail");
  RheoLogSetLevel(RHEO_LOG_ERROR);
  RheoLog(PETSC_COMM_WORLD, RHEO_LOG_INFO, "not wanted");
  RheoLogSetLevel(RHEO_LOG_INFO);
  char *text = CaptureEnd(&capture);
  assert_int_equal(CountLines(text, "["), Rank() ? 0 : 2);
  if (!Rank()) {
    assert_non_null(strstr(text, " s] epoch 3\n"));
    assert_non_null(strstr(text, " s] warning: slow\n"));
  }
  assert_null(strstr(text, "detail"));
  assert_null(strstr(text, "not wanted"));
  free(text);
}

/* 400 updates within half a second. */
static char *Progress(int terminal)
{
  RheoProgress progress;
  Capture capture = CaptureStart(STDERR_FILENO, terminal);
  OK(RheoProgressCreate(PETSC_COMM_WORLD, "train", "samples", 400000, &progress));
  for (int i = 1; i <= 400; ++i) {
    OK(RheoProgressUpdate(progress, 1000 * i, "loss 1.5"));
    usleep(1000);
    if (i == 300) RheoLog(PETSC_COMM_WORLD, RHEO_LOG_INFO, "between");
  }
  OK(RheoProgressDestroy(&progress));
  assert_null(progress);
  return CaptureEnd(&capture);
}

static int Count(const char *text, const char *what)
{
  int n = 0;
  while ((text = strstr(text, what))) {
    ++n;
    ++text;
  }
  return n;
}

static void BatchJobsGetOneLine(void **state)
{
  (void)state;
  char *text = Progress(0);
  assert_int_equal(CountLines(text, "["), Rank() ? 0 : 2);
  if (!Rank()) assert_non_null(strstr(text, "train: 400k samples in "));
  assert_null(strchr(text, '\r'));
  free(text);
}

static void TerminalsGetABar(void **state)
{
  (void)state;
  char *text = Progress(1);
  if (!Rank()) {
    int bars = Count(text, "train [#");
    assert_true(bars >= 2 && bars <= 30); /* at most ten a second, however many updates */
    assert_non_null(strstr(text, "% "));
    assert_non_null(strstr(text, "/400k samples, "));
    assert_non_null(strstr(text, " s left, loss 1.5"));
    assert_non_null(strstr(text, "\r\033[K[")); /* the line wiped the bar */
    assert_non_null(strstr(text, "train: 400k samples in "));
  } else
    assert_string_equal(text, "");
  free(text);
}

/* A bar that is wider than the terminal could not be wiped. */
static void BarsFitTheTerminal(void **state)
{
  enum { COLUMNS = 50 };
  struct winsize narrow = {.ws_col = COLUMNS, .ws_row = 20};
  RheoProgress progress;
  (void)state;
  Capture capture = CaptureStart(STDERR_FILENO, 1);
  assert_int_equal(ioctl(STDERR_FILENO, TIOCSWINSZ, &narrow), 0);
  OK(RheoProgressCreate(PETSC_COMM_WORLD, "train", "samples", 1000, &progress));
  usleep(110000);
  OK(RheoProgressUpdate(progress, 300, "a note that is much too long for such a terminal"));
  char *text = CaptureEnd(&capture);
  if (!Rank()) {
    const char *bar = strstr(text, "\r\033[Ktrain [#");
    assert_non_null(bar);
    assert_int_equal(strlen(bar + 4), COLUMNS - 1);
  }
  free(text);
  capture = CaptureStart(STDERR_FILENO, 0);
  OK(RheoProgressDestroy(&progress));
  free(CaptureEnd(&capture));
}

/* What an earlier run has done counts for no speed. */
static void ProgressMayBeginLater(void **state)
{
  RheoProgress progress;
  (void)state;
  Capture capture = CaptureStart(STDERR_FILENO, 0);
  OK(RheoProgressCreate(PETSC_COMM_WORLD, "train", "samples", 1000, &progress));
  OK(RheoProgressBegin(progress, 900));
  assert_false(RheoProgressIsDue(progress));
  OK(RheoProgressUpdate(progress, 950, NULL));
  OK(RheoProgressDestroy(&progress));
  char *text = CaptureEnd(&capture);
  if (!Rank()) assert_non_null(strstr(text, "train: 50 samples in "));
  free(text);
}

static void FoldersAreMade(void **state)
{
  (void)state;
  struct stat info;
  if (!Rank()) FreshFolder("unit_log_folder");
  MPI_Barrier(PETSC_COMM_WORLD);
  OK(RheoMakeDirectory(PETSC_COMM_WORLD, "unit_log_folder/a/b/"));
  OK(RheoMakeDirectory(PETSC_COMM_WORLD, "unit_log_folder/a/b"));
  OK(RheoMakeDirectory(PETSC_COMM_WORLD, "."));
  assert_int_equal(stat("unit_log_folder/a/b", &info), 0);
  assert_true(S_ISDIR(info.st_mode));
  if (!Rank()) fclose(fopen("unit_log_folder/file", "w"));
  MPI_Barrier(PETSC_COMM_WORLD);
  REJECTS(RheoMakeDirectory(PETSC_COMM_WORLD, "unit_log_folder/file"), "it is a file");
  REJECTS(RheoMakeDirectory(PETSC_COMM_WORLD, "unit_log_folder/file/below"), "Not a directory");
  REJECTS(RheoMakeDirectory(PETSC_COMM_WORLD, ""), "the name is empty");
}

static void RunsAreWrittenDown(void **state)
{
  (void)state;
  RheoDeck deck;
  char text[4096] = "";
  OK(RheoDeckCreate(PETSC_COMM_WORLD, &deck));
  OK(RheoDeckLoadText(deck, "inputs/flu.yaml", "a: 1"));
  OK(RheoProvenanceWriteRun(PETSC_COMM_WORLD, "unit_log_folder/a", "train", deck));
  REJECTS(RheoProvenanceWriteRun(PETSC_COMM_WORLD, "unit_log_folder/absent", "train", deck),
          "cannot be written");
  OK(RheoDeckDestroy(&deck));
  FILE *file = fopen("unit_log_folder/a/run.yaml", "r");
  assert_non_null(file);
  assert_true(fread(text, 1, sizeof text - 1, file) > 0);
  fclose(file);
  assert_non_null(strstr(text, "verb: train\n"));
  assert_non_null(strstr(text, "deck: inputs/flu.yaml\n"));
  assert_non_null(strstr(text, RheoVersion()));
  assert_non_null(strstr(text, RheoCommit()));
  assert_non_null(strstr(text, "ranks: "));
  assert_true(RheoPeakMemory() > 1e6);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(LinesComeFromRankZero), cmocka_unit_test(BatchJobsGetOneLine),
      cmocka_unit_test(TerminalsGetABar),      cmocka_unit_test(BarsFitTheTerminal),
      cmocka_unit_test(ProgressMayBeginLater), cmocka_unit_test(FoldersAreMade),
      cmocka_unit_test(RunsAreWrittenDown),
  };
  return RUN_TESTS(argc, argv, tests);
}
