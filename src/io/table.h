/* Tables: named columns in blocks, in HDF5. Data sets and posterior samples are tables.
 *
 * The file (format 1):
 *   /                  attributes: rheo_format (int, 1), kind ("dataset" or "samples"), rows (int64), version,
 *                      commit, verb, checksum and checksum_rest (below)
 *   /deck              a string: the YAML that made the file, as it was run; attribute checksum (of it)
 *   /<block>           (rows, width) little-endian double, float or int8; attributes: place (int, its order
 *                      among the blocks), columns (strings, width), units (strings, width)
 *   /extra/<name>      (n) double: small vectors such as the observation
 * A data set has blocks `parameters` (N, D), `data` (N, C), `status` (N, 1) int8 of RheoSimulationStatus, and
 * `weights` (N, 1) where there are any. Samples have `parameters`, `derived` where there are any, and
 * `log_prob` (N, 1).
 *
 * The checksum is the sum modulo 2^64, over blocks b and rows i, of the FNV-1a checksum of (b, i, the row as
 * doubles), so that ranks can compute it apart; checksum_rest is the FNV-1a checksum of names, units, deck and
 * vectors. Reading verifies both; HDF5 itself verifies its metadata.
 *
 * A file is a function of deck and version alone: no date, host, rank count or wall time stands in it (these
 * are in run.yaml beside it), HDF5 keeps no times, and the layout is contiguous. Two runs of the same deck
 * give files that are equal byte by byte, on any number of ranks.
 */
#pragma once
#include "../base/deck.h"

enum { RHEO_TABLE_BLOCKS = 8, RHEO_TABLE_EXTRAS = 8 };
typedef enum { RHEO_STORE_DOUBLE, RHEO_STORE_FLOAT, RHEO_STORE_INT8 } RheoStore;

typedef struct {
  const char *name;
  int width;
  RheoStore store;
  const char *const *columns; /* (width) names */
  const char *const *units;   /* (width) or NULL */
  double *value;              /* (end - begin, width), this rank's rows; NULL in writing: they are pulled */
} RheoBlock;

typedef struct {
  const char *name;
  int n;
  double *value;
} RheoExtra;

typedef struct {
  const char *kind, *verb;
  const char *deck;   /* text; NULL for none */
  int64_t n;          /* rows of the whole table */
  int64_t begin, end; /* rows held here */
  uint64_t checksum;  /* set by Read and Write */
  int n_blocks, n_extras;
  RheoBlock block[RHEO_TABLE_BLOCKS];
  RheoExtra extra[RHEO_TABLE_EXTRAS];
  /* For tables larger than memory: sets value (n, width) to rows first .. first + n - 1 of those held here, of a block without
   * values. Asked for each block twice, from the first row to the last. Returns 0, or -1 where they cannot be had. */
  int (*pull)(void *context, int block, int64_t first, int64_t n, double *value);
  void *context;
  const char *
      pulled_from; /* a file of the user's, which is damaged where it cannot be read; NULL: that would be our mistake */
} RheoTable;

/* Writes a table whose rows are spread over comm in rank order (begin, end). Through a temporary file that is
 * renamed when whole. Collective. */
PetscErrorCode RheoTableWrite(MPI_Comm comm, const char *path, RheoTable *table);

/* Reads a table; kind NULL accepts any. whole: every rank gets all rows; else its RheoRange. Memory is the
 * table's, freed by RheoTableDestroy; strings are interned. A missing file, a foreign or truncated one,
 * another kind, a later format are RHEO_ERR_INPUT that name the file and what is wrong. Collective. */
PetscErrorCode RheoTableRead(MPI_Comm comm, const char *path, const char *kind, PetscBool whole,
                             RheoTable **table);
PetscErrorCode RheoTableDestroy(RheoTable **table);
RheoBlock *RheoTableBlock(RheoTable *table, const char *name); /* NULL where absent */
RheoExtra *RheoTableExtra(RheoTable *table, const char *name);

/* Comma- or blank-separated text with an optional header line and # comments: one block `columns`. Every rank
 * gets all rows. Errors name the line. Collective. */
PetscErrorCode RheoTableReadText(MPI_Comm comm, const char *path, RheoTable **table);
/* The same without rows: the columns alone. Later lines are not looked at. */
PetscErrorCode RheoTextColumns(MPI_Comm comm, const char *path, RheoTable **table);
/* The same piece by piece, for text of any size and, as all of these but RheoTextColumns, in one pass, so that it may come out
 * of a pipe: visit gets rows begin .. end - 1 of a piece, on every rank. How many there are in all (n) is not known. */
typedef PetscErrorCode (*RheoTextVisit)(void *context, const RheoTable *piece);
PetscErrorCode RheoTextScan(MPI_Comm comm, const char *path, RheoTextVisit visit, void *context);

/* The kind of a Rheo file ("dataset", "samples", "model") and its deck, NULL where it has none; both interned. Reads no more
 * of it, and so verifies no more. Other files, and a deck whose checksum does not fit, are RHEO_ERR_INPUT. Collective. */
PetscErrorCode RheoFileDeck(MPI_Comm comm, const char *path, const char **kind, const char **deck);
/* What made it: version and commit of the library, and the verb of a table ("" of a model); "" where a file does not say.
 * Interned. Collective. */
PetscErrorCode RheoFileOrigin(MPI_Comm comm, const char *path, const char **version, const char **commit,
                              const char **verb);
