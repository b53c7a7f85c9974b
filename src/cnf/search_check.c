#include "search_check.h"
#include "../base/option_trial.h"
#include <petsctao.h>

/* The others want Hessians, residuals or constraints; owlqn adds a term of its own. */
static const char *const types[] = {TAOLMVM,   TAOBLMVM,  TAOBNCG, TAOBQNLS, TAOBQNKLS,
                                    TAOBQNKTR, TAOBQNKTL, TAOCG,   TAONM};

static PetscErrorCode Bowl(Tao tao, Vec at, PetscReal *value, Vec gradient, void *context)
{
  PetscFunctionBeginUser;
  (void)tao;
  (void)context;
  PetscCall(VecCopy(at, gradient));
  PetscCall(VecShift(gradient, -0.5));
  PetscCall(VecDot(gradient, gradient, value));
  *value /= 2;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TryOn(Tao tao, Vec x, Vec lower, Vec upper)
{
  PetscFunctionBeginUser;
  PetscCall(VecSet(lower, -1));
  PetscCall(VecSet(upper, 1));
  PetscCall(TaoSetType(tao, TAOBLMVM));
  PetscCall(TaoSetSolution(tao, x));
  PetscCall(TaoSetObjectiveAndGradient(tao, NULL, Bowl, NULL));
  PetscCall(TaoSetVariableBounds(tao, lower, upper));
  PetscCall(TaoSetFromOptions(tao));
  PetscCall(TaoSetMaximumIterations(tao, 5));
  PetscCall(TaoSolve(tao));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TryOnce(void *data)
{
  Vec x, lower, upper;
  Tao tao;

  PetscFunctionBeginUser;
  (void)data;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, 2, &x));
  PetscCall(VecDuplicate(x, &lower));
  PetscCall(VecDuplicate(x, &upper));
  PetscCall(TaoCreate(PETSC_COMM_SELF, &tao));
  const PetscErrorCode code = TryOn(tao, x, lower, upper);
  (void)TaoDestroy(&tao);
  PetscCall(VecDestroy(&x));
  PetscCall(VecDestroy(&lower));
  PetscCall(VecDestroy(&upper));
  PetscFunctionReturn(code);
}

PetscErrorCode RheoSearchCheck(RheoDeck deck, MPI_Comm comm)
{
  static const char *const families[] = {"-tao_", "-ksp_", "-pc_", "-mat_", "-vec_", NULL};

  PetscFunctionBeginUser;
  PetscCall(
      RheoOptionOneOf(deck, comm, "tao_type", sizeof types / sizeof *types, types, "needs gradients only"));
  PetscCall(RheoOptionsTry(deck, comm, families, TryOnce, NULL));
  PetscFunctionReturn(RHEO_OK);
}
