/* rheo info: what is in a file. */
#include "verb.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void PrintChecksum(RheoYaml *yaml, uint64_t checksum)
{
  char text[32];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum);
  RheoYamlText(yaml, "checksum", text);
}

/* A kind of file, and what one does with it. */
static const struct {
  const char *kind, *is, *next;
} Kinds[] = {
    {"model", "a trained density: its parameters, the state of its optimiser, the history of its training",
     "rheo sample %s, rheo check %s, rheo plot %s"},
    {"dataset", "a data set: a row for each simulation, with its parameters and its data",
     "rheo train DECK.yaml -data_file %s, rheo plot %s"},
    {"samples", "samples: a row for each, with its log-density and what is derived of it", "rheo plot %s"},
    {"series", "how a training went, row by row; `tail -f` follows one that still runs", "rheo plot %s"},
};
enum { N_KINDS = sizeof Kinds / sizeof *Kinds };

/* After the file was read: of a damaged one nothing is printed. */
static void PrintHead(const Run *run, const char *kind, RheoYaml *yaml)
{
  RheoYamlText(yaml, "file", run->target);
  RheoYamlText(yaml, "kind", kind);
  for (int k = 0; k < N_KINDS; k++)
    if (!strcmp(Kinds[k].kind, kind)) RheoYamlText(yaml, "is", Kinds[k].is);
  if (run->config.title) RheoYamlText(yaml, "title", run->config.title);
}

static PetscErrorCode PrintOrigin(const Run *run, RheoYaml *yaml)
{
  const char *version, *commit, *verb;
  char text[256];

  PetscFunctionBeginUser;
  PetscCall(RheoFileOrigin(run->comm, run->target, &version, &commit, &verb));
  snprintf(text, sizeof text, "rheo %s%s%s, commit %s", verb, *verb ? " " : "", version, commit);
  RheoYamlText(yaml, "made_by", text);
  PetscFunctionReturn(RHEO_OK);
}

/* Commands, with the file's own name in them. */
static void PrintNext(const Run *run, const char *kind, RheoYaml *yaml)
{
  const char *slash = strrchr(run->target, '/'), *name = slash ? slash + 1 : run->target;
  char text[4 * PETSC_MAX_PATH_LEN];
  for (int k = 0; k < N_KINDS; k++) {
    size_t n = 0;
    if (strcmp(Kinds[k].kind, kind)) continue;
    for (const char *c = Kinds[k].next; *c && n + PETSC_MAX_PATH_LEN < sizeof text; c++) {
      if (c[0] == '%' && c[1] == 's') {
        n += (size_t)snprintf(text + n, PETSC_MAX_PATH_LEN, "%s", name);
        c++;
      } else
        text[n++] = *c;
    }
    text[n] = 0;
    RheoYamlText(yaml, "next", text);
  }
}

static void PrintLosses(const RheoHistory *h, RheoYaml *yaml)
{
  const int64_t best = RheoHistoryBest(h);
  RheoYamlReal(yaml, "best_epoch", h->epoch[best]);
  RheoYamlReal(yaml, "best_train_loss", h->train_loss[best]);
  RheoYamlReal(yaml, "best_validation_loss", h->validation_loss[best]);
  RheoYamlReal(yaml, "last_train_loss", h->train_loss[h->n - 1]);
  RheoYamlReal(yaml, "last_lr", h->lr[h->n - 1]);
  RheoYamlReal(yaml, "last_gradient_norm", h->gradient_norm[h->n - 1]);
}

static PetscErrorCode InfoModel(Run *run, RheoYaml *yaml)
{
  RheoModelFile file;

  PetscFunctionBeginUser;
  PetscCall(RheoModelRead(run->comm, run->target, &file));
  PrintHead(run, "model", yaml);
  PetscCall(PrintOrigin(run, yaml));
  RheoYamlText(yaml, "estimator", file.estimator);
  RheoYamlInt(yaml, "parameters", (long long)RheoParamsSize(file.params));
  RheoYamlInt(yaml, "steps", file.step);
  RheoYamlInt(yaml, "epochs", file.history.n);
  if (file.history.n) PrintLosses(&file.history, yaml);
  PrintChecksum(yaml, RheoModelChecksum(&file));
  PetscCall(RheoModelFileFree(&file));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode InfoTable(Run *run, RheoYaml *yaml)
{
  RheoTable *table;

  PetscFunctionBeginUser;
  PetscCall(RheoTableRead(run->comm, run->target, NULL, PETSC_TRUE, &table));
  PrintHead(run, run->kind, yaml);
  PetscCall(PrintOrigin(run, yaml));
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

/* The last value of every column that has one, and what it means. */
static PetscErrorCode InfoSeries(Run *run, RheoYaml *yaml)
{
  RheoSeries series;
  const char *wrong;

  PetscFunctionBeginUser;
  PetscCall(RheoSeriesRead(run->comm, run->target, &series, &wrong));
  const int64_t n = series.n, latest = RheoSeriesLatest(&series);
  const double turns = n ? series.column[RHEO_SERIES_TURN][n - 1] : 0;
  const double first = n ? series.column[RHEO_SERIES_TURN][latest] : 0;
  if (!wrong) {
    PrintHead(run, "series", yaml);
    RheoYamlInt(yaml, "rows", n);
    RheoYamlReal(yaml, "turns", turns);
    RheoYamlReal(yaml, "turns_of_latest_training", n ? turns - first + 1 : 0);
    RheoYamlOpen(yaml, "columns");
    for (int k = 0; k < RHEO_SERIES_COLUMNS; k++) {
      int64_t at = n - 1;
      while (at >= 0 && isnan(series.column[k][at])) at--;
      RheoYamlOpen(yaml, RheoSeriesName((RheoSeriesColumn)k));
      if (at >= 0) RheoYamlReal(yaml, "latest", series.column[k][at]);
      RheoYamlText(yaml, "is", RheoSeriesMeaning((RheoSeriesColumn)k));
      RheoYamlClose(yaml);
    }
    RheoYamlClose(yaml);
    PrintNext(run, "series", yaml);
  }
  PetscCall(RheoSeriesFree(&series));
  RheoInputCheck(!wrong, run->comm, "%s: is no series of a training: %s", run->target, wrong);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Info(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  const char *deck;

  PetscFunctionBeginUser;
  const PetscBool is_text = (PetscBool)(run->kind && !strcmp(run->kind, "text"));
  RheoInputCheck(run->is_file || is_text, run->comm,
                 "%s: rheo info needs one of Rheo's HDF5 files, or the series.csv of a training",
                 run->target);
  if (is_text) {
    PetscCall(InfoSeries(run, &yaml));
    PetscFunctionReturn(RHEO_OK);
  }
  if (!strcmp(run->kind, "model"))
    PetscCall(InfoModel(run, &yaml));
  else
    PetscCall(InfoTable(run, &yaml));
  PrintNext(run, run->kind, &yaml);
  PetscCall(RheoDeckGetText(run->deck, &deck));
  if (deck && deck[0]) RheoYamlBlock(&yaml, "deck", deck);
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Info = {
    .name = "info",
    .summary = "what is in a file: kind, columns, training, checksum, the deck that made it",
    .usage = "FILE.h5|series.csv",
    .text = "  checksum: is that of the content (of a model: parameters and optimiser state) and does not "
            "depend on the number of ranks. Of a\n  series.csv: the latest values, and what every column "
            "means. `next` is what one can do with the file.\n\n"
            "  example: rheo info results/flu/model.h5\n",
    .sections = (const char *const[]){"", NULL},
    .needs_target = PETSC_TRUE,
    .run = Info,
};
