/* rheo info: what is in a file. */
#include "verb.h"
#include <stdio.h>
#include <string.h>

static void PrintChecksum(RheoYaml *yaml, uint64_t checksum)
{
  char text[32];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum);
  RheoYamlText(yaml, "checksum", text);
}

/* After the file was read: of a damaged one nothing is printed. */
static void PrintHead(const Run *run, RheoYaml *yaml)
{
  RheoYamlText(yaml, "file", run->target);
  RheoYamlText(yaml, "kind", run->kind);
}

static PetscErrorCode InfoModel(Run *run, RheoYaml *yaml)
{
  RheoModelFile file;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(run->comm, run->target, &file));
  PrintHead(run, yaml);
  RheoYamlText(yaml, "estimator", file.estimator);
  RheoYamlInt(yaml, "parameters", (long long)RheoParamsSize(file.params));
  RheoYamlInt(yaml, "steps", file.step);
  RheoYamlInt(yaml, "epochs", file.history.n);
  if (file.history.n)
    RheoYamlReal(yaml, "best_validation_loss", file.history.validation_loss[RheoHistoryBest(&file.history)]);
  PrintChecksum(yaml, RheoModelChecksum(&file));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode InfoTable(Run *run, RheoYaml *yaml)
{
  RheoTable *table;

  PetscFunctionBeginUser;
  PetscCall(RheoTableRead(run->comm, run->target, NULL, PETSC_TRUE, &table));
  PrintHead(run, yaml);
  RheoYamlInt(yaml, "rows", table->n);
  RheoYamlOpen(yaml, "blocks");
  for (int b = 0; b < table->n_blocks; b++) {
    const RheoBlock *block = &table->block[b];
    RheoYamlOpen(yaml, block->name);
    for (int k = 0; k < block->width; k++) {
      const RheoSummary s = RheoSummarize(table->n, block->width, block->value, k);
      RheoYamlOpen(yaml, block->columns[k]);
      if (block->units && block->units[k][0]) RheoYamlText(yaml, "unit", block->units[k]);
      RheoYamlReal(yaml, "mean", s.mean);
      RheoYamlReal(yaml, "sd", s.sd);
      RheoYamlClose(yaml);
    }
    RheoYamlClose(yaml);
  }
  RheoYamlClose(yaml);
  PrintChecksum(yaml, table->checksum);
  PetscCall(RheoTableDestroy(&table));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Info(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *deck;

  PetscFunctionBeginUser;
  RheoInputCheck(run->is_file, run->comm, "%s: rheo info needs one of Rheo's HDF5 files", run->target);
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
    .summary = "what is in a file: kind, columns, training, checksum, the deck that made it",
    .usage = "FILE.h5",
    .text = "  checksum: is that of the content (of a model: parameters and optimiser state) and does not "
            "depend on the number of ranks.\n\n"
            "  example: rheo info results/flu/model.h5\n",
    .sections = (const char *const[]){"", NULL},
    .needs_target = PETSC_TRUE,
    .run = Info,
};
