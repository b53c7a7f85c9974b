/* Parameters that stay: the steps that depend on nothing else go to the front and are run once. */
#include "plan_impl.h"

static PetscBool reads_only(const PlanStep *step, const PetscBool *is_fixed)
{
  for (int k = 0; k < step->n_in + step->n_out; k++)
    if (!is_fixed[step->operand[k].buffer]) return PETSC_FALSE;
  return PETSC_TRUE;
}

/* A buffer is fixed where all that is written into it is. One step that is not, such as a piece of a concatenation, takes the
 * others that write there along; so this goes on until nothing changes. */
static void find_fixed(const RheoPlan plan, PetscBool *is_fixed)
{
  PetscBool changed = PETSC_TRUE;
  for (int b = 0; b < plan->n_buffer; b++)
    is_fixed[b] = (PetscBool)(plan->buffer[b].kind != PLAN_IN && plan->buffer[b].kind != PLAN_OUT);
  while (changed) {
    changed = PETSC_FALSE;
    for (int s = 0; s < plan->n_step; s++) {
      const PlanStep *step = &plan->step[s];
      if (reads_only(step, is_fixed)) continue;
      for (int k = step->n_in; k < step->n_in + step->n_out; k++) {
        PetscBool *written = &is_fixed[step->operand[k].buffer];
        if (*written) changed = PETSC_TRUE;
        *written = PETSC_FALSE;
      }
    }
  }
}

PetscErrorCode PlanFixed(RheoPlan plan)
{
  PetscBool *is_fixed;
  PlanStep *order;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(plan->n_buffer, &is_fixed, plan->n_step, &order));
  find_fixed(plan, is_fixed);
  for (int part = 0; part < 2; part++) {
    for (int s = 0; s < plan->n_step; s++)
      if ((reads_only(&plan->step[s], is_fixed) ? 0 : 1) == part) order[n++] = plan->step[s];
    if (part == 0) plan->n_fixed = n;
  }
  PetscCall(PetscArraycpy(plan->step, order, plan->n_step));
  PetscCall(PetscFree2(is_fixed, order));
  PetscFunctionReturn(RHEO_OK);
}
