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
    {"dflow", RheoDFlowKeys, "steering samples to what they are to fulfil (rheo sample, continuous flows)"},
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

/* Built anew every time: names in it are interned, and a host that starts Rheo again has lost those of the time before. */
PetscErrorCode RheoSchema(int *n, const RheoSection **sections)
{
  typedef PetscErrorCode (*Room)(int *, const RheoSection **);
  static const Room room[] = {RheoPriorGetSections, RheoSimulatorGetSections, RheoFlowGetSections,
                              RheoCnfGetSections, RheoTransportGetSections};
  static RheoSection all[MOST];
  const RheoSection *more;
  int n_more;

  PetscFunctionBeginUser;
  *n = 0;
  PetscCall(Append(all, n, OWN, own));
  for (size_t k = 0; k < sizeof room / sizeof *room; k++) {
    PetscCall(room[k](&n_more, &more));
    PetscCall(Append(all, n, n_more, more));
  }
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}
