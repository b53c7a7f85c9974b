/* A host with habits: handlers of MPI, signals, GSL, HDF5 and PETSc, traps and rounding, all its own. Goes through the interface
 * and compares after every call. Says "kept" on stdout, in the end, and nothing else may have been written there.
 *   embed_host mpi|petsc|nothing MODEL CONTINUOUS DECK OUTPUT
 *     what the host has started itself; models of a discrete and of a continuous flow; OUTPUT.data.h5 is written, and by two ranks
 *     and more OUTPUT.model.h5, of which the last trains by DECK */
#include <fenv.h>
#include <gsl/gsl_errno.h>
#include <hdf5.h>
#include <math.h>
#include <petscsys.h>
#include <rheo_embed.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRAPS = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW, D = 2, C = 5, ROWS = 60, CAPACITY = 4 };

static MPI_Errhandler own_errors;
static int has_mpi, has_petsc, wrong, petsc_errors, mpi_errors;
static char what[64];

static void mpi_error(MPI_Comm *comm, int *code, ...)
{
  (void)comm;
  (void)code;
  mpi_errors++;
}

static void signal_handler(int number)
{
  (void)number;
}

static void gsl_handler(const char *reason, const char *file, int line, int code)
{
  (void)reason;
  (void)file;
  (void)code;
}

static herr_t hdf5_handler(hid_t stack, void *context)
{
  (void)stack;
  (void)context;
  return 0;
}

static PetscErrorCode petsc_handler(MPI_Comm comm, int line, const char *function, const char *file,
                                    PetscErrorCode code, PetscErrorType type, const char *message,
                                    void *context)
{
  (void)comm, (void)line, (void)function, (void)file, (void)type, (void)message, (void)context;
  petsc_errors++;
  return code;
}

static void expect(int good, const char *name)
{
  if (good) return;
  fprintf(stderr, "embed_host: after %s: %s is not the host's any more\n", what, name);
  wrong = 1;
}

static void set_habits(void)
{
  struct sigaction action = {.sa_handler = signal_handler, .sa_flags = SA_RESTART | SA_NODEFER};
  if (has_mpi) {
    MPI_Comm_create_errhandler(mpi_error, &own_errors);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, own_errors);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  }
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  gsl_set_error_handler(gsl_handler);
  H5Eset_auto2(H5E_DEFAULT, hdf5_handler, &wrong);
  feclearexcept(FE_ALL_EXCEPT);
  feenableexcept(TRAPS);
  fesetround(FE_DOWNWARD);
}

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000 /* what the C library adds for itself whenever it is asked to set a handler */
#endif

static struct sigaction actions[NSIG];
static int has_action[NSIG];
static sigset_t blocked;

static void note_signals(void)
{
  for (int s = 1; s < NSIG; s++) has_action[s] = !sigaction(s, NULL, &actions[s]);
  sigprocmask(SIG_BLOCK, NULL, &blocked);
}

static int same_sets(const sigset_t *one, const sigset_t *other)
{
  for (int s = 1; s < NSIG; s++)
    if (sigismember(one, s) != sigismember(other, s)) return 0;
  return 1;
}

static void look_at_signals(void)
{
  sigset_t set;
  for (int s = 1; s < NSIG; s++) {
    struct sigaction now;
    expect(!sigaction(s, NULL, &now) == has_action[s], "a signal");
    if (!has_action[s]) continue;
    expect(now.sa_handler == actions[s].sa_handler, "a signal handler");
    expect(!((now.sa_flags ^ actions[s].sa_flags) & ~SA_RESTORER), "the flags of a signal");
    expect(same_sets(&now.sa_mask, &actions[s].sa_mask), "what a signal handler holds off");
  }
  sigprocmask(SIG_BLOCK, NULL, &set);
  expect(same_sets(&set, &blocked), "the set of blocked signals");
}

static void look(void)
{
  H5E_auto2_t hdf5;
  void *context;
  expect(fegetexcept() == TRAPS, "the set of traps");
  expect(fegetround() == FE_DOWNWARD, "the rounding");
  expect(!fetestexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW), "the set of flags");
  look_at_signals();
  gsl_error_handler_t *gsl = gsl_set_error_handler(gsl_handler);
  expect(gsl == gsl_handler, "GSL's handler");
  H5Eget_auto2(H5E_DEFAULT, &hdf5, &context);
  expect(hdf5 == hdf5_handler && context == &wrong, "HDF5's handler");
  if (has_mpi) {
    MPI_Errhandler world, self;
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &world);
    MPI_Comm_get_errhandler(MPI_COMM_SELF, &self);
    expect(!mpi_errors, "the quiet of its handler");
    expect(world == own_errors, "the world's error handler");
    expect(self == MPI_ERRORS_RETURN, "the error handler of MPI_COMM_SELF");
    MPI_Errhandler_free(&world);
    MPI_Errhandler_free(&self);
  }
  if (has_petsc) {
    PetscBool set = PETSC_FALSE, known;
    const int before = petsc_errors;
    PetscOptionsHasName(NULL, NULL, "-of_the_host", &set);
    PetscOptionsHasName(NULL, NULL, "-ts_dt", &known);
    expect(set && !known, "PETSc's table of options");
    PetscError(PETSC_COMM_SELF, 1, "look", "embed_host.c", PETSC_ERR_USER, PETSC_ERROR_INITIAL, "a trial");
    expect(petsc_errors == before + 1, "PETSc's error handler");
  }
}

