/* All sections a deck may have: the library's and the driver's own. */
#include "verb.h"
#include <stdlib.h>
#include <string.h>

static const RheoSection driver[] = {
    {"", RunKeys, "the run"},
    {"sample", SampleKeys, "how much to sample"},
    {"sample", TransportSampleKeys, ""},
    {"plot", PlotKeys, "figures"},
    {"plot", TransportPlotKeys, ""},
    {"data", DataFileKeys, "training data, and what the network sees of them"},
    {"observation", TruthKeys, "the observation whose posterior is asked for"},
    {"check", CheckKeys, "checks of the posterior; calibration by fresh simulations"},
    {"bench", BenchKeys, "measuring speed"},
    {"convert", ConvertKeys, "columns and arrays of others that become a data set"},
    {"points", PointsKeys, "points of rheo logprob"},
};
enum { DRIVER = sizeof driver / sizeof *driver };

static int CountKeys(const RheoKey *keys)
{
  int n = 0;
  while (keys[n].name) n++;
  return n;
}

/* Appends a section, or its keys to a section of the same prefix, so that a reader of -help finds them in one place. */
static PetscErrorCode Append(RheoSection *all, int *count, const RheoSection *section)
{
  RheoSection *same = NULL;

  PetscFunctionBeginUser;
  for (int i = 0; i < *count; i++)
    if (!strcmp(all[i].prefix, section->prefix)) same = &all[i];
  if (!same) {
    all[(*count)++] = *section;
    PetscFunctionReturn(RHEO_OK);
  }
  const int n = CountKeys(same->keys), m = CountKeys(section->keys);
  RheoKey *keys = malloc((size_t)(n + m + 1) * sizeof *keys);
  PetscCheck(keys, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for the schema");
  memcpy(keys, same->keys, (size_t)n * sizeof *keys);
  memcpy(keys + n, section->keys, (size_t)(m + 1) * sizeof *keys);
  same->keys = keys;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode Schema(int *n, const RheoSection **sections)
{
  static RheoSection *all = NULL; /* built once, for the life of the program */
  static int count = 0;
  const RheoSection *library;
  int n_library;

  PetscFunctionBeginUser;
  if (!all) {
    PetscCall(RheoSchema(&n_library, &library));
    all = malloc((size_t)(n_library + DRIVER) * sizeof *all);
    PetscCheck(all, PETSC_COMM_SELF, PETSC_ERR_MEM, "No memory for the schema");
    for (int i = 0; i < DRIVER; i++) PetscCall(Append(all, &count, &driver[i]));
    for (int i = 0; i < n_library; i++) PetscCall(Append(all, &count, &library[i]));
  }
  *n = count;
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}
