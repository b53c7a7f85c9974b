#include "model_file.h"
#include "../base/checksum.h"
#include "../base/memory.h"
#include "../base/provenance.h"
#include "../io/hdf5.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t StateChecksum(const RheoModelFile *model)
{
  const size_t bytes = RheoParamsSize(model->params) * sizeof(float);
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, model->values, bytes);
  if (model->m) sum = RheoChecksum(sum, model->m, bytes);
  if (model->v) sum = RheoChecksum(sum, model->v, bytes);
  return RheoChecksum(sum, &model->step, sizeof model->step);
}

static uint64_t TextChecksum(uint64_t sum, const char *text)
{
  return RheoChecksum(sum, text ? text : "", text ? strlen(text) + 1 : 0);
}

static const char *const series[] = {"epoch", "step", "train_loss", "validation_loss", "lr", "gradient_norm"};
enum { SERIES = 6 };

static double **Series(RheoHistory *h, int i)
{
  double **all[SERIES] = {&h->epoch,           &h->step, &h->train_loss,
                          &h->validation_loss, &h->lr,   &h->gradient_norm};
  return all[i];
}

/* Two runs that end in the same parameters by other ways, such as with another share of rows held out, are not the same run. */
uint64_t RheoModelChecksum(const RheoModelFile *model)
{
  RheoHistory history = model->history;
  uint64_t sum = StateChecksum(model);
  for (int i = 0; i < SERIES; i++)
    sum = RheoChecksum(sum, *Series(&history, i), (size_t)history.n * sizeof(double));
  return sum;
}

static int Flags(const RheoParamView *view)
{
  return (view->init.frozen ? 1 : 0) | (view->init.no_decay ? 2 : 0);
}

/* Of what the checksum of parameters and optimiser leaves out: a prior in the deck that lost a digit is a wrong model
 * too. */
static uint64_t RestChecksum(const RheoModelFile *model)
{
  RheoHistory history = model->history;
  uint64_t vectors = 0, sum = TextChecksum(TextChecksum(RHEO_CHECKSUM_START, model->estimator), model->deck);
  for (int i = 0; i < RheoParamsCount(model->params); i++) {
    const RheoParamView *view = RheoParamsView(model->params, i);
    const int64_t facts[4] = {(int64_t)view->offset, (int64_t)view->size, view->shape.n, Flags(view)};
    sum = RheoChecksum(TextChecksum(sum, view->name), facts, sizeof facts);
    sum = RheoChecksum(sum, view->shape.d, (size_t)view->shape.n * sizeof *view->shape.d);
  }
  for (int i = 0; i < SERIES; i++)
    sum = RheoChecksum(sum, *Series(&history, i), (size_t)history.n * sizeof(double));
  /* Vectors come back in the order of their names. */
  for (int i = 0; i < model->n_extras; i++)
    vectors += RheoChecksum(TextChecksum(RHEO_CHECKSUM_START, model->extra[i].name), model->extra[i].value,
                            (size_t)model->extra[i].n * sizeof(double));
  return RheoChecksum(sum, &vectors, sizeof vectors);
}

/* ---- Writing ---- */
static int WriteParameters(hid_t file, const RheoModelFile *model)
{
  const int n = RheoParamsCount(model->params);
  const char **names = malloc((size_t)(n + 1) * sizeof *names);
  int64_t *facts = malloc((size_t)(n + 1) * 2 * sizeof *facts);
  int32_t *shapes = calloc((size_t)(n + 1) * (RHEO_MAX_DIM + 2), sizeof *shapes);
  const hid_t group = RheoH5GroupCreate(file, "parameters");
  int status = names && facts && shapes && group >= 0 ? 0 : -1;

  for (int i = 0; !status && i < n; i++) {
    const RheoParamView *view = RheoParamsView(model->params, i);
    int32_t *shape = shapes + i * (RHEO_MAX_DIM + 2);
    names[i] = view->name;
    facts[2 * i] = (int64_t)view->offset;
    facts[2 * i + 1] = (int64_t)view->size;
    shape[0] = view->shape.n;
    for (int k = 0; k < view->shape.n; k++) shape[1 + k] = view->shape.d[k];
    shape[RHEO_MAX_DIM + 1] = Flags(view);
  }
  size_t length = 1;
  for (int i = 0; !status && i < n; i++) length += strlen(names[i]) + 1;
  char *list = calloc(1, length);
  for (int i = 0; !status && list && i < n; i++) strcat(strcat(list, names[i]), "\n");
  status = status || !list || RheoH5WriteLongText(group, "names", list) ||
           RheoH5WriteVector(group, "places", H5T_NATIVE_INT64, (size_t)n * 2, facts) ||
           RheoH5WriteVector(group, "shapes", H5T_NATIVE_INT32, (size_t)n * (RHEO_MAX_DIM + 2), shapes) ||
           RheoH5WriteVector(group, "values", H5T_NATIVE_FLOAT, RheoParamsSize(model->params), model->values);
  if (group >= 0) H5Gclose(group);
  free(list);
  free(names);
  free(facts);
  free(shapes);
  return status ? -1 : 0;
}

