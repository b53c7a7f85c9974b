#include "guest.h"
#include "base_impl.h"
#include "log.h"
#include <dlfcn.h>
#include <gsl/gsl_errno.h>
#include <hdf5.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static struct {
  atomic_int starts; /* looked at before the lock is taken */
  PetscBool started_petsc;
  PetscOptions options;
  pthread_mutex_t lock; /* of heavy work, and of what follows */
  fenv_t floats;
  PetscBool quiet;
  RheoLogLevel level;
  H5E_auto2_t hdf5;
  void *hdf5_context;
} guest = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* GSL has one handler for all threads: the first that comes puts it aside, the last that leaves puts it back. */
static struct {
  pthread_mutex_t lock;
  int here;
  gsl_error_handler_t *host;
} quick = {.lock = PTHREAD_MUTEX_INITIALIZER};

PetscBool RheoGuestIsHere(void)
{
  return (PetscBool)(guest.starts > 0);
}

/* ---- What starting MPI and PETSc would change ---- */

typedef struct {
  struct sigaction signal[NSIG];
  int has_signal[NSIG], had_mpi;
  MPI_Errhandler errors[2];
  int blas, omp;
} Habits;

/* Threads of a library that the host may have linked; 0 where it has not. */
static int ThreadsGet(const char *name)
{
  union {
    void *object;
    int (*call)(void);
  } get = {.object = dlsym(RTLD_DEFAULT, name)};
  return get.object ? get.call() : 0;
}

static void ThreadsSet(const char *name, int n)
{
  union {
    void *object;
    void (*call)(int);
  } set = {.object = dlsym(RTLD_DEFAULT, name)};
  if (set.object && n > 0) set.call(n);
}

static void HabitsNote(Habits *h)
{
  for (int s = 1; s < NSIG; s++) h->has_signal[s] = !sigaction(s, NULL, &h->signal[s]);
  MPI_Initialized(&h->had_mpi);
  if (h->had_mpi) {
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &h->errors[0]);
    MPI_Comm_get_errhandler(MPI_COMM_SELF, &h->errors[1]);
  }
  h->blas = ThreadsGet("openblas_get_num_threads");
  h->omp = ThreadsGet("omp_get_max_threads");
}

static void HabitsRestore(Habits *h)
{
  for (int s = 1; s < NSIG; s++)
    if (h->has_signal[s] && s != SIGKILL && s != SIGSTOP) sigaction(s, &h->signal[s], NULL);
  if (h->had_mpi) {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, h->errors[0]);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, h->errors[1]);
    MPI_Errhandler_free(&h->errors[0]);
    MPI_Errhandler_free(&h->errors[1]);
  }
  ThreadsSet("openblas_set_num_threads", h->blas);
  ThreadsSet("omp_set_num_threads", h->omp);
}

static PetscErrorCode StartPetsc(void)
{
  static char name[] = "rheo", no_file[] = "-skip_petscrc", no_handler[] = "-no_signal_handler";
  static char *arguments[] = {name, no_file, no_handler, NULL};
  char **argv = arguments;
  PetscBool running = PETSC_FALSE;
  int argc = 3;
  PetscErrorCode code = PetscInitialized(&running);

  if (!code && !running) {
    code = PetscInitialize(&argc, &argv, NULL, NULL);
    guest.started_petsc = (PetscBool)!code;
  }
  if (!code) code = PetscOptionsCreate(&guest.options);
  return code;
}

PetscErrorCode RheoGuestStart(void)
{
  PetscErrorCode code = RHEO_OK;
  fenv_t floats;

  pthread_mutex_lock(&guest.lock);
  if (!guest.starts) {
    static Habits habits; /* large for a host's stack */
    fegetenv(&floats);
    HabitsNote(&habits);
    code = StartPetsc();
    HabitsRestore(&habits);
    fesetenv(&floats);
  }
  if (!code) guest.starts++;
  pthread_mutex_unlock(&guest.lock);
  return code;
}

PetscErrorCode RheoGuestEnd(void)
{
  PetscErrorCode code = RHEO_OK;
  fenv_t floats;

  pthread_mutex_lock(&guest.lock);
  if (guest.starts && !--guest.starts) {
    fegetenv(&floats);
    code = PetscOptionsDestroy(&guest.options);
    if (!code && guest.started_petsc) code = PetscFinalize();
    guest.started_petsc = PETSC_FALSE;
    if (!RheoIsInitialized()) RheoInternFree();
    fesetenv(&floats);
  }
  pthread_mutex_unlock(&guest.lock);
  return code;
}

/* ---- Visits ---- */

static void NoComplaint(const char *reason, const char *file, int line, int code)
{
  (void)reason;
  (void)file;
  (void)line;
  (void)code;
}

void RheoGuestEnterQuick(fenv_t *host)
{
  fegetenv(host);
  fesetenv(FE_DFL_ENV);
  pthread_mutex_lock(&quick.lock);
  if (!quick.here++) quick.host = gsl_set_error_handler(NoComplaint);
  pthread_mutex_unlock(&quick.lock);
}

void RheoGuestLeaveQuick(const fenv_t *host)
{
  pthread_mutex_lock(&quick.lock);
  if (!--quick.here) gsl_set_error_handler(quick.host);
  pthread_mutex_unlock(&quick.lock);
  fesetenv(host);
}

void RheoGuestEnter(void)
{
  pthread_mutex_lock(&guest.lock);
  RheoGuestEnterQuick(&guest.floats);
  guest.quiet = RheoErrorIsQuiet();
  guest.level = RheoLogGetLevel();
  RheoErrorSetQuiet(PETSC_TRUE);
  RheoLogSetLevel(PetscMin(guest.level, RHEO_LOG_WARNING));
  RheoErrorHandlerPush();
  PetscOptionsPush(guest.options);
  H5Eget_auto2(H5E_DEFAULT, &guest.hdf5, &guest.hdf5_context);
  H5Eset_auto2(H5E_DEFAULT, RheoHdf5Complaint, NULL);
}

void RheoGuestLeave(void)
{
  H5Eset_auto2(H5E_DEFAULT, guest.hdf5, guest.hdf5_context);
  PetscOptionsPop();
  PetscOptionsClear(guest.options); /* what a deck said is for what was made of it, not for the next visit */
  PetscPopErrorHandler();
  RheoLogSetLevel(guest.level);
  RheoErrorSetQuiet(guest.quiet);
  RheoGuestLeaveQuick(&guest.floats);
  pthread_mutex_unlock(&guest.lock);
}
