/* Arrays of NumPy, written here byte by byte as its format has them. */
#include "io/array.h"
#include "check.h"
#include <petscsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { ROWS = 50, WIDTH = 3 };

typedef struct {
  unsigned char byte[1 << 14];
  size_t n;
} Bytes;

static void Put(Bytes *b, const void *data, size_t n)
{
  assert_true(b->n + n <= sizeof b->byte);
  memcpy(b->byte + b->n, data, n);
  b->n += n;
}

static void PutLittle(Bytes *b, uint64_t x, int n)
{
  for (int k = 0; k < n; k++) b->byte[b->n++] = (unsigned char)(x >> 8 * k);
}

static double Value(int64_t row, int k)
{
  return (double)(row * WIDTH + k) - 70;
}

static void Header(Bytes *b, int version, const char *type, int fortran, const char *shape)
{
  char text[256];
  snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", type,
           fortran ? "True" : "False", shape);
  Put(b, "\x93NUMPY", 6);
  PutLittle(b, (uint64_t)version, 2);
  PutLittle(b, strlen(text), version == 1 ? 2 : 4);
  Put(b, text, strlen(text));
}

/* Value(row, k) as a number of the type, in either byte order. */
static void PutNumber(Bytes *b, const char *type, double x)
{
  const int size = atoi(type + 2);
  const float single = (float)x;
  uint64_t bits = 0;
  if (type[1] == 'f' && size == 8)
    memcpy(&bits, &x, 8);
  else if (type[1] == 'f') {
    uint32_t word;
    memcpy(&word, &single, 4);
    bits = word;
  } else
    bits = (uint64_t)(int64_t)x;
  for (int k = 0; k < size; k++)
    b->byte[b->n++] = (unsigned char)(bits >> 8 * (type[0] == '>' ? size - 1 - k : k));
}

static void Array(Bytes *b, int version, const char *type, int fortran)
{
  Header(b, version, type, fortran, "(50, 3)");
  for (int i = 0; i < ROWS * WIDTH; i++) {
    const int row = fortran ? i % ROWS : i / WIDTH, k = fortran ? i / ROWS : i % WIDTH;
    PutNumber(b, type, Value(row, k) + (type[1] == 'u' ? 70 : 0));
  }
}

static void Save(const char *path, const Bytes *b, size_t n)
{
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(b->byte, 1, n, file), n);
  fclose(file);
}

static void Check(const char *path, const char *name, double shift)
{
  double value[ROWS * WIDTH];
  RheoArray array;
  OK(RheoArrayOpen(PETSC_COMM_SELF, path, name, &array));
  assert_int_equal(RheoArrayRows(array), ROWS);
  assert_int_equal(RheoArrayWidth(array), WIDTH);
  for (int64_t first = 0; first < ROWS; first += 7) { /* onwards, then back to the beginning */
    const int64_t n = PetscMin(7, ROWS - first);
    assert_int_equal(RheoArrayRead(array, first, n, value), 0);
    for (int64_t i = 0; i < n; i++)
      for (int k = 0; k < WIDTH; k++) assert_true(value[i * WIDTH + k] == Value(first + i, k) + shift);
  }
  assert_int_equal(RheoArrayRead(array, 0, ROWS, value), 0);
  assert_true(value[0] == Value(0, 0) + shift &&
              value[ROWS * WIDTH - 1] == Value(ROWS - 1, WIDTH - 1) + shift);
  assert_int_equal(RheoArrayRead(array, ROWS - 1, 2, value), -1);
  OK(RheoArrayClose(&array));
}

static void TestTypes(void **state)
{
  static const char *const types[] = {"<f8", ">f8", "<f4", ">f4", "<i2", ">i4",
                                      "<i8", "|i1", "|u1", ">u2", "<u8"};
  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    for (int fortran = 0; fortran < 2; fortran++)
      for (int version = 1; version <= 3; version++) {
        Bytes b = {.n = 0};
        Array(&b, version, types[t], fortran);
        Save("array.npy", &b, b.n);
        Check("array.npy", NULL, types[t][1] == 'u' ? 70 : 0);
      }
  unlink("array.npy");
}

/* Without the directory's offset and the end record, which follow. */
static void Member(Bytes *zip, Bytes *directory, const char *name, const Bytes *content, int deflated)
{
  unsigned char packed[1 << 14];
  z_stream z = {0};
  size_t stored = content->n;
  const uint32_t at = (uint32_t)zip->n, crc = (uint32_t)crc32(0, content->byte, (uInt)content->n);
  if (deflated) {
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)content->byte;
    z.avail_in = (uInt)content->n;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    stored = sizeof packed - z.avail_out;
    deflateEnd(&z);
  }
  for (int k = 0; k < 2; k++) { /* local header, entry of the directory */
    Bytes *b = k ? directory : zip;
    Put(b, k ? "PK\1\2\24\0" : "PK\3\4", k ? 6 : 4);
    PutLittle(b, 20, 2);
    PutLittle(b, 0, 2);
    PutLittle(b, deflated ? 8 : 0, 2);
    PutLittle(b, 0, 4);
    PutLittle(b, crc, 4);
    PutLittle(b, stored, 4);
    PutLittle(b, content->n, 4);
    PutLittle(b, strlen(name), 2);
    PutLittle(b, 0, 2);
    if (k) PutLittle(b, 0, 8);
    if (k) PutLittle(b, 0, 2);
    if (k) PutLittle(b, at, 4);
    Put(b, name, strlen(name));
  }
  Put(zip, deflated ? packed : content->byte, stored);
}

