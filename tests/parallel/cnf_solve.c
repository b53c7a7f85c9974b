/* Following a field: the same bits on any number of ranks, where rows are cut at whole groups.
 * ranks: 1 2 4
 * timeout: 120 */
#include "check.h"
#include "model.h"
#include "solves.h"
#include <string.h>

enum { D = 2 };
static const char Net[] =
    "velocity: net, time: raw, standardize: no, net: {type: mlp, hidden: 16, layers: 2, "
    "activation: tanh}";

static void ranks(void **state)
{
  enum { N = 333 };
  static double start[D * N], whole[D * N], whole_log_det[N], z[D * N], log_det[N];
  static uint64_t index[N];
  CnfModel m = FieldOf(Net, D, 0, 1);
  RheoSolver solver = SolverOf(&m, SolveConfigOf("group: 32, divergence: rademacher"));
  int64_t begin, end, n = 0, total;
  (void)state;
  for (uint64_t i = 0; i < N; i++) index[i] = i;
  assert_int_equal(RheoSolverGroup(solver), 32);
  FillNormal(4, D * N, start);
  memcpy(whole, start, sizeof whole);
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = N, .seed = 1}, 0, 1, whole, whole_log_det, NULL,
                         NULL));
  RheoSolverRange(solver, PETSC_COMM_WORLD, N, &begin, &end);
  n = end - begin;
  memcpy(z, start + D * begin, sizeof(double) * (size_t)(D * n));
  OK(RheoSolverIntegrate(solver, &(RheoSolveRows){.n = n, .seed = 1, .index = index + begin}, 0, 1, z,
                         log_det, NULL, NULL));
  assert_memory_equal(z, whole + D * begin, sizeof(double) * (size_t)(D * n));
  assert_memory_equal(log_det, whole_log_det + begin, sizeof(double) * (size_t)n);
  MPI_Allreduce(&n, &total, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD);
  assert_int_equal(total, N);
  OK(RheoSolverDestroy(&solver));
  FinishCnf(&m);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(ranks)};
  return RUN_TESTS(argc, argv, tests);
}
