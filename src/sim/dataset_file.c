/* Rows of a data set that is a file: looked at once, then taken as they are asked for. Nobody keeps them. */
#include "../base/random.h"
#include "../base/reduce.h"
#include "dataset_impl.h"
#include "find_file.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { PIECE = 4096 };

/* ---- Files ---- */
static PetscBool IsHdf5(const char *path)
{
  const char *dot = strrchr(path, '.');
  return (PetscBool)(dot && (!strcmp(dot, ".h5") || !strcmp(dot, ".hdf5")));
}

static PetscErrorCode FindColumns(RheoDataSet data, DataSetFile *file, const RheoTable *table)
{
  const int width = data->d + data->conditions;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(width, &file->column));
  for (int k = 0; k < width; k++) {
    file->column[k].block = -1;
    for (int b = table->n_blocks - 1; b >= 0; b--)
      for (int i = 0; i < table->block[b].width; i++)
        if (!strcmp(table->block[b].columns[i], data->name[k]))
          file->column[k] = (DataSetColumn){b, i, table->block[b].width};
    if (file->column[k].block < 0)
      PetscCall(RheoDeckReject(data->deck, DataSetKey(data, k < data->d ? "columns" : "condition_columns"),
                               "%s has no column '%s'", file->path, data->name[k]));
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Open(RheoDataSet data, const char *key, const char *name, DataSetFile *file)
{
  RheoTable *text = NULL;

  PetscFunctionBeginUser;
  PetscCall(RheoSimFindFile(data->deck, DataSetKey(data, key), name, &file->path));
  if (IsHdf5(file->path))
    PetscCall(RheoReaderOpen(data->comm, 1, &file->path, NULL, &file->reader));
  else
    PetscCall(RheoTextColumns(data->comm, file->path, &text));
  PetscCall(FindColumns(data, file, text ? text : RheoReaderTable(file->reader)));
  if (text) PetscCall(RheoTableDestroy(&text));
  PetscFunctionReturn(RHEO_OK);
}

static PetscBool IsAmong(const RheoStrings *names, const char *name)
{
  for (int i = 0; i < names->n; i++)
    if (!strcmp(names->v[i], name)) return PETSC_TRUE;
  return PETSC_FALSE;
}

/* Where the deck does not name the columns of the point: those of the first block, but for conditions. */
static PetscErrorCode ChooseColumns(RheoDataSet data, const RheoTable *table)
{
  const RheoStrings *columns = &data->config.columns, *conditions = &data->config.conditions;
  const RheoBlock *block = table && table->n_blocks ? &table->block[0] : NULL;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(columns->n + conditions->n + (block ? block->width : 0), &data->name));
  for (int i = 0; i < columns->n; i++) data->name[n++] = columns->v[i];
  for (int k = 0; block && k < block->width; k++)
    if (!IsAmong(conditions, block->columns[k])) data->name[n++] = block->columns[k];
  data->d = n;
  for (int i = 0; i < conditions->n; i++) data->name[n++] = conditions->v[i];
  data->conditions = conditions->n;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode DataSetFileColumns(RheoDataSet data)
{
  RheoTable *text = NULL;
  RheoReader reader = NULL;
  const char *path;

  PetscFunctionBeginUser;
  if (!data->config.columns.n) {
    PetscCall(RheoSimFindFile(data->deck, DataSetKey(data, "file"), data->config.file, &path));
    if (IsHdf5(path))
      PetscCall(RheoReaderOpen(data->comm, 1, &path, NULL, &reader));
    else
      PetscCall(RheoTextColumns(data->comm, path, &text));
  }
  PetscCall(ChooseColumns(data, text ? text : reader ? RheoReaderTable(reader) : NULL));
  if (text) PetscCall(RheoTableDestroy(&text));
  if (reader) PetscCall(RheoReaderClose(&reader));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Close(DataSetFile *file)
{
  PetscFunctionBeginUser;
  if (file->reader) PetscCall(RheoReaderClose(&file->reader));
  PetscCall(PetscFree(file->column));
  *file = (DataSetFile){0};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode DataSetFileClose(RheoDataSet data)
{
  PetscFunctionBeginUser;
  PetscCall(Close(&data->rows));
  PetscCall(Close(&data->held));
  PetscFunctionReturn(RHEO_OK);
}

/* Whether a row of the file to train on is held back from it. */
static PetscBool IsHeld(RheoDataSet data, int64_t row)
{
  if (data->held.path) return PETSC_FALSE;
  RheoStream stream = RheoStreamMake(data->seed, RHEO_STREAM_DATA, 2 + data->set, (uint64_t)row);
  return (PetscBool)(RheoStreamUniform(&stream) < data->config.test);
}

static double Value(const DataSetFile *file, int k, const double *const *block, int64_t row)
{
  const DataSetColumn *c = &file->column[k];
  return block[c->block][row * c->width + c->place];
}

/* ---- One look at all rows ---- */
typedef struct {
  RheoDataSet data;
  const DataSetFile *file;
  PetscBool idle;    /* another rank counts these rows too */
  int64_t n, n_held; /* rows; of them held back */
  int64_t bad;       /* the first row that cannot be; INT64_MAX: none */
  int column;        /* of it */
  double value;
  int64_t *count; /* (classes) rows to train on */
} Look;

/* Training is in single precision. */
static PetscBool IsFinite(double value)
{
  return (PetscBool)(fabs(value) <= (double)FLT_MAX);
}

/* Whether a value can stand in column k. */
static PetscBool IsPossible(RheoDataSet data, int k, double value)
{
  if (!IsFinite(value)) return PETSC_FALSE;
  if (k < data->d || !data->classes) return PETSC_TRUE;
  return (PetscBool)(value >= 0 && value < data->classes && value == floor(value));
}

static PetscErrorCode LookAt(void *context, int64_t first, int64_t n, const double *const *block)
{
  Look *look = context;
  RheoDataSet data = look->data;
  const int width = data->d + data->conditions;
  const PetscBool test = (PetscBool)(look->file == &data->held);

  PetscFunctionBeginUser;
  for (int64_t i = 0; i < n && !look->idle; i++) {
    const PetscBool held = (PetscBool)(test || IsHeld(data, first + i));
    look->n++;
    look->n_held += held;
    for (int k = 0; k < width; k++) {
      const double value = Value(look->file, k, block, i);
      if (!IsPossible(data, k, value) && first + i < look->bad) {
        look->bad = first + i;
        look->column = k;
        look->value = value;
      }
    }
    if (data->classes && !held && look->bad == INT64_MAX)
      look->count[(int)Value(look->file, data->d, block, i)]++;
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode LookAtText(void *context, const RheoTable *piece)
{
  return LookAt(context, piece->begin, piece->end - piece->begin,
                (const double *const[]){piece->block[0].value});
}

/* What ranks have seen of the file together; the first value that cannot be is the user's mistake. */
static PetscErrorCode Judge(Look *look)
{
  RheoDataSet data = look->data;
  const int64_t mine = look->bad;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &look->bad, 1, MPI_INT64_T, MPI_MIN, data->comm));
  if (look->bad < INT64_MAX) {
    if (mine != look->bad) look->column = 0;
    if (mine != look->bad) look->value = 0;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &look->column, 1, MPI_INT, MPI_SUM, data->comm));
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &look->value, 1, MPI_DOUBLE, MPI_SUM, data->comm));
    const char *column = data->name[look->column];
    if (!IsFinite(look->value))
      PetscCall(RheoDeckReject(data->deck, DataSetKey(data, look->file == &data->held ? "test_file" : "file"),
                               "row %lld of column '%s' is %g, which is not finite in single precision; "
                               "leave the row out, or take another unit",
                               (long long)look->bad + 1, column, look->value));
    PetscCall(RheoDeckReject(data->deck, DataSetKey(data, "classes"),
                             "column '%s' of %s holds %g, which is no class from 0 to %d", column,
                             look->file->path, look->value, data->classes - 1));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &look->n, 1, MPI_INT64_T, MPI_SUM, data->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &look->n_held, 1, MPI_INT64_T, MPI_SUM, data->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, look->count, data->classes, MPI_INT64_T, MPI_SUM, data->comm));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode LookThrough(DataSetFile *file, Look *look)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(look->data->comm, &rank));
  look->file = file;
  look->bad = INT64_MAX;
  look->idle = (PetscBool)(rank && !file->reader); /* every rank sees the whole text */
  if (file->reader)
    PetscCall(RheoReaderScan(file->reader, LookAt, look));
  else
    PetscCall(RheoTextScan(look->data->comm, file->path, LookAtText, look));
  PetscCall(Judge(look));
  file->n = look->n;
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckClasses(RheoDataSet data, const int64_t *count)
{
  const char *key = DataSetKey(data, "classes");

  PetscFunctionBeginUser;
  if (data->classes > data->n)
    PetscCall(RheoDeckReject(data->deck, key, "are more than the %lld rows to train on", (long long)data->n));
  for (int k = 0; k < data->classes; k++)
    if (!count[k])
      PetscCall(RheoDeckReject(data->deck, key, "no row to train on is of class %d in column '%s'", k,
                               data->name[data->d]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode DataSetFileRead(RheoDataSet data)
{
  Look look = {.data = data}, held = {.data = data};

  PetscFunctionBeginUser;
  PetscCall(Open(data, "file", data->config.file, &data->rows));
  if (data->config.test_file) PetscCall(Open(data, "test_file", data->config.test_file, &data->held));
  PetscCall(PetscCalloc2(data->classes, &look.count, data->classes, &held.count));
  PetscCall(LookThrough(&data->rows, &look));
  if (data->held.path) PetscCall(LookThrough(&data->held, &held));
  data->n = look.n - look.n_held;
  data->n_test = look.n_held + held.n;
  RheoInputCheck(data->n >= 10 && data->n_test >= 2, data->comm,
                 "%s: %lld rows to train on and %lld that are held back are too few", data->rows.path,
                 (long long)data->n, (long long)data->n_test);
  PetscCall(CheckClasses(data, look.count));
  PetscCall(PetscFree2(look.count, held.count));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Taking rows ---- */
typedef struct {
  RheoDataSet data;
  const DataSetFile *file;
  PetscBool held;
  int64_t first, n; /* wanted of this kind */
  int64_t seen;     /* of this kind so far */
  double *x, *condition;
} Take;

static PetscBool IsOfKind(const Take *take, int64_t row)
{
  if (take->file == &take->data->held) return PETSC_TRUE;
  return (PetscBool)(IsHeld(take->data, row) == take->held);
}

static PetscErrorCode TakeFrom(void *context, int64_t first, int64_t n, const double *const *block)
{
  Take *take = context;
  const int d = take->data->d, conditions = take->data->conditions;

  PetscFunctionBeginUser;
  for (int64_t i = 0; i < n; i++) {
    if (!IsOfKind(take, first + i)) continue;
    const int64_t at = take->seen++ - take->first;
    if (at < 0 || at >= take->n) continue;
    for (int k = 0; k < d; k++) take->x[at * d + k] = Value(take->file, k, block, i);
    for (int k = 0; take->condition && k < conditions; k++)
      take->condition[at * conditions + k] = Value(take->file, d + k, block, i);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TakeFromText(void *context, const RheoTable *piece)
{
  return TakeFrom(context, piece->begin, piece->end - piece->begin,
                  (const double *const[]){piece->block[0].value});
}

/* Pieces without a wanted row are not read. Returns -1 where one cannot be. */
static int TakeByReader(Take *take, double **buffer)
{
  RheoReader reader = take->file->reader;
  const RheoTable *table = RheoReaderTable(reader);

  for (int64_t begin = 0; begin < take->file->n && take->seen < take->first + take->n; begin += PIECE) {
    const int64_t n = PetscMin(PIECE, take->file->n - begin);
    int64_t of_kind = 0;
    for (int64_t i = 0; i < n; i++) of_kind += IsOfKind(take, begin + i);
    if (take->seen + of_kind <= take->first) {
      take->seen += of_kind;
      continue;
    }
    for (int b = 0; b < table->n_blocks; b++)
      if (buffer[b] && RheoReaderRead(reader, b, begin, n, buffer[b])) return -1;
    (void)TakeFrom(take, begin, n, (const double *const *)buffer);
  }
  return 0;
}

static PetscErrorCode TakeHdf5(Take *take)
{
  const RheoTable *table = RheoReaderTable(take->file->reader);
  const int width = take->data->d + take->data->conditions;
  double *buffer[RHEO_TABLE_BLOCKS] = {NULL};
  PetscBool good;

  PetscFunctionBeginUser;
  for (int k = 0; k < width; k++) {
    const int b = take->file->column[k].block;
    if (!buffer[b]) PetscCall(PetscMalloc1((size_t)PIECE * (size_t)table->block[b].width, &buffer[b]));
  }
  const int failed = TakeByReader(take, buffer);
  for (int b = 0; b < table->n_blocks; b++) PetscCall(PetscFree(buffer[b]));
  PetscCall(RheoAgree(take->data->comm, (PetscBool)!failed, &good));
  RheoInputCheck(good, take->data->comm, "%s: can no longer be read; was it changed?", take->file->path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode DataSetFileTake(RheoDataSet data, PetscBool held, int64_t first, int64_t n, double *x,
                               double *condition)
{
  Take take = {.data = data, .held = held, .first = first, .n = n, .x = x, .condition = condition};

  PetscFunctionBeginUser;
  take.file = held && data->held.path ? &data->held : &data->rows;
  if (take.file->reader)
    PetscCall(TakeHdf5(&take));
  else
    PetscCall(RheoTextScan(data->comm, take.file->path, TakeFromText, &take));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Rows as training reads them ---- */
RheoReader RheoDataSetReader(RheoDataSet data, int *n_blocks, int *block)
{
  const int width = data->d + data->conditions;

  *n_blocks = 0;
  if (data->toy || !data->rows.reader) return NULL;
  for (int b = 0; b < RHEO_TABLE_BLOCKS; b++)
    for (int k = 0; k < width; k++)
      if (data->rows.column[k].block == b) {
        block[(*n_blocks)++] = b;
        break;
      }
  return data->rows.reader;
}

void RheoDataSetRecords(RheoDataSet data, int64_t n, const int64_t *place, const double *const *block,
                        float *record, unsigned char *trained)
{
  const double *of_table[RHEO_TABLE_BLOCKS] = {NULL};
  int n_blocks, blocks[RHEO_TABLE_BLOCKS];
  const int c = RheoDataSetContextSize(data);

  (void)RheoDataSetReader(data, &n_blocks, blocks);
  for (int b = 0; b < n_blocks; b++) of_table[blocks[b]] = block[b];
  for (int64_t i = 0; i < n; i++) {
    trained[i] = !IsHeld(data, place[i]);
    for (int k = 0; k < data->d; k++) *record++ = (float)Value(&data->rows, k, of_table, i);
    for (int k = 0; k < c; k++) { /* as RheoDataSetContext has it */
      const double condition = Value(&data->rows, data->d + (data->classes > 2 ? 0 : k), of_table, i);
      *record++ = (float)(data->classes > 2 ? condition == k : condition);
    }
  }
}
