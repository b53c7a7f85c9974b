/* An external program as the simulator, in whatever language. One line in is one simulation, one line out its data:
 *
 *   in:  SEED THETA1 THETA2 ...        SEED is an integer below 2^63; without it where `seed: no`
 *   out: X1 X2 ... (n_data numbers), or `failed REASON`; nan and inf are numbers and are recorded as not finite
 *
 * The program is started once per rank by `/bin/sh -c line`, gets up to `batch` lines at a time, answers in order, and
 * must flush its output when no more input is at hand; it ends at the end of its input. Draw all random numbers from SEED
 * and a simulation is the same in any batch, on any number of ranks.
 *
 * A batch that goes wrong (the program ends, is silent for `timeout` seconds, prints something else) is repeated from the
 * first line without an answer, one by one, in a program started afresh where needed; only a simulation that goes wrong
 * alone is recorded as crashed, timeout or garbage. */
#include "../child.h"
#include "../simulator_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE = 256, HOPELESS = 10, HOPELESS_TIMEOUTS = 3 };

/* Seconds to listen for a line too many: after a batch; after a line where one was suspected or the program is new. A
 * late one ends the run at the next batch. */
static const double listen_batch = 0.002, listen_line = 0.02;

typedef struct {
  const char *line, *folder, *checksum;
  int n_data, batch;
  double timeout;
  PetscBool seed;
  RheoStrings names;
  const char *title; /* the first line of `line`, for messages */
  RheoChild child;
  int64_t n_good;          /* lines that were as agreed, in the whole run */
  int n_bad, n_bad_silent; /* simulations before the first good one */
} Config;

static const RheoKey keys[] = {
    {"line", RHEO_KEY_STRING, offsetof(Config, line), RHEO_REQUIRED, NULL,
     "command line for /bin/sh; $RHEO_DECK_DIR in it is `folder`"},
    {"folder", RHEO_KEY_STRING, offsetof(Config, folder), NULL, NULL,
     "where its files are (default: the folder of the deck)"},
    {"n_data", RHEO_KEY_INT, offsetof(Config, n_data), RHEO_REQUIRED, "[1, inf)",
     "numbers it prints per simulation"},
    {"batch", RHEO_KEY_INT, offsetof(Config, batch), "64", "[1, 1000000]", "lines it gets at a time"},
    {"timeout", RHEO_KEY_REAL, offsetof(Config, timeout), "60", "(0, 1e6]",
     "seconds without a line until it is killed"},
    {"seed", RHEO_KEY_BOOL, offsetof(Config, seed), "yes", NULL, "each line begins with an integer seed"},
    {"names", RHEO_KEY_STRINGS, offsetof(Config, names), NULL, NULL,
     "names of the data; x1, x2, ... by default"},
    {"checksum", RHEO_KEY_STRING, offsetof(Config, checksum), NULL, NULL,
     "of the files that line names: Rheo writes it into the deck of a data set, to know simulations of "
     "another version"},
    {0}};

