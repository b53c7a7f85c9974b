/* All sections a deck may have: the library's and the driver's own. */
#include "verb.h"
#include <stdlib.h>
#include <string.h>

static const RheoSection driver[] = {
    {"", RunKeys, "the run"},
    {"simulate", SimulateKeys, "how much to simulate"},
    {"sample", SampleKeys, "how much to sample"},
    {"data", DataFileKeys, "where training data come from"},
    {"observation", TruthKeys, "what is known of the observation"},
    {"check", CheckKeys, "checks of the posterior"},
    {"plot", PlotKeys, "figures"},
    {"bench", BenchKeys, "measuring speed"},
    {"points", PointsKeys, "points of rheo logprob"},
};
enum { DRIVER = sizeof driver / sizeof *driver };

PetscErrorCode Schema(int *n, const RheoSection **sections)
{
  static RheoSection *all = NULL;
  static int count = 0;
  const RheoSection *library;

  PetscFunctionBeginUser;
  if (!all) {
    PetscCall(RheoSchema(&count, &library));
    all = malloc((size_t)(count + DRIVER) * sizeof *all);
    PetscCheck(all, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for the schema");
    memcpy(all, driver, sizeof driver);
    memcpy(all + DRIVER, library, (size_t)count * sizeof *all);
    count += DRIVER;
  }
  *n = count;
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}
