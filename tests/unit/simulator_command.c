/* External commands as simulators: the protocol, batches, and programs that crash, hang, print garbage or never work.
 * timeout: 180 */
#include "sim_deck.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 40 };

typedef struct {
  double theta[2 * N], x[2 * N];
  int8_t status[N];
  char message[RHEO_SIMULATION_STATUSES][256];
} Run;

/* A deck with two parameters a, b on (0, 1) and the command; more: further keys of the command. */
static SimModel CommandModel(const char *line, const char *more)
{
  char text[2048];
  snprintf(text, sizeof text,
           "simulator:\n  type: command\n  command:\n    n_data: 2\n%s    line: |\n      %s\n"
           "prior: {a: {family: uniform, lower: 0, upper: 1}, b: {family: uniform, lower: 0, upper: 1}}\n",
           more, line);
  return SimModelOf(text);
}

static PetscErrorCode RunModel(SimModel *model, Run *run)
{
  memset(run, 0, sizeof *run);
  return RheoSimulate(model->simulator, model->prior, 5, 0, N, 1, run->theta, run->x, run->status,
                      run->message);
}

static Run RunCommand(const char *line, const char *more)
{
  Run run;
  SimModel model = CommandModel(line, more);
  OK(RunModel(&model, &run));
  SimModelFree(&model);
  return run;
}

/* Every row is (a, b) as given, but for rows with this status, of which there is at least one. */
static void CheckEcho(const Run *run, int failed, int (*fails)(double a))
{
  int n_failed = 0;
  for (int i = 0; i < N; ++i) {
    const int expected = fails && fails(run->theta[2 * i]) ? failed : RHEO_SIMULATION_DONE;
    if (run->status[i] != expected) {
      fail_msg("simulation %d is %s, expected %s (%s)", i,
               RheoSimulationStatusName((RheoSimulationStatus)run->status[i]),
               RheoSimulationStatusName((RheoSimulationStatus)expected), run->message[(int)run->status[i]]);
    }
    n_failed += expected != RHEO_SIMULATION_DONE;
    for (int j = 0; j < 2; ++j) {
      if (expected == RHEO_SIMULATION_DONE)
        assert_true(run->x[2 * i + j] == run->theta[2 * i + j]);
      else
        assert_true(isnan(run->x[2 * i + j]));
    }
  }
  if (fails) assert_true(n_failed > 0 && n_failed < N);
}

static int AboveNineTenths(double a)
{
  return a > 0.9;
}

static void LinesComeBack(void **state)
{
  static const char *const batches[] = {"    batch: 1\n", "    batch: 7\n", ""};
  (void)state;
  for (int i = 0; i < 3; ++i) {
    const Run run = RunCommand("while read seed a b; do echo $a $b; done", batches[i]);
    CheckEcho(&run, 0, NULL);
  }
  const Run plain = RunCommand("cat", "    seed: no\n");
  CheckEcho(&plain, 0, NULL);
  const Run commas =
      RunCommand("sed -u 's/ /, /g'", "    seed: no\n"); /* commas, and a program with its own buffer */
  CheckEcho(&commas, 0, NULL);
}

/* The seed makes a random simulator a function of the simulation's number, whatever the batches. */
static void SeedsMakeResultsIndependentOfBatches(void **state)
{
  static const char line[] =
      "while read seed a b; do echo $((seed % 1000003)) $((seed / 1000003 % 1000003)); done";
  const Run one = RunCommand(line, "    batch: 1\n"), many = RunCommand(line, "    batch: 13\n");
  (void)state;
  assert_memory_equal(one.x, many.x, sizeof one.x);
  for (int i = 0; i < N; ++i) {
    assert_int_equal(one.status[i], RHEO_SIMULATION_DONE);
    for (int k = 0; k < i; ++k) assert_true(one.x[2 * i] != one.x[2 * k]);
  }
  double theta[20], x[20];
  int8_t status[10];
  SimModel model = CommandModel(line, ""); /* a piece from the middle, as another rank would do it */
  OK(RheoSimulate(model.simulator, model.prior, 5, 17, 10, 1, theta, x, status, NULL));
  assert_memory_equal(theta, one.theta + 34, sizeof theta);
  assert_memory_equal(x, one.x + 34, sizeof x);
  SimModelFree(&model);
}

static void CrashesAreFound(void **state)
{
  const Run exits = RunCommand("while read s a b; do case $a in 0.9*) exit 3;; esac; echo $a $b; done", "");
  (void)state;
  CheckEcho(&exits, RHEO_SIMULATION_CRASHED, AboveNineTenths);
  assert_string_equal(exits.message[RHEO_SIMULATION_CRASHED], "ended with exit status 3");
  const Run dies = RunCommand("while read s a b; do case $a in 0.9*) kill -SEGV $$;; esac; echo $a $b; done",
                              "    batch: 5\n");
  CheckEcho(&dies, RHEO_SIMULATION_CRASHED, AboveNineTenths);
  assert_non_null(strstr(dies.message[RHEO_SIMULATION_CRASHED], "signal 11"));
}

