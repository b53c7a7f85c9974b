#include "dataset.h"
#include "../io/table.h"
#include "simulator_impl.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *file;
  RheoStrings columns, conditions;
  int classes;
  double test;
} Config;

struct RheoDataSet_ {
  RheoDeck deck;
  const char *prefix;
  uint32_t set;
  uint64_t seed;
  RheoToy toy; /* or what follows */
  Config config;
  int d, conditions, classes;
  int64_t n, n_test;
  const char **name; /* (d + conditions) */
  double *
      row; /* (n + n_test, d + conditions): rows to train on, then those held back; NULL before they are read */
};

static const RheoKey file_keys[] = {
    {"file", RHEO_KEY_STRING, offsetof(Config, file), NULL, NULL, "CSV or HDF5 file with a point a row"},
    {"columns", RHEO_KEY_STRINGS, offsetof(Config, columns), NULL, NULL,
     "names of the file's columns that are a point (default: all but conditions)"},
    {"condition_columns", RHEO_KEY_STRINGS, offsetof(Config, conditions), NULL, NULL,
     "names of the file's columns that the model is conditional on"},
    {"classes", RHEO_KEY_INT, offsetof(Config, classes), "0", "[0, 10000]",
     "the condition column is a class, 0 to classes - 1; 0: numbers"},
    {"test", RHEO_KEY_REAL, offsetof(Config, test), "0.1", "(0, 1)",
     "fraction of a file held back for checks"},
    {0}};
enum { FILE_KEYS = sizeof file_keys / sizeof *file_keys - 1, MOST_KEYS = 96 };

PetscErrorCode RheoDataSetGetKeys(const RheoKey **keys)
{
  static RheoKey all[MOST_KEYS + 1];
  const RheoKey *toy;
  int n = FILE_KEYS;

  PetscFunctionBeginUser;
  *keys = all;
  if (all[0].name) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoToyGetKeys(&toy));
  for (; toy->name; toy++) {
    PetscCheck(n < MOST_KEYS, PETSC_COMM_SELF, PETSC_ERR_PLIB, "Too many keys of data sets");
    all[n++] = *toy;
  }
  memcpy(all, file_keys, FILE_KEYS * sizeof *all);
  PetscFunctionReturn(RHEO_OK);
}

static const char *Join(const char *prefix, const char *name)
{
  char key[192];
  snprintf(key, sizeof key, "%s.%s", prefix, name);
  return RheoIntern(key);
}