static int WriteOptimiser(hid_t file, const RheoModelFile *model)
{
  const size_t n = RheoParamsSize(model->params);
  const hid_t group = RheoH5GroupCreate(file, "optimiser");
  int status = RheoH5WriteInt(group, "step", model->step);
  if (model->m && model->v)
    status = status || RheoH5WriteVector(group, "m", H5T_NATIVE_FLOAT, n, model->m) ||
             RheoH5WriteVector(group, "v", H5T_NATIVE_FLOAT, n, model->v);
  H5Gclose(group);
  return status ? -1 : 0;
}

static int WriteAll(hid_t file, const RheoModelFile *model)
{
  RheoHistory history = model->history;
  int status =
      RheoH5WriteInt(file, "rheo_format", RHEO_FILE_FORMAT) || RheoH5WriteText(file, "kind", "model") ||
      RheoH5WriteText(file, "estimator", model->estimator) ||
      RheoH5WriteText(file, "version", RheoVersion()) || RheoH5WriteText(file, "commit", RheoCommit()) ||
      RheoH5WriteChecksum(file, "checksum", StateChecksum(model)) ||
      RheoH5WriteChecksum(file, "checksum_rest", RestChecksum(model));
  status = status || RheoH5WriteDeck(file, model->deck) || WriteParameters(file, model) ||
           WriteOptimiser(file, model);
  hid_t group = RheoH5GroupCreate(file, "history");
  for (int i = 0; i < SERIES; i++)
    status = status ||
             RheoH5WriteVector(group, series[i], H5T_NATIVE_DOUBLE, (size_t)history.n, *Series(&history, i));
  H5Gclose(group);
  group = RheoH5GroupCreate(file, "extra");
  for (int i = 0; i < model->n_extras; i++)
    status = status || RheoH5WriteVector(group, model->extra[i].name, H5T_NATIVE_DOUBLE,
                                         (size_t)model->extra[i].n, model->extra[i].value);
  H5Gclose(group);
  return status ? -1 : 0;
}

PetscErrorCode RheoModelWrite(MPI_Comm comm, const char *path, const RheoModelFile *model)
{
  PetscMPIInt rank;
  int error = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    RheoH5Image image;
    RheoH5ImageCreate(path, &image);
    const int built = image.file < 0 ? -1 : WriteAll(image.file, model);
    if (image.file >= 0) error = RheoH5ImageClose(&image, path);
    if (built) error = -1;
  }
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, comm));
  RheoInputCheck(!error, comm, "%s: cannot be written: %s", path,
                 error > 0 ? strerror(error) : "HDF5 refused");
  PetscCall(RheoH5Commit(comm, path));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Reading ---- */
/* The layout as it was written, in a program of nothing but parameters: rx_param is what names them. */
static int ReadLayout(hid_t group, RheoModelFile *model, PetscErrorCode *code)
{
  const char *list;
  size_t n;
  int status = RheoH5VectorSize(group, "places", &n) || n % 2 || RheoH5ReadLongText(group, "names", &list);
  if (status) return -1;
  n /= 2;
  int64_t *facts = malloc((n + 1) * 2 * sizeof *facts);
  int32_t *shapes = malloc((n + 1) * (RHEO_MAX_DIM + 2) * sizeof *shapes);
  RheoProgram program = NULL;
  status = !facts || !shapes || RheoH5ReadVector(group, "places", H5T_NATIVE_INT64, 2 * n, facts) ||
           RheoH5ReadVector(group, "shapes", H5T_NATIVE_INT32, n * (RHEO_MAX_DIM + 2), shapes);
  *code = RheoParamsCreate(&model->params);
  if (!*code) *code = RheoProgramCreate(1, &program);
  for (size_t i = 0; !status && !*code && i < n; i++) {
    char name[256];
    const size_t length = strcspn(list, "\n");
    const int32_t *stored = shapes + i * (RHEO_MAX_DIM + 2);
    RheoShape shape = {stored[0], {0}};
    if (length >= sizeof name || stored[0] < 0 || stored[0] > RHEO_MAX_DIM) {
      status = -1;
      break;
    }
    memcpy(name, list, length);
    name[length] = 0;
    list += length + (list[length] == '\n');
    for (int k = 0; k < shape.n; k++) shape.d[k] = stored[1 + k];
    const RheoInit init = {.frozen = stored[RHEO_MAX_DIM + 1] & 1,
                           .no_decay = (stored[RHEO_MAX_DIM + 1] & 2) != 0};
    rx_param(program, model->params, name, shape, init);
    const RheoParamView *view = RheoParamsFind(model->params, name);
    if (RheoProgramError(program) || !view || (int64_t)view->offset != facts[2 * i] ||
        (int64_t)view->size != facts[2 * i + 1])
      status = -1;
  }
  if (program) (void)RheoProgramDestroy(&program);
  free(facts);
  free(shapes);
  return status ? -1 : 0;
}