static PetscErrorCode command_set_up(RheoSimulator simulator, RheoDeck deck, int n_parameters)
{
  Config *config = simulator->config;
  const char *folder;
  PetscFunctionBeginUser;
  (void)n_parameters;
  if (config->names.n && config->names.n != config->n_data) {
    PetscCall(RheoDeckReject(deck, "simulator.command.names", "has %d names for %d data", config->names.n,
                             config->n_data));
  }
  char title[256];
  snprintf(title, sizeof title, "%.*s", (int)strcspn(config->line, "\n"), config->line);
  config->title = RheoIntern(title);
  simulator->n_data = config->n_data;
  if (config->names.n) simulator->data_names = config->names.v;
  PetscCall(RheoSimDeckFolder(deck, &folder));
  if (config->folder) folder = config->folder;
  PetscCall(RheoChildCreate(config->line, folder, &config->child));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode command_destroy(RheoSimulator simulator)
{
  PetscFunctionBeginUser;
  PetscCall(RheoChildDestroy(&((Config *)simulator->config)->child));
  PetscFunctionReturn(RHEO_OK);
}

/* Where the answers of a batch go; row 0 is the first simulation of the exchange. */
typedef struct {
  const Config *config;
  double *x;
  int8_t *status;
  char (*message)[MESSAGE];
} Answers;

/* A row of n numbers between blanks or commas; anything else is refused. */
static int ReadRow(char *line, int n, double *x)
{
  static const char blanks[] = " \t\r,";
  char *at = line + strspn(line, blanks), *end;
  for (int j = 0; j < n; ++j) {
    x[j] = strtod(at, &end);
    if (end == at || (*end && !strchr(blanks, *end))) return 0;
    at = end + strspn(end, blanks);
  }
  return !*at;
}

static int Receive(void *context, int64_t i, char *line)
{
  const Answers *answers = context;
  const int n = answers->config->n_data;
  if (!strncmp(line, "failed", 6) && (!line[6] || line[6] == ' ' || line[6] == ':')) {
    answers->status[i] = RHEO_SIMULATION_FAILED;
    snprintf(answers->message[i], MESSAGE, "%s", line);
    return 1;
  }
  if (ReadRow(line, n, answers->x + i * n)) {
    answers->status[i] = RHEO_SIMULATION_DONE;
    return 1;
  }
  snprintf(answers->message[i], MESSAGE, "expected %d number%s, got '%.80s'", n, n > 1 ? "s" : "", line);
  return 0;
}

/* The input lines of simulations; offset[i] is where line i begins, offset[n] the length. */
static PetscErrorCode WriteLines(RheoSimulator simulator, int64_t n, const double *theta, uint64_t seed,
                                 uint64_t first, char **text, size_t *offset)
{
  const Config *config = simulator->config;
  const int d = simulator->n_parameters;
  const size_t size = (size_t)n * ((size_t)d * 26 + 32);
  size_t at = 0;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(size, text));
  for (int64_t i = 0; i < n; ++i) {
    offset[i] = at;
    if (config->seed) {
      RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_SIMULATE, 0, first + (uint64_t)i);
      const uint64_t high = RheoStreamBits(&stream), low = RheoStreamBits(&stream);
      at += (size_t)snprintf(*text + at, size - at, "%llu ", (unsigned long long)((high << 31) ^ low));
    }
    for (int j = 0; j < d; ++j) {
      at += (size_t)snprintf(*text + at, size - at, "%.17g%c", theta[i * d + j], j + 1 < d ? ' ' : '\n');
    }
  }
  offset[n] = at;
  PetscFunctionReturn(RHEO_OK);
}

/* What is to be said of an outcome other than an answer; the program does not run afterwards. */
static RheoSimulationStatus Diagnose(Config *config, RheoChildOutcome outcome, char *message, int *code)
{
  *code = -1;
  switch (outcome) {
  case RHEO_CHILD_ENDED:
    RheoChildObituary(config->child, message, MESSAGE, code);
    return RHEO_SIMULATION_CRASHED;
  case RHEO_CHILD_SILENT:
    snprintf(message, MESSAGE, "no answer within %g s", config->timeout);
    RheoChildKill(config->child);
    return RHEO_SIMULATION_TIMEOUT;
  case RHEO_CHILD_SURPLUS:
    snprintf(message, MESSAGE, "printed more than one line for one simulation");
    RheoChildKill(config->child);
    return RHEO_SIMULATION_GARBAGE;
  default:
    if (!message[0]) snprintf(message, MESSAGE, "printed a line without end");
    RheoChildKill(config->child);
    return RHEO_SIMULATION_GARBAGE;
  }
}

