/* Tables read piece by piece, and several files as one: the rows of the second follow those of the first.
 *
 * Files may be compressed or chunked otherwise (h5repack). Where rows lie one after the other in a file, as Rheo writes them, or in
 * chunks with no other filters than deflate and shuffle (io/chunks.h), they can also be fetched by plain reads, which a thread may
 * do while the program computes: HDF5 has one lock, MPI-IO wants a process that calls it to make progress, pread has neither.
 */
#pragma once
#include "table.h"

typedef struct RheoReader_ *RheoReader;

/* A key of decks: whether rows are read whenever they are needed, or kept in memory. */
typedef enum { RHEO_STREAMING_AUTO, RHEO_STREAMING_YES, RHEO_STREAMING_NO } RheoStreaming;
#define RHEO_STREAMING_RULE "auto|yes|no"

/* Files of one kind. What RheoTableRead says of a file that is missing, foreign or damaged is said here too; blocks, columns or
 * units that differ between files are RHEO_ERR_INPUT that names both. Rows are not read yet. Collective, as is Close. */
PetscErrorCode RheoReaderOpen(MPI_Comm comm, int n_paths, const char *const *path, const char *kind,
                              RheoReader *reader);
PetscErrorCode RheoReaderClose(RheoReader *reader);

/* The table that all files are together, without values; borrowed. Its deck, verb and small vectors are the first file's; its
 * checksum is what a single file says (RheoReaderScan verifies it), 0 of several. */
const RheoTable *RheoReaderTable(RheoReader reader);
int RheoReaderFind(RheoReader reader, const char *block); /* its place, -1 where absent */
const char *RheoReaderName(RheoReader reader);            /* the first path, for messages */

/* value (n, width of block) = rows first .. first + n - 1. Returns -1 where they cannot be read. Not collective. */
int RheoReaderRead(RheoReader reader, int block, int64_t first, int64_t n, double *value);
/* The same by plain reads, in any thread, where every file IsPlain. */
PetscBool RheoReaderIsPlain(RheoReader reader);
int RheoReaderFetch(RheoReader reader, int block, int64_t first, int64_t n, double *value);

/* Goes once through all rows, every rank through its RheoRange in pieces, and verifies checksums: one that does not fit is
 * RHEO_ERR_INPUT. visit (or NULL) gets rows first .. first + n - 1 of every block. Collective. */
typedef PetscErrorCode (*RheoReaderVisit)(void *context, int64_t first, int64_t n,
                                          const double *const *block);
PetscErrorCode RheoReaderScan(RheoReader reader, RheoReaderVisit visit, void *context);
/* The same, but a rank's rows begin and end at multiples of `chunk` (or the end), so that what is computed chunk by chunk, and put
 * together in their order, does not depend on the ranks. */
PetscErrorCode RheoReaderScanChunks(RheoReader reader, int64_t chunk, RheoReaderVisit visit, void *context);
