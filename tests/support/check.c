#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void CheckRejected(const char *call, PetscErrorCode code, const char *text)
{
  if (code != RHEO_ERR_INPUT)
    fail_msg("%s: expected a user's mistake, got code %d: %s", call, (int)code, RheoErrorMessage());
  if (!strstr(RheoErrorMessage(), text))
    fail_msg("%s: expected '%s' in '%s'", call, text, RheoErrorMessage());
}

int CountLines(const char *text, const char *prefix)
{
  int n = 0;
  while (text && *text) {
    n += !strncmp(text, prefix, strlen(prefix));
    text = strchr(text, '\n');
    if (text) ++text;
  }
  return n;
}

void FreshFolder(const char *name)
{
  char command[512];
  snprintf(command, sizeof command, "rm -rf '%s'", name);
  assert_int_equal(system(command), 0);
  assert_int_equal(mkdir(name, 0777), 0);
}

static double Now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A child that is a job of its own: without the variables that tie it to the job that runs the test. */
static void Child(const char *const *argv, int err)
{
  static const char *const prefixes[] = {"OMPI_COMM",     "OMPI_UNIVERSE", "OMPI_APP", "OMPI_MCA_ess",
                                         "OMPI_MCA_orte", "OMPI_MCA_pmix", "PMIX_",    "PMI_"};
  extern char **environ;
  for (char **entry = environ; *entry;) {
    int drop = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; ++i)
      drop |= !strncmp(*entry, prefixes[i], strlen(prefixes[i]));
    if (!drop) {
      ++entry;
      continue;
    }
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
    unsetenv(name);
    entry = environ;
  }
  dup2(err, 2);
  dup2(open("/dev/null", O_WRONLY), 1);
  dup2(open("/dev/null", O_RDONLY), 0);
  setpgid(0, 0);
  execvp(argv[0], (char *const *)argv);
  _exit(127);
}

int RunProgram(const char *const *argv, double seconds, char **err)
{
  int ends[2], status = 0;
  size_t used = 0, size = 1 << 16;
  char *text = calloc(1, size + 1);
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) Child(argv, ends[1]);
  close(ends[1]);
  double end = Now() + seconds;
  int late = 0;
  for (;;) {
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    double left = end - Now();
    if (left <= 0 || poll(&wait, 1, (int)(1000 * left) + 1) == 0) {
      late = 1;
      break;
    }
    ssize_t n = read(ends[0], text + used, size - used);
    if (n <= 0) break;
    used += (size_t)n;
  }
  if (late) kill(-child, SIGKILL);
  close(ends[0]);
  waitpid(child, &status, 0);
  *err = text;
  return late || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
}

int RunTests(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
  if (RheoInitialize(&argc, &argv)) return 1;
  int failed = _cmocka_run_group_tests("rheo", tests, n, NULL, NULL), any = 0;
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  if (RheoFinalize()) return 1;
  return any != 0;
}
