/* Whole files: made, in memory too, put in their place, opened. */
#include "../base/deck.h"
#include "../base/flush.h"
#include "hdf5.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PetscBool RheoH5HasRoom(const char *path, size_t n)
{
  enum { REST = 1 << 16 };
  const char *temporary = RheoH5TemporaryPath(path);
  const int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);

  if (file < 0) return (PetscBool)(errno != ENOSPC && errno != EDQUOT); /* Create will say what is wrong */
  const int full = fallocate(file, 0, 0, (off_t)(n + REST)) && (errno == ENOSPC || errno == EDQUOT);
  close(file);
  unlink(temporary);
  return (PetscBool)!full;
}

/* access is closed. */
static hid_t Create(const char *path, hid_t access)
{
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_obj_track_times(creation, 0);
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
  H5Pclose(access);
  H5Pclose(creation);
  return file;
}

hid_t RheoH5Create(MPI_Comm comm, const char *path)
{
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_mpio(access, comm, MPI_INFO_NULL);
  return Create(RheoH5TemporaryPath(path), access);
}

/* What HDF5 would do with the bytes of an image, but for the last: they outlive the file, since only then are they whole
 * (H5Fget_file_image of an open file has a wrong checksum in its superblock, HDF5 1.10). */
static void *ImageRealloc(void *bytes, size_t n, H5FD_file_image_op_t why, void *image)
{
  (void)why;
  (void)image;
  return realloc(bytes, n);
}
static herr_t ImageFree(void *bytes, H5FD_file_image_op_t why, void *image)
{
  RheoH5Image *own = image;
  if (why == H5FD_FILE_IMAGE_OP_FILE_CLOSE) {
    /* What was there is of a file left at the temporary path, which HDF5 reads and closes before it makes a new one. */
    free(own->bytes);
    own->bytes = bytes;
  } else {
    free(bytes);
  }
  return 0;
}
static void *ImageSame(void *image)
{
  return image;
}
static herr_t ImageKeep(void *image)
{
  (void)image;
  return 0;
}

void RheoH5ImageCreate(const char *path, RheoH5Image *image)
{
  enum { GROW = 1 }; /* bytes: the size of an image is a multiple of it */
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5FD_file_image_callbacks_t how = {.image_realloc = ImageRealloc,
                                     .image_free = ImageFree,
                                     .udata_copy = ImageSame,
                                     .udata_free = ImageKeep,
                                     .udata = image};
  image->bytes = NULL;
  H5Pset_fapl_core(access, GROW, 0);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG); /* nothing of it is left when the image is */
  H5Pset_file_image_callbacks(access, &how);
  image->file = Create(RheoH5TemporaryPath(path), access);
}

/* errno, or 0. */
static int WriteBytes(const char *path, const char *from, size_t n)
{
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  int error = file < 0 ? errno : RheoWriteAll(file, from, n);
  if (file >= 0 && close(file) && !error) error = errno;
  if (file >= 0 && error) unlink(path); /* what fits would fill the disk */
  return error;
}

int RheoH5ImageClose(RheoH5Image *image, const char *path)
{
  hsize_t n = 0;
  const int sized = H5Fflush(image->file, H5F_SCOPE_GLOBAL) >= 0 && H5Fget_filesize(image->file, &n) >= 0;
  const int closed = H5Fclose(image->file) >= 0;
  const int error =
      sized && closed && image->bytes ? WriteBytes(RheoH5TemporaryPath(path), image->bytes, (size_t)n) : -1;
  free(image->bytes);
  image->bytes = NULL;
  return error;
}

/* What is wrong with a file, or NULL. Rank 0 finds out, so that all ranks hear the same. */
static const char *Inspect(const char *path, const char *kind, char *text, size_t n)
{
  const char *found;
  int64_t format = 0;

  if (access(path, R_OK)) {
    snprintf(text, n, "cannot be read: %s", strerror(errno));
    return text;
  }
  if (H5Fis_hdf5(path) <= 0) return "is not an HDF5 file";
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) return "is an HDF5 file that cannot be opened: truncated or damaged";
  if (RheoH5ReadInt(file, "rheo_format", &format) || RheoH5ReadText(file, "kind", &found)) {
    H5Fclose(file);
    return "is an HDF5 file, but none of Rheo's";
  }
  H5Fclose(file);
  if (format < 1 || format > RHEO_FILE_FORMAT) {
    snprintf(text, n, "has format %lld; this version of Rheo knows up to %d", (long long)format,
             RHEO_FILE_FORMAT);
    return text;
  }
  if (kind && strcmp(kind, found)) {
    snprintf(text, n, "is a %s file, not a %s file", found, kind);
    return text;
  }
  return NULL;
}

PetscErrorCode RheoH5Open(MPI_Comm comm, const char *path, const char *kind, hid_t *file, const char **found)
{
  char text[256], message[256] = "";
  PetscMPIInt rank;
  PetscBool good;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    const char *wrong = Inspect(path, kind, text, sizeof text);
    if (wrong) snprintf(message, sizeof message, "%s", wrong);
  }
  PetscCallMPI(MPI_Bcast(message, sizeof message, MPI_CHAR, 0, comm));
  RheoInputCheck(!message[0], comm, "%s: %s", path, message);
  *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  PetscCall(RheoAgree(comm, (PetscBool)(*file >= 0 && !RheoH5ReadText(*file, "kind", found)), &good));
  RheoInputCheck(good, comm, "%s: cannot be read on every rank; is it on a file system that all nodes share?",
                 path);
  PetscFunctionReturn(RHEO_OK);
}

const char *RheoH5TemporaryPath(const char *path)
{
  char text[PETSC_MAX_PATH_LEN];
  snprintf(text, sizeof text, "%s.tmp", path);
  return RheoIntern(text);
}

PetscErrorCode RheoH5Commit(MPI_Comm comm, const char *path)
{
  PetscMPIInt rank;
  int failed = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    const int file = open(RheoH5TemporaryPath(path), O_RDONLY);
    failed = file < 0 || fsync(file) || rename(RheoH5TemporaryPath(path), path) ? errno : 0;
    if (file >= 0) close(file);
    if (!failed) failed = RheoFlushFolderOf(path);
  }
  PetscCallMPI(MPI_Bcast(&failed, 1, MPI_INT, 0, comm));
  RheoInputCheck(!failed, comm, "%s: cannot be written: %s", path, strerror(failed));
  PetscFunctionReturn(RHEO_OK);
}
