/* The .npy format, versions 1 to 3: magic, version, length of the header, the header (a Python dictionary), the numbers. */
#include "../base/deck.h"
#include "array_impl.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 256, HEADER_MOST = 1 << 20 };

struct RheoArray_ {
  RheoBytes bytes;
  int64_t data; /* where numbers begin */
  char kind;    /* f, i, u, b */
  int size;     /* bytes of a number */
  int swapped, fortran;
  int64_t rows;
  int width, n_dims;
  unsigned char *buffer;
  size_t capacity;
  double *whole; /* (rows, width) of what can only be read from its beginning to its end, and must not be */
};

/* ---- The header ---- */
/* After 'key' and a colon. */
static const char *Find(const char *header, const char *key)
{
  char quoted[32];
  const char *at;
  for (int k = 0; k < 2; k++) {
    snprintf(quoted, sizeof quoted, "%c%s%c", "'\""[k], key, "'\""[k]);
    at = strstr(header, quoted);
    if (!at) continue;
    at += strlen(quoted);
    while (isspace((unsigned char)*at)) at++;
    if (*at++ != ':') return NULL;
    while (isspace((unsigned char)*at)) at++;
    return at;
  }
  return NULL;
}

static const char *ParseType(RheoArray a, const char *at, char *text)
{
  const int one = 1, little = *(const char *)&one;
  char type[16] = "";

  if (!at || (*at != '\'' && *at != '"')) return "has a header without a simple type (`descr`)";
  sscanf(at + 1, "%15[^'\"]", type);
  a->kind = type[1];
  a->size = type[0] && type[1] ? atoi(type + 2) : 0;
  const int known =
      (a->kind == 'f' && (a->size == 4 || a->size == 8)) ||
      (strchr("iu", a->kind) && (a->size == 1 || a->size == 2 || a->size == 4 || a->size == 8)) ||
      (a->kind == 'b' && a->size == 1);
  if (!strchr("<>|=", type[0]) || !known || !a->kind) {
    snprintf(text, TEXT, "has numbers of type '%s'; known are f4, f8, b1 and i and u of 1, 2, 4 and 8 bytes",
             type);
    return text;
  }
  a->swapped = a->size > 1 && ((type[0] == '<' && !little) || (type[0] == '>' && little));
  return NULL;
}

static const char *ParseShape(RheoArray a, const char *at)
{
  int64_t width = 1, n = 0;
  int n_dims = 0;

  if (!at || *at++ != '(') return "has a header without `shape`";
  while (*at && *at != ')') {
    char *end;
    n = strtoll(at, &end, 10);
    if (end == at || n < 0) return "has a header whose `shape` makes no sense";
    if (n_dims++ == 0)
      a->rows = n;
    else if (n > 0 && width > INT_MAX / n)
      return "has rows that are too long";
    else
      width *= n;
    at = end;
    while (isspace((unsigned char)*at) || *at == ',' || *at == 'L') at++;
  }
  if (*at != ')') return "has a header whose `shape` makes no sense";
  if (n_dims == 0) return "is a single number, not an array";
  if (width < 1) return "has rows without numbers";
  if (a->rows < 1) return "has no rows"; /* nor anything that the width could be held against */
  a->width = (int)width;
  a->n_dims = n_dims;
  return NULL;
}

static const char *ParseHeader(RheoArray a, const char *header, char *text)
{
  const char *order = Find(header, "fortran_order"), *wrong = ParseType(a, Find(header, "descr"), text);

  if (!wrong) wrong = ParseShape(a, Find(header, "shape"));
  if (wrong) return wrong;
  if (!order || (strncmp(order, "True", 4) && strncmp(order, "False", 5)))
    return "has a header without `fortran_order`";
  a->fortran = order[0] == 'T' && a->width > 1;
  if (a->fortran && a->n_dims > 2)
    return "has three dimensions or more in Fortran order, which is not supported";
  const int64_t row = (int64_t)a->width * a->size, there = RheoBytesSize(a->bytes) - a->data;
  if (a->rows > there / row) {
    snprintf(text, TEXT, "is cut off: it promises %lld rows and has %lld", (long long)a->rows,
             (long long)(there / row));
    return text;
  }
  return NULL;
}

