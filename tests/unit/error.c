/* Errors as a user and a calling program see them. With an argument the test is the program that makes the
 * mistake. timeout: 120 */
#include "base/base_impl.h"
#include "check.h"
#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_gamma.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

static const char *self;

static PetscErrorCode Mistake(MPI_Comm comm)
{
  PetscFunctionBeginUser;
  RheoInputCheck(comm == MPI_COMM_NULL, comm, "flu.yaml:12: train.batch: must be in [1, inf), got 0");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Stopped(MPI_Comm comm)
{
  PetscFunctionBeginUser;
  if (comm != MPI_COMM_NULL) SETERRQ(comm, RHEO_STOPPED, "3 of 7 are kept; the same command continues");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Ours(MPI_Comm comm)
{
  PetscFunctionBeginUser;
  PetscCheck(comm == MPI_COMM_NULL, comm, PETSC_ERR_PLIB, "an invariant does not hold");
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Outer(const char *what)
{
  PetscFunctionBeginUser;
  int rank;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!strcmp(what, "input")) PetscCall(Mistake(PETSC_COMM_WORLD));
  if (!strcmp(what, "input-alone") && rank == 1) PetscCall(Mistake(PETSC_COMM_SELF));
  if (!strcmp(what, "stopped")) PetscCall(Stopped(PETSC_COMM_WORLD));
  if (!strcmp(what, "ours")) PetscCall(Ours(PETSC_COMM_WORLD));
  if (!strcmp(what, "ours-alone") && rank == 1) PetscCall(Ours(PETSC_COMM_SELF));
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  PetscFunctionReturn(RHEO_OK);
}

static int Program(int argc, char **argv)
{
  if (RheoInitialize(&argc, &argv)) return 1;
  PetscErrorCode code = Outer(argv[1]);
  PetscErrorCode end = RheoFinalize();
  return RheoExitStatus(code ? code : end);
}

static int Run(const char *ranks, const char *what, char **err)
{
  const char *mpiexec = getenv("RHEO_MPIEXEC");
  const char *alone[] = {self, what, NULL};
  const char *many[] = {mpiexec ? mpiexec : "mpiexec", "--oversubscribe", "-n", ranks, self, what, NULL};
  return RunProgram(strcmp(ranks, "1") ? many : alone, 60, err);
}

static void Expect(const char *ranks, const char *what, int status, const char *line, int n_lines)
{
  char *err;
  int got = Run(ranks, what, &err);
  if (got != status) fail_msg("%s on %s ranks: status %d, expected %d\n%s", what, ranks, got, status, err);
  if (CountLines(err, line) != n_lines)
    fail_msg("%s on %s ranks: expected '%s' %d times in\n%s", what, ranks, line, n_lines, err);
  free(err);
}

static void InputErrorIsOneLineAndStatus2(void **state)
{
  (void)state;
  char *err;
  assert_int_equal(Run("1", "input", &err), 2);
  assert_string_equal(err, "rheo: error: flu.yaml:12: train.batch: must be in [1, inf), got 0\n");
  free(err);
  Expect("2", "input", 2, "rheo: error: flu.yaml:12: train.batch: must be in [1, inf), got 0", 1);
  Expect("2", "input", 2, "  from", 0);
}

static void AStopIsOneLineAndStatus3(void **state)
{
  (void)state;
  char *err;
  assert_int_equal(Run("1", "stopped", &err), 3);
  assert_string_equal(err, "rheo: stopped: 3 of 7 are kept; the same command continues\n");
  free(err);
  Expect("2", "stopped", 3, "rheo: stopped: 3 of 7 are kept", 1);
  Expect("2", "stopped", 3, "  from", 0);
}

static void InputErrorOfOneRankEndsTheJob(void **state)
{
  (void)state;
  Expect("2", "input-alone", 2, "rheo: error: flu.yaml:12", 1);
}

static void OurErrorHasATrailAndStatus1(void **state)
{
  (void)state;
  Expect("1", "ours", 1, "rheo: internal error", 1);
  Expect("1", "ours", 1, "  in Ours() at error.c:", 1);
  Expect("1", "ours", 1, "  from Outer() at error.c:", 1);
  Expect("2", "ours", 1, "  from Outer() at error.c:", 1);
  Expect("2", "ours-alone", 1, "rheo: internal error", 1);
}

static void CallInMainKeepsTheStatus(void **state)
{
  (void)state;
  Expect("1", "in-main", 2, "rheo: error: flu.yaml:12", 1);
  Expect("2", "in-main", 2, "rheo: error: flu.yaml:12", 1);
}

static void UnusedOptionsOfPetscAreNamed(void **state)
{
  (void)state;
  char *err;
  const char *argv[] = {self, "nothing", "-ts_rk_tpye", "5dp", "-train_batch", "3", NULL};
  assert_int_equal(RunProgram(argv, 60, &err), 0);
  assert_int_equal(CountLines(err, ""), 1);
  assert_non_null(strstr(err, "warning: -ts_rk_tpye: "));
  free(err);
}

static void GoodRunIsSilent(void **state)
{
  (void)state;
  char *err;
  assert_int_equal(Run("1", "nothing", &err), 0);
  assert_string_equal(err, "");
  free(err);
}

static void QuietKeepsTheMessage(void **state)
{
  (void)state;
  REJECTS(Mistake(PETSC_COMM_WORLD), "train.batch: must be in [1, inf), got 0");
  assert_int_equal(RheoExitStatus(RHEO_OK), 0);
  assert_int_equal(RheoExitStatus(RHEO_ERR_INPUT), 2);
  assert_int_equal(RheoExitStatus(PETSC_ERR_MEM), 1);
}

static void LibrariesReportThroughUs(void **state)
{
  (void)state;
  gsl_sf_result result;
  assert_int_not_equal(gsl_sf_lngamma_e(0, &result), GSL_SUCCESS); /* GSL's own handler would abort */
  assert_non_null(strstr(RheoLibraryMessage(), "GSL: "));
  assert_true(H5Fopen("no/such/file.h5", H5F_ACC_RDONLY, H5P_DEFAULT) < 0);
  assert_non_null(strstr(RheoLibraryMessage(), "HDF5: "));
  assert_non_null(strstr(RheoLibraryMessage(), "no/such/file.h5"));
}

static void OnlyPetscOptionsArePetscs(void **state)
{
  (void)state;
  assert_true(RheoPetscOptionIs("ts_type"));
  assert_true(RheoPetscOptionIs("log_view"));
  assert_true(RheoPetscOptionIs("tao_gatol"));
  assert_false(RheoPetscOptionIs("train_batch"));
  assert_false(RheoPetscOptionIs("help"));
  assert_false(RheoPetscOptionIs("information"));
  assert_true(RheoArgumentIsKey("-x"));
  assert_true(RheoArgumentIsKey("--train_batch"));
  assert_false(RheoArgumentIsKey("-3"));
  assert_false(RheoArgumentIsKey("-.5e3"));
  assert_false(RheoArgumentIsKey("-inf"));
  assert_false(RheoArgumentIsKey("-"));
  assert_false(RheoArgumentIsKey("x"));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(InputErrorIsOneLineAndStatus2),
      cmocka_unit_test(AStopIsOneLineAndStatus3),
      cmocka_unit_test(InputErrorOfOneRankEndsTheJob),
      cmocka_unit_test(OurErrorHasATrailAndStatus1),
      cmocka_unit_test(GoodRunIsSilent),
      cmocka_unit_test(CallInMainKeepsTheStatus),
      cmocka_unit_test(UnusedOptionsOfPetscAreNamed),
      cmocka_unit_test(QuietKeepsTheMessage),
      cmocka_unit_test(LibrariesReportThroughUs),
      cmocka_unit_test(OnlyPetscOptionsArePetscs),
  };
  self = argv[0];
  if (argc > 1 && !strcmp(argv[1], "in-main")) {
    PetscCall(RheoInitialize(&argc, &argv));
    PetscCall(Mistake(PETSC_COMM_WORLD));
  }
  if (argc > 1) return Program(argc, argv);
  return RUN_TESTS(argc, argv, tests);
}
