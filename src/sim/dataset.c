#include "dataset_impl.h"
#include "simulator_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const RheoKey file_keys[] = {
    {"file", RHEO_KEY_STRING, offsetof(DataSetConfig, file), NULL, NULL,
     "CSV or HDF5 file with a point a row"},
    {"columns", RHEO_KEY_STRINGS, offsetof(DataSetConfig, columns), NULL, NULL,
     "names of the file's columns that are a point (default: all but conditions)"},
    {"condition_columns", RHEO_KEY_STRINGS, offsetof(DataSetConfig, conditions), NULL, NULL,
     "names of the file's columns that the model is conditional on"},
    {"classes", RHEO_KEY_INT, offsetof(DataSetConfig, classes), "0", "[0, 10000]",
     "the condition column is a class, 0 to classes - 1; 0: numbers"},
    {"test", RHEO_KEY_REAL, offsetof(DataSetConfig, test), "0.1", "(0, 1)",
     "fraction of a file held back for checks"},
    {"split", RHEO_KEY_COUNT, offsetof(DataSetConfig, split), NULL, "[0, inf)",
     "seed of the choice of the rows held back (default: the run's; a model keeps that of its training)"},
    {"test_file", RHEO_KEY_STRING, offsetof(DataSetConfig, test_file), NULL, NULL,
     "another file, whose rows are those for checks; then all rows of `file` are trained on"},
    {"stream", RHEO_KEY_CHOICE, offsetof(DataSetConfig, stream), "auto", RHEO_STREAMING_RULE,
     "read rows of an HDF5 target as training needs them, instead of keeping them in memory; auto: where "
     "they are more than a "
     "train.window. The model is the same"},
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

const char *DataSetKey(RheoDataSet data, const char *name)
{
  char key[192];
  snprintf(key, sizeof key, "%s.%s", data->prefix, name);
  return RheoIntern(key);
}

