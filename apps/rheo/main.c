/* rheo VERB DECK|FILE [-key value ...]: the general driver. */
#include "verb.h"
#include <stdio.h>
#include <string.h>

static PetscErrorCode Help(void)
{
  PetscFunctionBeginUser;
  PetscCall(PetscFPrintf(PETSC_COMM_WORLD, stdout,
                         "rheo %s: simulation-based inference with normalizing flows over MPI\n\n"
                         "usage: [mpiexec -n RANKS] rheo VERB DECK|FILE [-key value ...]\n\n"
                         "  A deck is a YAML file that describes an experiment; every key in it can be given "
                         "on the command line,\n"
                         "  nested keys joined by '_' (`train: {batch: 200}` is `-train_batch 200`). The "
                         "result goes to stdout as\n"
                         "  YAML, messages to stderr, files to `-output DIR`. `rheo VERB -help` explains a "
                         "verb and its keys.\n\nverbs:\n",
                         RheoVersion()));
  for (int i = 0; Verbs[i]; i++)
    PetscCall(PetscFPrintf(PETSC_COMM_WORLD, stdout, "  %-10s %s\n", Verbs[i]->name, Verbs[i]->summary));
  PetscCall(PetscFPrintf(
      PETSC_COMM_WORLD, stdout,
      "\nexit status: 0 done, 2 a mistake in the input, 3 stopped by a signal or ahead of a time "
      "limit, 1 anything else\n"));
  PetscFunctionReturn(RHEO_OK);
}

/* Which keys of prior.* belong to which family. */
static PetscErrorCode HelpFamilies(void)
{
  PetscFunctionBeginUser;
  for (int i = 0; RheoPriorTypes[i]; i++) {
    const RheoPriorType *type = RheoPriorTypes[i];
    char keys[128] = "";
    for (int k = 0; k < 3 && type->parameter[k]; k++) {
      const size_t used = strlen(keys);
      snprintf(keys + used, sizeof keys - used, "%s%s", k ? ", " : "", type->parameter[k]);
    }
    PetscCall(PetscFPrintf(PETSC_COMM_WORLD, stdout, "    family: %-17s %-19s %s\n", type->name, keys,
                           type->summary));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* The one key of a section that `name` is ("cnf.guidance"); nothing where it is none. */
static PetscErrorCode HelpKey(const RheoSection *section, const char *name)
{
  const size_t length = strlen(section->prefix);

  PetscFunctionBeginUser;
  if (!length || strncmp(name, section->prefix, length) || name[length] != '.') PetscFunctionReturn(RHEO_OK);
  for (const RheoKey *key = section->keys; key->name; key++)
    if (!strcmp(key->name, name + length + 1)) {
      const RheoKey one[] = {*key, {0}};
      const RheoSection of_one = {section->prefix, one, section->summary};
      PetscCall(RheoSectionView(PETSC_COMM_WORLD, &of_one));
    }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode HelpVerb(const Verb *verb)
{
  const RheoSection *section;
  int n;

  PetscFunctionBeginUser;
  PetscCall(PetscFPrintf(PETSC_COMM_WORLD, stdout, "rheo %s %s\n  %s\n\n%s\n", verb->name, verb->usage,
                         verb->summary, verb->text));
  PetscCall(PetscFPrintf(
      PETSC_COMM_WORLD, stdout,
      "keys: name in the deck (with '_' for '.' on the command line), type, default (- for none), "
      "what is allowed, meaning\n\n"));
  PetscCall(Schema(&n, &section));
  for (int k = 0; verb->sections[k]; k++)
    for (int i = 0; i < n; i++) {
      PetscCall(HelpKey(&section[i], verb->sections[k]));
      if (SectionIs(verb->sections[k], section[i].prefix)) {
        PetscCall(RheoSectionView(PETSC_COMM_WORLD, &section[i]));
        if (!strcmp(section[i].prefix, "prior.*")) PetscCall(HelpFamilies());
        if (!strcmp(section[i].prefix, "target")) PetscCall(RheoToyViewTypes(PETSC_COMM_WORLD));
      }
    }
  PetscFunctionReturn(RHEO_OK);
}

static const Verb *FindVerb(const char *name)
{
  for (int i = 0; Verbs[i]; i++)
    if (!strcmp(Verbs[i]->name, name)) return Verbs[i];
  return NULL;
}

static PetscBool IsHelp(const char *argument)
{
  return (PetscBool)(!strcmp(argument, "-help") || !strcmp(argument, "--help") || !strcmp(argument, "-h"));
}

static PetscErrorCode Main(int argc, char **argv)
{
  Run run = {.comm = PETSC_COMM_WORLD};
  int first = 2;

  PetscFunctionBeginUser;
  if (argc < 2 || IsHelp(argv[1]) || !strcmp(argv[1], "help")) {
    PetscCall(Help());
    PetscFunctionReturn(RHEO_OK);
  }
  if (!strcmp(argv[1], "-version") || !strcmp(argv[1], "--version")) {
    PetscCall(PetscFPrintf(PETSC_COMM_WORLD, stdout, "rheo %s (%s)\n", RheoVersion(), RheoCommit()));
    PetscFunctionReturn(RHEO_OK);
  }
  run.verb = FindVerb(argv[1]);
  RheoInputCheck(run.verb, run.comm, "'%s' is not a verb of rheo; `rheo -help` lists them", argv[1]);
  for (int i = 2; i < argc; i++)
    if (IsHelp(argv[i])) {
      PetscCall(HelpVerb(run.verb));
      PetscFunctionReturn(RHEO_OK);
    }
  if (argc > 2 && argv[2][0] != '-') run.target = argv[first++];
  RheoInputCheck(run.target || !run.verb->needs_target, run.comm, "rheo %s needs a file: rheo %s %s",
                 run.verb->name, run.verb->name, run.verb->usage);
  run.argc = argc - first;
  run.argv = (const char *const *)argv + first;
  PetscCall(RunOpen(&run));
  PetscCall(run.verb->run(&run));
  PetscCall(RunClose(&run));
  PetscFunctionReturn(RHEO_OK);
}

int main(int argc, char **argv)
{
  PetscErrorCode code = RheoInitialize(&argc, &argv);
  PETSC_STDOUT = stderr; /* stdout belongs to the result: not to -ts_monitor, -ts_view, -log_view */
  if (!code) code = Main(argc, argv);
  const PetscErrorCode last = RheoFinalize();
  return RheoExitStatus(code ? code : last);
}
