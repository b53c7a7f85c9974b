/* rheo convert: columns of CSV files and arrays of NumPy become a data set of Rheo's. */
#include "base/flush.h"
#include "verb.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name) offsetof(ConvertConfig, name)
const RheoKey ConvertKeys[] = {
    {"parameters", RHEO_KEY_STRINGS, FIELD(parameters), NULL, NULL,
     "what the parameters are: columns of the CSV file, an array of the .npz file, or a .npy file"},
    {"data", RHEO_KEY_STRINGS, FIELD(data), NULL, NULL,
     "what the data are (default: all other columns of the CSV file, or the .npy file itself)"},
    {"weights", RHEO_KEY_STRINGS, FIELD(weights), NULL, NULL, "what the weights are (default: none)"},
    {"parameter_names", RHEO_KEY_STRINGS, FIELD(names[0]), NULL, NULL,
     "of parameters (default: the CSV file's, or those of the array with numbers)"},
    {"data_names", RHEO_KEY_STRINGS, FIELD(names[1]), NULL, NULL, "of columns of the data"},
    {"parameter_units", RHEO_KEY_STRINGS, FIELD(units[0]), NULL, NULL, "of parameters, one for each"},
    {"data_units", RHEO_KEY_STRINGS, FIELD(units[1]), NULL, NULL, "of columns of the data, one for each"},
    {"to", RHEO_KEY_STRING, FIELD(to), "data.h5", NULL, "the file to write"},
    {0}};
#undef FIELD

enum { PARAMETERS, DATA, WEIGHTS, BLOCKS };
static const char *const block_names[BLOCKS] = {"parameters", "data", "weights"};

/* Where the values of a block come from: an array, or columns of text, which wait in a nameless file of rank 0. */
typedef struct {
  RheoArray array;
  int *column; /* (width) */
  int file;    /* -1: none */
} Source;

typedef struct {
  Run *run;
  ConvertConfig config;
  RheoTable out;
  Source source[BLOCKS]; /* as the blocks of out */
  double *piece;         /* of one block of text, (piece_size) */
  size_t piece_size;
} Conversion;

static RheoBlock *AddBlock(Conversion *c, int which, int width, Source **source)
{
  *source = &c->source[c->out.n_blocks];
  **source = (Source){.file = -1};
  RheoBlock *block = &c->out.block[c->out.n_blocks++];
  *block = (RheoBlock){.name = block_names[which], .width = width, .store = RHEO_STORE_DOUBLE};
  return block;
}

