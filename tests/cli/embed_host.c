/* A host with habits: handlers of MPI, signals, GSL, HDF5 and PETSc, traps and rounding, all its own. Goes through the interface
 * and compares after every call. Says "kept" on stdout, in the end, and nothing else may have been written there.
 *   embed_host mpi|petsc|nothing MODEL DATA    what the host has started itself; DATA is written */
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

enum { TRAPS = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW, SIGNALS = 32, D = 2, C = 5 };

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
  const struct sigaction action = {.sa_handler = signal_handler};
  if (has_mpi) {
    MPI_Comm_create_errhandler(mpi_error, &own_errors);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, own_errors);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  }
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

static void (*handlers[SIGNALS])(int);

static void note_signals(void)
{
  for (int s = 1; s < SIGNALS; s++) {
    struct sigaction now;
    handlers[s] = sigaction(s, NULL, &now) ? SIG_ERR : now.sa_handler;
  }
}

static void look(void)
{
  H5E_auto2_t hdf5;
  void *context;
  expect(fegetexcept() == TRAPS, "the set of traps");
  expect(fegetround() == FE_DOWNWARD, "the rounding");
  expect(!fetestexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW), "the set of flags");
  for (int s = 1; s < SIGNALS; s++) {
    struct sigaction now;
    expect((sigaction(s, NULL, &now) ? SIG_ERR : now.sa_handler) == handlers[s], "a signal handler");
  }
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

static void visit(const char *model_path, const char *data)
{
  const double x[C] = {1, 0.6, 0.37, 0.22, 0.14}, bad[C] = {NAN, 0, 0, 0, 0};
  double theta[4 * D], lp[4];
  int comm, rank, running = 0;
  rheo_workspace *work;
  rheo_model *model = (rheo_model *)what;
  rheo_feed *feed;

  done("rheo_start", rheo_start());
  MPI_Initialized(&running);
  if (!running) wrong = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  comm = (int)MPI_Comm_c2f(MPI_COMM_WORLD);
  mistake("rheo_model_load of nothing", rheo_model_load(comm, "no.h5", &model));
  mistake("rheo_model_load on nobody", rheo_model_load((int)MPI_Comm_c2f(MPI_COMM_NULL), model_path, &model));
  if (model) wrong = fprintf(stderr, "embed_host: a model that could not be loaded is not NULL\n");
  done("rheo_model_load", rheo_model_load(comm, model_path, &model));
  if (wrong) return;
  done("rheo_workspace_create", rheo_workspace_create(model, &work));
  done("rheo_sample", rheo_sample(model, work, x, 1, 0, 4, theta, lp));
  mistake("rheo_sample of NaN", rheo_sample(model, work, bad, 1, 0, 4, theta, lp));
  theta[0] = 1e300;
  done("rheo_log_prob", rheo_log_prob(model, work, x, 4, theta, lp));
  done("rheo_workspace_destroy", rheo_workspace_destroy(&work));
  done("rheo_model_destroy", rheo_model_destroy(&model));
  done("rheo_feed_to_file", rheo_feed_to_file(comm, data, "a, b", "5", 3, &feed));
  for (int i = 0; i < 10; i++) done("rheo_feed_put", rheo_feed_put(feed, 10 * rank + i, theta, x, 0));
  done("rheo_feed_close", rheo_feed_close(&feed, NULL));
  mistake("rheo_feed_to_file nowhere", rheo_feed_to_file(comm, "no/folder/x.h5", "a, b", "5", 3, &feed));
  done("rheo_end", rheo_end());
}

int main(int argc, char **argv)
{
  char name[] = "embed_host.out";
  int ended = 0, stdout_was;
  if (argc < 4) return 2;
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
  visit(argv[2], argv[3]);
  if (has_mpi) visit(argv[2], argv[3]); /* a host may start again as long as MPI runs */
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
