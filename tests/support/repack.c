#include "repack.h"
#include "check.h"
#include <hdf5.h>
#include <stdlib.h>

static herr_t CopyAttribute(hid_t from, const char *name, const H5A_info_t *info, void *data)
{
  const hid_t to = *(hid_t *)data, a = H5Aopen(from, name, H5P_DEFAULT), type = H5Aget_type(a),
              space = H5Aget_space(a), b = H5Acreate2(to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  void *value = malloc(info->data_size + 1);
  assert_true(H5Aread(a, type, value) >= 0 && H5Awrite(b, type, value) >= 0);
  free(value);
  H5Aclose(b);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(a);
  return 0;
}

void Repack(const char *path, const char *name, int rows)
{
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), from = H5Dopen2(file, name, H5P_DEFAULT),
              space = H5Dget_space(from), type = H5Dget_type(from), how = H5Pcreate(H5P_DATASET_CREATE);
  hsize_t dims[2], n;
  assert_int_equal(H5Sget_simple_extent_dims(space, dims, NULL), 2);
  const hsize_t chunk[2] = {(hsize_t)rows < dims[0] ? (hsize_t)rows : dims[0], dims[1]};
  n = dims[0] * dims[1] * H5Tget_size(type);
  void *value = malloc(n + 1);
  assert_true(H5Dread(from, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
  H5Pset_chunk(how, 2, chunk);
  H5Pset_shuffle(how);
  assert_true(H5Pset_deflate(how, 6) >= 0);
  const hid_t to = H5Dcreate2(file, "repacked", type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  assert_true(to >= 0 && H5Dwrite(to, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
  assert_true(H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_INC, NULL, CopyAttribute, (void *)&to) >= 0);
  H5Dclose(from);
  H5Dclose(to);
  assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
  assert_true(H5Lmove(file, "repacked", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
  free(value);
  H5Pclose(how);
  H5Tclose(type);
  H5Sclose(space);
  H5Fclose(file);
}
