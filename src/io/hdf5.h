/* The few HDF5 calls that tables and models share. Functions return 0, or -1 where HDF5 refused; the caller
 * turns that into one message that names the file. No file keeps times, so that equal content gives equal
 * bytes. */
#pragma once
#include "../base/error.h"
#include <hdf5.h>
#include <stdint.h>

enum { RHEO_FILE_FORMAT = 1 };

/* Whether a file of n bytes, and names, attributes and the tree besides, can be written at the temporary path of path. HDF5
 * 1.10 does not survive a file that it cannot close: its clean-up when MPI ends uses what the failed closing has freed. So a
 * disk, or a quota, without room is noticed before HDF5 sees it; where the file system cannot tell, it has room. Before Create,
 * on one rank. */
PetscBool RheoH5HasRoom(const char *path, size_t n);

/* The file that will be path: at its temporary path, over the ranks of comm; negative on failure. HDF5 1.8 and later read
 * it; its metadata carry checksums of their own, and attributes may be of any size. Collective. */
hid_t RheoH5Create(MPI_Comm comm, const char *path);

/* The same in memory, for what one rank holds anyway; file is negative on failure. Close writes it to the temporary path: 0, or the
 * errno of what failed, -1 where HDF5 did. A full disk then is an error like any other. Not collective. */
typedef struct {
  hid_t file;
  void *bytes; /* of the closed file */
} RheoH5Image;
void RheoH5ImageCreate(const char *path, RheoH5Image *image);
int RheoH5ImageClose(RheoH5Image *image, const char *path);

hid_t RheoH5GroupCreate(hid_t parent, const char *name);
/* A contiguous data set of the given shape, not yet written; negative on failure. */
hid_t RheoH5DatasetCreate(hid_t parent, const char *name, hid_t type, int n_dims, const hsize_t *dims);

int RheoH5WriteText(hid_t object, const char *name, const char *text); /* attribute */
int RheoH5WriteInt(hid_t object, const char *name, int64_t value);
int RheoH5WriteChecksum(hid_t object, const char *name, uint64_t value);
int RheoH5WriteTexts(hid_t object, const char *name, int n, const char *const *texts);
int RheoH5WriteVector(hid_t parent, const char *name, hid_t type, size_t n,
                      const void *values);                                 /* data set (n) */
int RheoH5WriteLongText(hid_t parent, const char *name, const char *text); /* data set */

/* Strings are interned. */
int RheoH5ReadText(hid_t object, const char *name, const char **text);
int RheoH5ReadInt(hid_t object, const char *name, int64_t *value);
int RheoH5ReadChecksum(hid_t object, const char *name, uint64_t *value);
int64_t RheoH5AttributeSize(hid_t object, const char *name); /* elements; -1 where it is not there */
int RheoH5ReadTexts(hid_t object, const char *name, int n, const char **texts);
int RheoH5ReadVector(hid_t parent, const char *name, hid_t type, size_t n, void *values);
int RheoH5ReadLongText(hid_t parent, const char *name, const char **text);
int RheoH5VectorSize(hid_t parent, const char *name, size_t *n);
int RheoH5MatrixSize(hid_t set, int64_t *rows, int *columns);

/* The deck of a file, where it has one (NULL otherwise), with a checksum of its own: it is read without the rest. */
int RheoH5WriteDeck(hid_t file, const char *deck);
int RheoH5ReadDeck(hid_t file, const char **deck);

/* Opens a Rheo file for reading on every rank and checks that it is one; kind NULL accepts any.
 * RHEO_ERR_INPUT names what is wrong. Collective. */
PetscErrorCode RheoH5Open(MPI_Comm comm, const char *path, const char *kind, hid_t *file, const char **found);

/* path.tmp, and its renaming when all is written, so that path is a whole file whatever happens; both flushed to disk. Collective. */
const char *RheoH5TemporaryPath(const char *path);
PetscErrorCode RheoH5Commit(MPI_Comm comm, const char *path);
