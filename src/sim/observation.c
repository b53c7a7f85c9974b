#include "simulator_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  RheoReals values;
  const char *file, *column;
} Config;

const RheoKey RheoObservationKeys[] = {
    {"values", RHEO_KEY_REALS, offsetof(Config, values), NULL, NULL, "the data, in the simulator's order"},
    {"file", RHEO_KEY_STRING, offsetof(Config, file), NULL, NULL, "text file of the data, beside the deck"},
    {"column", RHEO_KEY_STRING, offsetof(Config, column), NULL, NULL,
     "one column of the file: name, or number from 1"},
    {0}};

/* The text of a file that rank 0 reads. The caller frees it. */
static PetscErrorCode ReadText(RheoDeck deck, const char *path, char **text)
{
  MPI_Comm comm;
  int rank;
  long long size = -1;
  FILE *file = NULL;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    file = fopen(path, "rb");
    if (file && !fseek(file, 0, SEEK_END)) size = ftell(file);
    if (size > (1 << 28)) size = -1;
  }
  PetscCallMPI(MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, comm));
  if (size >= 0) {
    PetscCall(PetscCalloc1((size_t)size + 1, text));
    if (rank == 0) {
      rewind(file);
      if (fread(*text, 1, (size_t)size, file) != (size_t)size) size = -1;
    }
    PetscCallMPI(MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, comm));
  }
  if (file) fclose(file);
  if (size < 0) PetscCall(RheoDeckReject(deck, "observation.file", "cannot be read as text"));
  PetscCallMPI(MPI_Bcast(*text, (int)size, MPI_CHAR, 0, comm));
  PetscFunctionReturn(RHEO_OK);
}

static int IsSeparator(char c)
{
  return c == ',' || c == ';' || isspace((unsigned char)c);
}

/* The next word of a line, cut out of it; NULL at the end. Quotes around a word are taken off. */
static char *NextWord(char **line)
{
  char *word = *line;
  while (*word && IsSeparator(*word)) ++word;
  if (!*word) return NULL;
  char *end = word;
  if (*word == '"') {
    end = ++word;
    while (*end && *end != '"') ++end;
  } else {
    while (*end && !IsSeparator(*end)) ++end;
  }
  *line = *end ? end + 1 : end;
  *end = 0;
  return word;
}

static int ToNumber(const char *word, double *value)
{
  char *end;
  *value = strtod(word, &end);
  return end != word && !*end;
}

/* The number of the wanted column from 0, -1 for all. names: the words of a header, NULL where there is none.
 */
static int FindColumn(const char *column, char *header)
{
  double number;
  if (!column) return -1;
  if (ToNumber(column, &number) && number >= 1 && number == floor(number)) return (int)number - 1;
  char *word;
  for (int i = 0; header && (word = NextWord(&header)); ++i) {
    if (!strcmp(word, column)) return i;
  }
  return -2;
}

static int IsHeader(const char *line)
{
  char copy[4096], *rest = copy, *word;
  double value;
  snprintf(copy, sizeof copy, "%s", line);
  while ((word = NextWord(&rest))) {
    if (ToNumber(word, &value)) return 0;
  }
  return 1;
}

/* The deck of a model has the values of its observation and no more the column that they came from, so a table needs to be told
 * which column it is. names: the first line's words, each quoted; "" where it has none. */
static PetscErrorCode RejectCount(RheoDeck deck, int n, int n_data, int column, int n_columns,
                                  const char *names)
{
  PetscFunctionBeginUser;
  if (column < 0 && n_columns > 1 && n == n_columns * n_data)
    PetscCall(
        RheoDeckReject(deck, "observation.file",
                       "has %d numbers in %d columns%s, the simulator has %d data; say which column with "
                       "-observation_column %s",
                       n, n_columns, names, n_data, *names ? "NAME" : "NUMBER"));
  PetscCall(RheoDeckReject(deck, "observation.file", "has %d numbers%s, the simulator has %d data", n,
                           column >= 0 ? " in that column" : "", n_data));
  PetscFunctionReturn(RHEO_OK);
}

