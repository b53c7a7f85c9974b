#include "shared.h"
#include <stdint.h>
#include <sys/statvfs.h>

enum { ALIGNMENT = 64 };

struct RheoShared_ {
  MPI_Comm comm;
  MPI_Win window;
  MPI_Request left; /* of the barrier that Leave begins */
  float **of;       /* (ranks) */
};

static PetscBool is_allowed = PETSC_TRUE;

void RheoSharedAllow(PetscBool allowed)
{
  is_allowed = allowed;
}

/* Whether all ranks say yes. */
static PetscErrorCode All(MPI_Comm comm, int yes, int *all)
{
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(&yes, all, 1, MPI_INT, MPI_MIN, comm));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OnOneNode(MPI_Comm comm, int *yes)
{
  PetscMPIInt size, near;
  MPI_Comm node;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
  PetscCallMPI(MPI_Comm_size(node, &near));
  PetscCallMPI(MPI_Comm_free(&node));
  PetscCall(All(comm, near == size && size > 1, yes));
  PetscFunctionReturn(RHEO_OK);
}

/* Where there is no room, Open MPI 4.1 leaves all ranks but the first waiting in MPI_Win_allocate_shared: we must not get
 * there. Twice the room, because others of this job and of the node look for some at the same time. */
static PetscErrorCode HasRoom(MPI_Comm comm, size_t n_bytes, int *yes)
{
  double bytes = (double)n_bytes;
  struct statvfs room;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_DOUBLE, MPI_SUM, comm));
  int unknown = statvfs("/dev/shm", &room);
  PetscCall(All(comm, unknown || 2 * bytes < (double)room.f_bavail * (double)room.f_frsize, yes));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Locate(RheoShared s)
{
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(s->comm, &size));
  PetscCall(PetscMalloc1((size_t)size, &s->of));
  for (int rank = 0; rank < size; rank++) {
    MPI_Aint bytes;
    int unit;
    char *base;
    PetscCallMPI(MPI_Win_shared_query(s->window, rank, &bytes, &unit, &base));
    s->of[rank] = (float *)(void *)(base + (ALIGNMENT - (uintptr_t)base % ALIGNMENT) % ALIGNMENT);
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSharedCreate(MPI_Comm comm, size_t n, RheoShared *shared)
{
  const MPI_Aint bytes = (MPI_Aint)((n * sizeof(float) / ALIGNMENT + 2) * ALIGNMENT); /* room to align */
  int yes;
  void *base;

  PetscFunctionBeginUser;
  *shared = NULL;
  if (!is_allowed) PetscFunctionReturn(RHEO_OK);
  PetscCall(OnOneNode(comm, &yes));
  if (yes) PetscCall(HasRoom(comm, (size_t)bytes, &yes));
  if (!yes) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscNew(shared));
  RheoShared s = *shared;
  s->left = MPI_REQUEST_NULL;
  PetscCallMPI(MPI_Comm_dup(comm, &s->comm));
  PetscCallMPI(MPI_Comm_set_errhandler(s->comm, MPI_ERRORS_RETURN));
  int failed = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, s->comm, &base, &s->window);
  PetscCall(All(comm, !failed, &yes));
  if (!yes) { /* a window that only some ranks have cannot be freed */
    PetscCallMPI(MPI_Comm_free(&s->comm));
    PetscCall(PetscFree(*shared));
    PetscFunctionReturn(RHEO_OK);
  }
  PetscCallMPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, s->window));
  PetscCall(Locate(s));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSharedDestroy(RheoShared *shared)
{
  RheoShared s = *shared;

  PetscFunctionBeginUser;
  if (!s) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoSharedReenter(s));
  PetscCallMPI(MPI_Win_unlock_all(s->window));
  PetscCallMPI(MPI_Win_free(&s->window));
  PetscCallMPI(MPI_Comm_free(&s->comm));
  PetscCall(PetscFree(s->of));
  PetscCall(PetscFree(*shared));
  PetscFunctionReturn(RHEO_OK);
}

float *RheoSharedOf(RheoShared shared, int rank)
{
  return shared->of[rank];
}

PetscErrorCode RheoSharedMeet(RheoShared shared)
{
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Win_sync(shared->window));
  PetscCallMPI(MPI_Barrier(shared->comm));
  PetscCallMPI(MPI_Win_sync(shared->window));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSharedLeave(RheoShared shared)
{
  PetscFunctionBeginUser;
  PetscCall(RheoSharedReenter(shared));
  PetscCallMPI(MPI_Win_sync(shared->window));
  PetscCallMPI(MPI_Ibarrier(shared->comm, &shared->left));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSharedReenter(RheoShared shared)
{
  PetscFunctionBeginUser;
  if (shared->left == MPI_REQUEST_NULL) PetscFunctionReturn(RHEO_OK);
  PetscCallMPI(MPI_Wait(&shared->left, MPI_STATUS_IGNORE));
  PetscCallMPI(MPI_Win_sync(shared->window));
  PetscFunctionReturn(RHEO_OK);
}
