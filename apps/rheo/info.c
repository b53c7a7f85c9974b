/* rheo info: explains a file to a person. */
#include "verb.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void InfoChecksum(RheoYaml *yaml, uint64_t checksum)
{
  char text[32];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum);
  RheoYamlText(yaml, "checksum", text);
}

void InfoNext(RheoYaml *yaml, const char *name, const char *format, ...)
{
  char text[2 * PETSC_MAX_PATH_LEN] = "rheo ";
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(text + 5, sizeof text - 5, format, arguments);
  va_end(arguments);
  RheoYamlText(yaml, name, text);
}

PetscErrorCode InfoHead(Run *run, RheoYaml *yaml, const char *kind, const char *is)
{
  const char *version, *commit, *verb;
  char text[256];

  PetscFunctionBeginUser;
  if (run->is_file) PetscCall(RheoFileOrigin(run->comm, run->target, &version, &commit, &verb));
  RheoYamlText(yaml, "file", run->target);
  RheoYamlText(yaml, "kind", kind);
  RheoYamlText(yaml, "is", is);
  if (!run->is_file) PetscFunctionReturn(RHEO_OK);
  if (run->config.title) RheoYamlText(yaml, "title", run->config.title);
  snprintf(text, sizeof text, "rheo %s%s%s, commit %s", verb, *verb ? " " : "", version, commit);
  RheoYamlText(yaml, "made_by", text);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Info(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *deck;

  PetscFunctionBeginUser;
  if (!run->is_file) {
    PetscCall(InfoOther(run, &yaml));
    PetscFunctionReturn(RHEO_OK);
  }
  if (!strcmp(run->kind, "model"))
    PetscCall(InfoModel(run, &yaml));
  else
    PetscCall(InfoTable(run, &yaml));
  PetscCall(RheoDeckGetText(run->deck, &deck));
  if (deck && deck[0]) RheoYamlBlock(&yaml, "deck", deck);
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Info = {
    .name = "info",
    .summary = "explains a file or a folder: what it is, what made it, what is in it, what to do with it",
    .usage = "FILE",
    .text =
        "  FILE is a data set, a model or samples (.h5), how a training goes (series.csv), a checkpoint, "
        "run.yaml, a deck, or a folder of\n"
        "  results, of which it says what is there and whether it is finished. checksum: is that of the "
        "content (of a model: parameters, optimiser state and history) and does\n"
        "  not depend on the number of ranks. next: has commands that go on from there. deck: is the deck "
        "that made it, and makes it again.\n\n"
        "  example: rheo info results/flu/model.h5\n"
        "           rheo info results/flu\n",
    .sections = (const char *const[]){"", NULL},
    .needs_target = PETSC_TRUE,
    .opens_anything = PETSC_TRUE,
    .run = Info,
};
