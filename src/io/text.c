/* Tables from text: comma- or blank-separated numbers. */
#include "table.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double *value;
  size_t n, capacity;
  int width;
  char *header; /* the first line, where it holds names */
  char error[256];
  FILE *file;
  char *line; /* the latest one */
  size_t line_capacity;
  int number;
} Text;

static const char byte_order_mark[] = "\xef\xbb\xbf"; /* spreadsheets begin UTF-8 with it */

static PetscBool IsSeparator(char c)
{
  return (PetscBool)(c == ',' || c == ';' || isspace((unsigned char)c));
}

static PetscBool Reserve(Text *text, size_t n)
{
  const size_t capacity = PetscMax(n, 2 * text->capacity);
  double *more;
  if (n <= text->capacity) return PETSC_TRUE;
  more = realloc(text->value, capacity * sizeof *more);
  if (!more) return PETSC_FALSE;
  text->value = more;
  text->capacity = capacity;
  return PETSC_TRUE;
}

static PetscBool Push(Text *text, double value)
{
  if (!Reserve(text, text->n + 1)) return PETSC_FALSE;
  text->value[text->n++] = value;
  return PETSC_TRUE;
}

/* Numbers of one line; -1 with the word at *bad where one is no number, or where nothing stands between two commas. */
static int ParseLine(Text *text, const char *line, const char **bad)
{
  int count = 0;
  for (const char *c = line; *c;) {
    char *end;
    int commas = 0;
    for (*bad = c; IsSeparator(*c); c++) commas += *c == ',' || *c == ';';
    if (!*c || *c == '#') break;
    if (commas > (count > 0)) return -1;
    const double value = strtod(c, &end);
    if (end == c || (*end && !IsSeparator(*end))) {
      *bad = c;
      return -1;
    }
    if (!Push(text, value)) return -1;
    count++;
    c = end;
  }
  return count;
}

/* The latest line, of n_bytes. */
static void TakeLine(Text *text, size_t n_bytes)
{
  const char *bad = "", *line = text->line;
  const size_t before = text->n;

  if (memchr(line, 0, n_bytes)) { /* what follows it would not be seen */
    snprintf(text->error, sizeof text->error, "line %d has a zero byte: no text, or text in UTF-16",
             text->number);
    return;
  }
  if (text->number == 1 && !strncmp(line, byte_order_mark, sizeof byte_order_mark - 1))
    line += sizeof byte_order_mark - 1;
  const int count = ParseLine(text, line, &bad);
  if (count < 0 && !text->width && !text->header) {
    text->header = strdup(line);
    text->n = before;
  } else if (count < 0) {
    const int length = (int)strcspn(bad, ",; \t\r\n");
    if (length)
      snprintf(text->error, sizeof text->error, "line %d: '%.*s' is not a number", text->number, length, bad);
    else
      snprintf(text->error, sizeof text->error, "line %d: a number is missing between two commas",
               text->number);
  } else if (count && text->width && count != text->width) {
    snprintf(text->error, sizeof text->error, "line %d has %d numbers, the lines before have %d",
             text->number, count, text->width);
  } else if (count) {
    text->width = count;
  }
}

/* Reads on until `most` numbers are there, or to the end. Returns whether more may follow. */
static PetscBool ParsePiece(Text *text, size_t most)
{
  while (!text->error[0] && text->n < most) {
    const ssize_t n_bytes = getline(&text->line, &text->line_capacity, text->file);
    if (n_bytes < 0) return PETSC_FALSE;
    text->number++;
    TakeLine(text, (size_t)n_bytes);
  }
  return (PetscBool)!text->error[0];
}

/* Names from the header where it has as many words as there are columns; c1, c2, ... otherwise. */
static void NameColumns(const Text *text, const char **names)
{
  char name[64], *save = NULL;
  int k = 0;

  for (int i = 0; i < text->width; i++) {
    snprintf(name, sizeof name, "c%d", i + 1);
    names[i] = RheoIntern(name);
  }
  if (!text->header) return;
  char *copy = strdup(text->header);
  for (char *word = strtok_r(copy, ",; \t\r\n\"", &save); word; word = strtok_r(NULL, ",; \t\r\n\"", &save))
    k++;
  if (k == text->width) {
    strcpy(copy, text->header);
    k = 0;
    for (char *word = strtok_r(copy, ",; \t\r\n\"", &save); word; word = strtok_r(NULL, ",; \t\r\n\"", &save))
      names[k++] = RheoIntern(word);
  }
  free(copy);
}

/* ---- From rank 0 to all ---- */
enum { PIECE = 1 << 16 };

static PetscErrorCode Open(MPI_Comm comm, const char *path, Text *text)
{
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  *text = (Text){0};
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank) PetscFunctionReturn(RHEO_OK);
  text->file = fopen(path, "r");
  if (!text->file) snprintf(text->error, sizeof text->error, "cannot be read: %s", strerror(errno));
  PetscFunctionReturn(RHEO_OK);
}

static void Close(Text *text)
{
  if (text->file) fclose(text->file);
  free(text->value);
  free(text->header);
  free(text->line);
  *text = (Text){0};
}