static const char *Open(RheoArray a, const char *path, const char *name, char *text)
{
  unsigned char start[12];
  char *header;

  a->bytes = RheoBytesOpen(path, name, text);
  if (!a->bytes) return text;
  if (RheoBytesRead(a->bytes, 0, 10, start) || memcmp(start, "\x93NUMPY", 6))
    return "is not an array of NumPy";
  const int version = start[6], field = version == 1 ? 2 : 4;
  if (version < 1 || version > 3) return "has an unknown version of NumPy's format";
  if (RheoBytesRead(a->bytes, 0, (size_t)(8 + field), start)) return "is cut off within its header";
  size_t length = 0;
  for (int k = field; k--;) length = length << 8 | start[8 + k];
  if (length > HEADER_MOST) return "has a header that is too long";
  header = calloc(1, length + 1);
  const char *wrong = "is cut off within its header";
  a->data = 8 + field + (int64_t)length;
  if (header && !RheoBytesRead(a->bytes, 8 + field, length, header)) wrong = ParseHeader(a, header, text);
  free(header);
  return wrong;
}

PetscErrorCode RheoArrayOpen(MPI_Comm comm, const char *path, const char *name, RheoArray *array)
{
  char text[TEXT] = "", said[TEXT] = "";
  PetscMPIInt rank;
  PetscBool good;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(array));
  const char *wrong = Open(*array, path, name, text);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!wrong && !rank && !RheoBytesAreSound((*array)->bytes)) wrong = "is damaged: its checksum does not fit";
  if (wrong) snprintf(said, sizeof said, "%s", wrong);
  PetscCall(RheoAgree(comm, (PetscBool)!wrong, &good));
  if (!good) {
    PetscCall(RheoArrayClose(array));
    PetscCallMPI(MPI_Bcast(said, TEXT, MPI_CHAR, 0, comm));
    RheoInputError(comm, "%s%s%s: %s", path, name ? ":" : "", name ? name : "",
                   said[0] ? said : "cannot be read on every rank");
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoArrayClose(RheoArray *array)
{
  PetscFunctionBeginUser;
  if (!*array) PetscFunctionReturn(RHEO_OK);
  RheoBytesClose(&(*array)->bytes);
  free((*array)->buffer);
  free((*array)->whole);
  PetscCall(PetscFree(*array));
  PetscFunctionReturn(RHEO_OK);
}

int64_t RheoArrayRows(RheoArray array)
{
  return array->rows;
}
int RheoArrayWidth(RheoArray array)
{
  return array->width;
}

/* ---- Numbers ---- */
static double Number(const struct RheoArray_ *a, const unsigned char *stored)
{
  unsigned char byte[8];
  uint64_t bits = 0;
  float single;
  double full;

  for (int k = 0; k < a->size; k++) byte[k] = stored[a->swapped ? a->size - 1 - k : k];
  if (a->kind == 'f' && a->size == 4) {
    memcpy(&single, byte, 4);
    return (double)single;
  }
  if (a->kind == 'f') {
    memcpy(&full, byte, 8);
    return full;
  }
  const int one = 1, little = *(const char *)&one;
  for (int k = 0; k < a->size; k++) bits = bits << 8 | byte[little ? a->size - 1 - k : k];
  if (a->kind != 'i' || a->size == 8) return a->kind == 'i' ? (double)(int64_t)bits : (double)bits;
  const uint64_t sign = UINT64_C(1) << (8 * a->size - 1);
  return (double)(int64_t)((bits ^ sign) - sign);
}

/* n numbers from the first-th on, to value[0], value[stride], ... */
static int Numbers(RheoArray a, int64_t first, int64_t n, int stride, double *value)
{
  const size_t bytes = (size_t)n * (size_t)a->size;

  if (bytes > a->capacity) {
    free(a->buffer);
    a->buffer = malloc(bytes);
    a->capacity = a->buffer ? bytes : 0;
    if (!a->buffer) return -1;
  }
  if (RheoBytesRead(a->bytes, a->data + first * a->size, bytes, a->buffer)) return -1;
  for (int64_t i = 0; i < n; i++) value[i * stride] = Number(a, a->buffer + i * a->size);
  return 0;
}

/* A deflated array in Fortran order, column by column. */
static int Unfold(RheoArray a)
{
  a->whole = malloc((size_t)a->rows * (size_t)a->width * sizeof *a->whole + 1);
  if (!a->whole) return -1;
  for (int k = 0; k < a->width; k++)
    if (Numbers(a, k * a->rows, a->rows, a->width, a->whole + k)) return -1;
  return 0;
}

int RheoArrayRead(RheoArray a, int64_t first, int64_t n, double *value)
{
  if (first < 0 || n < 0 || first > a->rows || n > a->rows - first) return -1;
  if (!a->fortran) return Numbers(a, first * a->width, n * a->width, 1, value);
  if (RheoBytesIsDeflated(a->bytes)) {
    if (!a->whole && Unfold(a)) return -1;
    memcpy(value, a->whole + first * a->width, (size_t)n * (size_t)a->width * sizeof *value);
    return 0;
  }
  for (int k = 0; k < a->width; k++)
    if (Numbers(a, k * a->rows + first, n, a->width, value + k)) return -1;
  return 0;
}