/* Keys of files and of toys exclude each other. */
static PetscErrorCode CheckKeys(RheoDeck deck, const char *prefix, PetscBool file)
{
  const char **names;
  int n;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetChildren(deck, prefix, &n, &names));
  for (int i = 0; i < n; i++) {
    PetscBool of_file = PETSC_FALSE;
    for (int k = 0; k < FILE_KEYS; k++)
      if (!strcmp(names[i], file_keys[k].name)) of_file = PETSC_TRUE;
    if (of_file != file)
      PetscCall(RheoDeckReject(deck, Join(prefix, names[i]), "belongs to a %s, and this data set is a %s",
                               file ? "toy" : "file", file ? "file" : "toy"));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

/* A column of the table by name, whatever its block. */
static const double *FindColumn(RheoTable *table, const char *name, int *stride)
{
  for (int b = 0; b < table->n_blocks; b++)
    for (int k = 0; k < table->block[b].width; k++)
      if (!strcmp(table->block[b].columns[k], name)) {
        *stride = table->block[b].width;
        return table->block[b].value + k;
      }
  return NULL;
}

static PetscBool IsAmong(const RheoStrings *names, const char *name)
{
  for (int i = 0; i < names->n; i++)
    if (!strcmp(names->v[i], name)) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* The names of the columns, d of the point and then the conditions. */
static PetscErrorCode ChooseColumns(RheoDataSet data, RheoTable *table)
{
  const Config *config = &data->config;
  int most = config->columns.n + config->conditions.n, n = 0;

  PetscFunctionBeginUser;
  for (int b = 0; b < table->n_blocks; b++) most += table->block[b].width;
  PetscCall(PetscMalloc1(most, &data->name));
  for (int i = 0; i < config->columns.n; i++) data->name[n++] = config->columns.v[i];
  for (int k = 0; !config->columns.n && k < table->block[0].width; k++)
    if (!IsAmong(&config->conditions, table->block[0].columns[k]))
      data->name[n++] = table->block[0].columns[k];
  data->d = n;
  for (int i = 0; i < config->conditions.n; i++) data->name[n++] = config->conditions.v[i];
  data->conditions = config->conditions.n;
  PetscFunctionReturn(RHEO_OK);
}

/* Rows to train on go to the front, those held back behind them, both in the order of the file. */
static PetscErrorCode TakeRows(RheoDataSet data, MPI_Comm comm, RheoTable *table)
{
  const int width = data->d + data->conditions;
  const double **column;
  int *stride;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(width, &column, width, &stride));
  for (int k = 0; k < width; k++) {
    column[k] = FindColumn(table, data->name[k], &stride[k]);
    if (!column[k])
      PetscCall(RheoDeckReject(data->deck, Join(data->prefix, k < data->d ? "columns" : "condition_columns"),
                               "%s has no column '%s'", data->config.file, data->name[k]));
  }
  PetscCall(PetscMalloc1(table->n * width, &data->row));
  for (int part = 0; part < 2; part++)
    for (int64_t i = 0; i < table->n; i++) {
      RheoStream stream = RheoStreamMake(data->seed, RHEO_STREAM_DATA, 2 + data->set, (uint64_t)i);
      if ((RheoStreamUniform(&stream) < data->config.test) != part) continue;
      double *row = data->row + (data->n + data->n_test) * width;
      for (int k = 0; k < width; k++) {
        row[k] = column[k][i * stride[k]];
        RheoInputCheck(isfinite(row[k]), comm, "%s: row %lld of column '%s' is not finite (%g)",
                       data->config.file, (long long)i + 1, data->name[k], row[k]);
      }
      *(part ? &data->n_test : &data->n) += 1;
    }
  PetscCall(PetscFree2(column, stride));
  RheoInputCheck(data->n >= 10 && data->n_test >= 2, comm,
                 "%s: %lld rows, of which %lld are held back, are too few to train on and to check with",
                 data->config.file, (long long)table->n, (long long)data->n_test);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckClasses(RheoDataSet data)
{
  const int width = data->d + data->conditions, classes = data->classes;
  const char *key = Join(data->prefix, "classes");
  int64_t *count;

  PetscFunctionBeginUser;
  if (classes > data->n)
    PetscCall(RheoDeckReject(data->deck, key, "are more than the %lld rows to train on", (long long)data->n));
  PetscCall(PetscCalloc1(classes, &count));
  for (int64_t i = 0; i < data->n + data->n_test; i++) {
    const double label = data->row[i * width + data->d];
    if (label < 0 || label >= classes || label != floor(label))
      PetscCall(RheoDeckReject(data->deck, key, "column '%s' holds %g, which is no class from 0 to %d",
                               data->name[data->d], label, classes - 1));
    if (i < data->n) count[(int)label]++;
  }
  for (int k = 0; k < classes; k++)
    if (!count[k])
      PetscCall(RheoDeckReject(data->deck, key, "no row to train on is of class %d in column '%s'", k,
                               data->name[data->d]));
  PetscCall(PetscFree(count));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode OpenFile(RheoDataSet data, RheoTable **table)
{
  const char *path, *dot;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(data->deck, &comm));
  PetscCall(RheoSimFindFile(data->deck, Join(data->prefix, "file"), data->config.file, &path));
  dot = strrchr(path, '.');
  if (dot && (!strcmp(dot, ".h5") || !strcmp(dot, ".hdf5")))
    PetscCall(RheoTableRead(comm, path, NULL, PETSC_TRUE, table));
  else
    PetscCall(RheoTableReadText(comm, path, table));
  RheoInputCheck((*table)->n_blocks > 0, comm, "%s: has no columns", path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetRead(RheoDataSet data)
{
  RheoTable *table;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  if (data->toy || data->row) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoDeckGetComm(data->deck, &comm));
  PetscCall(OpenFile(data, &table));
  PetscCall(TakeRows(data, comm, table));
  PetscCall(RheoTableDestroy(&table));
  if (data->classes) PetscCall(CheckClasses(data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakeFile(RheoDataSet data)
{
  RheoTable *table = NULL, none = {0};

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(data->deck, data->prefix, file_keys, &data->config));
  if (!data->config.columns.n) PetscCall(OpenFile(data, &table));
  PetscCall(ChooseColumns(data, table ? table : &none));
  if (table) PetscCall(RheoTableDestroy(&table));
  const char *key = Join(data->prefix, "classes");
  data->classes = data->config.classes;
  if (!data->d)
    PetscCall(RheoDeckReject(data->deck, Join(data->prefix, "condition_columns"),
                             "leave no column of %s for the points", data->config.file));
  if (data->classes == 1) PetscCall(RheoDeckReject(data->deck, key, "must be 0, or at least 2"));
  if (data->classes && data->conditions != 1)
    PetscCall(RheoDeckReject(data->deck, key, "needs one condition column, there are %d", data->conditions));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakeToy(RheoDataSet data)
{
  char name[32];

  PetscFunctionBeginUser;
  PetscCall(RheoToyCreate(data->deck, data->prefix, data->set, &data->toy));
  data->d = RheoToySize(data->toy);
  data->conditions = RheoToyConditionSize(data->toy);
  data->classes = RheoToyConditionIsClass(data->toy) ? RheoToyClasses(data->toy) : 0;
  data->n = RheoToyCount(data->toy);
  PetscCall(PetscMalloc1(data->d + data->conditions, &data->name));
  for (int k = 0; k < data->d; k++) {
    snprintf(name, sizeof name, "x%d", k + 1);
    data->name[k] = RheoIntern(name);
  }
  if (data->conditions) data->name[data->d] = data->classes ? "class" : "condition";
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetCreate(RheoDeck deck, const char *prefix, uint32_t set, uint64_t seed,
                                 RheoDataSet *data)
{
  PetscBool file, toy;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(data));
  (*data)->deck = deck;
  (*data)->prefix = RheoIntern(prefix);
  (*data)->set = set;
  (*data)->seed = seed;
  PetscCall(RheoDeckHas(deck, Join(prefix, "file"), &file));
  PetscCall(RheoDeckHas(deck, Join(prefix, "toy"), &toy));
  if (file == toy)
    PetscCall(RheoDeckReject(deck, prefix, "must have one of `toy: NAME` and `file: data.csv`, has %s",
                             file ? "both" : "none"));
  PetscCall(CheckKeys(deck, prefix, file));
  if (file)
    PetscCall(TakeFile(*data));
  else
    PetscCall(TakeToy(*data));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetDestroy(RheoDataSet *data)
{
  PetscFunctionBeginUser;
  if (!*data) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoToyDestroy(&(*data)->toy));
  PetscCall(PetscFree((*data)->name));
  PetscCall(PetscFree((*data)->row));
  PetscCall(PetscFree(*data));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetPin(RheoDataSet data)
{
  const char *key = Join(data->prefix, "file"), *where;
  size_t size = 16, used;
  char *text;

  PetscFunctionBeginUser;
  if (data->toy) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoSimLookForFile(data->deck, key, data->config.file, &where));
  if (where) PetscCall(RheoSimPinPath(data->deck, key, where));
  for (int k = 0; k < data->d; k++) size += strlen(data->name[k]) + 4;
  PetscCall(PetscMalloc1(size, &text));
  used = (size_t)snprintf(text, size, "[");
  for (int k = 0; k < data->d; k++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", k ? ", " : "", data->name[k]);
  snprintf(text + used, size - used, "]");
  PetscCall(RheoDeckSet(data->deck, Join(data->prefix, "columns"), text));
  PetscCall(PetscFree(text));
  PetscFunctionReturn(RHEO_OK);
}

int RheoDataSetSize(RheoDataSet data)
{
  return data->d;
}
int RheoDataSetConditions(RheoDataSet data)
{
  return data->conditions;
}
int RheoDataSetContextSize(RheoDataSet data)
{
  return data->classes > 2 ? data->classes : data->conditions;
}
int RheoDataSetClasses(RheoDataSet data)
{
  return data->classes;
}
const char *RheoDataSetName(RheoDataSet data, int k)
{
  return data->name[k];
}
const char *RheoDataSetConditionName(RheoDataSet data, int k)
{
  return data->name[data->d + k];
}
RheoToy RheoDataSetToy(RheoDataSet data)
{
  return data->toy;
}
int64_t RheoDataSetCount(RheoDataSet data)
{
  return data->n;
}
int64_t RheoDataSetTestCount(RheoDataSet data)
{
  return data->toy ? INT64_MAX : data->n_test;
}

static void CopyRow(RheoDataSet data, int64_t from, int64_t to, double *x, double *condition)
{
  const int width = data->d + data->conditions;
  memcpy(x + to * data->d, data->row + from * width, (size_t)data->d * sizeof *x);
  if (condition)
    memcpy(condition + to * data->conditions, data->row + from * width + data->d,
           (size_t)data->conditions * sizeof *x);
}

void RheoDataSetTraining(RheoDataSet data, double *x, double *condition)
{
  if (data->toy)
    RheoToySample(data->toy, data->seed, 0, data->n, x, condition);
  else
    for (int64_t i = 0; i < data->n; i++) CopyRow(data, i, i, x, condition);
}

void RheoDataSetTest(RheoDataSet data, int64_t first, int64_t n, double *x, double *condition)
{
  if (data->toy)
    RheoToySample(data->toy, data->seed, (uint64_t)(data->n + first), n, x, condition);
  else
    for (int64_t i = 0; i < n; i++) CopyRow(data, data->n + (first + i) % data->n_test, i, x, condition);
}

void RheoDataSetContext(RheoDataSet data, int64_t n, const double *condition, double *context)
{
  const int c = RheoDataSetContextSize(data);
  if (data->classes <= 2) {
    for (int64_t i = 0; i < n * c; i++) {
      context[i] = condition[i];
      if (data->classes && context[i] != 0 && context[i] != 1) context[i] = NAN;
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    const double label = condition[i];
    const PetscBool known = (PetscBool)(label >= 0 && label < c && label == floor(label));
    for (int k = 0; k < c; k++) context[i * c + k] = known ? k == label : NAN;
  }
}