/* A command that never did what was agreed is the user's mistake, not a matter of unlucky parameters. */
static PetscErrorCode CheckHope(Config *config, RheoSimulationStatus status, int code, const char *message)
{
  PetscFunctionBeginUser;
  if (config->n_good) PetscFunctionReturn(RHEO_OK);
  config->n_bad += 1;
  config->n_bad_silent += status == RHEO_SIMULATION_TIMEOUT;
  if (code == 126 || code == 127) {
    RheoInputError(PETSC_COMM_SELF, "simulator.command.line = %s: cannot be run: %s", config->title, message);
  }
  if (config->n_bad >= HOPELESS || config->n_bad_silent >= HOPELESS_TIMEOUTS) {
    RheoInputError(PETSC_COMM_SELF,
                   "simulator.command.line = %s: the first %d simulations all failed; the last: %s: %s",
                   config->title, config->n_bad, RheoSimulationStatusName(status), message);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* One simulation by itself. A program that has answered before may have ended for reasons of its own (one line per run,
 * memory used up): a fresh one gets the line again. listen: how long, for a second line. */
static PetscErrorCode SimulateAlone(Config *config, const char *text, size_t length, double listen,
                                    Answers answers)
{
  RheoChildOutcome outcome;
  int64_t n_lines;
  int code;
  PetscFunctionBeginUser;
  for (int repeat = 1; repeat >= 0; --repeat) {
    PetscCall(RheoChildStart(config->child));
    const int fresh = RheoChildFresh(config->child);
    answers.message[0][0] = 0;
    outcome = RheoChildExchange(config->child, text, length, 1, config->timeout, Receive, &answers, &n_lines);
    if (outcome == RHEO_CHILD_ANSWERED) outcome = RheoChildIdle(config->child, listen);
    if (outcome == RHEO_CHILD_ANSWERED) {
      config->n_good += 1;
      PetscFunctionReturn(RHEO_OK);
    }
    if (fresh || outcome != RHEO_CHILD_ENDED) break;
    RheoChildKill(config->child);
  }
  const RheoSimulationStatus status = Diagnose(config, outcome, answers.message[0], &code);
  answers.status[0] = (int8_t)status;
  PetscCall(CheckHope(config, status, code, answers.message[0]));
  PetscFunctionReturn(RHEO_OK);
}

/* Simulations begin .. end - 1 of the lines, together; from the first that has no answer, one by one. */
static PetscErrorCode SimulateTogether(Config *config, const char *text, const size_t *offset, int64_t begin,
                                       int64_t end, Answers all)
{
  int64_t n_lines = 0;
  double listen = 0;
  PetscFunctionBeginUser;
  Answers answers = {config, all.x + begin * config->n_data, all.status + begin, all.message + begin};
  PetscCall(RheoChildStart(config->child));
  if (end - begin == 1) { /* the first of a program: does it print one line for one? */
    PetscCall(SimulateAlone(config, text + offset[begin], offset[end] - offset[begin],
                            RheoChildFresh(config->child) ? listen_line : 0, answers));
    PetscFunctionReturn(RHEO_OK);
  }
  RheoChildOutcome outcome =
      RheoChildExchange(config->child, text + offset[begin], offset[end] - offset[begin], end - begin,
                        config->timeout, Receive, &answers, &n_lines);
  if (outcome == RHEO_CHILD_ANSWERED) outcome = RheoChildIdle(config->child, listen_batch);
  if (outcome == RHEO_CHILD_ANSWERED) {
    config->n_good += n_lines;
    PetscFunctionReturn(RHEO_OK);
  }
  if (outcome == RHEO_CHILD_SURPLUS) { /* nobody knows which line belongs to whom */
    n_lines = 0;
    listen = listen_line;
  }
  config->n_good += n_lines;
  RheoChildKill(config->child);
  for (int64_t i = begin + n_lines; i < end; ++i) {
    const Answers one = {config, all.x + i * config->n_data, all.status + i, all.message + i};
    PetscCall(SimulateAlone(config, text + offset[i], offset[i + 1] - offset[i], listen, one));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode command_simulate_batch(RheoSimulator simulator, int64_t n, const double *theta,
                                             uint64_t seed, uint64_t first, double *x, int8_t *status,
                                             char (*message)[MESSAGE])
{
  Config *config = simulator->config;
  const Answers all = {config, x, status, message};
  char *text;
  size_t *offset;
  int64_t next;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)n + 1, &offset));
  PetscCall(WriteLines(simulator, n, theta, seed, first, &text, offset));
  for (int64_t begin = 0; begin < n; begin = next) {
    const RheoChildOutcome idle = RheoChildIdle(config->child, 0);
    RheoInputCheck(idle == RHEO_CHILD_ANSWERED, PETSC_COMM_SELF,
                   "simulator.command.line = %s: prints more lines than it is given", config->title);
    next = RheoChildFresh(config->child) ? begin + 1 : PetscMin(begin + config->batch, n);
    PetscCall(SimulateTogether(config, text, offset, begin, next, all));
  }
  PetscCall(PetscFree(text));
  PetscCall(PetscFree(offset));
  PetscFunctionReturn(RHEO_OK);
}

const RheoSimulatorType RheoSimulatorType_Command = {
    .name = "command",
    .summary = "an external program: parameters on its stdin, data on its stdout, kept alive",
    .keys = keys,
    .size = sizeof(Config),
    .set_up = command_set_up,
    .destroy = command_destroy,
    .simulate_batch = command_simulate_batch};