static void MakeZip(Bytes *zip)
{
  static Bytes directory, content[3];
  directory.n = content[0].n = content[1].n = content[2].n = zip->n = 0;
  Array(&content[0], 1, "<f8", 0);
  Array(&content[1], 1, ">f4", 0);
  Array(&content[2], 1, "<i4", 1);
  Member(zip, &directory, "stored.npy", &content[0], 0);
  Member(zip, &directory, "deflated.npy", &content[1], 1);
  Member(zip, &directory, "columns.npy", &content[2], 1);
  const uint64_t at = zip->n;
  Put(zip, directory.byte, directory.n);
  Put(zip, "PK\5\6", 4);
  PutLittle(zip, 0, 4);
  PutLittle(zip, 3, 2);
  PutLittle(zip, 3, 2);
  PutLittle(zip, directory.n, 4);
  PutLittle(zip, at, 4);
  PutLittle(zip, 0, 2);
}

static void TestZip(void **state)
{
  static Bytes zip;
  RheoArray array;
  (void)state;
  MakeZip(&zip);
  Save("arrays.npz", &zip, zip.n);
  Check("arrays.npz", "stored", 0);
  Check("arrays.npz", "deflated", 0);
  Check("arrays.npz", "columns.npy", 0);
  REJECTS(RheoArrayOpen(PETSC_COMM_SELF, "arrays.npz", "other", &array), "it has stored, deflated, columns");
  /* The entry of the directory promises what no packed bytes of its length can become. */
  unsigned char *entry = zip.byte + zip.n;
  while (memcmp(entry, "PK\1\2", 4) || memcmp(entry + 46, "deflated", 8)) entry--;
  memcpy(entry + 24, "\xff\xff\xff\x7f", 4);
  Save("arrays.npz", &zip, zip.n);
  REJECTS(RheoArrayOpen(PETSC_COMM_SELF, "arrays.npz", "deflated", &array),
          "longer than what it is packed in");
  /* A bit of a number has turned: what is stored as it is would be read as another number. */
  MakeZip(&zip);
  zip.byte[30 + strlen("stored.npy") + 200] ^= 1;
  Save("arrays.npz", &zip, zip.n);
  REJECTS(RheoArrayOpen(PETSC_COMM_SELF, "arrays.npz", "stored", &array), "checksum");
  Check("arrays.npz", "deflated", 0);
  unlink("arrays.npz");
}

/* Cut anywhere, or with any byte changed: an error or another number, never a crash (this is for the sanitisers). */
static void TestDamage(void **state)
{
  static Bytes zip;
  double value[ROWS * WIDTH];
  (void)state;
  for (int kind = 0; kind < 2; kind++) {
    MakeZip(&zip);
    if (kind) {
      zip.n = 0;
      Array(&zip, 1, "<f4", 1);
    }
    for (size_t i = 0; i < zip.n; i += kind ? 1 : 7) {
      for (int change = 0; change < 2; change++) {
        const char *names[] = {"stored", "deflated", "columns"};
        zip.byte[i] ^= change ? 0xff : 0;
        Save("damaged.npz", &zip, change ? zip.n : i);
        for (int k = 0; k < (kind ? 1 : 3); k++) {
          RheoArray array;
          RheoErrorSetQuiet(PETSC_TRUE);
          const PetscErrorCode code =
              RheoArrayOpen(PETSC_COMM_SELF, "damaged.npz", kind ? NULL : names[k], &array);
          RheoErrorSetQuiet(PETSC_FALSE);
          assert_true(code == RHEO_OK || code == RHEO_ERR_INPUT);
          if (!change) assert_true(code == RHEO_ERR_INPUT);
          if (code) continue;
          if (RheoArrayWidth(array) <= WIDTH && RheoArrayRows(array) <= ROWS)
            (void)RheoArrayRead(array, 0, RheoArrayRows(array), value);
          OK(RheoArrayClose(&array));
        }
        zip.byte[i] ^= change ? 0xff : 0;
      }
    }
  }
  unlink("damaged.npz");
}

static void Rejects(const char *type, const char *shape, const char *text)
{
  static const double zeros[64];
  RheoArray array;
  Bytes b = {.n = 0};
  Header(&b, 1, type, 0, shape);
  Put(&b, zeros, sizeof zeros);
  Save("bad.npy", &b, b.n);
  REJECTS(RheoArrayOpen(PETSC_COMM_SELF, "bad.npy", NULL, &array), text);
  unlink("bad.npy");
}

static void TestHeaders(void **state)
{
  RheoArray array;
  (void)state;
  Rejects("<c16", "(3,)", "type '<c16'");
  Rejects("|O", "(3,)", "type '|O'");
  Rejects("<f2", "(3,)", "type '<f2'");
  Rejects("<f8", "()", "single number");
  Rejects("<f8", "(3, x)", "makes no sense");
  Rejects("<f8", "(-3, 2)", "makes no sense");
  Rejects("<f8", "(3, 0)", "without numbers");
  Rejects("<f8", "(0, 2000000000)", "has no rows"); /* names of all these columns would take hours */
  Rejects("<f8", "(3, 4000000000, 4000000000)", "too long");
  Rejects("<f8", "(9223372036854775807, 8)", "promises 9223372036854775807 rows and has 8");
  Rejects("<f8", "(40, 2)", "promises 40 rows and has 32");
  REJECTS(RheoArrayOpen(PETSC_COMM_SELF, "nowhere.npy", NULL, &array), "cannot be read");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestTypes), cmocka_unit_test(TestZip),
                                     cmocka_unit_test(TestDamage), cmocka_unit_test(TestHeaders)};
  return RUN_TESTS(argc, argv, tests);
}
