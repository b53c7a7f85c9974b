/* Start and end of a program: MPI and PETSc, threads of the BLAS, error handlers of the libraries. */
#include "base_impl.h"
#include "deck.h"
#include "guest.h"
#include "log.h"
#include <dlfcn.h>
#include <gsl/gsl_errno.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

static struct {
  int depth;               /* nested calls of RheoInitialize */
  PetscBool started_petsc; /* and are to end it */
  int n;                   /* PETSc's part of the command line */
  char **arguments;
} start;

static char library_message[512];

const char *RheoLibraryMessage(void)
{
  return library_message;
}

static void FromGsl(const char *reason, const char *file, int line, int code)
{
  (void)file;
  (void)line;
  snprintf(library_message, sizeof library_message, "GSL: %s (%s)", reason, gsl_strerror(code));
}

static herr_t NoteHdf5Frame(unsigned depth, const H5E_error2_t *frame, void *context)
{
  (void)context;
  if (depth == 0 || !library_message[0])
    snprintf(library_message, sizeof library_message, "HDF5: %s",
             frame->desc ? frame->desc : frame->func_name);
  return 0;
}

herr_t RheoHdf5Complaint(hid_t stack, void *context)
{
  (void)context;
  library_message[0] = 0;
  H5Ewalk2(stack, H5E_WALK_UPWARD, NoteHdf5Frame, NULL); /* the innermost frame comes first and says most */
  return 0;
}

/* One thread a rank: ranks are how Rheo uses cores. The libraries may read the environment only when they are
 * loaded, which is before main, so where they are linked they are told directly too. */
static void PinThreads(void)
{
  union {
    void *object;
    void (*call)(int);
  } blas, omp;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  blas.object = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  if (blas.object) blas.call(1);
  if (getenv("OMP_NUM_THREADS")) return;
  setenv("OMP_NUM_THREADS", "1", 1);
  omp.object = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (omp.object) omp.call(1);
}

PetscBool RheoPetscOptionGiven(const char *name)
{
  for (int i = 1; i < start.n; ++i) {
    if (RheoArgumentIsKey(start.arguments[i]) && !strcmp(start.arguments[i] + 1, name)) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* PETSc keeps the arguments it is given until it ends, so they are interned. */
static PetscErrorCode CollectArguments(int argc, char **argv)
{
  static char skip_petscrc[] = "-skip_petscrc", no_signal_handler[] = "-no_signal_handler";
  start.arguments = RheoInternMemory(((size_t)argc + 4) * sizeof *start.arguments);
  if (!start.arguments) return PETSC_ERR_MEM;
  start.n = 0;
  static char program[] = "rheo";
  start.arguments[start.n++] = argc > 0 ? argv[0] : program;
  start.arguments[start.n++] = skip_petscrc;
  start.arguments[start.n++] = no_signal_handler;
  for (int i = 1; i < argc; ++i) {
    if (!RheoArgumentIsKey(argv[i]) || !RheoPetscOptionIs(argv[i] + 1)) continue;
    start.arguments[start.n++] = argv[i];
    if (i + 1 < argc && !RheoArgumentIsKey(argv[i + 1])) start.arguments[start.n++] = argv[++i];
  }
  return RHEO_OK;
}

PetscBool RheoIsInitialized(void)
{
  return (PetscBool)(start.depth > 0);
}

PetscErrorCode RheoInitialize(int *argc, char ***argv)
{
  if (start.depth++) return RHEO_OK;
  RheoSeconds();
  PinThreads();
  PetscBool running = PETSC_FALSE;
  PetscErrorCode code = PetscInitialized(&running);
  if (code) return code;
  if (!running) {
    code = CollectArguments(argc ? *argc : 0, argv ? *argv : NULL);
    if (code) return code;
    int n = start.n;
    char **arguments = start.arguments;
    code = PetscInitialize(&n, &arguments, NULL, NULL);
    if (code) return code;
    start.started_petsc = PETSC_TRUE;
  }
  PinThreads(); /* PETSc sets a number of threads of its own */
  RheoErrorHandlerPush();
  gsl_set_error_handler(FromGsl);
  H5dont_atexit(); /* after a damaged file its clean-up at exit complains to stderr; every file is closed by then */
  H5Eset_auto2(H5E_DEFAULT, RheoHdf5Complaint, NULL);
  return RheoEventsRegister();
}

static void WarnUnusedOptions(void)
{
  for (int i = 1; i < start.n; ++i) {
    PetscBool used = PETSC_TRUE;
    if (!RheoArgumentIsKey(start.arguments[i])) continue;
    const char *name = start.arguments[i] + 1;
    if (strncmp(name, "ts_", 3) && strncmp(name, "tao_", 4)) continue;
    PetscOptionsUsed(NULL, name, &used);
    if (!used)
      RheoLog(PETSC_COMM_WORLD, RHEO_LOG_WARNING, "-%s: nothing in this run used this option of PETSc", name);
  }
}

PetscErrorCode RheoFinalize(void)
{
  if (--start.depth > 0) return RHEO_OK;
  if (!RheoErrorHappened()) WarnUnusedOptions();
  RheoEventsForget();
  PetscErrorCode code = PetscPopErrorHandler();
  if (!code && start.started_petsc) code = PetscFinalize();
  memset(&start, 0, sizeof start);
  if (RheoInternWasShort() && !code) code = PETSC_ERR_MEM;
  if (!RheoGuestIsHere()) RheoInternFree();
  return code;
}