static void ListNames(const char *line, char *names, size_t size)
{
  char copy[4096], *rest = copy;
  size_t used = 0;
  snprintf(copy, sizeof copy, "%s", line);
  for (const char *word; used < size && (word = NextWord(&rest));)
    used += (size_t)snprintf(names + used, size - used, "%s'%s'", used ? ", " : " (", word);
  if (used && used < size) snprintf(names + used, size - used, ")");
}

static PetscErrorCode ParseFile(RheoDeck deck, const Config *config, const char *path, char *text, int n_data,
                                double *x)
{
  int n = 0, column = -1, n_line = 0, started = 0, n_columns = 0;
  char names[256] = "";
  char *next = NULL;
  PetscFunctionBeginUser;
  for (char *line = text; line; line = next) {
    ++n_line;
    next = strchr(line, '\n');
    if (next) *next++ = 0;
    line[strcspn(line, "#")] = 0;
    if (!line[strspn(line, " \t\r,;")]) continue;
    if (!started++) {
      const int header = IsHeader(line);
      if (header) ListNames(line, names, sizeof names);
      column = FindColumn(config->column, header ? line : NULL);
      if (column == -2) {
        PetscCall(
            RheoDeckReject(deck, "observation.column", "is not in the header of %s, line %d", path, n_line));
      }
      if (header) continue;
    }
    char *word;
    int i = 0;
    for (; (word = NextWord(&line)); ++i) {
      double value;
      if (column >= 0 && i != column) continue;
      if (!ToNumber(word, &value) || !isfinite(value)) {
        PetscCall(RheoDeckReject(deck, "observation.file",
                                 "line %d, column %d must be a finite number, got '%s'", n_line, i + 1,
                                 word));
      }
      if (n < n_data) x[n] = value;
      ++n;
    }
    n_columns = i;
    if (column >= i) {
      PetscCall(RheoDeckReject(deck, "observation.file", "line %d has %d columns, column %d is wanted",
                               n_line, i, column + 1));
    }
  }
  if (n != n_data) PetscCall(RejectCount(deck, n, n_data, column, n_columns, names));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoObservationRead(RheoDeck deck, int n_data, double *x)
{
  Config config = {0};
  const char *path;
  char *text;
  PetscBool has_values, has_file;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "observation", RheoObservationKeys, &config));
  PetscCall(RheoDeckHas(deck, "observation.values", &has_values));
  PetscCall(RheoDeckHas(deck, "observation.file", &has_file));
  if (has_values && has_file) { /* another observation for a deck that has one */
    PetscBool typed_values, typed_file;
    PetscCall(RheoDeckIsFromCommandLine(deck, "observation.values", &typed_values));
    PetscCall(RheoDeckIsFromCommandLine(deck, "observation.file", &typed_file));
    if (typed_values != typed_file) {
      has_values = typed_values;
      has_file = typed_file;
    }
  }
  if (has_values == has_file) {
    PetscCall(RheoDeckReject(deck, "observation",
                             "must have one of `values: [..]` and `file: data.csv`, has %s",
                             has_values ? "both" : "none"));
  }
  if (has_file) {
    PetscCall(RheoSimFindFile(deck, "observation.file", config.file, &path));
    PetscCall(ReadText(deck, path, &text));
    PetscCall(ParseFile(deck, &config, path, text, n_data, x));
    PetscCall(PetscFree(text));
    PetscFunctionReturn(RHEO_OK);
  }
  if (config.values.n != n_data) {
    PetscCall(RheoDeckReject(deck, "observation.values", "has %d numbers, the simulator has %d data",
                             config.values.n, n_data));
  }
  for (int i = 0; i < n_data; ++i) {
    if (!isfinite(config.values.v[i])) {
      PetscCall(RheoDeckReject(deck, "observation.values", "number %d must be finite", i + 1));
    }
    x[i] = config.values.v[i];
  }
  PetscFunctionReturn(RHEO_OK);
}
