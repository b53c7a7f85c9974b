/* What is in files: attributes, vectors, texts. */
#include "hdf5.h"
#include "../base/checksum.h"
#include "../base/deck.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

hid_t RheoH5GroupCreate(hid_t parent, const char *name)
{
  const hid_t how = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(how, 0);
  const hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, how, H5P_DEFAULT);
  H5Pclose(how);
  return group;
}

hid_t RheoH5DatasetCreate(hid_t parent, const char *name, hid_t type, int n_dims, const hsize_t *dims)
{
  const hid_t how = H5Pcreate(H5P_DATASET_CREATE),
              space = n_dims ? H5Screate_simple(n_dims, dims, NULL) : H5Screate(H5S_SCALAR);
  H5Pset_obj_track_times(how, 0);
  H5Pset_layout(how, H5D_CONTIGUOUS);
  H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
  const hid_t set = H5Dcreate2(parent, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  H5Sclose(space);
  H5Pclose(how);
  return set;
}

static hid_t TextType(size_t size)
{
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  return type;
}

static int WriteAttribute(hid_t object, const char *name, hid_t stored, hid_t type, hid_t space,
                          const void *value)
{
  const hid_t attribute = H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
  const int status = attribute >= 0 && H5Awrite(attribute, type, value) >= 0 ? 0 : -1;
  if (attribute >= 0) H5Aclose(attribute);
  return status;
}

int RheoH5WriteText(hid_t object, const char *name, const char *text)
{
  const hid_t space = H5Screate(H5S_SCALAR), type = TextType(*text ? strlen(text) : 1);
  const int status = WriteAttribute(object, name, type, type, space, text);
  H5Tclose(type);
  H5Sclose(space);
  return status;
}

int RheoH5WriteInt(hid_t object, const char *name, int64_t value)
{
  const hid_t space = H5Screate(H5S_SCALAR);
  const int status = WriteAttribute(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, space, &value);
  H5Sclose(space);
  return status;
}

int RheoH5WriteChecksum(hid_t object, const char *name, uint64_t value)
{
  const hid_t space = H5Screate(H5S_SCALAR);
  const int status = WriteAttribute(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, space, &value);
  H5Sclose(space);
  return status;
}

/* n strings side by side, each of the size of the longest, padded with zeros. */
static char *Pack(int n, const char *const *texts, size_t *size)
{
  *size = 1;
  for (int i = 0; i < n; i++)
    if (strlen(texts[i]) > *size) *size = strlen(texts[i]);
  char *packed = calloc((size_t)(n ? n : 1), *size + 1);
  for (int i = 0; packed && i < n; i++) memcpy(packed + (size_t)i * *size, texts[i], strlen(texts[i]));
  return packed;
}

int RheoH5WriteTexts(hid_t object, const char *name, int n, const char *const *texts)
{
  const hsize_t dims = (hsize_t)n;
  size_t size;
  char *packed = Pack(n, texts, &size);
  const hid_t space = H5Screate_simple(1, &dims, NULL), type = TextType(size);
  const int status = packed ? WriteAttribute(object, name, type, type, space, packed) : -1;
  free(packed);
  H5Tclose(type);
  H5Sclose(space);
  return status;
}

int RheoH5WriteVector(hid_t parent, const char *name, hid_t type, size_t n, const void *values)
{
  const hsize_t dims = n;
  const hid_t set = RheoH5DatasetCreate(parent, name, type, 1, &dims);
  const int status =
      set >= 0 && (!n || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) ? 0 : -1;
  if (set >= 0) H5Dclose(set);
  return status;
}

int RheoH5WriteLongText(hid_t parent, const char *name, const char *text)
{
  const hid_t type = TextType(*text ? strlen(text) : 1),
              set = RheoH5DatasetCreate(parent, name, type, 0, NULL);
  const int status = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0 ? 0 : -1;
  if (set >= 0) H5Dclose(set);
  H5Tclose(type);
  return status;
}

/* Reads an attribute of `expected` elements of the type. */
static int ReadAttribute(hid_t object, const char *name, hid_t type, hssize_t expected, void *value)
{
  if (H5Aexists(object, name) <= 0) return -1;
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const hid_t space = H5Aget_space(attribute);
  const int status =
      H5Sget_simple_extent_npoints(space) == expected && H5Aread(attribute, type, value) >= 0 ? 0 : -1;
  H5Sclose(space);
  H5Aclose(attribute);
  return status;
}

/* The size of the strings of an attribute or data set; 0 where its type is no string of fixed size. */
static size_t TextSize(hid_t type)
{
  const size_t size =
      H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 ? H5Tget_size(type) : 0;
  H5Tclose(type);
  return size;
}

int64_t RheoH5AttributeSize(hid_t object, const char *name)
{
  if (H5Aexists(object, name) <= 0) return -1;
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const hid_t space = H5Aget_space(attribute);
  const hssize_t points = H5Sget_simple_extent_npoints(space);
  H5Sclose(space);
  H5Aclose(attribute);
  return points < 0 ? -1 : (int64_t)points;
}

int RheoH5ReadTexts(hid_t object, const char *name, int n, const char **texts)
{
  if (RheoH5AttributeSize(object, name) != n) return -1;
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const size_t size = TextSize(H5Aget_type(attribute));
  H5Aclose(attribute);
  if (!size || size > 65536) return -1;
  char *packed = calloc((size_t)n, size), *one = calloc(1, size + 1);
  const hid_t type = TextType(size);
  const int status = packed && one ? ReadAttribute(object, name, type, n, packed) : -1;
  for (int i = 0; !status && i < n; i++) {
    memcpy(one, packed + (size_t)i * size, size);
    texts[i] = RheoIntern(one);
  }
  H5Tclose(type);
  free(packed);
  free(one);
  return status;
}

int RheoH5ReadText(hid_t object, const char *name, const char **text)
{
  return RheoH5ReadTexts(object, name, 1, text);
}

int RheoH5ReadInt(hid_t object, const char *name, int64_t *value)
{
  return ReadAttribute(object, name, H5T_NATIVE_INT64, 1, value);
}

int RheoH5ReadChecksum(hid_t object, const char *name, uint64_t *value)
{
  return ReadAttribute(object, name, H5T_NATIVE_UINT64, 1, value);
}

/* How many bytes a data set of the file may give: what compression cannot exceed where there may be some. */
static hsize_t MostBytes(hid_t set, hsize_t in_file)
{
  enum {
    DEFLATE_MOST = 1040,
    SCALE = 64
  }; /* deflate makes 1032 bytes of one at most; other filters are not that good */
  const hid_t how = H5Dget_create_plist(set);
  const int filtered = H5Pget_layout(how) == H5D_CHUNKED && H5Pget_nfilters(how) > 0;

  H5Pclose(how);
  if (!filtered) return in_file;
  const hsize_t stored = H5Dget_storage_size(set) + SCALE;
  return stored < (hsize_t)-1 / DEFLATE_MOST ? stored * DEFLATE_MOST : (hsize_t)-1;
}

/* Whether the file is large enough for what a data set says it holds: memory is only asked for what is there. */
static int Fits(hid_t set, hid_t space)
{
  const hid_t type = H5Dget_type(set), file = H5Iget_file_id(set);
  const hssize_t points = H5Sget_simple_extent_npoints(space);
  const size_t size = H5Tget_size(type);
  hsize_t bytes = 0;
  const int fits = H5Fget_filesize(file, &bytes) >= 0 && points >= 0 && size > 0 &&
                   (hsize_t)points <= MostBytes(set, bytes) / size;
  H5Tclose(type);
  H5Fclose(file);
  return fits;
}

int RheoH5MatrixSize(hid_t set, int64_t *rows, int *columns)
{
  hsize_t dims[2];
  const hid_t space = H5Dget_space(set);
  const int fine = H5Sget_simple_extent_ndims(space) == 2 && Fits(set, space) &&
                   H5Sget_simple_extent_dims(space, dims, NULL) == 2 && dims[1] <= INT_MAX;
  H5Sclose(space);
  if (!fine) return -1;
  *rows = (int64_t)dims[0];
  *columns = (int)dims[1];
  return 0;
}

int RheoH5VectorSize(hid_t parent, const char *name, size_t *n)
{
  if (H5Lexists(parent, name, H5P_DEFAULT) <= 0) return -1;
  const hid_t set = H5Dopen2(parent, name, H5P_DEFAULT);
  if (set < 0) return -1;
  const hid_t space = H5Dget_space(set);
  const hssize_t points =
      H5Sget_simple_extent_ndims(space) == 1 && Fits(set, space) ? H5Sget_simple_extent_npoints(space) : -1;
  H5Sclose(space);
  H5Dclose(set);
  *n = points < 0 ? 0 : (size_t)points;
  return points < 0 ? -1 : 0;
}

int RheoH5ReadVector(hid_t parent, const char *name, hid_t type, size_t n, void *values)
{
  size_t stored;
  if (RheoH5VectorSize(parent, name, &stored) || stored != n) return -1;
  if (!n) return 0;
  const hid_t set = H5Dopen2(parent, name, H5P_DEFAULT);
  const int status = set >= 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0 ? 0 : -1;
  if (set >= 0) H5Dclose(set);
  return status;
}

int RheoH5ReadLongText(hid_t parent, const char *name, const char **text)
{
  if (H5Lexists(parent, name, H5P_DEFAULT) <= 0) return -1;
  const hid_t set = H5Dopen2(parent, name, H5P_DEFAULT);
  if (set < 0) return -1;
  const hid_t space = H5Dget_space(set);
  const PetscBool one = (PetscBool)(H5Sget_simple_extent_npoints(space) == 1 && Fits(set, space));
  const size_t size = one ? TextSize(H5Dget_type(set)) : 0;
  H5Sclose(space);
  char *value = size ? calloc(1, size + 1) : NULL;
  const hid_t type = TextType(size ? size : 1);
  const int status = value && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0 ? 0 : -1;
  if (!status) *text = RheoIntern(value);
  free(value);
  H5Tclose(type);
  H5Dclose(set);
  return status;
}

int RheoH5WriteDeck(hid_t file, const char *deck)
{
  if (!deck) return 0;
  if (RheoH5WriteLongText(file, "deck", deck)) return -1;
  const hid_t set = H5Dopen2(file, "deck", H5P_DEFAULT);
  if (set < 0) return -1;
  const int status =
      RheoH5WriteChecksum(set, "checksum", RheoChecksum(RHEO_CHECKSUM_START, deck, strlen(deck)));
  H5Dclose(set);
  return status;
}

int RheoH5ReadDeck(hid_t file, const char **deck)
{
  uint64_t checksum;

  *deck = NULL;
  if (H5Lexists(file, "deck", H5P_DEFAULT) <= 0) return 0;
  if (RheoH5ReadLongText(file, "deck", deck)) return -1;
  const hid_t set = H5Dopen2(file, "deck", H5P_DEFAULT);
  const int status = RheoH5ReadChecksum(set, "checksum", &checksum);
  H5Dclose(set);
  return status || checksum != RheoChecksum(RHEO_CHECKSUM_START, *deck, strlen(*deck)) ? -1 : 0;
}