/* A program may hold its answers back until it sees no more input for a moment. Those it holds are lost with it: then the
 * first line without an answer is not the culprit. */
static void BufferedAnswersDoNotBlameTheWrongOne(void **state)
{
  static const char script[] = "import select, sys, os\n"
                               "data, held = b'', []\n"
                               "while True:\n"
                               "  if not select.select([0], [], [], 0.02)[0]:\n"
                               "    os.write(1, b''.join(held)); held = []\n"
                               "  piece = os.read(0, 50)\n"
                               "  if not piece: break\n"
                               "  data += piece\n"
                               "  *lines, data = data.split(b'\\n')\n"
                               "  for line in lines:\n"
                               "    s, a, b = line.split()\n"
                               "    if float(a) > 0.9: os._exit(3)\n"
                               "    held.append(a + b' ' + b + b'\\n')\n";
  (void)state;
  if (system("python3 -c pass")) skip();
  FILE *file = fopen("command_held.py", "w");
  assert_non_null(file);
  fputs(script, file);
  fclose(file);
  const Run run = RunCommand("python3 command_held.py", "");
  CheckEcho(&run, RHEO_SIMULATION_CRASHED, AboveNineTenths);
}

static void HangsAreKilled(void **state)
{
  const Run run = RunCommand("while read s a b; do case $a in 0.9*) sleep 1000;; esac; echo $a $b; done",
                             "    timeout: 0.2\n");
  (void)state;
  CheckEcho(&run, RHEO_SIMULATION_TIMEOUT, AboveNineTenths);
  assert_string_equal(run.message[RHEO_SIMULATION_TIMEOUT], "no answer within 0.2 s");
}

static void GarbageIsRecorded(void **state)
{
  static const char *const lines[] = {
      "while read s a b; do case $a in 0.9*) echo what is this;; *) echo $a $b;; esac; done",
      "while read s a b; do case $a in 0.9*) echo $a;; *) echo $a $b;; esac; done",
      "while read s a b; do case $a in 0.9*) echo $a $b $b;; *) echo $a $b;; esac; done",
      "while read s a b; do case $a in 0.9*) echo;; *) echo $a $b;; esac; done",
      "while read s a b; do case $a in 0.9*) printf '%s\\n1 2\\n' \"$a $b\";; *) echo $a $b;; esac; done"};
  (void)state;
  for (int i = 0; i < 5; ++i) {
    const Run run = RunCommand(lines[i], "");
    CheckEcho(&run, RHEO_SIMULATION_GARBAGE, AboveNineTenths);
    if (i == 0) {
      assert_string_equal(run.message[RHEO_SIMULATION_GARBAGE], "expected 2 numbers, got 'what is this'");
    }
  }
}

static void FailuresAndInfinitiesAreRecorded(void **state)
{
  const Run failed = RunCommand(
      "while read s a b; do case $a in 0.9*) echo failed: too warm;; *) echo $a $b;; esac; done", "");
  (void)state;
  CheckEcho(&failed, RHEO_SIMULATION_FAILED, AboveNineTenths);
  assert_string_equal(failed.message[RHEO_SIMULATION_FAILED], "failed: too warm");
  const Run infinite =
      RunCommand("while read s a b; do case $a in 0.9*) echo $a inf;; *) echo $a $b;; esac; done", "");
  CheckEcho(&infinite, RHEO_SIMULATION_NOT_FINITE, AboveNineTenths);
  assert_string_equal(infinite.message[RHEO_SIMULATION_NOT_FINITE], "datum 2 of 2 is inf");
}

/* A program that answers one line and ends, or ends after some lines, is slow but not at fault. */
static void ShortLivedProgramsAreStartedAgain(void **state)
{
  const Run once = RunCommand("read s a b; echo $a $b", "");
  (void)state;
  CheckEcho(&once, 0, NULL);
  const Run seven = RunCommand("for i in 1 2 3 4 5 6 7; do read s a b; echo $a $b; done", "");
  CheckEcho(&seven, 0, NULL);
}

static void HopelessCommandsEndTheRun(void **state)
{
  static const struct {
    const char *line, *more, *text;
  } rows[] = {
      {"/no/such/program", "", "cannot be run: ended with exit status 127"},
      {"exit 5", "", "the first 10 simulations all failed; the last: crashed: ended with exit status 5"},
      {"cat > /dev/null", "    timeout: 0.1\n", "the first 3 simulations all failed; the last: timeout"},
      {"echo loading model; cat", "",
       "the first 10 simulations all failed; the last: garbage: expected 2 numbers"},
      {"yes 1 2", "", "printed more than one line for one simulation"},
      {"head -c 100000000 /dev/zero", "", "garbage: printed a line without end"}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    Run run;
    SimModel model = CommandModel(rows[i].line, rows[i].more);
    REJECTS(RunModel(&model, &run), rows[i].text);
    SimModelFree(&model);
  }
}

