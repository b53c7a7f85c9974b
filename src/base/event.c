#include "event.h"
#include "base_impl.h"

static const char *const names[] = {
#define RHEO_EVENT(symbol, name) name,
#include "event.def"
#undef RHEO_EVENT
};

static PetscLogEvent ids[RHEO_EVENT_COUNT];
static PetscBool registered;

PetscErrorCode RheoEventsRegister(void)
{
  PetscClassId id;

  PetscFunctionBeginUser;
  PetscCall(PetscClassIdRegister("Rheo", &id));
  for (int k = 0; k < RHEO_EVENT_COUNT; k++) PetscCall(PetscLogEventRegister(names[k], id, &ids[k]));
  registered = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

void RheoEventsForget(void)
{
  registered = PETSC_FALSE;
}

PetscErrorCode RheoEventBegin(RheoEvent event)
{
  PetscFunctionBeginUser;
  if (registered) PetscCall(PetscLogEventBegin(ids[event], NULL, NULL, NULL, NULL));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoEventEnd(RheoEvent event)
{
  PetscFunctionBeginUser;
  if (registered) PetscCall(PetscLogEventEnd(ids[event], NULL, NULL, NULL, NULL));
  PetscFunctionReturn(RHEO_OK);
}
