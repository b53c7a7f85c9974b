/* Private to src/io: data sets in chunks (h5repack), read without HDF5 and therefore in any thread.
 *
 * HDF5 says once where each chunk lies. After that a chunk is a plain read of its bytes, the inverse of its filters, as far as
 * these are shuffle and deflate, in this order, and a copy of rows. The latest chunks stay, so that rows in ascending order inflate each once.
 */
#pragma once
#include "table.h"
#include <hdf5.h>

typedef struct RheoChunks_ *RheoChunks;

/* Of a data set (rows, width) of values of `size` bytes, as this machine has them, in the file of a descriptor (borrowed). NULL
 * where that cannot be: no chunks, other filters, chunks that are not there, more than RHEO_CHUNKS_MOST bytes side by side.
 * Takes 16 bytes a chunk. Not collective. */
enum { RHEO_CHUNKS_MOST = 1 << 25 };
RheoChunks RheoChunksOpen(hid_t set, int descriptor, int64_t rows, int width, size_t size);
void RheoChunksClose(RheoChunks *chunks);

/* stored (n, width): rows first .. first + n - 1 as they are in the file. Returns -1 where they cannot be read. In any thread. */
int RheoChunksRead(RheoChunks chunks, int64_t first, int64_t n, void *stored);
