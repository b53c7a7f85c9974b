#include "../base/checksum.h"
#include "../base/event.h"
#include "../base/provenance.h"
#include "../base/reduce.h"
#include "table_impl.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hid_t StoredType(RheoStore store)
{
  return store == RHEO_STORE_INT8    ? H5T_STD_I8LE
         : store == RHEO_STORE_FLOAT ? H5T_IEEE_F32LE
                                     : H5T_IEEE_F64LE;
}

enum { PIECE_BYTES = 1 << 26, PULL_BYTES = 1 << 20 }; /* MPI counts in int; what is pulled costs memory */

static int64_t RowsAtOnce(const RheoBlock *block)
{
  return PetscMax(1, (block->value ? PIECE_BYTES : PULL_BYTES) / (8 * PetscMax(1, block->width)));
}

/* Rows first .. first + n - 1 of those held here: where they lie, or pulled into own; NULL where they cannot be had. */
static const double *Rows(const RheoTable *table, int b, int64_t first, int64_t n, double *own)
{
  const RheoBlock *block = &table->block[b];
  if (block->value || !table->pull) return block->value + first * block->width;
  return own && !table->pull(table->context, b, first, n, own) ? own : NULL;
}

/* Memory for Rows; NULL where none is needed. Freed with PetscFree. */
static double *RowsMemory(const RheoTable *table, int b)
{
  const RheoBlock *block = &table->block[b];
  double *own = NULL;
  if (!block->value && table->pull) (void)PetscMalloc1(RowsAtOnce(block) * block->width, &own);
  return own;
}

/* The part of the checksum that rows held here give. Values are first brought to the precision of the file,
 * and every NaN to one pattern, so that reading gives the same number as writing. */
static uint64_t RowChecksum(const RheoBlock *block, int b, int64_t place, const double *value)
{
  const int64_t places[2] = {b, place};
  uint64_t row = RheoChecksum(RHEO_CHECKSUM_START, places, sizeof places);
  for (int k = 0; k < block->width; k++) {
    double x = value[k];
    if (block->store == RHEO_STORE_FLOAT) x = (float)x;
    if (isnan(x)) x = NAN;
    row = RheoChecksum(row, &x, sizeof x);
  }
  return row;
}

uint64_t RheoTablePartialChecksum(const RheoTable *table, int *status)
{
  const int64_t n = table->end - table->begin;
  uint64_t sum = 0;
  *status = 0;
  for (int b = 0; b < table->n_blocks; b++) {
    const RheoBlock *block = &table->block[b];
    double *own = RowsMemory(table, b);
    for (int64_t first = 0, rows; first < n && !*status; first += rows) {
      rows = PetscMin(RowsAtOnce(block), n - first);
      const double *value = Rows(table, b, first, rows, own);
      if (!value) *status = -1;
      for (int64_t i = 0; i < rows && value; i++)
        sum += RowChecksum(block, b, table->begin + first + i, value + i * block->width);
    }
    (void)PetscFree(own);
  }
  return sum;
}

static uint64_t TextChecksum(uint64_t sum, const char *text)
{
  return RheoChecksum(sum, text ? text : "", text ? strlen(text) + 1 : 0);
}

/* Of what stands beside the rows: names, units, deck, small vectors. The same on every rank. */
uint64_t RheoTableRestChecksum(const RheoTable *table)
{
  uint64_t sum = TextChecksum(RheoChecksum(RHEO_CHECKSUM_START, &table->n, sizeof table->n), table->kind);
  sum = TextChecksum(TextChecksum(sum, table->verb ? table->verb : ""), table->deck);
  for (int b = 0; b < table->n_blocks; b++) {
    const RheoBlock *block = &table->block[b];
    sum = TextChecksum(sum, block->name);
    for (int k = 0; k < block->width; k++) {
      sum = TextChecksum(sum, block->columns[k]);
      sum = TextChecksum(sum, block->units ? block->units[k] : NULL);
    }
  }
  /* Vectors come back in the order of their names. */
  uint64_t vectors = 0;
  for (int e = 0; e < table->n_extras; e++)
    vectors += RheoChecksum(TextChecksum(RHEO_CHECKSUM_START, table->extra[e].name), table->extra[e].value,
                            (size_t)table->extra[e].n * sizeof(double));
  return RheoChecksum(sum, &vectors, sizeof vectors);
}

