/* Arrays of NumPy as tables of numbers: .npy files, and arrays of .npz files, stored or deflated.
 *
 * The first dimension counts rows; what follows is the width (none: 1). Integers, booleans and floating point of 4 or 8 bytes
 * in either byte order and in C or Fortran order become doubles. Rows are read in pieces: nothing is held but for a deflated
 * array in Fortran order, of which all is.
 */
#pragma once
#include "../base/error.h"

typedef struct RheoArray_ *RheoArray;

/* name: of the array in a .npz file; NULL for a .npy file. A file that cannot be read, a bad header, a type that is no number,
 * more bytes promised than there are, an array that the file does not have are RHEO_ERR_INPUT on comm, which every rank that
 * opens it finds by itself. Collective on comm. */
PetscErrorCode RheoArrayOpen(MPI_Comm comm, const char *path, const char *name, RheoArray *array);
PetscErrorCode RheoArrayClose(RheoArray *array);
int64_t RheoArrayRows(RheoArray array);
int RheoArrayWidth(RheoArray array);
/* value (n, width) = rows first .. first + n - 1; cheapest in ascending order. Returns -1 where they cannot be read. Not
 * collective. */
int RheoArrayRead(RheoArray array, int64_t first, int64_t n, double *value);