static int ReadParameters(hid_t file, RheoModelFile *model, PetscErrorCode *code)
{
  const hid_t group = H5Gopen2(file, "parameters", H5P_DEFAULT);
  if (group < 0) return -1;
  int status = ReadLayout(group, model, code);
  if (!status && !*code) {
    const size_t n = RheoParamsSize(model->params);
    size_t there = 0;
    status = RheoH5VectorSize(group, "values", &there) || there != n; /* before memory is asked for */
    model->values = status ? NULL : RheoAligned(n * sizeof(float));
    status = !model->values || RheoH5ReadVector(group, "values", H5T_NATIVE_FLOAT, n, model->values);
  }
  H5Gclose(group);
  return status ? -1 : 0;
}

static int ReadOptimiser(hid_t file, RheoModelFile *model)
{
  const size_t n = RheoParamsSize(model->params);
  const hid_t group = H5Gopen2(file, "optimiser", H5P_DEFAULT);
  if (group < 0) return -1;
  int status = RheoH5ReadInt(group, "step", &model->step);
  if (!status && H5Lexists(group, "m", H5P_DEFAULT) > 0) {
    model->m = RheoAligned(n * sizeof(float));
    model->v = RheoAligned(n * sizeof(float));
    status = !model->m || !model->v || RheoH5ReadVector(group, "m", H5T_NATIVE_FLOAT, n, model->m) ||
             RheoH5ReadVector(group, "v", H5T_NATIVE_FLOAT, n, model->v);
  }
  H5Gclose(group);
  return status ? -1 : 0;
}

static int ReadHistory(hid_t file, RheoHistory *history)
{
  size_t n = 0;
  const hid_t group = H5Gopen2(file, "history", H5P_DEFAULT);
  if (group < 0) return -1;
  int status = RheoH5VectorSize(group, series[0], &n);
  history->n = (int64_t)n;
  for (int i = 0; !status && i < SERIES; i++) {
    status = PetscMalloc1(n + 1, Series(history, i)) ? -1 : 0;
    status = status || RheoH5ReadVector(group, series[i], H5T_NATIVE_DOUBLE, n, *Series(history, i));
  }
  H5Gclose(group);
  return status ? -1 : 0;
}

static herr_t ReadExtra(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
  RheoModelFile *model = data;
  size_t n;

  (void)info;
  if (model->n_extras == RHEO_TABLE_EXTRAS || RheoH5VectorSize(group, name, &n)) return -1;
  RheoExtra *extra = &model->extra[model->n_extras++];
  *extra = (RheoExtra){RheoIntern(name), (int)n, NULL};
  if (n > INT_MAX || PetscMalloc1(n + 1, &extra->value)) return -1;
  return RheoH5ReadVector(group, name, H5T_NATIVE_DOUBLE, n, extra->value);
}

static int ReadAll(hid_t file, RheoModelFile *model, uint64_t *checksum, uint64_t *rest, PetscErrorCode *code)
{
  if (RheoH5ReadText(file, "estimator", &model->estimator) ||
      RheoH5ReadChecksum(file, "checksum", checksum) || RheoH5ReadChecksum(file, "checksum_rest", rest) ||
      RheoH5ReadDeck(file, &model->deck))
    return -1;
  if (ReadParameters(file, model, code) || *code || ReadOptimiser(file, model) ||
      ReadHistory(file, &model->history))
    return -1;
  const hid_t extra = H5Gopen2(file, "extra", H5P_DEFAULT);
  if (extra < 0) return -1;
  const herr_t status = H5Literate(extra, H5_INDEX_NAME, H5_ITER_INC, NULL, ReadExtra, model);
  H5Gclose(extra);
  return status < 0 ? -1 : 0;
}

PetscErrorCode RheoModelRead(MPI_Comm comm, const char *path, RheoModelFile *model)
{
  PetscErrorCode code = RHEO_OK;
  uint64_t checksum = 0, rest = 0;
  const char *kind;
  PetscBool readable, good;
  hid_t file;

  PetscFunctionBeginUser;
  *model = (RheoModelFile){0};
  PetscCall(RheoH5Open(comm, path, "model", &file, &kind));
  const PetscBool read = (PetscBool)!ReadAll(file, model, &checksum, &rest, &code);
  H5Fclose(file);
  PetscCall(code);
  PetscCall(RheoAgree(comm, read, &readable));
  good = (PetscBool)(readable && StateChecksum(model) == checksum && RestChecksum(model) == rest);
  PetscCall(RheoAgree(comm, good, &good));
  if (!good) PetscCall(RheoModelFileFree(model));
  RheoInputCheck(readable, comm, "%s: is damaged; some of its data cannot be read", path);
  RheoInputCheck(good, comm, "%s: is damaged; its checksum does not fit its data", path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoModelFileFree(RheoModelFile *model)
{
  PetscFunctionBeginUser;
  PetscCall(RheoParamsDestroy(&model->params));
  free(model->values);
  free(model->m);
  free(model->v);
  for (int i = 0; i < SERIES; i++) PetscCall(PetscFree(*Series(&model->history, i)));
  for (int i = 0; i < model->n_extras; i++) PetscCall(PetscFree(model->extra[i].value));
  *model = (RheoModelFile){0};
  PetscFunctionReturn(RHEO_OK);
}