/* ---- Writing ---- */
/* This rank's rows of one block, in pieces; every rank takes part in every piece. */
static int WriteRows(MPI_Comm comm, hid_t set, const RheoTable *table, int b)
{
  const RheoBlock *block = &table->block[b];
  const int64_t begin = table->begin, end = table->end, rows_at_once = RowsAtOnce(block);
  int64_t pieces = (end - begin + rows_at_once - 1) / rows_at_once, most;
  const hid_t how = H5Pcreate(H5P_DATASET_XFER), space = H5Dget_space(set);
  double *own = RowsMemory(table, b);
  int status = 0;

  MPI_Allreduce(&pieces, &most, 1, MPI_INT64_T, MPI_MAX, comm);
  H5Pset_dxpl_mpio(how, H5FD_MPIO_COLLECTIVE);
  for (int64_t piece = 0; piece < most; piece++) {
    const int64_t first = PetscMin(end, begin + piece * rows_at_once),
                  rows = PetscMin(rows_at_once, end - first);
    const hsize_t start[2] = {(hsize_t)first, 0}, count[2] = {(hsize_t)rows, (hsize_t)block->width};
    const hid_t memory = H5Screate_simple(2, count, NULL);
    if (rows > 0) {
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    } else {
      H5Sselect_none(space);
      H5Sselect_none(memory);
    }
    const double *value = rows > 0 ? Rows(table, b, first - begin, rows, own) : block->value;
    if (rows > 0 && !value) { /* the others still need this rank's part of the call */
      H5Sselect_none(space);
      H5Sselect_none(memory);
      status = -1;
    }
    if (H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, how, value) < 0) status = -1;
    H5Sclose(memory);
  }
  H5Sclose(space);
  H5Pclose(how);
  (void)PetscFree(own);
  return status;
}

static int WriteBlock(MPI_Comm comm, hid_t file, const RheoTable *table, int b)
{
  const RheoBlock *block = &table->block[b];
  const hsize_t dims[2] = {(hsize_t)table->n, (hsize_t)block->width};
  const hid_t set = RheoH5DatasetCreate(file, block->name, StoredType(block->store), 2, dims);

  if (set < 0) return -1;
  int status =
      RheoH5WriteInt(set, "place", b) || RheoH5WriteTexts(set, "columns", block->width, block->columns);
  if (block->units) status = status || RheoH5WriteTexts(set, "units", block->width, block->units);
  status = status || WriteRows(comm, set, table, b);
  H5Dclose(set);
  return status ? -1 : 0;
}

static int WriteAll(MPI_Comm comm, hid_t file, const RheoTable *table)
{
  int status = RheoH5WriteInt(file, "rheo_format", RHEO_FILE_FORMAT) ||
               RheoH5WriteText(file, "kind", table->kind) || RheoH5WriteInt(file, "rows", table->n) ||
               RheoH5WriteText(file, "version", RheoVersion()) ||
               RheoH5WriteText(file, "commit", RheoCommit()) ||
               RheoH5WriteText(file, "verb", table->verb ? table->verb : "") ||
               RheoH5WriteChecksum(file, "checksum", table->checksum) ||
               RheoH5WriteChecksum(file, "checksum_rest", RheoTableRestChecksum(table));
  status = status || RheoH5WriteDeck(file, table->deck);
  for (int b = 0; b < table->n_blocks; b++) status = WriteBlock(comm, file, table, b) || status;
  const hid_t extra = RheoH5GroupCreate(file, "extra");
  for (int e = 0; e < table->n_extras; e++)
    status = status || RheoH5WriteVector(extra, table->extra[e].name, H5T_NATIVE_DOUBLE,
                                         (size_t)table->extra[e].n, table->extra[e].value);
  H5Gclose(extra);
  return status ? -1 : 0;
}

/* How large the file becomes, but for what any file has. */
static size_t Size(const RheoTable *table)
{
  size_t n = table->deck ? strlen(table->deck) : 0;

  for (int b = 0; b < table->n_blocks; b++) {
    const RheoBlock *block = &table->block[b];
    size_t name = 0, unit = 0; /* the longest is as much room as all of them have */
    for (int k = 0; k < block->width; k++) {
      name = PetscMax(name, strlen(block->columns[k]));
      if (block->units && block->units[k]) unit = PetscMax(unit, strlen(block->units[k]));
    }
    n += (size_t)block->width * ((size_t)table->n * H5Tget_size(StoredType(block->store)) + name + unit + 2);
  }
  for (int e = 0; e < table->n_extras; e++) n += (size_t)table->extra[e].n * sizeof(double);
  return n;
}

