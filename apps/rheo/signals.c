#include "signals.h"
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N_SIGNALS = 3, TAG = 30011 };
static const double SAME_SECONDS = 2; /* what comes within them is the same request */
static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGUSR1};
static const char note[] =
    "rheo: a signal: stopping as soon as all is kept; a second signal ends the program at once\n";

/* A handler knows nothing else. */
static volatile sig_atomic_t pending, speaks;
static struct timespec first; /* written before pending is set */
static struct sigaction before[N_SIGNALS];
static int depth; /* Catches that have not been Released */

static void Handle(int number)
{
  struct timespec now;

  (void)number;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (pending) {
    const double age = (double)(now.tv_sec - first.tv_sec) + 1e-9 * (double)(now.tv_nsec - first.tv_nsec);
    if (age < SAME_SECONDS) return;
    signal(number, SIG_DFL);
    raise(number); /* dealt with when the handler returns */
    return;
  }
  first = now;
  pending = 1;
  if (speaks && write(STDERR_FILENO, note, sizeof note - 1) < 0) return;
}

void SignalsCatch(void)
{
  struct sigaction action;
  PetscMPIInt rank;

  if (depth++) return;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  speaks = rank == 0;
  memset(&action, 0, sizeof action);
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  /* One at a time, so that `first` is whole when a second signal reads it. */
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < N_SIGNALS; i++) sigaddset(&action.sa_mask, numbers[i]);
  for (int i = 0; i < N_SIGNALS; i++) sigaction(numbers[i], &action, &before[i]);
}

void SignalsRelease(void)
{
  if (--depth) return;
  for (int i = 0; i < N_SIGNALS; i++) sigaction(numbers[i], &before[i], NULL);
}

PetscBool SignalsPending(void)
{
  return (PetscBool)(pending != 0);
}

static int told; /* the other ranks; once, since nothing takes a signal back */

PetscErrorCode SignalsPoll(MPI_Comm comm, PetscBool *stop)
{
  PetscMPIInt rank, size;
  int heard;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Iprobe(MPI_ANY_SOURCE, TAG, comm, &heard, MPI_STATUS_IGNORE));
  if (pending && !told) {
    told = 1;
    PetscCallMPI(MPI_Comm_rank(comm, &rank));
    PetscCallMPI(MPI_Comm_size(comm, &size));
    for (int r = 0; r < size; r++) {
      MPI_Request request;
      if (r == rank) continue;
      PetscCallMPI(MPI_Isend(NULL, 0, MPI_BYTE, r, TAG, comm, &request));
      PetscCallMPI(MPI_Request_free(&request));
    }
  }
  *stop = (PetscBool)(pending || heard);
  PetscFunctionReturn(RHEO_OK);
}

/* Takes in what others told, so that no message outlives its use. */
static PetscErrorCode Listen(MPI_Comm comm)
{
  PetscMPIInt rank, size;
  int *who;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1(size, &who));
  PetscCallMPI(MPI_Allgather(&told, 1, MPI_INT, who, 1, MPI_INT, comm));
  for (int r = 0; r < size; r++)
    if (who[r] == 1 && r != rank) PetscCallMPI(MPI_Recv(NULL, 0, MPI_BYTE, r, TAG, comm, MPI_STATUS_IGNORE));
  if (told == 1) told = 2; /* and heard */
  PetscCall(PetscFree(who));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode SignalsAgree(MPI_Comm comm, PetscBool *stop)
{
  int mine[2] = {pending, told == 1}, any[2];

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(mine, any, 2, MPI_INT, MPI_MAX, comm));
  if (any[1]) PetscCall(Listen(comm));
  *stop = (PetscBool)any[0];
  PetscFunctionReturn(RHEO_OK);
}
