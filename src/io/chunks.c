#include "chunks.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { FILTERS = 2 };

/* Where a chunk lies; skipped: bits of filters that were not applied to it. */
typedef struct {
  uint64_t at;
  uint32_t bytes, skipped;
} Place;

struct RheoChunks_ {
  int descriptor, n_filters;
  H5Z_filter_t filter[FILTERS]; /* as applied in writing */
  int64_t rows, height;         /* of the data set, of a chunk */
  int width, breadth, across;   /* columns of the data set, of a chunk; chunks side by side */
  size_t size, chunk_bytes;
  Place *place;                          /* row of chunks by row of chunks */
  int64_t latest;                        /* the row of chunks that `value` holds; -1: none */
  unsigned char *value, *packed, *spare; /* (across, height, breadth); a chunk on its way */
  pthread_mutex_t lock;
};

/* ---- Where they lie ---- */
/* Whether layout and filters are such as are known here: shuffle, deflate, or the one before the other. */
static int Understand(hid_t how, struct RheoChunks_ *c)
{
  hsize_t shape[2];
  unsigned options = 0;

  if (H5Pget_layout(how) != H5D_CHUNKED || H5Pget_chunk(how, 2, shape) != 2) return -1;
  if (H5Pget_chunk_opts(how, &options) < 0 || options) return -1; /* chunks at the edge are like others */
  c->n_filters = H5Pget_nfilters(how);
  if (c->n_filters < 0 || c->n_filters > FILTERS) return -1;
  for (int k = 0; k < c->n_filters; k++) {
    unsigned flags, config;
    size_t n_values = 0;
    c->filter[k] = H5Pget_filter2(how, (unsigned)k, &flags, &n_values, NULL, 0, NULL, &config);
    if (c->filter[k] != (k ? H5Z_FILTER_DEFLATE : H5Z_FILTER_SHUFFLE) &&
        (k || c->filter[k] != H5Z_FILTER_DEFLATE || c->n_filters > 1))
      return -1;
  }
  if (shape[0] < 1 || shape[1] < 1 || shape[0] > RHEO_CHUNKS_MOST || shape[1] > RHEO_CHUNKS_MOST) return -1;
  c->height = (int64_t)shape[0];
  c->breadth = (int)shape[1];
  c->across = (c->width + c->breadth - 1) / c->breadth;
  const double bytes = (double)c->height * c->breadth * (double)c->size;
  if (bytes * c->across > RHEO_CHUNKS_MOST) return -1;
  c->chunk_bytes = (size_t)bytes;
  return 0;
}

/* Addresses count from the start of the file where it has no block of the user's. */
static int StartsAtZero(hid_t set)
{
  hsize_t block = 1;
  const hid_t file = H5Iget_file_id(set), how = H5Fget_create_plist(file);
  const herr_t status = H5Pget_userblock(how, &block);

  H5Pclose(how);
  H5Fclose(file);
  return status >= 0 && block == 0;
}

static int Locate(hid_t set, struct RheoChunks_ *c)
{
  const int64_t n = (c->rows + c->height - 1) / c->height * c->across;

  c->place = calloc((size_t)n + 1, sizeof *c->place);
  if (!c->place || !StartsAtZero(set)) return -1;
#if H5_VERSION_GE(1, 10, 5)
  for (int64_t i = 0; i < n; i++) {
    const hsize_t corner[2] = {(hsize_t)(i / c->across * c->height), (hsize_t)(i % c->across * c->breadth)};
    unsigned skipped = 0;
    haddr_t at = HADDR_UNDEF;
    hsize_t bytes = 0;
    if (H5Dget_chunk_info_by_coord(set, corner, &skipped, &at, &bytes) < 0 || at == HADDR_UNDEF) return -1;
    /* What deflate cannot shrink grows by less than this. */
    if (bytes < 1 || bytes > c->chunk_bytes + c->chunk_bytes / 64 + 1024) return -1;
    c->place[i] = (Place){at, (uint32_t)bytes, skipped};
  }
  return 0;
#else
  return n ? -1 : 0;
#endif
}

