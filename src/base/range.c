#include "base_impl.h"
#include "reduce.h"

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