/* ---- Arrays ---- */
/* "a/theta.npy" and "theta" are called theta; columns are theta1, theta2, ... where there are several. */
static PetscErrorCode NameColumns(RheoBlock *block, const char *what)
{
  const char *slash = strrchr(what, '/'), **names;
  char stem[128], name[160];

  PetscFunctionBeginUser;
  snprintf(stem, sizeof stem, "%s", slash ? slash + 1 : what);
  if (EndsWith(stem, ".npy")) stem[strlen(stem) - 4] = 0;
  PetscCall(PetscMalloc1(block->width, &names));
  for (int k = 0; k < block->width; k++) {
    if (block->width > 1)
      snprintf(name, sizeof name, "%s%d", stem, k + 1);
    else
      snprintf(name, sizeof name, "%s", stem);
    names[k] = RheoIntern(name);
  }
  block->columns = names;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakeArray(Run *run, Conversion *c, int which, const RheoStrings *what)
{
  const PetscBool npz = EndsWith(run->target, ".npz");
  const char *name = what->n ? what->v[0] : which == DATA && !npz ? run->target : NULL;
  RheoArray array;
  Source *source;

  PetscFunctionBeginUser;
  RheoInputCheck(what->n <= 1, run->comm, "convert.%s: an array is asked for, got %d names",
                 block_names[which], what->n);
  if (!name) PetscFunctionReturn(RHEO_OK);
  RheoInputCheck(npz || EndsWith(name, ".npy"), run->comm, "convert.%s: '%s' is no .npy file",
                 block_names[which], name);
  if (npz && !EndsWith(name, ".npy"))
    PetscCall(RheoArrayOpen(run->comm, run->target, name, &array));
  else
    PetscCall(RheoArrayOpen(run->comm, name, NULL, &array));
  RheoBlock *block = AddBlock(c, which, RheoArrayWidth(array), &source);
  source->array = array;
  const int64_t n = RheoArrayRows(array);
  RheoInputCheck(c->out.n_blocks == 1 || c->out.n == n, run->comm,
                 "%s: has %lld rows, what comes before it has %lld", name, (long long)n, (long long)c->out.n);
  c->out.n = n;
  PetscCall(NameColumns(block, name));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Text ---- */
static int FindColumn(const RheoBlock *text, const char *name)
{
  for (int k = 0; k < text->width; k++)
    if (!strcmp(text->columns[k], name)) return k;
  return -1;
}

/* The columns named; of the data, where none are, those that nobody took. */
static PetscErrorCode TakeColumns(Conversion *c, const RheoBlock *text, int which, const RheoStrings *what,
                                  char *taken)
{
  int *column, n = 0;
  const char **names;
  Source *source;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(text->width + what->n, &column));
  for (int i = 0; i < what->n; i++) {
    column[n] = FindColumn(text, what->v[i]);
    RheoInputCheck(column[n] >= 0, c->run->comm, "convert.%s: %s has no column '%s'", block_names[which],
                   c->run->target, what->v[i]);
    taken[column[n++]] = 1;
  }
  for (int k = 0; which == DATA && !what->n && k < text->width; k++)
    if (!taken[k]) column[n++] = k;
  if (!n) {
    PetscCall(PetscFree(column));
    PetscFunctionReturn(RHEO_OK);
  }
  RheoBlock *block = AddBlock(c, which, n, &source);
  source->column = column;
  PetscCall(PetscMalloc1(n, &names));
  for (int k = 0; k < n; k++) names[k] = text->columns[column[k]];
  block->columns = names;
  PetscFunctionReturn(RHEO_OK);
}

/* Beside the file to be, where there has to be room for as much anyway. */
static PetscErrorCode OpenWaitingRoom(Conversion *c, Source *source)
{
  const MPI_Comm comm = c->run->comm;
  PetscMPIInt rank;
  int error = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    source->file = RheoNamelessFile(c->config.to);
    error = source->file < 0 ? errno : 0;
  }
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, comm));
  RheoInputCheck(!error, comm, "%s: cannot be created: %s", c->config.to, strerror(error));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode BeginText(Conversion *c, const RheoBlock *text)
{
  char *taken;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(text->width, &taken));
  PetscCall(TakeColumns(c, text, PARAMETERS, &c->config.parameters, taken));
  PetscCall(TakeColumns(c, text, WEIGHTS, &c->config.weights, taken));
  PetscCall(TakeColumns(c, text, DATA, &c->config.data, taken));
  PetscCall(PetscFree(taken));
  for (int b = 0; b < c->out.n_blocks; b++) PetscCall(OpenWaitingRoom(c, &c->source[b]));
  PetscFunctionReturn(RHEO_OK);
}

/* errno of what went wrong, 0 for nothing. */
static int Transfer(int file, PetscBool writes, void *memory, size_t bytes, int64_t at)
{
  for (char *from = memory; bytes > 0;) {
    const ssize_t moved = writes ? pwrite(file, from, bytes, (off_t)at) : pread(file, from, bytes, (off_t)at);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return moved ? errno : EIO;
    from += moved;
    at += moved;
    bytes -= (size_t)moved;
  }
  return 0;
}

static int PutAside(const Source *source, const RheoTable *piece, int width, double *value)
{
  const RheoBlock *text = &piece->block[0];
  const int64_t n = piece->end - piece->begin, row = width * (int64_t)sizeof(double);

  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < width; k++) value[i * width + k] = text->value[i * text->width + source->column[k]];
  return Transfer(source->file, PETSC_TRUE, value, (size_t)(n * row), piece->begin * row);
}

static PetscErrorCode TakePiece(void *context, const RheoTable *piece)
{
  Conversion *c = context;
  const size_t size = (size_t)(piece->end - piece->begin) * (size_t)piece->block[0].width;
  int error = 0;

  PetscFunctionBeginUser;
  if (!piece->begin) PetscCall(BeginText(c, &piece->block[0]));
  if (size > c->piece_size) {
    PetscCall(PetscRealloc(size * sizeof *c->piece, &c->piece));
    c->piece_size = size;
  }
  for (int b = 0; b < c->out.n_blocks && !error; b++)
    if (c->source[b].file >= 0) error = PutAside(&c->source[b], piece, c->out.block[b].width, c->piece);
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, c->run->comm));
  RheoInputCheck(!error, c->run->comm, "%s: cannot be written: %s", c->config.to, strerror(error));
  c->out.n = piece->end;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Writing ---- */
static int Pull(void *context, int b, int64_t first, int64_t n, double *value)
{
  const Conversion *c = context;
  const Source *source = &c->source[b];
  const int64_t row = c->out.block[b].width * (int64_t)sizeof *value;

  first += c->out.begin;
  if (source->array) return RheoArrayRead(source->array, first, n, value);
  return Transfer(source->file, PETSC_FALSE, value, (size_t)(n * row), first * row) ? -1 : 0;
}