RheoChunks RheoChunksOpen(hid_t set, int descriptor, int64_t rows, int width, size_t size)
{
  struct RheoChunks_ *c = calloc(1, sizeof *c);
  const hid_t how = H5Dget_create_plist(set);
  int status = -1;

  if (c) {
    *c = (struct RheoChunks_){
        .descriptor = descriptor, .rows = rows, .width = width, .size = size, .latest = -1};
    status = pthread_mutex_init(&c->lock, NULL) || Understand(how, c) || Locate(set, c);
  }
  if (!status) {
    c->value = malloc(c->chunk_bytes * (size_t)c->across);
    c->packed = malloc(c->chunk_bytes + c->chunk_bytes / 64 + 1024);
    c->spare = malloc(c->chunk_bytes);
    if (!c->value || !c->packed || !c->spare) status = -1;
  }
  H5Pclose(how);
  if (status) RheoChunksClose(&c);
  return c;
}

void RheoChunksClose(RheoChunks *chunks)
{
  RheoChunks c = *chunks;
  *chunks = NULL;
  if (!c) return;
  pthread_mutex_destroy(&c->lock);
  free(c->place);
  free(c->value);
  free(c->packed);
  free(c->spare);
  free(c);
}

/* ---- Reading ---- */
/* HDF5 puts the first bytes of all values first, then the second bytes; what is left over stays at the end. */
static void Unshuffle(const unsigned char *from, size_t bytes, size_t size, unsigned char *to)
{
  const size_t n = bytes / size;
  for (size_t k = 0; k < size; k++)
    for (size_t i = 0; i < n; i++) to[i * size + k] = from[k * n + i];
  memcpy(to + n * size, from + n * size, bytes - n * size);
}

/* The chunk's values, as they were before the filters. */
static int Unpack(struct RheoChunks_ *c, const Place *place, unsigned char *value)
{
  size_t bytes = place->bytes;

  for (size_t done = 0; done < bytes;) {
    const ssize_t got = pread(c->descriptor, c->packed + done, bytes - done, (off_t)(place->at + done));
    if (got <= 0) return -1;
    done += (size_t)got;
  }
  const unsigned char *now = c->packed;
  for (int k = c->n_filters - 1; k >= 0; k--) {
    if (place->skipped >> k & 1) continue;
    unsigned char *to = now == c->spare ? value : c->spare;
    if (c->filter[k] == H5Z_FILTER_DEFLATE) {
      uLongf length = c->chunk_bytes;
      if (uncompress(to, &length, now, bytes) != Z_OK) return -1;
      bytes = length;
    } else {
      if (bytes != c->chunk_bytes) return -1;
      Unshuffle(now, bytes, c->size, to);
    }
    now = to;
  }
  if (bytes != c->chunk_bytes) return -1;
  if (now != value) memcpy(value, now, bytes);
  return 0;
}

static int Load(struct RheoChunks_ *c, int64_t row_of_chunks)
{
  if (c->latest == row_of_chunks) return 0;
  c->latest = -1;
  for (int k = 0; k < c->across; k++)
    if (Unpack(c, &c->place[row_of_chunks * c->across + k], c->value + (size_t)k * c->chunk_bytes)) return -1;
  c->latest = row_of_chunks;
  return 0;
}

/* Rows first .. first + n - 1 of the chunks that are loaded. */
static void Copy(const struct RheoChunks_ *c, int64_t first, int64_t n, unsigned char *stored)
{
  const size_t line = (size_t)c->breadth * c->size;

  for (int k = 0; k < c->across; k++) {
    const int columns = c->width - k * c->breadth < c->breadth ? c->width - k * c->breadth : c->breadth;
    const unsigned char *from = c->value + (size_t)k * c->chunk_bytes + (size_t)first * line;
    for (int64_t i = 0; i < n; i++)
      memcpy(stored + ((size_t)i * (size_t)c->width + (size_t)(k * c->breadth)) * c->size,
             from + (size_t)i * line, (size_t)columns * c->size);
  }
}

int RheoChunksRead(RheoChunks c, int64_t first, int64_t n, void *stored)
{
  unsigned char *to = stored;
  int status = 0;

  if (first < 0 || n < 0 || n > c->rows - first) return -1;
  pthread_mutex_lock(&c->lock);
  while (n > 0 && !(status = Load(c, first / c->height))) {
    const int64_t within = first % c->height, here = n < c->height - within ? n : c->height - within;
    Copy(c, within, here, to);
    to += (size_t)here * (size_t)c->width * c->size;
    first += here;
    n -= here;
  }
  pthread_mutex_unlock(&c->lock);
  return status;
}
