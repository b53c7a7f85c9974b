/* Trainings of one problem on some ranks and on others, and which is how fast. */
#include "bench_problem.h"
#include <base/shared.h>

enum { STEPS = 64, ALONE = 2 };

typedef struct {
  MPI_Comm comm, part; /* all ranks; those of the kind */
  PetscMPIInt rank, size;
  RheoTrainer trainer; /* of this rank, alone or with others; made in its first turn */
  double best[ALONE];  /* of each rank that is alone in turn; else the first on rank 0 */
} Place;

static PetscErrorCode Train(MPI_Comm comm, Place *place, BenchProblem *p, const BenchKind *kind,
                            int64_t steps, double *rate)
{
  PetscFunctionBeginUser;
  RheoSharedAllow(kind->messages ? PETSC_FALSE : PETSC_TRUE);
  if (!place->trainer)
    PetscCall(BenchTrainerCreate(comm, p, kind->batch, kind->shards, steps, &place->trainer));
  PetscCall(BenchTrainerRun(place->trainer, p, rate));
  RheoSharedAllow(PETSC_TRUE);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Turn(Place *place, BenchProblem *p, const BenchKind *kind, int64_t steps)
{
  double rate = 0, sum;

  PetscFunctionBeginUser;
  if (kind->ranks == 1) {
    for (int k = 0; k < PetscMin(ALONE, place->size); k++) {
      if (place->rank == k) {
        PetscCall(Train(PETSC_COMM_SELF, place, p, kind, steps, &rate));
        place->best[k] = PetscMax(place->best[k], rate);
      }
      PetscCall(BenchWait(place->comm));
    }
    PetscFunctionReturn(RHEO_OK);
  }
  if (place->part != MPI_COMM_NULL) {
    PetscCall(Train(kind->apart ? PETSC_COMM_SELF : place->part, place, p, kind, steps, &rate));
    if (kind->apart) {
      PetscCallMPI(MPI_Allreduce(&rate, &sum, 1, MPI_DOUBLE, MPI_SUM, place->part));
      rate = sum;
    }
    if (place->rank == 0) place->best[0] = PetscMax(place->best[0], rate);
  }
  PetscCall(BenchWait(place->comm));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode BenchTurns(MPI_Comm comm, BenchProblem *p, int n, BenchKind *kind, double seconds)
{
  const int64_t steps = (int64_t)PetscMax(2, PetscMin(STEPS, STEPS * seconds / n));
  const double start = MPI_Wtime();
  Place *place;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n, &place));
  for (int i = 0; i < n; i++) {
    place[i].comm = comm;
    PetscCallMPI(MPI_Comm_rank(comm, &place[i].rank));
    PetscCallMPI(MPI_Comm_size(comm, &place[i].size));
    PetscCallMPI(MPI_Comm_split(comm, place[i].rank < kind[i].ranks ? 0 : MPI_UNDEFINED, place[i].rank,
                                &place[i].part));
  }
  for (int go = 1; go;) {
    for (int i = 0; i < n; i++) PetscCall(Turn(&place[i], p, &kind[i], steps));
    go = MPI_Wtime() - start < seconds;
    PetscCallMPI(MPI_Bcast(&go, 1, MPI_INT, 0, comm));
  }
  for (int i = 0; i < n; i++) {
    const int alone = kind[i].ranks == 1 ? PetscMin(ALONE, place[i].size) : 1;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, place[i].best, ALONE, MPI_DOUBLE, MPI_MAX, comm));
    kind[i].rate = 0;
    for (int k = 0; k < alone; k++) kind[i].rate += place[i].best[k] / alone;
    PetscCall(RheoTrainerDestroy(&place[i].trainer));
    if (place[i].part != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&place[i].part));
  }
  PetscCall(PetscFree(place));
  PetscFunctionReturn(RHEO_OK);
}