/* Keys of files and of toys exclude each other. */
static PetscErrorCode CheckKeys(RheoDataSet data, PetscBool file)
{
  const char **names;
  int n;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetChildren(data->deck, data->prefix, &n, &names));
  for (int i = 0; i < n; i++) {
    PetscBool of_file = PETSC_FALSE;
    for (int k = 0; k < FILE_KEYS; k++)
      if (!strcmp(names[i], file_keys[k].name)) of_file = PETSC_TRUE;
    if (of_file != file)
      PetscCall(RheoDeckReject(data->deck, DataSetKey(data, names[i]),
                               "belongs to a %s, and this data set is a %s", file ? "toy" : "file",
                               file ? "file" : "toy"));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetRead(RheoDataSet data)
{
  PetscFunctionBeginUser;
  if (!data->toy && !data->n) PetscCall(DataSetFileRead(data));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetCheckClasses(RheoDataSet data)
{
  enum { PIECE = 1024 };
  int missing = data->classes;
  double *x, *label;
  PetscBool *seen;

  PetscFunctionBeginUser;
  if (!data->toy) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc2(PIECE * data->d, &x, PIECE, &label));
  PetscCall(PetscCalloc1(data->classes, &seen));
  for (int64_t first = 0; missing && first < data->n; first += PIECE) {
    const int64_t n = PetscMin(PIECE, data->n - first);
    RheoToySample(data->toy, data->seed, (uint64_t)first, n, x, label);
    for (int64_t i = 0; i < n; i++) {
      missing -= !seen[(int)label[i]];
      seen[(int)label[i]] = PETSC_TRUE;
    }
  }
  for (int k = 0; missing && k < data->classes; k++)
    if (!seen[k])
      PetscCall(RheoDeckReject(data->deck, DataSetKey(data, "n"),
                               "no row to train on is of class %d; take more", k));
  PetscCall(PetscFree(seen));
  PetscCall(PetscFree2(x, label));
  PetscFunctionReturn(RHEO_OK);
}

/* A column is a feature or a condition, once. */
static PetscErrorCode CheckNames(RheoDataSet data)
{
  PetscFunctionBeginUser;
  for (int k = 0; k < data->d + data->conditions; k++)
    for (int i = 0; i < k; i++)
      if (!strcmp(data->name[i], data->name[k]))
        PetscCall(RheoDeckReject(data->deck, DataSetKey(data, k < data->d ? "columns" : "condition_columns"),
                                 i < data->d && k >= data->d ? "column '%s' is among the features too"
                                                             : "column '%s' is taken twice",
                                 data->name[k]));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakeFile(RheoDataSet data)
{
  const char *key = DataSetKey(data, "classes");
  PetscBool test, split;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(data->deck, data->prefix, file_keys, &data->config));
  PetscCall(RheoDeckHas(data->deck, DataSetKey(data, "test"), &test));
  PetscCall(RheoDeckHas(data->deck, DataSetKey(data, "split"), &split));
  if ((test || split) && data->config.test_file)
    PetscCall(RheoDeckReject(data->deck, DataSetKey(data, test ? "test" : "split"),
                             "and test_file: only one of them can say what is held back"));
  if (split) data->seed = (uint64_t)data->config.split;
  PetscCall(DataSetFileColumns(data));
  PetscCall(CheckNames(data));
  data->classes = data->config.classes;
  if (!data->d)
    PetscCall(RheoDeckReject(data->deck, DataSetKey(data, "condition_columns"),
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
                                 RheoDataSet *out)
{
  RheoDataSet data;
  PetscBool file, toy;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&data));
  *out = data;
  data->deck = deck;
  data->prefix = RheoIntern(prefix);
  data->set = set;
  data->seed = seed;
  PetscCall(RheoDeckGetComm(deck, &data->comm));
  PetscCall(RheoDeckHas(deck, DataSetKey(data, "file"), &file));
  PetscCall(RheoDeckHas(deck, DataSetKey(data, "toy"), &toy));
  if (file == toy)
    PetscCall(RheoDeckReject(deck, prefix, "must have one of `toy: NAME` and `file: data.csv`, has %s",
                             file ? "both" : "none"));
  PetscCall(CheckKeys(data, file));
  if (file)
    PetscCall(TakeFile(data));
  else
    PetscCall(TakeToy(data));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetDestroy(RheoDataSet *data)
{
  PetscFunctionBeginUser;
  if (!*data) PetscFunctionReturn(RHEO_OK);
  PetscCall(RheoToyDestroy(&(*data)->toy));
  PetscCall(DataSetFileClose(*data));
  PetscCall(PetscFree((*data)->name));
  PetscCall(PetscFree(*data));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PinFile(RheoDataSet data, const char *name, const char *file)
{
  const char *key = DataSetKey(data, name), *where;

  PetscFunctionBeginUser;
  PetscCall(RheoSimLookForFile(data->deck, key, file, &where));
  if (where) PetscCall(RheoSimPinPath(data->deck, key, where));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetPin(RheoDataSet data)
{
  size_t size = 16, used;
  char seed[32], *text;

  PetscFunctionBeginUser;
  if (data->toy) PetscFunctionReturn(RHEO_OK);
  PetscCall(PinFile(data, "file", data->config.file));
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)data->seed);
  if (data->config.test_file)
    PetscCall(PinFile(data, "test_file", data->config.test_file));
  else
    PetscCall(RheoDeckSet(data->deck, DataSetKey(data, "split"), seed));
  for (int k = 0; k < data->d; k++) size += strlen(data->name[k]) + 4;
  PetscCall(PetscMalloc1(size, &text));
  used = (size_t)snprintf(text, size, "[");
  for (int k = 0; k < data->d; k++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", k ? ", " : "", data->name[k]);
  snprintf(text + used, size - used, "]");
  PetscCall(RheoDeckSet(data->deck, DataSetKey(data, "columns"), text));
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
int RheoDataSetStreaming(RheoDataSet data)
{
  return data->config.stream;
}
int64_t RheoDataSetCount(RheoDataSet data)
{
  return data->n;
}
int64_t RheoDataSetTestCount(RheoDataSet data)
{
  return data->toy ? INT64_MAX : data->n_test;
}

PetscErrorCode RheoDataSetTraining(RheoDataSet data, int64_t first, int64_t n, double *x, double *condition)
{
  PetscFunctionBeginUser;
  if (data->toy)
    RheoToySample(data->toy, data->seed, (uint64_t)first, n, x, condition);
  else
    PetscCall(DataSetFileTake(data, PETSC_FALSE, first, n, x, condition));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataSetTest(RheoDataSet data, int64_t first, int64_t n, double *x, double *condition)
{
  PetscFunctionBeginUser;
  if (data->toy) {
    RheoToySample(data->toy, data->seed, (uint64_t)(data->n + first), n, x, condition);
    PetscFunctionReturn(RHEO_OK);
  }
  for (int64_t done = 0, some; done < n; done += some) {
    const int64_t at = (first + done) % data->n_test;
    some = PetscMin(n - done, data->n_test - at);
    PetscCall(DataSetFileTake(data, PETSC_TRUE, at, some, x + done * data->d,
                              condition ? condition + done * data->conditions : NULL));
  }
  PetscFunctionReturn(RHEO_OK);
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