/* The next piece of at least `most` numbers, but the last, on every rank. */
static PetscErrorCode NextPiece(MPI_Comm comm, const char *path, size_t most, Text *text, PetscBool *more)
{
  char error[sizeof text->error];
  int64_t facts[3];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  text->n = 0;
  if (!rank) {
    *more = (PetscBool)(text->file && ParsePiece(text, most));
    if (!text->error[0] && !*more && !text->width)
      snprintf(text->error, sizeof text->error, "holds no numbers");
  }
  memcpy(error, text->error, sizeof error);
  PetscCallMPI(MPI_Bcast(error, sizeof error, MPI_CHAR, 0, comm));
  if (error[0]) Close(text);
  RheoInputCheck(!error[0], comm, "%s: %s", path, error);
  facts[0] = (int64_t)text->n;
  facts[1] = text->width;
  facts[2] = *more;
  PetscCallMPI(MPI_Bcast(facts, 3, MPI_INT64_T, 0, comm));
  text->width = (int)facts[1];
  *more = (PetscBool)facts[2];
  PetscCheck(Reserve(text, (size_t)facts[0]), PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for %lld numbers",
             (long long)facts[0]);
  text->n = (size_t)facts[0];
  PetscCallMPI(MPI_Bcast(text->value, (PetscMPIInt)text->n, MPI_DOUBLE, 0, comm));
  PetscFunctionReturn(RHEO_OK);
}

/* A table of the columns, without rows. */
static PetscErrorCode Columns(MPI_Comm comm, Text *text, RheoTable **out)
{
  const char **names;
  int64_t size = text->header ? (int64_t)strlen(text->header) + 1 : 0;
  RheoTable *table;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(&size, 1, MPI_INT64_T, 0, comm));
  if (size && !text->header) text->header = malloc((size_t)size);
  PetscCheck(!size || text->header, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for a line of %lld characters",
             (long long)size);
  PetscCallMPI(MPI_Bcast(text->header, (PetscMPIInt)size, MPI_CHAR, 0, comm));
  PetscCall(PetscNew(&table));
  table->kind = "text";
  table->n_blocks = 1;
  PetscCall(PetscMalloc1(text->width, &names));
  NameColumns(text, names);
  table->block[0] = (RheoBlock){"columns", text->width, RHEO_STORE_DOUBLE, names, NULL, NULL};
  *out = table;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTextColumns(MPI_Comm comm, const char *path, RheoTable **table)
{
  PetscBool more;
  Text text;

  PetscFunctionBeginUser;
  PetscCall(Open(comm, path, &text));
  PetscCall(NextPiece(comm, path, 1, &text, &more));
  PetscCall(Columns(comm, &text, table));
  Close(&text);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTextScan(MPI_Comm comm, const char *path, RheoTextVisit visit, void *context)
{
  RheoTable *piece = NULL;
  PetscBool more = PETSC_TRUE;
  PetscErrorCode code = RHEO_OK;
  Text text;

  PetscFunctionBeginUser;
  PetscCall(Open(comm, path, &text));
  while (more && !code && !(code = NextPiece(comm, path, PIECE, &text, &more))) {
    if (!piece) PetscCall(Columns(comm, &text, &piece));
    RheoBlock *block = &piece->block[0];
    piece->begin = piece->end;
    piece->end += (int64_t)text.n / block->width;
    block->value = text.value;
    code = visit(context, piece);
    block->value = NULL; /* it is the text's */
  }
  Close(&text);
  if (piece) PetscCall(RheoTableDestroy(&piece));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* ---- All of it ---- */
typedef struct {
  RheoTable *table;
  int64_t capacity; /* rows */
} Whole;

static PetscErrorCode Append(void *context, const RheoTable *piece)
{
  Whole *whole = context;
  const RheoBlock *from = &piece->block[0];
  const int width = from->width;

  PetscFunctionBeginUser;
  if (!whole->table) {
    const char **names;
    PetscCall(PetscNew(&whole->table));
    PetscCall(PetscMalloc1(width, &names));
    PetscCall(PetscArraycpy(names, from->columns, width));
    whole->table->kind = piece->kind;
    whole->table->n_blocks = 1;
    whole->table->block[0] = (RheoBlock){from->name, width, from->store, names, NULL, NULL};
  }
  RheoBlock *block = &whole->table->block[0];
  if (piece->end > whole->capacity) {
    whole->capacity = PetscMax(piece->end, 2 * whole->capacity);
    PetscCall(PetscRealloc((size_t)(whole->capacity * width) * sizeof(double), &block->value));
  }
  PetscCall(
      PetscArraycpy(block->value + piece->begin * width, from->value, (piece->end - piece->begin) * width));
  whole->table->n = whole->table->end = piece->end;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTableReadText(MPI_Comm comm, const char *path, RheoTable **table)
{
  Whole whole = {0};

  PetscFunctionBeginUser;
  const PetscErrorCode code = RheoTextScan(comm, path, Append, &whole);
  if (code && whole.table) PetscCall(RheoTableDestroy(&whole.table));
  PetscCall(code);
  *table = whole.table;
  PetscFunctionReturn(RHEO_OK);
}
