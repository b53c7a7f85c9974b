#include "objective_impl.h"
#include <stdio.h>
#include <string.h>

const RheoObjectiveType *const RheoObjectiveTypes[] = {
#define RHEO_OBJECTIVE_TYPE(Name) &RheoObjectiveType_##Name,
#include "objective_types.def"
#undef RHEO_OBJECTIVE_TYPE
    NULL};

PetscBool RheoObjectiveMistake(const RheoObjectiveType *type, const RheoObjectiveModel *model,
                               RheoMistake *mistake)
{
  if (!type->mistake || (!strcmp(type->trains, "cnf") && !model->cnf)) return PETSC_FALSE;
  return type->mistake(model, mistake);
}

PetscErrorCode RheoObjectiveFind(const char *name, const RheoObjectiveType **type)
{
  char known[256] = "";
  PetscFunctionBeginUser;
  *type = NULL;
  for (int i = 0; RheoObjectiveTypes[i]; i++) {
    if (strcmp(RheoObjectiveTypes[i]->name, name) == 0) *type = RheoObjectiveTypes[i];
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
             RheoObjectiveTypes[i]->name);
  }
  if (!*type) RheoInputError(PETSC_COMM_SELF, "there is no objective '%s' (known: %s)", name, known);
  PetscFunctionReturn(RHEO_OK);
}
