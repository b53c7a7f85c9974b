#include "base_impl.h"
#include "reduce.h"
#include <string.h>

/* The first n % size ranks own one row more. */
void RheoRangeOf(int rank, int size, int64_t n, int64_t *begin, int64_t *end)
{
  int64_t each = n / size, more = n % size;
  *begin = each * rank + (rank < more ? rank : more);
  *end = *begin + each + (rank < more ? 1 : 0);
}

void RheoRange(MPI_Comm comm, int64_t n, int64_t *begin, int64_t *end)
{
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  RheoRangeOf(rank, size, n, begin, end);
}

enum { MESSAGE = 1 << 20 }; /* numbers: counts of MPI are int */

PetscErrorCode RheoGatherRows(MPI_Comm comm, int64_t n, int width, const double *mine, double *all)
{
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  for (int r = 0; r < size; r++) {
    int64_t count = n * width;
    PetscCallMPI(MPI_Bcast(&count, 1, MPI_INT64_T, r, comm));
    if (r == rank && count > 0 && all != mine) memcpy(all, mine, (size_t)count * sizeof *all);
    for (int64_t done = 0; done < count; done += MESSAGE)
      PetscCallMPI(MPI_Bcast(all + done, (PetscMPIInt)PetscMin(MESSAGE, count - done), MPI_DOUBLE, r, comm));
    all += count;
  }
  PetscFunctionReturn(RHEO_OK);
}