/* The call's code, after a look. */
static int after(const char *name, int code)
{
  snprintf(what, sizeof what, "%s", name);
  look();
  return code;
}

static void done(const char *name, int code)
{
  if (after(name, code) == RHEO_DONE) return;
  fprintf(stderr, "embed_host: %s: %d: %s\n", name, code, rheo_error());
  wrong = 1;
}

static void mistake(const char *name, int code)
{
  const int errors = petsc_errors;
  if (after(name, code) == RHEO_INPUT && *rheo_error() && petsc_errors == errors + has_petsc) return;
  fprintf(stderr, "embed_host: %s is no mistake: %d\n", name, code);
  wrong = 1;
}

static void ask(int comm, const char *path)
{
  const double x[C] = {1, 0.6, 0.37, 0.22, 0.14}, bad[C] = {NAN, 0, 0, 0, 0};
  rheo_model *model = (rheo_model *)what;
  double theta[4 * D], lp[4];
  rheo_workspace *work;

  done("rheo_model_load", rheo_model_load(comm, path, &model));
  if (!model) return;
  done("rheo_workspace_create", rheo_workspace_create(model, &work));
  done("rheo_sample", rheo_sample(model, work, x, 1, 0, 4, theta, lp));
  mistake("rheo_sample of NaN", rheo_sample(model, work, bad, 1, 0, 4, theta, lp));
  theta[0] = 1e300;
  done("rheo_log_prob", rheo_log_prob(model, work, x, 4, theta, lp));
  mistake("rheo_log_prob of NaN", rheo_log_prob(model, work, bad, 4, theta, lp));
  done("rheo_workspace_destroy", rheo_workspace_destroy(&work));
  done("rheo_model_destroy", rheo_model_destroy(&model));
}

/* Simulation i of a host whose data are its parameters, more or less. */
static void simulate(int i, double theta[D], double x[C])
{
  theta[0] = 0.5 + 1.5 * ((double)(i * 37 % 101) + 0.5) / 101;
  theta[1] = 0.1 + 0.9 * ((double)(i * 59 % 103) + 0.5) / 103;
  for (int k = 0; k < C; k++) x[k] = theta[0] + k * theta[1] + 0.01 * (i % 7);
}

static void into_a_file(int comm, int rank, const char *path)
{
  double theta[D], x[C];
  rheo_feed *feed;

  done("rheo_feed_to_file", rheo_feed_to_file(comm, path, "a, b", "5", 3, &feed));
  for (int i = 0; i < 10; i++) {
    simulate(i, theta, x);
    if (i % 2)
      done("rheo_feed_put", rheo_feed_put(feed, 10 * rank + i, theta, x, 0));
    else
      done("rheo_feed_try_put", rheo_feed_try_put(feed, 10 * rank + i, theta, x, 0));
  }
  mistake("rheo_feed_put of -1", rheo_feed_put(feed, -1, theta, x, 0));
  mistake("rheo_feed_train on a file", rheo_feed_train(feed, "no.yaml", "no.h5", NULL));
  done("rheo_feed_close", rheo_feed_close(&feed, NULL));
  mistake("rheo_feed_close again", rheo_feed_close(&feed, NULL));
  mistake("rheo_feed_to_file nowhere", rheo_feed_to_file(comm, "no/folder/x.h5", "a, b", "5", 3, &feed));
}

/* Simulations first .. end - 1 to a trainer that takes them at last. */
static void put(rheo_feed *feed, int first, int end)
{
  double theta[D], x[C];

  for (int i = first; i < end; i++) {
    simulate(i, theta, x);
    const int code = after("rheo_feed_try_put", rheo_feed_try_put(feed, i, theta, x, i % 10 == 3));
    done("rheo_feed_put", code == RHEO_BUSY ? rheo_feed_put(feed, i, theta, x, i % 10 == 3) : code);
  }
}

