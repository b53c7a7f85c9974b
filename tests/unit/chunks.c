/* Data sets in chunks, read without HDF5, against HDF5: any shape of chunks, with and without filters; several threads; what cannot be
 * read so; bytes that are damaged. */
#include "io/chunks.h"
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 1003, WIDTH = 7 };

typedef struct {
  hid_t file, set;
  int descriptor;
  size_t size;
  unsigned char *all; /* (ROWS, WIDTH) as HDF5 reads it */
} Case;

/* filters: letters in the order in which they are applied: s shuffle, d deflate, f fletcher32. */
static Case Make(hid_t type, int height, int breadth, const char *filters)
{
  const hsize_t dims[2] = {ROWS, WIDTH}, chunk[2] = {(hsize_t)height, (hsize_t)breadth};
  const hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, dims, NULL);
  Case c = {.size = H5Tget_size(type)};
  double *value = malloc(ROWS * WIDTH * sizeof *value);

  for (int i = 0; i < ROWS * WIDTH; i++) value[i] = (i * 7919 % 251 - 125) / 4;
  if (height) H5Pset_chunk(how, 2, chunk);
  for (const char *f = filters; *f; f++) {
    if (*f == 's') H5Pset_shuffle(how);
    if (*f == 'd') H5Pset_deflate(how, 5);
    if (*f == 'f') H5Pset_fletcher32(how);
  }
  const hid_t file = H5Fcreate("chunks.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
              set = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
  free(value);
  H5Dclose(set);
  H5Fclose(file);
  H5Sclose(space);
  H5Pclose(how);
  c.file = H5Fopen("chunks.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
  c.set = H5Dopen2(c.file, "x", H5P_DEFAULT);
  c.all = malloc(ROWS * WIDTH * c.size);
  assert_true(H5Dread(c.set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, c.all) >= 0);
  c.descriptor = open("chunks.h5", O_RDONLY);
  return c;
}

static void Free(Case *c)
{
  H5Dclose(c->set);
  H5Fclose(c->file);
  close(c->descriptor);
  free(c->all);
  unlink("chunks.h5");
}

/* Pieces of all lengths, forwards and back. */
static void ReadPieces(const Case *c, RheoChunks chunks)
{
  const size_t row = WIDTH * c->size;
  unsigned char *got = malloc(ROWS * row);

  for (int i = 0; i < 300; i++) {
    const int64_t first = i * 577 % ROWS, n = i * i * 31 % (ROWS - first + 1);
    memset(got, 0xaa, ROWS * row);
    assert_int_equal(RheoChunksRead(chunks, first, n, got), 0);
    assert_memory_equal(got, c->all + (size_t)first * row, (size_t)n * row);
    assert_true((size_t)n == ROWS || got[(size_t)n * row] == 0xaa);
  }
  assert_int_equal(RheoChunksRead(chunks, 0, ROWS, got), 0);
  assert_memory_equal(got, c->all, ROWS * row);
  assert_int_equal(RheoChunksRead(chunks, 1, ROWS, got), -1);
  assert_int_equal(RheoChunksRead(chunks, -1, 1, got), -1);
  free(got);
}

static void any_shape_and_filter(void **state)
{
  const hid_t types[] = {H5T_IEEE_F64LE, H5T_IEEE_F32LE, H5T_STD_I8LE};
  const int shapes[][2] = {{100, 7}, {1, 7}, {64, 3}, {1003, 1}, {1003, 7}};
  const char *const filters[] = {"", "d", "sd", "s"};

  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
      for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        Case c = Make(types[t], shapes[s][0], shapes[s][1], filters[f]);
        RheoChunks chunks = RheoChunksOpen(c.set, c.descriptor, ROWS, WIDTH, c.size);
        assert_non_null(chunks);
        ReadPieces(&c, chunks);
        RheoChunksClose(&chunks);
        assert_null(chunks);
        Free(&c);
      }
}

typedef struct {
  const Case *of;
  RheoChunks chunks;
  int wrong;
} Job;

static void *InThread(void *context)
{
  Job *job = context;
  const size_t row = WIDTH * job->of->size;
  unsigned char got[5 * WIDTH * sizeof(double)];

  for (int i = 0; i < 400; i++) {
    const int64_t first = i * 389 % (ROWS - 5);
    if (RheoChunksRead(job->chunks, first, 5, got) ||
        memcmp(got, job->of->all + (size_t)first * row, 5 * row) != 0)
      job->wrong++;
  }
  return NULL;
}

static void several_threads(void **state)
{
  Case c = Make(H5T_IEEE_F64LE, 50, 7, "sd");
  RheoChunks chunks = RheoChunksOpen(c.set, c.descriptor, ROWS, WIDTH, c.size);
  Job job[3];
  pthread_t thread[3];

  (void)state;
  assert_non_null(chunks);
  for (int k = 0; k < 3; k++) {
    job[k] = (Job){&c, chunks, 0};
    assert_int_equal(pthread_create(&thread[k], NULL, InThread, &job[k]), 0);
  }
  for (int k = 0; k < 3; k++) {
    pthread_join(thread[k], NULL);
    assert_int_equal(job[k].wrong, 0);
  }
  RheoChunksClose(&chunks);
  Free(&c);
}

/* HDF5 reads these. */
static void what_is_left_to_hdf5(void **state)
{
  const char *const filters[] = {"f", "sdf", "ds", "dd"};

  (void)state;
  for (int k = 0; k < 5; k++) {
    Case c = Make(H5T_IEEE_F64LE, k < 4 ? 100 : 0, 7, k < 4 ? filters[k] : "");
    assert_null(RheoChunksOpen(c.set, c.descriptor, ROWS, WIDTH, c.size));
    Free(&c);
  }
}

/* Whatever stands there: an error or other numbers, which a checksum tells, and nothing outside of the memory that was given. */
static void damaged_bytes(void **state)
{
  unsigned char got[ROWS * WIDTH * sizeof(double)];
  int errors = 0;

  (void)state;
  for (int i = 0; i < 200; i++) {
    Case c = Make(H5T_IEEE_F64LE, 100, 7, "sd");
    RheoChunks chunks = RheoChunksOpen(c.set, c.descriptor, ROWS, WIDTH, c.size);
    const int file = open("chunks.h5", O_RDWR);
    const off_t end = lseek(file, 0, SEEK_END), at = 2048 + (off_t)i * 7919 % (end - 2048);
    assert_int_equal(pwrite(file, "\xff\x5a", 2, at), 2);
    if (i % 20 == 19) assert_int_equal(ftruncate(file, end / 2), 0);
    close(file);
    errors += RheoChunksRead(chunks, 0, ROWS, got) != 0;
    RheoChunksClose(&chunks);
    Free(&c);
  }
  assert_true(errors > 100);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_shape_and_filter),
      cmocka_unit_test(several_threads),
      cmocka_unit_test(what_is_left_to_hdf5),
      cmocka_unit_test(damaged_bytes),
  };
  return RUN_TESTS(argc, argv, tests);
}
