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

static const char *BlockMeaning(const char *kind, const char *name)
{
  static const struct {
    const char *kind, *name, *meaning;
  } known[] = {
      {"dataset", "parameters", "drawn from the prior: what is to be inferred"},
      {"dataset", "data", "what the simulator made of them: what is observed"},
      {"dataset", "status", "how the simulation of the row ended; 0 is good"},
      {"dataset", "weights", "of the rows in training"},
      {"samples", "parameters", "a sample a row"},
      {"samples", "derived", "computed from the parameters of the row, as the deck's `derived` says"},
      {"samples", "log_prob", "log-density of the sample under the model (nats)"},
      {"samples", "standard_error", "of log_prob, as Hutchinson's probes show it (nats)"},
      {"samples", "source", "where the sample started"},
      {"samples", "condition", "under which it was drawn"}};

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(kind, known[i].kind) && !strcmp(name, known[i].name)) return known[i].meaning;
  return NULL;
}

/* How many rows are of use, and what became of the others. */
static void PrintStatus(RheoYaml *yaml, const RheoTable *table, const RheoBlock *status)
{
  int64_t count[RHEO_SIMULATION_STATUSES] = {0};

  for (int64_t i = 0; i < table->n; i++) {
    const int s = (int)status->value[i];
    if (s >= 0 && s < RHEO_SIMULATION_STATUSES) count[s]++;
  }
  RheoYamlInt(yaml, "good_rows", count[0]);
  for (int s = 1; s < RHEO_SIMULATION_STATUSES; s++) {
    char name[64];
    if (!count[s]) continue;
    snprintf(name, sizeof name, "rows_%s", RheoSimulationStatusName((RheoSimulationStatus)s));
    for (char *c = name; *c; c++)
      if (*c == ' ') *c = '_';
    RheoYamlInt(yaml, name, count[s]);
  }
}

static void PrintBlock(RheoYaml *yaml, const RheoTable *table, const RheoBlock *block)
{
  const char *meaning = BlockMeaning(table->kind, block->name);

  RheoYamlOpen(yaml, block->name);
  if (meaning) RheoYamlText(yaml, "meaning", meaning);
  RheoYamlInt(yaml, "width", block->width);
  RheoYamlOpen(yaml, "columns");
  for (int k = 0; k < block->width; k++) {
    const RheoSummary s = RheoSummarize(table->n, block->width, block->value, k);
    RheoYamlOpen(yaml, block->columns[k]);
    if (block->units && block->units[k][0]) RheoYamlText(yaml, "unit", block->units[k]);
    RheoYamlReal(yaml, "mean", s.mean);
    RheoYamlReal(yaml, "sd", s.sd);
    RheoYamlClose(yaml);
  }
  RheoYamlClose(yaml);
  RheoYamlClose(yaml);
}

static void TableNext(Run *run, RheoYaml *yaml, PetscBool dataset, PetscBool of_data_set)
{
  RheoYamlOpen(yaml, "next");
  InfoNext(yaml, "draw_it", "plot %s", run->target);
  if (dataset)
    InfoNext(yaml, "train_on_it", "train DECK.yaml -data_file %s -output DIR", run->target);
  else if (!of_data_set)
    InfoNext(yaml, "compare_it", "check %s -check_reference OTHER_SAMPLES.h5", run->target);
  RheoYamlClose(yaml);
}

static PetscErrorCode InfoTable(Run *run, RheoYaml *yaml)
{
  RheoTable *table;
  PetscBool of_data_set;

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  PetscCall(RheoTableRead(run->comm, run->target, NULL, PETSC_TRUE, &table));
  const PetscBool dataset = (PetscBool)!strcmp(run->kind, "dataset");
  PetscCall(InfoHead(
      run, yaml, run->kind,
      dataset ? "a data set to train on, one simulation a row; it is whole, for it is written when all of "
                "its rows are there"
      : of_data_set ? "samples of a model of a data set, one a row"
                    : "samples of the posterior of one observation, or points and their density, one a row"));
  const RheoBlock *status = RheoTableBlock(table, "status");
  RheoYamlInt(yaml, "rows", table->n);
  if (dataset && status && status->width == 1) PrintStatus(yaml, table, status);
  RheoYamlOpen(yaml, "blocks");
  for (int b = 0; b < table->n_blocks; b++)
    if (!dataset || &table->block[b] != status) PrintBlock(yaml, table, &table->block[b]);
  RheoYamlClose(yaml);
  const RheoExtra *observation = RheoTableExtra(table, "observation");
  if (observation && observation->n <= 100)
    RheoYamlReals(yaml, "observation", observation->n, observation->value);
  InfoChecksum(yaml, table->checksum);
  TableNext(run, yaml, dataset, of_data_set);
  PetscCall(RheoTableDestroy(&table));
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
        "content (of a model: parameters and optimiser state) and does\n"
        "  not depend on the number of ranks. next: has commands that go on from there. deck: is the deck "
        "that made it, and makes it again.\n\n"
        "  example: rheo info results/flu/model.h5\n"
        "           rheo info results/flu\n",
    .sections = (const char *const[]){"", NULL},
    .needs_target = PETSC_TRUE,
    .opens_anything = PETSC_TRUE,
    .run = Info,
};