/* Both pipes fill up: far more than their 64 kB in each direction, from a program that reads everything first. */
static void FullPipesDoNotBlock(void **state)
{
  enum { MANY = 4096 };
  static double theta[2 * MANY], x[2 * MANY];
  static int8_t status[MANY];
  (void)state;
  /* each line comes back with 500 blanks in front: 2 MB to read while 200 kB are to be written */
  SimModel model = CommandModel("while read s a b; do printf '%500s %s\\n' $a $b; done",
                                "    batch: 4096\n    timeout: 10\n");
  OK(RheoSimulate(model.simulator, model.prior, 5, 0, MANY, 1, theta, x, status, NULL));
  assert_memory_equal(theta, x, sizeof x);
  SimModelFree(&model);
}

static volatile sig_atomic_t n_pipe_signals;
static void CountPipe(int number)
{
  (void)number;
  n_pipe_signals = n_pipe_signals + 1;
}

static void HostsSignalHandlerIsNotTouched(void **state)
{
  struct sigaction mine = {.sa_handler = CountPipe}, now;
  (void)state;
  sigaction(SIGPIPE, &mine, NULL);
  Run run;
  SimModel model = CommandModel("exec 0<&-; sleep 0.05", ""); /* nobody reads what we write */
  REJECTS(RunModel(&model, &run), "all failed");
  SimModelFree(&model);
  sigaction(SIGPIPE, NULL, &now);
  assert_true(now.sa_handler == CountPipe);
  assert_int_equal(n_pipe_signals, 0);
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  assert_false(sigismember(&blocked, SIGPIPE));
  signal(SIGPIPE, SIG_DFL);
}

/* Nothing that a killed command started lives on, and no zombies stay. */
static void TheWholeGroupIsKilled(void **state)
{
  Run run;
  int pid = 0;
  (void)state;
  unlink("command_child.pid");
  SimModel model = CommandModel("sleep 600 & echo $! > command_child.pid; wait", "    timeout: 0.3\n");
  REJECTS(RunModel(&model, &run), "all failed");
  SimModelFree(&model);
  FILE *file = fopen("command_child.pid", "r");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%d", &pid), 1);
  fclose(file);
  for (int i = 0; i < 100 && !kill(pid, 0);
       ++i) { /* the orphan is reaped by init, where there is one that does */
    char path[64], stat[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *process = fopen(path, "r");
    if (!process) break;
    if (!fgets(stat, sizeof stat, process)) stat[0] = 0;
    fclose(process);
    if (strstr(stat, ") Z ")) break;
    usleep(20000);
    if (i == 99) fail_msg("process %d lives on: %s", pid, stat);
  }
}

static void DeckFolderIsInTheEnvironment(void **state)
{
  const Run run = RunCommand("while read s a b; do [ \"$RHEO_DECK_DIR\" = . ] && echo $a $b; done", "");
  (void)state;
  CheckEcho(&run, 0, NULL);
}

static void MistakesInTheDeck(void **state)
{
#define PRIOR "\nprior: {a: {family: uniform, lower: 0, upper: 1}}"
  (void)state;
  REJECTS(TrySimModel("simulator: {type: command, command: {n_data: 2}}" PRIOR), "simulator.command.line");
  REJECTS(TrySimModel("simulator: {type: command, command: {line: cat}}" PRIOR), "simulator.command.n_data");
  REJECTS(TrySimModel("simulator: {type: command, command: {line: cat, n_data: 0}}" PRIOR), "[1, inf)");
  REJECTS(TrySimModel("simulator: {type: command, command: {line: cat, n_data: 1, timeout: 0}}" PRIOR),
          "(0, 1e6]");
  REJECTS(TrySimModel("simulator: {type: command, command: {line: cat, n_data: 3, names: [u, v]}}" PRIOR),
          "has 2 names for 3 data");
  SimModel model =
      SimModelOf("simulator: {type: command, command: {line: cat, n_data: 2, names: [u, v]}}" PRIOR);
  assert_string_equal(RheoSimulatorDataName(model.simulator, 1), "v");
  SimModelFree(&model);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(LinesComeBack),
      cmocka_unit_test(SeedsMakeResultsIndependentOfBatches),
      cmocka_unit_test(CrashesAreFound),
      cmocka_unit_test(BufferedAnswersDoNotBlameTheWrongOne),
      cmocka_unit_test(HangsAreKilled),
      cmocka_unit_test(GarbageIsRecorded),
      cmocka_unit_test(FailuresAndInfinitiesAreRecorded),
      cmocka_unit_test(ShortLivedProgramsAreStartedAgain),
      cmocka_unit_test(HopelessCommandsEndTheRun),
      cmocka_unit_test(FullPipesDoNotBlock),
      cmocka_unit_test(HostsSignalHandlerIsNotTouched),
      cmocka_unit_test(TheWholeGroupIsKilled),
      cmocka_unit_test(DeckFolderIsInTheEnvironment),
      cmocka_unit_test(MistakesInTheDeck),
  };
  return RUN_TESTS(argc, argv, tests);
}
