/* Opening what a verb works on. */
#include "verb.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

PetscBool EndsWith(const char *text, const char *end)
{
  const size_t n = strlen(text), m = strlen(end);
  return (PetscBool)(n >= m && !strcmp(text + n - m, end));
}

PetscErrorCode PathIs(MPI_Comm comm, const char *path, int mode, PetscBool *is)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) *is = (PetscBool)!access(path, mode);
  PetscCallMPI(MPI_Bcast(is, 1, MPIU_BOOL, 0, comm));
  PetscFunctionReturn(RHEO_OK);
}

/* Takes the deck out of one of Rheo's own files. */
static PetscErrorCode OpenFile(Run *run)
{
  const char *text = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoFileDeck(run->comm, run->target, &run->kind, &text));
  run->is_file = PETSC_TRUE;
  if (text) PetscCall(RheoDeckLoadText(run->deck, run->target, text));
  PetscFunctionReturn(RHEO_OK);
}

/* The folder where results go: -output, the deck's `output`, or results/NAME for a deck and the file's own
 * folder for a file. */
static PetscErrorCode ChooseOutput(Run *run)
{
  char path[PETSC_MAX_PATH_LEN];
  const char *name;

  PetscFunctionBeginUser;
  if (run->config.output) PetscFunctionReturn(RHEO_OK);
  if (!run->target) {
    run->config.output = "results";
    PetscFunctionReturn(RHEO_OK);
  }
  name = strrchr(run->target, '/');
  if (run->kind) {
    snprintf(path, sizeof path, "%.*s", name ? (int)(name - run->target) : 1, name ? run->target : ".");
  } else {
    name = name ? name + 1 : run->target;
    const char *dot = strrchr(name, '.');
    snprintf(path, sizeof path, "results/%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
  }
  run->config.output = RheoIntern(path);
  PetscFunctionReturn(RHEO_OK);
}

PetscBool SectionIs(const char *shown, const char *prefix)
{
  const size_t length = strlen(shown);
  const PetscBool family = (PetscBool)(length && shown[length - 1] == '.');
  return (PetscBool)(family ? !strncmp(prefix, shown, length) : !strcmp(prefix, shown));
}

PetscBool VerbShows(const Verb *verb, const char *prefix)
{
  for (int k = 0; verb->sections[k]; k++)
    if (SectionIs(verb->sections[k], prefix)) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* What a model was trained with is not to be changed by the command line of a verb that only asks it. */
static PetscErrorCode CheckArguments(Run *run)
{
  static const char *const trained[] = {"prior.", "data", "flow",  "flow.",
                                        "cnf",    "cnf.", "train", "truncate"};
  const char *key;

  PetscFunctionBeginUser;
  for (int i = 0; (key = RheoDeckArgumentKey(run->deck, i)); i++) {
    char prefix[512];
    const char *dot = strrchr(key, '.');
    PetscBool is = (PetscBool)!strcmp(key, "estimator");
    snprintf(prefix, sizeof prefix, "%.*s", dot ? (int)(dot - key) : 0, key);
    for (size_t k = 0; k < sizeof trained / sizeof *trained; k++)
      if (SectionIs(trained[k], prefix)) is = PETSC_TRUE;
    if (is && !(*prefix && VerbShows(run->verb, prefix)) && !VerbShows(run->verb, key))
      PetscCall(RheoDeckReject(run->deck, key,
                               "rheo %s takes this from the model, as it was trained; for what may be "
                               "given see rheo %s -help",
                               run->verb->name, run->verb->name));
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RunOpen(Run *run)
{
  const RheoSection *section;
  const RheoDependency *dependency;
  int n, m;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(run->comm, &run->deck));
  if (run->target) {
    if (EndsWith(run->target, ".h5") || EndsWith(run->target, ".hdf5"))
      PetscCall(OpenFile(run));
    else if (run->verb->opens_anything)
      run->kind = NULL;
    else if (EndsWith(run->target, ".csv") || EndsWith(run->target, ".txt") ||
             EndsWith(run->target, ".npy") || EndsWith(run->target, ".npz"))
      run->kind = "text";
    else
      PetscCall(RheoDeckLoadFile(run->deck, run->target));
  }
  PetscCall(RheoDeckSetArguments(run->deck, run->argc, run->argv));
  PetscCall(Schema(&n, &section));
  PetscCall(RheoDeckCheck(run->deck, n, section));
  if (run->is_file && !strcmp(run->kind, "model")) PetscCall(CheckArguments(run));
  PetscCall(RheoDeckRead(run->deck, "", RunKeys, &run->config));
  RheoLogSetLevel((RheoLogLevel)run->config.log);
  PetscCall(RheoCnfGetDependencies(&m, &dependency));
  if (VerbShows(run->verb, "cnf")) PetscCall(RheoDeckAdvise(run->deck, n, section, m, dependency));
  PetscCall(ChooseOutput(run));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RunClose(Run *run)
{
  const double mine = RheoPeakMemory();
  double largest;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Reduce(&mine, &largest, 1, MPI_DOUBLE, MPI_MAX, 0, run->comm));
  RheoLog(run->comm, RHEO_LOG_DEBUG, "peak memory %.0f MB a rank", largest * 1e-6);
  PetscCall(RheoDeckDestroy(&run->deck));
  PetscFunctionReturn(RHEO_OK);
}

const char *RunPath(const Run *run, const char *name)
{
  char path[PETSC_MAX_PATH_LEN];
  snprintf(path, sizeof path, "%s/%s", run->config.output, name);
  return RheoIntern(path);
}
