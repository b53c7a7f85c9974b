/* What PETSc's own sum of parameter gradients (TSSetRHSJacobianP) gives for du/dt = sin(p t) - p u: in releases 3.16.5 to 3.21.3
 * wrong for exactly the schemes that have a stage of weight zero. This is why cnf/adjoint.h sums by itself, and why no scheme
 * need be refused. */
#include "check.h"
#include "cnf/scheme.h"
#include <math.h>
#include <string.h>

static double p_now;

static PetscErrorCode Rate(TS ts, PetscReal t, Vec u, Vec rate, void *context)
{
  const double *x;
  double *f;
  PetscFunctionBeginUser;
  (void)ts;
  (void)context;
  PetscCall(VecGetArrayRead(u, &x));
  PetscCall(VecGetArrayWrite(rate, &f));
  f[0] = sin(p_now * t) - p_now * x[0];
  PetscCall(VecRestoreArrayWrite(rate, &f));
  PetscCall(VecRestoreArrayRead(u, &x));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Set(Mat m, double value)
{
  PetscFunctionBeginUser;
  PetscCall(MatSetValue(m, 0, 0, value, INSERT_VALUES));
  PetscCall(MatAssemblyBegin(m, MAT_FINAL_ASSEMBLY));
  PetscCall(MatAssemblyEnd(m, MAT_FINAL_ASSEMBLY));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ByState(TS ts, PetscReal t, Vec u, Mat jacobian, Mat same, void *context)
{
  PetscFunctionBeginUser;
  (void)ts;
  (void)t;
  (void)u;
  (void)same;
  (void)context;
  PetscCall(Set(jacobian, -p_now));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode ByParameter(TS ts, PetscReal t, Vec u, Mat jacobian, void *context)
{
  const double *x;
  PetscFunctionBeginUser;
  (void)ts;
  (void)context;
  PetscCall(VecGetArrayRead(u, &x));
  PetscCall(Set(jacobian, t * cos(p_now * t) - x[0]));
  PetscCall(VecRestoreArrayRead(u, &x));
  PetscFunctionReturn(RHEO_OK);
}

/* u(1) by 8 steps from u(0) = 1, and du(1)/dp as TSAdjoint says it where asked. */
static double Solve(const char *scheme, double p, double *du)
{
  Mat jacobian, by_parameter;
  Vec u, lambda, mu;
  TSTrajectory trajectory;
  TSAdapt adapt;
  double end, *x;
  TS ts;
  p_now = p;
  OK(VecCreateSeq(PETSC_COMM_SELF, 1, &u));
  OK(VecDuplicate(u, &lambda));
  OK(VecDuplicate(u, &mu));
  OK(MatCreateSeqDense(PETSC_COMM_SELF, 1, 1, NULL, &jacobian));
  OK(MatCreateSeqDense(PETSC_COMM_SELF, 1, 1, NULL, &by_parameter));
  OK(TSCreate(PETSC_COMM_SELF, &ts));
  OK(RheoSchemeSet(ts, scheme, NULL));
  OK(TSSetRHSFunction(ts, NULL, Rate, NULL));
  OK(TSSetRHSJacobian(ts, jacobian, jacobian, ByState, NULL));
  OK(TSSetRHSJacobianP(ts, by_parameter, ByParameter, NULL));
  OK(TSGetAdapt(ts, &adapt));
  OK(TSAdaptSetType(adapt, TSADAPTNONE));
  OK(TSSetTimeStep(ts, 0.125));
  OK(TSSetMaxTime(ts, 1));
  OK(TSSetMaxSteps(ts, 8));
  OK(TSSetExactFinalTime(ts, TS_EXACTFINALTIME_STEPOVER));
  OK(TSSetSaveTrajectory(ts));
  OK(TSGetTrajectory(ts, &trajectory));
  OK(TSTrajectorySetType(trajectory, ts, TSTRAJECTORYMEMORY));
  OK(VecSet(u, 1));
  OK(TSSolve(ts, u));
  OK(VecGetArray(u, &x));
  end = x[0];
  OK(VecRestoreArray(u, &x));
  if (du) {
    OK(VecSet(lambda, 1));
    OK(VecSet(mu, 0));
    OK(TSSetCostGradients(ts, 1, &lambda, &mu));
    OK(TSAdjointSolve(ts));
    OK(VecGetArray(mu, &x));
    *du = x[0];
    OK(VecRestoreArray(mu, &x));
  }
  OK(TSDestroy(&ts));
  OK(MatDestroy(&jacobian));
  OK(MatDestroy(&by_parameter));
  OK(VecDestroy(&u));
  OK(VecDestroy(&lambda));
  OK(VecDestroy(&mu));
  return end;
}

/* The last stage of a scheme whose last stage is the next step's first does not count. */
static PetscBool HasZeroWeight(const char *scheme)
{
  PetscInt stages;
  const PetscReal *b;
  PetscBool first_same_as_last, zero = PETSC_FALSE;
  TS ts;
  OK(TSCreate(PETSC_COMM_SELF, &ts));
  OK(RheoSchemeSet(ts, scheme, NULL));
  OK(TSRKGetTableau(ts, &stages, NULL, &b, NULL, NULL, NULL, NULL, &first_same_as_last));
  for (PetscInt i = 0; i < stages - (first_same_as_last ? 1 : 0); i++)
    if (b[i] == 0) zero = PETSC_TRUE;
  OK(TSDestroy(&ts));
  return zero;
}

/* The library that runs decides, not the header that we were compiled with. */
static PetscBool IsBroken(void)
{
  PetscInt major, minor, patch, release;
  OK(PetscGetVersionNumber(&major, &minor, &patch, &release));
  const PetscInt v = major * 10000 + minor * 100 + patch;
  return (PetscBool)(v >= 31605 && v < 32104);
}

static void TestZeroWeightsAreWrong(void **state)
{
  static const char *const schemes[] = {"euler", "midpoint", "heun",  "rk4",   "rk4_38", "tsit5",
                                        TSRK1FE, TSRK2A,     TSRK2B,  TSRK3,   TSRK3BS,  TSRK4,
                                        TSRK5F,  TSRK5DP,    TSRK5BS, TSRK6VR, TSRK7VR,  TSRK8VR};
  const PetscBool broken = IsBroken();
  (void)state;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    const double h = 1e-3, p = 1.3;
    double du;
    Solve(schemes[i], p, &du);
    const double near = (Solve(schemes[i], p + h, NULL) - Solve(schemes[i], p - h, NULL)) / (2 * h);
    const double far = (Solve(schemes[i], p + 2 * h, NULL) - Solve(schemes[i], p - 2 * h, NULL)) / (4 * h);
    const double error = fabs(du / ((4 * near - far) / 3) - 1);
    const PetscBool zero = HasZeroWeight(schemes[i]);
    print_message("  %-8s error %.1e%s\n", schemes[i], error, zero ? ", a weight of zero" : "");
    assert_int_equal(broken && zero, error > 1e-6);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestZeroWeightsAreWrong)};
  return RUN_TESTS(argc, argv, tests);
}
