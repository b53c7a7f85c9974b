/* The error handler: who prints, what, and when the job has to be aborted. See error.h. */
#include "error.h"
#include "base_impl.h"
#include <ctype.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
  char message[2048];
  PetscBool quiet;
  PetscBool happened; /* an error that was not asked to be quiet */
  PetscBool printed;  /* this rank printed the last error */
  PetscBool trail;    /* ... which was ours, and goes on printing the functions it comes up
                      through */
} error_state;

const char *RheoErrorMessage(void)
{
  return error_state.message;
}
PetscBool RheoErrorIsQuiet(void)
{
  return error_state.quiet;
}
PetscBool RheoErrorHappened(void)
{
  return error_state.happened;
}
void RheoErrorSetQuiet(PetscBool quiet)
{
  error_state.quiet = quiet;
}

int RheoExitStatus(PetscErrorCode code)
{
  if (!code) return RHEO_EXIT_DONE;
  if (code == RHEO_STOPPED) return RHEO_EXIT_SIGNAL;
  return code == RHEO_ERR_INPUT ? RHEO_EXIT_INPUT : RHEO_EXIT_FAILURE;
}

PetscErrorCode RheoAgree(MPI_Comm comm, PetscBool mine, PetscBool *all)
{
  PetscFunctionBeginUser;
  int in = mine ? 1 : 0, out = 0;
  PetscCallMPI(MPI_Allreduce(&in, &out, 1, MPI_INT, MPI_LAND, comm));
  *all = out ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

static const char *BaseName(const char *path)
{
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : (path ? path : "?");
}

/* The call stack as far as the dynamic linker can name it: a rank that aborts does not come up through its
 * callers. */
static void PrintBacktrace(void)
{
  void *frames[32];
  int n = backtrace(frames, 32);
  char **names = backtrace_symbols(frames, n);
  if (!names) return;
  for (int i = 0; i < n; ++i) {
    char *open = strchr(names[i], '('), *plus = open ? strchr(open, '+') : NULL;
    if (!plus || plus == open + 1) continue;
    *plus = 0;
    if (strncmp(open + 1, "PetscError", 10) && strncmp(open + 1, "__libc", 6))
      fprintf(stderr, "  from %s() in %s\n", open + 1, BaseName(strtok(names[i], "(")));
  }
  free(names);
}

static void Abort(int status)
{
  fflush(stdout);
  fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, status);
}

/* What fails on one rank alone often fails on others in the same moment; the lowest of them says so and ends all. Whether one
 * has: where a program catches the launcher's signal to end, that is all that the waiting rank sees of it. */
static PetscBool OthersSpeakFirst(void)
{
  int rank = 0;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  const struct timespec pause = {.tv_sec =
                                     1 + (rank < 4 ? rank : 4)}; /* a launcher kills a second after it asks */
  return (PetscBool)(rank && nanosleep(&pause, NULL));
}

static void PrintFirst(PetscErrorCode code, const char *function, const char *file, int line)
{
  RheoTerminalClear();
  if (code == RHEO_ERR_INPUT || code == RHEO_ERR_NOTHING) {
    fprintf(stderr, "rheo: error: %s\n", error_state.message);
    return;
  }
  if (code == RHEO_STOPPED) {
    fprintf(stderr, "rheo: stopped: %s\n", error_state.message);
    return;
  }
  const char *kind = NULL;
  PetscErrorMessage(code, &kind, NULL);
  fprintf(stderr, "rheo: internal error %d%s%s: %s\n  in %s() at %s:%d\n", (int)code, kind ? ", " : "",
          kind ? kind : "", error_state.message, function ? function : "?", BaseName(file), line);
}

/* A PetscCall in main itself has nowhere to return to: PETSc would abort there with its own code for a status. Ranks
 * that printed nothing give the one that does a moment. */
static void LeaveMain(PetscErrorCode code, const char *function)
{
  if (!function || strcmp(function, "main") || error_state.quiet) return;
  if (!error_state.printed) sleep(1);
  Abort(RheoExitStatus(code));
}

/* Codes that say all there is to say. */
static PetscBool IsOneLine(PetscErrorCode code)
{
  return (PetscBool)(code == RHEO_ERR_INPUT || code == RHEO_STOPPED || code == RHEO_ERR_NOTHING);
}

/* PETSc calls this where an error is raised (INITIAL, on the communicator that shares it) and in every caller
 * that it passes on the way up (REPEAT, on PETSC_COMM_SELF whatever the first one was). */
static PetscErrorCode Handler(MPI_Comm comm, int line, const char *function, const char *file,
                              PetscErrorCode code, PetscErrorType type, const char *message, void *context)
{
  (void)context;
  int rank = 0, size = 1, job = 1;
  if (type == PETSC_ERROR_REPEAT) {
    if (error_state.trail && !error_state.quiet)
      fprintf(stderr, "  from %s() at %s:%d\n", function ? function : "?", BaseName(file), line);
    LeaveMain(code, function);
    return code;
  }
  snprintf(error_state.message, sizeof error_state.message, "%s", message ? message : "");
  error_state.message[strcspn(error_state.message, "\n")] = 0;
  for (char *c = error_state.message; *c; c++) /* names out of foreign files command no terminal */
    if (iscntrl((unsigned char)*c)) *c = '?';
  error_state.printed = error_state.trail = PETSC_FALSE;
  if (error_state.quiet) return code;
  error_state.happened = PETSC_TRUE;
  if (comm != MPI_COMM_NULL) {
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
  }
  MPI_Comm_size(PETSC_COMM_WORLD, &job);
  if (rank == 0) {
    if (size < job && OthersSpeakFirst()) Abort(RheoExitStatus(code));
    PrintFirst(code, function, file, line);
    error_state.printed = PETSC_TRUE;
    error_state.trail = IsOneLine(code) ? PETSC_FALSE : PETSC_TRUE;
    if (size < job && code != RHEO_STOPPED) { /* the other ranks know nothing of it and would wait for ever */
      if (error_state.trail) PrintBacktrace();
      Abort(RheoExitStatus(code));
    }
  }
  LeaveMain(code, function);
  return code;
}

void RheoErrorHandlerPush(void)
{
  error_state.happened = PETSC_FALSE;
  PetscPushErrorHandler(Handler, NULL);
}
