/* The schema of a deck: every section that the library reads. */
#include "rheo.h"

/* Any name may stand there; RheoDerivedCreate reads them. */
static const RheoKey derived[] = {
    {"*", RHEO_KEY_STRING, 0, NULL, NULL, "NAME: an expression of parameters, such as R0: beta / gamma"},
    {0}};

static const RheoSection own[] = {
    {"", RheoRunKeys, "the run"},
    {"simulate", RheoSimulateKeys, "how much to simulate"},
    {"data", RheoDataKeys, "what the network sees of the data"},
    {"train", RheoTrainKeys, "training"},
    {"train", RheoCheckpointKeys, ""},
    {"train", RheoSeriesKeys, ""},
    {"observation", RheoObservationKeys, "the observation whose posterior is asked for"},
    {"check", RheoCalibrationKeys, "calibration"},
    {"truncate", RheoTruncateKeys, "rounds that cut the prior to one observation"},
    {"cnf", RheoDensityCnfKeys, "the continuous flow"},
    {"derived", derived, "quantities computed from parameters"},
};
enum { OWN = sizeof own / sizeof *own, MOST = 256 };

static PetscErrorCode Append(RheoSection *all, int *n, int more, const RheoSection *sections)
{
  PetscFunctionBeginUser;
  PetscCheck(*n + more <= MOST, PETSC_COMM_SELF, PETSC_ERR_PLIB, "More than %d sections in the schema", MOST);
  PetscCall(PetscArraycpy(all + *n, sections, more));
  *n += more;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoSchema(int *n, const RheoSection **sections)
{
  static RheoSection all[MOST];
  static int count = 0;
  const RheoSection *rooms;
  int more;

  PetscFunctionBeginUser;
  if (!count) {
    PetscCall(Append(all, &count, OWN, own));
    PetscCall(RheoPriorGetSections(&more, &rooms));
    PetscCall(Append(all, &count, more, rooms));
    PetscCall(RheoSimulatorGetSections(&more, &rooms));
    PetscCall(Append(all, &count, more, rooms));
    PetscCall(RheoFlowGetSections(&more, &rooms));
    PetscCall(Append(all, &count, more, rooms));
    PetscCall(RheoCnfGetSections(&more, &rooms));
    PetscCall(Append(all, &count, more, rooms));
    PetscCall(RheoTransportGetSections(&more, &rooms));
    PetscCall(Append(all, &count, more, rooms));
  }
  *n = count;
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}
