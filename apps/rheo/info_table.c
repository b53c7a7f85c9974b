/* rheo info of a data set or samples of any size: they are gone through once, piece by piece. */
#include "verb.h"
#include <io/reader.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* ---- Moments ---- */
/* Of each column over chunks of a fixed size, put together in their order: the same on any number of ranks. */
enum { CHUNK = 1 << 16 };

typedef struct {
  double mean, squares; /* of the deviations from it */
} Moments;

typedef struct {
  const RheoTable *table;
  int width, status; /* columns of all blocks; the block of that name, -1 where there is none */
  int64_t n_chunks;
  Moments *moments; /* (n_chunks, width) */
  int64_t count[RHEO_SIMULATION_STATUSES];
} Look;

static void AddValue(Moments *m, double x, int64_t n_before)
{
  const double off = x - m->mean;
  m->mean += off / (double)(n_before + 1);
  m->squares += off * (x - m->mean);
}

static PetscErrorCode LookAt(void *context, int64_t first, int64_t n, const double *const *block)
{
  Look *look = context;
  int at = 0;

  PetscFunctionBeginUser;
  for (int b = 0; b < look->table->n_blocks; b++) {
    const int width = look->table->block[b].width;
    for (int64_t i = 0; i < n; i++) {
      const int64_t row = first + i;
      Moments *m = look->moments + row / CHUNK * look->width + at;
      for (int k = 0; k < width; k++) AddValue(&m[k], block[b][i * width + k], row % CHUNK);
      const int s = b == look->status ? (int)block[b][i] : -1;
      if (s >= 0 && s < RHEO_SIMULATION_STATUSES) look->count[s]++;
    }
    at += width;
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Of column k, numbered through all blocks (Chan, Golub, LeVeque 1979). */
static Moments Together(const Look *look, int k, double *sd)
{
  Moments all = {0};

  for (int64_t chunk = 0; chunk < look->n_chunks; chunk++) {
    const Moments m = look->moments[chunk * look->width + k];
    const double before = (double)(chunk * CHUNK),
                 n = (double)PetscMin(CHUNK, look->table->n - chunk * CHUNK), off = m.mean - all.mean;
    all.mean += off * n / (before + n);
    all.squares += m.squares + off * off * before * n / (before + n);
  }
  if (!look->table->n) all.mean = NAN;
  *sd = look->table->n > 1 ? sqrt(all.squares / (double)(look->table->n - 1)) : NAN;
  return all;
}

/* A chunk is one rank's alone: the others add zeros. */
static PetscErrorCode LookThrough(Run *run, RheoReader reader, Look *look)
{
  look->table = RheoReaderTable(reader);
  look->status = RheoReaderFind(reader, "status");
  if (look->status >= 0 && look->table->block[look->status].width != 1) look->status = -1;
  for (int b = 0; b < look->table->n_blocks; b++) look->width += look->table->block[b].width;
  look->n_chunks = (look->table->n + CHUNK - 1) / CHUNK;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(look->n_chunks * look->width, &look->moments));
  PetscCall(RheoReaderScanChunks(reader, CHUNK, LookAt, look));
  for (int64_t chunk = 0; chunk < look->n_chunks; chunk++) /* MPI counts in int */
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, look->moments + chunk * look->width, 2 * look->width, MPI_DOUBLE,
                               MPI_SUM, run->comm));
  PetscCallMPI(
      MPI_Allreduce(MPI_IN_PLACE, look->count, RHEO_SIMULATION_STATUSES, MPI_INT64_T, MPI_SUM, run->comm));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Printing ---- */
/* How many rows are of use, and what became of the others. */
static void PrintStatus(RheoYaml *yaml, const int64_t *count)
{
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

/* first: the number of the block's first column. */
static void PrintBlock(RheoYaml *yaml, const Look *look, const RheoBlock *block, int first)
{
  const char *meaning = BlockMeaning(look->table->kind, block->name);
  double sd;

  RheoYamlOpen(yaml, block->name);
  if (meaning) RheoYamlText(yaml, "meaning", meaning);
  RheoYamlInt(yaml, "width", block->width);
  RheoYamlOpen(yaml, "columns");
  for (int k = 0; k < block->width; k++) {
    const Moments m = Together(look, first + k, &sd);
    RheoYamlOpen(yaml, block->columns[k]);
    if (block->units && block->units[k][0]) RheoYamlText(yaml, "unit", block->units[k]);
    RheoYamlReal(yaml, "mean", m.mean);
    RheoYamlReal(yaml, "sd", sd);
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

static void PrintTable(Run *run, RheoYaml *yaml, const Look *look, PetscBool dataset, PetscBool of_data_set)
{
  const RheoTable *table = look->table;
  int first = 0;

  RheoYamlInt(yaml, "rows", table->n);
  if (dataset && look->status >= 0) PrintStatus(yaml, look->count);
  RheoYamlOpen(yaml, "blocks");
  for (int b = 0; b < table->n_blocks; b++) {
    if (!dataset || strcmp(table->block[b].name, "status") != 0)
      PrintBlock(yaml, look, &table->block[b], first);
    first += table->block[b].width;
  }
  RheoYamlClose(yaml);
  for (int e = 0; e < table->n_extras; e++)
    if (!strcmp(table->extra[e].name, "observation") && table->extra[e].n <= 100)
      RheoYamlReals(yaml, "observation", table->extra[e].n, table->extra[e].value);
  InfoChecksum(yaml, table->checksum);
  TableNext(run, yaml, dataset, of_data_set);
}

PetscErrorCode InfoTable(Run *run, RheoYaml *yaml)
{
  const PetscBool dataset = (PetscBool)!strcmp(run->kind, "dataset");
  RheoReader reader;
  PetscBool of_data_set;
  Look look = {0};

  PetscFunctionBeginUser;
  PetscCall(RheoTransportIsDeck(run->deck, &of_data_set));
  PetscCall(RheoReaderOpen(run->comm, 1, &run->target, NULL, &reader));
  PetscCall(LookThrough(run, reader, &look));
  PetscCall(InfoHead(
      run, yaml, run->kind,
      dataset ? "a data set to train on, one simulation a row; it is whole, for it is written when all of "
                "its rows are there"
      : of_data_set ? "samples of a model of a data set, one a row"
                    : "samples of the posterior of one observation, or points and their density, one a row"));
  PrintTable(run, yaml, &look, dataset, of_data_set);
  PetscCall(PetscFree(look.moments));
  PetscCall(RheoReaderClose(&reader));
  PetscFunctionReturn(RHEO_OK);
}