PetscErrorCode RheoTableWrite(MPI_Comm comm, const char *path, RheoTable *table)
{
  int pulled;
  const uint64_t mine = RheoTablePartialChecksum(table, &pulled);
  PetscBool good, room = PETSC_TRUE;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_WRITE));
  PetscCall(RheoAgree(comm, (PetscBool)!pulled, &good));
  RheoInputCheck(good || !table->pulled_from, comm, "%s: is damaged; some of its data cannot be read",
                 table->pulled_from);
  PetscCheck(good, comm, PETSC_ERR_FILE_READ, "%s: rows to be written cannot be read", path);
  PetscCallMPI(MPI_Allreduce(&mine, &table->checksum, 1, MPI_UINT64_T, MPI_SUM, comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) room = RheoH5HasRoom(path, Size(table));
  PetscCall(RheoAgree(comm, room, &room));
  RheoInputCheck(room, comm, "%s: cannot be written: no space left on device", path);
  const hid_t file = RheoH5Create(comm, path);
  PetscCall(RheoAgree(comm, (PetscBool)(file >= 0), &good));
  RheoInputCheck(good, comm, "%s: cannot be created; is the folder there and writable?", path);
  int status = WriteAll(comm, file, table);
  if (H5Fclose(file) < 0) status = -1;
  PetscCall(RheoAgree(comm, (PetscBool)(status == 0), &good));
  RheoInputCheck(good, comm, "%s: writing failed; is the disk full?", path);
  PetscCall(RheoH5Commit(comm, path));
  PetscCall(RheoEventEnd(RHEO_EVENT_WRITE));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Reading ---- */
static int ReadBlock(hid_t file, const char *name, RheoTable *table, RheoBlock *block)
{
  int64_t n_rows = 0;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return -1;
  const hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  int status = RheoH5MatrixSize(set, &n_rows, &block->width);
  const int64_t rows = table->end - table->begin;
  block->name = RheoIntern(name);
  block->store = H5Tget_class(type) == H5T_INTEGER ? RHEO_STORE_INT8
                 : H5Tget_size(type) == 4          ? RHEO_STORE_FLOAT
                                                   : RHEO_STORE_DOUBLE;
  const char **names = NULL, **units = NULL;
  /* Without rows a width is no more than what the file says; names it has to have. */
  if (status || n_rows != table->n || block->width < 1 || RheoH5AttributeSize(set, "columns") != block->width)
    status = -1;
  if (!status && (PetscMalloc1(block->width, &names) || PetscMalloc1(block->width, &units) ||
                  PetscMalloc1(rows * block->width, &block->value)))
    status = -1;
  block->columns = names;
  if (!status) status = RheoH5ReadTexts(set, "columns", block->width, names);
  if (!status && H5Aexists(set, "units") > 0) {
    status = RheoH5ReadTexts(set, "units", block->width, units);
    block->units = units;
  } else {
    (void)PetscFree(units);
  }
  if (!status && rows > 0) {
    const hsize_t start[2] = {(hsize_t)table->begin, 0}, count[2] = {(hsize_t)rows, (hsize_t)block->width};
    const hid_t memory = H5Screate_simple(2, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    status = H5Dread(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, block->value) < 0 ? -1 : 0;
    H5Sclose(memory);
  }
  H5Tclose(type);
  H5Sclose(space);
  H5Dclose(set);
  return status;
}

typedef struct {
  RheoTable *table;
  int status;
} Visit;

/* Blocks are the root's data sets that have a place. */
static herr_t VisitBlock(hid_t file, const char *name, const H5L_info_t *info, void *data)
{
  Visit *visit = data;
  int64_t place = -1;
  H5O_info_t object;

  (void)info;
  if (H5Oget_info_by_name(file, name, &object, H5P_DEFAULT) < 0) return visit->status = -1;
  if (object.type != H5O_TYPE_DATASET) return 0;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return visit->status = -1;
  const PetscBool is_block = (PetscBool)(H5Aexists(set, "place") > 0);
  if (is_block && RheoH5ReadInt(set, "place", &place)) place = -1;
  H5Dclose(set);
  if (!is_block) return 0;
  if (place < 0 || place >= RHEO_TABLE_BLOCKS) return visit->status = -1;
  if (visit->table->block[place].name) return visit->status = -1;
  visit->table->n_blocks = PetscMax(visit->table->n_blocks, (int)place + 1);
  if (ReadBlock(file, name, visit->table, &visit->table->block[place])) return visit->status = -1;
  return 0;
}

static herr_t VisitExtra(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
  Visit *visit = data;
  RheoTable *table = visit->table;
  size_t n;

  (void)info;
  if (table->n_extras == RHEO_TABLE_EXTRAS || RheoH5VectorSize(group, name, &n)) return visit->status = -1;
  RheoExtra *extra = &table->extra[table->n_extras++];
  *extra = (RheoExtra){RheoIntern(name), (int)n, NULL};
  if (n > INT_MAX || PetscMalloc1(n + 1, &extra->value)) return visit->status = -1;
  if (RheoH5ReadVector(group, name, H5T_NATIVE_DOUBLE, n, extra->value)) return visit->status = -1;
  return 0;
}

int RheoTableReadAll(hid_t file, RheoTable *table, uint64_t *checksum, uint64_t *rest)
{
  Visit visit = {table, 0};

  if (RheoH5ReadText(file, "verb", &table->verb) || RheoH5ReadChecksum(file, "checksum", checksum) ||
      RheoH5ReadChecksum(file, "checksum_rest", rest) || RheoH5ReadDeck(file, &table->deck))
    return -1;
  if (H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, VisitBlock, &visit) < 0 || visit.status) return -1;
  for (int b = 0; b < table->n_blocks; b++)
    if (!table->block[b].name) return -1;
  const hid_t extra = H5Gopen2(file, "extra", H5P_DEFAULT);
  if (extra < 0) return -1;
  const herr_t status = H5Literate(extra, H5_INDEX_NAME, H5_ITER_INC, NULL, VisitExtra, &visit);
  H5Gclose(extra);
  return status < 0 || visit.status ? -1 : 0;
}

PetscErrorCode RheoTableRead(MPI_Comm comm, const char *path, const char *kind, PetscBool whole,
                             RheoTable **out)
{
  RheoTable *table;
  const char *found;
  uint64_t mine, checksum = 0, rest = 0;
  PetscBool readable, good;
  int pulled;
  hid_t file;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_READ));
  PetscCall(RheoH5Open(comm, path, kind, &file, &found));
  PetscCall(PetscNew(&table));
  table->kind = found;
  PetscBool read =
      (PetscBool)(strcmp(found, "model") && RheoH5ReadInt(file, "rows", &table->n) == 0 && table->n >= 0);
  table->end = table->n;
  if (!whole) RheoRange(comm, table->n, &table->begin, &table->end);
  read = (PetscBool)(read && !RheoTableReadAll(file, table, &checksum, &rest));
  H5Fclose(file);
  PetscCall(RheoAgree(comm, read, &readable));
  good = readable;
  if (readable) {
    mine = table->checksum = RheoTablePartialChecksum(table, &pulled);
    if (!whole) PetscCallMPI(MPI_Allreduce(&mine, &table->checksum, 1, MPI_UINT64_T, MPI_SUM, comm));
    PetscCall(RheoAgree(
        comm, (PetscBool)(table->checksum == checksum && RheoTableRestChecksum(table) == rest), &good));
  }
  if (!good) PetscCall(RheoTableDestroy(&table));
  RheoInputCheck(strcmp(found, "model"), comm, "%s: is a model file, not a table", path);
  RheoInputCheck(readable, comm, "%s: is damaged; some of its data cannot be read", path);
  RheoInputCheck(good, comm, "%s: is damaged; its checksum does not fit its data", path);
  *out = table;
  PetscCall(RheoEventEnd(RHEO_EVENT_READ));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTableDestroy(RheoTable **table)
{
  PetscFunctionBeginUser;
  if (!*table) PetscFunctionReturn(RHEO_OK);
  for (int b = 0; b < (*table)->n_blocks; b++) {
    RheoBlock *block = &(*table)->block[b];
    PetscCall(PetscFree(block->columns));
    PetscCall(PetscFree(block->units));
    PetscCall(PetscFree(block->value));
  }
  for (int e = 0; e < (*table)->n_extras; e++) PetscCall(PetscFree((*table)->extra[e].value));
  PetscCall(PetscFree(*table));
  PetscFunctionReturn(RHEO_OK);
}