/* What the user calls columns, and their units. */
static PetscErrorCode Label(Run *run, Conversion *c)
{
  const ConvertConfig *config = &c->config;

  PetscFunctionBeginUser;
  for (int b = 0; b < c->out.n_blocks; b++) {
    RheoBlock *block = &c->out.block[b];
    for (int which = PARAMETERS; which <= DATA; which++) {
      const RheoStrings *names = &config->names[which], *units = &config->units[which];
      if (strcmp(block->name, block_names[which])) continue;
      RheoInputCheck(!names->n || names->n == block->width, run->comm,
                     "convert: %d names are given for the %d columns of `%s`", names->n, block->width,
                     block->name);
      RheoInputCheck(!units->n || units->n == block->width, run->comm,
                     "convert: %d units are given for the %d columns of `%s`", units->n, block->width,
                     block->name);
      for (int k = 0; k < names->n; k++) ((const char **)(uintptr_t)block->columns)[k] = names->v[k];
      if (units->n) block->units = (const char *const *)units->v;
    }
    RheoInputCheck(strcmp(block->name, "weights") || block->width == 1, run->comm,
                   "convert.weights: one column is asked for, there are %d", block->width);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Rank 0 parses text and has all of its rows; those of arrays are read by whoever writes them. */
static PetscErrorCode Share(Conversion *c, PetscBool text)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(c->run->comm, &rank));
  RheoRange(c->run->comm, c->out.n, &c->out.begin, &c->out.end);
  if (text) c->out.begin = rank ? c->out.n : 0;
  if (text) c->out.end = c->out.n;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Close(Conversion *c)
{
  PetscFunctionBeginUser;
  for (int b = 0; b < c->out.n_blocks; b++) {
    PetscCall(PetscFree(c->out.block[b].columns));
    PetscCall(PetscFree(c->source[b].column));
    PetscCall(RheoArrayClose(&c->source[b].array));
    if (c->source[b].file >= 0) close(c->source[b].file);
  }
  PetscCall(PetscFree(c->piece));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Convert(Run *run)
{
  RheoYaml yaml = RheoYamlStdout(run->comm);
  Conversion c = {.run = run, .out = {.kind = "dataset", .verb = "convert", .pull = Pull}};
  const PetscBool arrays = (PetscBool)(EndsWith(run->target, ".npy") || EndsWith(run->target, ".npz"));

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(run->deck, "convert", ConvertKeys, &c.config));
  if (arrays) {
    PetscCall(TakeArray(run, &c, PARAMETERS, &c.config.parameters));
    PetscCall(TakeArray(run, &c, WEIGHTS, &c.config.weights));
    PetscCall(TakeArray(run, &c, DATA, &c.config.data));
  } else
    PetscCall(RheoTextScan(run->comm, run->target, TakePiece, &c));
  RheoInputCheck(c.out.n_blocks > 0, run->comm,
                 "%s: nothing to convert is named; set -convert_parameters and -convert_data", run->target);
  PetscCall(Label(run, &c));
  c.out.context = &c;
  c.out.pulled_from = run->target;
  PetscCall(Share(&c, (PetscBool)!arrays));
  PetscCall(RheoTableWrite(run->comm, c.config.to, &c.out));
  RheoYamlOpen(&yaml, "convert");
  RheoYamlInt(&yaml, "rows", c.out.n);
  for (int b = 0; b < c.out.n_blocks; b++) RheoYamlInt(&yaml, c.out.block[b].name, c.out.block[b].width);
  RheoYamlText(&yaml, "file", c.config.to);
  RheoYamlClose(&yaml);
  PetscCall(Close(&c));
  PetscFunctionReturn(RHEO_OK);
}

const Verb Verb_Convert = {
    .name = "convert",
    .summary = "turn CSV columns and NumPy arrays (.npy, .npz) into a data set to train on",
    .usage = "FILE -convert_parameters NAMES [-convert_data NAMES] [-convert_to data.h5] [-key value ...]",
    .text =
        "  FILE may be text with columns, a .npz file with arrays, or a .npy file with the data, whose "
        "parameters are in another. All are\n"
        "  read and written piece by piece; text waits in a nameless file beside the new one meanwhile, as "
        "numbers of 8 bytes. Train on the result with -data_file.\n\n"
        "  example: rheo convert runs.csv -convert_parameters beta,gamma -convert_to runs.h5\n"
        "           rheo convert runs.npz -convert_parameters theta -convert_data x -convert_weights w\n"
        "           rheo convert x.npy -convert_parameters theta.npy\n",
    .sections = (const char *const[]){"convert", NULL},
    .needs_target = PETSC_TRUE,
    .run = Convert,
};
