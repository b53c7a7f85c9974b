#include "reader.h"
#include "../base/event.h"
#include "../base/reduce.h"
#include "chunks.h"
#include "table_impl.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *path;
  hid_t file, set[RHEO_TABLE_BLOCKS];
  int descriptor;
  RheoTable *table;                     /* without rows */
  int64_t begin, n;                     /* rows among all */
  int64_t offset[RHEO_TABLE_BLOCKS];    /* of the first value in the file */
  RheoChunks chunks[RHEO_TABLE_BLOCKS]; /* where values lie in such */
  uint64_t checksum;
} File;

struct RheoReader_ {
  MPI_Comm comm;
  int n_files;
  File *file;
  PetscBool plain;
  RheoTable all; /* borrows from the first file */
};

/* ---- Opening ---- */
static PetscErrorCode OpenOne(MPI_Comm comm, const char *path, const char *kind, File *f)
{
  uint64_t rest = 0;
  PetscBool good;

  PetscFunctionBeginUser;
  *f = (File){.path = RheoIntern(path), .file = -1, .descriptor = -1};
  PetscCall(PetscNew(&f->table));
  PetscCall(RheoH5Open(comm, path, kind, &f->file, &f->table->kind));
  int status = !strcmp(f->table->kind, "model") || RheoH5ReadInt(f->file, "rows", &f->table->n) ||
               f->table->n < 0 || RheoTableReadAll(f->file, f->table, &f->checksum, &rest) ||
               RheoTableRestChecksum(f->table) != rest;
  f->n = f->table->n;
  f->table->checksum = f->checksum;
  for (int b = 0; !status && b < f->table->n_blocks; b++) {
    f->set[b] = H5Dopen2(f->file, f->table->block[b].name, H5P_DEFAULT);
    if (f->set[b] < 0) status = -1;
  }
  PetscCall(RheoAgree(comm, (PetscBool)!status, &good));
  RheoInputCheck(good, comm, "%s: is damaged; what it says of its data cannot be read or does not fit", path);
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CompareBlock(MPI_Comm comm, const File *a, const RheoBlock *x, const File *b,
                                   const RheoBlock *y)
{
  PetscFunctionBeginUser;
  RheoInputCheck(x->width == y->width, comm, "%s: `%s` has %d columns, in %s it has %d", b->path, y->name,
                 y->width, a->path, x->width);
  for (int k = 0; k < x->width; k++) {
    RheoInputCheck(!strcmp(x->columns[k], y->columns[k]), comm,
                   "%s: column %d of `%s` is '%s', in %s it is '%s'", b->path, k + 1, y->name, y->columns[k],
                   a->path, x->columns[k]);
    const char *u = x->units && x->units[k] ? x->units[k] : "",
               *v = y->units && y->units[k] ? y->units[k] : "";
    RheoInputCheck(!strcmp(u, v), comm, "%s: column '%s' has the unit '%s', in %s it has '%s'", b->path,
                   y->columns[k], v, a->path, u);
  }
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode Compare(MPI_Comm comm, const File *a, const File *b)
{
  PetscFunctionBeginUser;
  RheoInputCheck(!strcmp(a->table->kind, b->table->kind), comm, "%s: is a %s file, %s is a %s file", b->path,
                 b->table->kind, a->path, a->table->kind);
  for (int k = 0; k < PetscMax(a->table->n_blocks, b->table->n_blocks); k++) {
    const RheoBlock *x = &a->table->block[k], *y = &b->table->block[k];
    RheoInputCheck(x->name && y->name && !strcmp(x->name, y->name), comm,
                   "%s: its block number %d is `%s`, in %s it is `%s`", b->path, k + 1,
                   y->name ? y->name : "none", a->path, x->name ? x->name : "none");
    PetscCall(CompareBlock(comm, a, x, b, y));
  }
  PetscFunctionReturn(RHEO_OK);
}

static hid_t NativeType(RheoStore store)
{
  return store == RHEO_STORE_INT8    ? H5T_NATIVE_INT8
         : store == RHEO_STORE_FLOAT ? H5T_NATIVE_FLOAT
                                     : H5T_NATIVE_DOUBLE;
}

static size_t StoredSize(RheoStore store)
{
  return store == RHEO_STORE_INT8 ? 1 : store == RHEO_STORE_FLOAT ? sizeof(float) : sizeof(double);
}

/* Whether the block's values can be had without HDF5: they are in the file as this machine has them, one after the other or in
 * chunks. */
static PetscBool BlockIsPlain(File *f, int b)
{
  const RheoBlock *block = &f->table->block[b];
  const hid_t how = H5Dget_create_plist(f->set[b]), type = H5Dget_type(f->set[b]);
  const int native = H5Pget_external_count(how) == 0 && H5Tequal(type, NativeType(block->store)) > 0,
            plain = native && H5Pget_layout(how) == H5D_CONTIGUOUS;
  const haddr_t offset = plain ? H5Dget_offset(f->set[b]) : HADDR_UNDEF;

  H5Tclose(type);
  H5Pclose(how);
  f->offset[b] = (int64_t)offset;
  if (native && !plain)
    f->chunks[b] = RheoChunksOpen(f->set[b], f->descriptor, f->n, block->width, StoredSize(block->store));
  return (PetscBool)(offset != HADDR_UNDEF || f->chunks[b] || (plain && f->n == 0));
}

static PetscErrorCode OpenAll(RheoReader r, int n_paths, const char *const *path, const char *kind)
{
  PetscBool plain = PETSC_TRUE;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n_paths, &r->file));
  for (int i = 0; i < n_paths; i++) {
    File *f = &r->file[i];
    r->n_files = i + 1;
    PetscCall(OpenOne(r->comm, path[i], kind, f));
    PetscCall(Compare(r->comm, &r->file[0], f));
    f->begin = i ? f[-1].begin + f[-1].n : 0;
    f->descriptor = open(path[i], O_RDONLY | O_CLOEXEC);
    if (f->descriptor < 0) plain = PETSC_FALSE;
    for (int b = 0; b < f->table->n_blocks; b++)
      if (!BlockIsPlain(f, b)) plain = PETSC_FALSE;
  }
  PetscCall(RheoAgree(r->comm, plain, &r->plain));
  r->all = *r->file[0].table;
  r->all.n = r->file[n_paths - 1].begin + r->file[n_paths - 1].n;
  if (n_paths > 1) r->all.checksum = 0;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReaderOpen(MPI_Comm comm, int n_paths, const char *const *path, const char *kind,
                              RheoReader *reader)
{
  PetscErrorCode code;

  PetscFunctionBeginUser;
  PetscCheck(n_paths > 0, comm, PETSC_ERR_ARG_OUTOFRANGE, "no files to read");
  PetscCall(PetscNew(reader));
  (*reader)->comm = comm;
  code = OpenAll(*reader, n_paths, path, kind);
  if (code) (void)RheoReaderClose(reader); /* a program that goes on must not keep files open */
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReaderClose(RheoReader *reader)
{
  RheoReader r = *reader;

  PetscFunctionBeginUser;
  if (!r) PetscFunctionReturn(RHEO_OK);
  for (int i = 0; i < r->n_files; i++) {
    File *f = &r->file[i];
    for (int b = 0; f->table && b < f->table->n_blocks; b++) {
      if (f->set[b] > 0) H5Dclose(f->set[b]);
      RheoChunksClose(&f->chunks[b]);
    }
    if (f->file >= 0) H5Fclose(f->file);
    if (f->descriptor >= 0) close(f->descriptor);
    if (f->table) PetscCall(RheoTableDestroy(&f->table));
  }
  PetscCall(PetscFree(r->file));
  PetscCall(PetscFree(*reader));
  PetscFunctionReturn(RHEO_OK);
}

const RheoTable *RheoReaderTable(RheoReader reader)
{
  return &reader->all;
}
const char *RheoReaderName(RheoReader reader)
{
  return reader->file[0].path;
}
PetscBool RheoReaderIsPlain(RheoReader reader)
{
  return reader->plain;
}
int RheoReaderFind(RheoReader reader, const char *block)
{
  for (int b = 0; b < reader->all.n_blocks; b++)
    if (!strcmp(reader->all.block[b].name, block)) return b;
  return -1;
}

/* ---- Reading ---- */
static int ReadOne(const File *f, int b, int64_t first, int64_t n, double *value)
{
  const hsize_t start[2] = {(hsize_t)first, 0}, count[2] = {(hsize_t)n, (hsize_t)f->table->block[b].width};
  const hid_t space = H5Dget_space(f->set[b]), memory = H5Screate_simple(2, count, NULL);

  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
  const int status = H5Dread(f->set[b], H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, value) < 0 ? -1 : 0;
  H5Sclose(memory);
  H5Sclose(space);
  return status;
}

/* Stored numbers at the end of value's memory become doubles from its beginning on. */
static void Widen(RheoStore store, int64_t n, double *value)
{
  const unsigned char *stored = (unsigned char *)value + (size_t)n * (sizeof(double) - StoredSize(store));
  for (int64_t i = 0; i < n && store != RHEO_STORE_DOUBLE; i++) {
    float x;
    if (store == RHEO_STORE_INT8)
      value[i] = (signed char)stored[i];
    else {
      memcpy(&x, stored + (size_t)i * sizeof x, sizeof x);
      value[i] = x;
    }
  }
}

static int FetchOne(const File *f, int b, int64_t first, int64_t n, double *value)
{
  const RheoBlock *block = &f->table->block[b];
  const size_t size = StoredSize(block->store), bytes = (size_t)n * (size_t)block->width * size;
  const off_t from = (off_t)(f->offset[b] + first * block->width * (int64_t)size);
  unsigned char *to = (unsigned char *)value + (size_t)n * (size_t)block->width * (sizeof(double) - size);

  if (f->chunks[b] && RheoChunksRead(f->chunks[b], first, n, to)) return -1;
  for (size_t done = 0; !f->chunks[b] && done < bytes;) {
    const ssize_t got = pread(f->descriptor, to + done, bytes - done, from + (off_t)done);
    if (got <= 0) return -1;
    done += (size_t)got;
  }
  Widen(block->store, n * block->width, value);
  return 0;
}

static int OverFiles(RheoReader r, int (*one)(const File *, int, int64_t, int64_t, double *), int b,
                     int64_t first, int64_t n, double *value)
{
  for (int i = 0; i < r->n_files && n > 0; i++) {
    const File *f = &r->file[i];
    const int64_t here = PetscMin(n, f->begin + f->n - first);
    if (here <= 0) continue;
    if (one(f, b, first - f->begin, here, value)) return -1;
    value += here * f->table->block[b].width;
    first += here;
    n -= here;
  }
  return n > 0 ? -1 : 0;
}

int RheoReaderRead(RheoReader reader, int block, int64_t first, int64_t n, double *value)
{
  return OverFiles(reader, ReadOne, block, first, n, value);
}

int RheoReaderFetch(RheoReader reader, int block, int64_t first, int64_t n, double *value)
{
  return OverFiles(reader, FetchOne, block, first, n, value);
}

/* ---- Going through all of it ---- */
enum { PIECE_BYTES = 1 << 22 };

/* Rows [begin, end) of one file. *good: they could be read. */
static PetscErrorCode ScanPart(RheoReader r, int64_t f, int64_t begin, int64_t end, double **value,
                               int64_t most, RheoReaderVisit visit, void *context, uint64_t *sum,
                               PetscBool *good)
{
  RheoTable part = *r->file[f].table;
  int status;

  PetscFunctionBeginUser;
  for (int64_t first = begin; first < end && *good; first += most) {
    const int64_t n = PetscMin(most, end - first);
    for (int b = 0; b < part.n_blocks; b++) {
      if (RheoReaderRead(r, b, first, n, value[b])) *good = PETSC_FALSE;
      part.block[b].value = value[b];
    }
    if (!*good) break;
    part.begin = first - r->file[f].begin;
    part.end = part.begin + n;
    *sum += RheoTablePartialChecksum(&part, &status);
    if (visit) PetscCall(visit(context, first, n, (const double *const *)value));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* This rank's rows are [begin, end). */
static PetscErrorCode Scan(RheoReader r, int64_t begin, int64_t end, RheoReaderVisit visit, void *context)
{
  double *value[RHEO_TABLE_BLOCKS];
  int64_t width = 0;
  PetscBool good = PETSC_TRUE;
  const char *unfit = NULL;
  uint64_t *sum;

  PetscFunctionBeginUser;
  PetscCall(RheoEventBegin(RHEO_EVENT_READ));
  for (int b = 0; b < r->all.n_blocks; b++) width += r->all.block[b].width;
  const int64_t most = PetscMax(1, PIECE_BYTES / (8 * PetscMax(1, width)));
  for (int b = 0; b < r->all.n_blocks; b++) PetscCall(PetscMalloc1(most * r->all.block[b].width, &value[b]));
  PetscCall(PetscCalloc1(r->n_files, &sum));
  for (int f = 0; f < r->n_files; f++)
    PetscCall(ScanPart(r, f, PetscMax(begin, r->file[f].begin),
                       PetscMin(end, r->file[f].begin + r->file[f].n), value, most, visit, context, &sum[f],
                       &good));
  PetscCall(RheoAgree(r->comm, good, &good));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, r->n_files, MPI_UINT64_T, MPI_SUM, r->comm));
  for (int f = r->n_files - 1; f >= 0; f--)
    if (sum[f] != r->file[f].checksum) unfit = r->file[f].path;
  PetscCall(PetscFree(sum));
  for (int b = 0; b < r->all.n_blocks; b++) PetscCall(PetscFree(value[b]));
  RheoInputCheck(good, r->comm, "%s: is damaged; some of its data cannot be read",
                 r->n_files > 1 ? "one of the data files" : RheoReaderName(r));
  RheoInputCheck(!unfit, r->comm, "%s: is damaged; its checksum does not fit its data", unfit);
  PetscCall(RheoEventEnd(RHEO_EVENT_READ));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReaderScan(RheoReader r, RheoReaderVisit visit, void *context)
{
  int64_t begin, end;

  PetscFunctionBeginUser;
  RheoRange(r->comm, r->all.n, &begin, &end);
  PetscCall(Scan(r, begin, end, visit, context));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoReaderScanChunks(RheoReader r, int64_t chunk, RheoReaderVisit visit, void *context)
{
  int64_t begin, end;

  PetscFunctionBeginUser;
  RheoRange(r->comm, (r->all.n + chunk - 1) / chunk, &begin, &end);
  PetscCall(Scan(r, PetscMin(begin * chunk, r->all.n), PetscMin(end * chunk, r->all.n), visit, context));
  PetscFunctionReturn(RHEO_OK);
}