RheoBlock *RheoTableBlock(RheoTable *table, const char *name)
{
  for (int b = 0; b < table->n_blocks; b++)
    if (!strcmp(table->block[b].name, name)) return &table->block[b];
  return NULL;
}

RheoExtra *RheoTableExtra(RheoTable *table, const char *name)
{
  for (int e = 0; e < table->n_extras; e++)
    if (!strcmp(table->extra[e].name, name)) return &table->extra[e];
  return NULL;
}

PetscErrorCode RheoFileDeck(MPI_Comm comm, const char *path, const char **kind, const char **deck)
{
  PetscBool good;
  hid_t file;

  PetscFunctionBeginUser;
  PetscCall(RheoH5Open(comm, path, NULL, &file, kind));
  good = (PetscBool)!RheoH5ReadDeck(file, deck);
  H5Fclose(file);
  PetscCall(RheoAgree(comm, good, &good));
  RheoInputCheck(good, comm, "%s: is damaged; its deck cannot be read", path);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFileOrigin(MPI_Comm comm, const char *path, const char **version, const char **commit,
                              const char **verb)
{
  const char *const names[] = {"version", "commit", "verb"}, **texts[] = {version, commit, verb}, *kind;
  hid_t file;

  PetscFunctionBeginUser;
  PetscCall(RheoH5Open(comm, path, NULL, &file, &kind));
  for (int k = 0; k < 3; k++)
    if (H5Aexists(file, names[k]) <= 0 || RheoH5ReadText(file, names[k], texts[k])) *texts[k] = "";
  H5Fclose(file);
  PetscFunctionReturn(RHEO_OK);
}