/* So many rows as may be on the way, and one more. */
static void put_until_busy(rheo_feed *feed, int first, int capacity)
{
  double theta[D], x[C];
  int code = RHEO_DONE;

  for (int i = first; i <= first + capacity; i++) {
    simulate(i, theta, x);
    if (code) wrong = fprintf(stderr, "embed_host: a put with room for it: %d\n", code);
    code = after("rheo_feed_try_put", rheo_feed_try_put(feed, i, theta, x, 0));
  }
  if (code != RHEO_BUSY) wrong = fprintf(stderr, "embed_host: a put without room for it: %d\n", code);
}

/* The last rank trains, and not before all others have had to wait. */
static void to_a_trainer(int comm, int rank, int size, const char *deck, const char *path)
{
  const double x[C] = {0};
  const int trains = rank == size - 1;
  int word = 0;
  rheo_feed *feed;
  int64_t rows;

  mistake("rheo_feed_to_trainers for none",
          rheo_feed_to_trainers(comm, 0, "amplitude, rate", "5", CAPACITY, &feed));
  if (size == 1) return;
  done("rheo_feed_to_trainers", rheo_feed_to_trainers(comm, trains, "amplitude, rate", "5", CAPACITY, &feed));
  if (trains) {
    mistake("rheo_feed_put of a trainer", rheo_feed_put(feed, 0, x, x, 0));
    mistake("rheo_feed_train without a deck", rheo_feed_train(feed, "no.yaml", path, NULL));
    for (int r = 0; r < size - 1; r++) MPI_Recv(&word, 1, MPI_INT, r, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    done("rheo_feed_train", rheo_feed_train(feed, deck, path, &rows));
    if (rows != ROWS * (size - 1)) wrong = fprintf(stderr, "embed_host: trained on %d rows\n", (int)rows);
    mistake("rheo_feed_train again", rheo_feed_train(feed, deck, path, NULL));
  } else {
    put_until_busy(feed, ROWS * rank, CAPACITY);
    MPI_Send(&word, 1, MPI_INT, size - 1, 1, MPI_COMM_WORLD);
    put(feed, ROWS * rank + CAPACITY, ROWS * (rank + 1));
  }
  done("rheo_feed_close", rheo_feed_close(&feed, NULL));
}

static void visit(char **argv)
{
  rheo_model *model = (rheo_model *)what;
  char data[256], fed[256];
  int comm, rank, size, running = 0;

  snprintf(data, sizeof data, "%s.data.h5", argv[5]);
  snprintf(fed, sizeof fed, "%s.model.h5", argv[5]);
  done("rheo_start", rheo_start());
  MPI_Initialized(&running);
  if (!running) wrong = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  comm = (int)MPI_Comm_c2f(MPI_COMM_WORLD);
  mistake("rheo_model_load of nothing", rheo_model_load(comm, "no.h5", &model));
  mistake("rheo_model_load on nobody", rheo_model_load((int)MPI_Comm_c2f(MPI_COMM_NULL), argv[2], &model));
  if (model) wrong = fprintf(stderr, "embed_host: a model that could not be loaded is not NULL\n");
  ask(comm, argv[2]);
  ask(comm, argv[3]);
  into_a_file(comm, rank, data);
  to_a_trainer(comm, rank, size, argv[4], fed);
  MPI_Barrier(MPI_COMM_WORLD); /* until the model is there */
  if (size > 1) ask(comm, fed);
  done("rheo_end", rheo_end());
}

int main(int argc, char **argv)
{
  char name[] = "embed_host.out";
  int ended = 0, stdout_was;
  if (argc < 6) return 2;
  has_petsc = !strcmp(argv[1], "petsc");
  has_mpi = has_petsc || !strcmp(argv[1], "mpi");
  if (has_mpi) MPI_Init(&argc, &argv);
  if (has_petsc) {
    PetscInitializeNoArguments();
    PetscOptionsSetValue(NULL, "-of_the_host", "1");
    PetscPushErrorHandler(petsc_handler, NULL);
  }
  set_habits();
  note_signals();
  fflush(stdout);
  stdout_was = dup(1);
  if (!freopen(name, "w+", stdout)) return 1;
  visit(argv);
  if (has_mpi) visit(argv); /* a host may start again as long as MPI runs */
  fflush(stdout);
  if (lseek(1, 0, SEEK_END) != 0) wrong = fprintf(stderr, "embed_host: something was printed on stdout\n");
  dup2(stdout_was, 1);
  MPI_Finalized(&ended);
  what[0] = 0;
  if (ended != !has_mpi) wrong = fprintf(stderr, "embed_host: MPI is not as the host had it\n");
  if (has_petsc) {
    PetscPopErrorHandler();
    PetscFinalize();
  }
  if (has_mpi) MPI_Finalize();
  if (!wrong) puts("kept");
  return wrong ? 1 : 0;
}
