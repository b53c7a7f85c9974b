/* Tables from text: comma- or blank-separated numbers. */
#include "table.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double *value;
  size_t n, capacity;
  int width;
  char *header; /* the first line, where it holds names */
  char error[256];
} Text;

static PetscBool IsSeparator(char c)
{
  return (PetscBool)(c == ',' || c == ';' || isspace((unsigned char)c));
}

static PetscBool Push(Text *text, double value)
{
  if (text->n == text->capacity) {
    const size_t capacity = text->capacity ? 2 * text->capacity : 1024;
    double *more = realloc(text->value, capacity * sizeof *more);
    if (!more) return PETSC_FALSE;
    text->value = more;
    text->capacity = capacity;
  }
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

static void ParseFile(const char *path, Text *text)
{
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t capacity = 0;
  int number = 0;

  if (!file) {
    snprintf(text->error, sizeof text->error, "cannot be read: %s", strerror(errno));
    return;
  }
  while (!text->error[0] && getline(&line, &capacity, file) >= 0) {
    const char *bad = "";
    const size_t before = text->n;
    number++;
    const int count = ParseLine(text, line, &bad);
    if (count < 0 && !text->width && !text->header) {
      text->header = strdup(line);
      text->n = before;
    } else if (count < 0) {
      const int length = (int)strcspn(bad, ",; \t\r\n");
      if (length)
        snprintf(text->error, sizeof text->error, "line %d: '%.*s' is not a number", number, length, bad);
      else
        snprintf(text->error, sizeof text->error, "line %d: a number is missing between two commas", number);
    } else if (count && text->width && count != text->width) {
      snprintf(text->error, sizeof text->error, "line %d has %d numbers, the lines before have %d", number,
               count, text->width);
    } else if (count) {
      text->width = count;
    }
  }
  if (!text->error[0] && !text->width) snprintf(text->error, sizeof text->error, "holds no numbers");
  free(line);
  fclose(file);
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

PetscErrorCode RheoTableReadText(MPI_Comm comm, const char *path, RheoTable **out)
{
  Text text = {0};
  PetscMPIInt rank;
  RheoTable *table;
  const char **names;
  char *header;
  int64_t sizes[3];

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) ParseFile(path, &text);
  PetscCallMPI(MPI_Bcast(text.error, sizeof text.error, MPI_CHAR, 0, comm));
  RheoInputCheck(!text.error[0], comm, "%s: %s", path, text.error);
  sizes[0] = (int64_t)text.n;
  sizes[1] = text.width;
  sizes[2] = text.header ? (int64_t)strlen(text.header) + 1 : 0;
  PetscCallMPI(MPI_Bcast(sizes, 3, MPI_INT64_T, 0, comm));
  text.width = (int)sizes[1];
  PetscCall(PetscNew(&table));
  table->kind = "text";
  table->n = table->end = sizes[0] / text.width;
  table->n_blocks = 1;
  PetscCall(PetscMalloc1(text.width, &names));
  PetscCall(PetscMalloc1(sizes[2] + 1, &header));
  RheoBlock *block = &table->block[0];
  *block = (RheoBlock){"columns", text.width, RHEO_STORE_DOUBLE, names, NULL, NULL};
  PetscCall(PetscMalloc1(sizes[0], &block->value));
  if (rank == 0) {
    PetscCall(PetscArraycpy(block->value, text.value, sizes[0]));
    if (text.header) memcpy(header, text.header, (size_t)sizes[2]);
  }
  free(text.value);
  free(text.header);
  for (int64_t done = 0; done < sizes[0]; done += INT_MAX / 8)
    PetscCallMPI(MPI_Bcast(block->value + done, (PetscMPIInt)PetscMin(INT_MAX / 8, sizes[0] - done),
                           MPI_DOUBLE, 0, comm));
  PetscCallMPI(MPI_Bcast(header, (PetscMPIInt)sizes[2], MPI_CHAR, 0, comm));
  text.header = sizes[2] ? header : NULL;
  NameColumns(&text, names);
  PetscCall(PetscFree(header));
  *out = table;
  PetscFunctionReturn(RHEO_OK);
}
