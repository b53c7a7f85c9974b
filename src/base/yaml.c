#include "yaml.h"
#include "base_impl.h"
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* The character at the start of a text, and how many bytes it has; 0 where they are not UTF-8. */
static size_t Character(const char *text, uint32_t *character)
{
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char *c = (const unsigned char *)text;
  const size_t n = *c < 0x80 ? 1 : *c < 0xc0 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : *c < 0xf8 ? 4 : 0;
  uint32_t value = n < 2 ? *c : *c & (0x7fu >> n);
  for (size_t i = 1; i < n; ++i) {
    if ((c[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (c[i] & 0x3f);
  }
  *character = value;
  return !n || value < least[n] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff ? 0 : n;
}

size_t RheoUtf8Length(const char *text)
{
  uint32_t character;
  size_t length = 0, n;
  while (text[length] && (n = Character(text + length, &character))) length += n;
  return length;
}

/* What a YAML reader refuses, takes for the end of a line, or drops. */
static PetscBool NeedsEscape(uint32_t c)
{
  return (PetscBool)(c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
                     c == 0xfffe || c == 0xffff);
}

static PetscBool HoldsEscapes(const char *text)
{
  uint32_t character;
  for (size_t n; *text; text += n) {
    n = Character(text, &character);
    if (!n || NeedsEscape(character)) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* Words and forms that a YAML reader would take for something else than a string. */
static PetscBool NeedsQuotes(const char *text, RheoScalarPlace place)
{
  static const char *const words[] = {"null", "~", "true", "false", "yes", "no", "on", "off", "y", "n"};
  if (!*text || isspace((unsigned char)text[0]) || isspace((unsigned char)text[strlen(text) - 1]))
    return PETSC_TRUE;
  for (size_t i = 0; i < sizeof words / sizeof *words; ++i) {
    if (!strcasecmp(text, words[i])) return PETSC_TRUE;
  }
  if (strchr("!&*?|>@`%\"'#,[]{}", text[0])) return PETSC_TRUE;
  if ((text[0] == '-' || text[0] == ':') && (!text[1] || isspace((unsigned char)text[1]))) return PETSC_TRUE;
  if (!strncmp(text, "---", 3) || !strncmp(text, "...", 3)) return PETSC_TRUE;
  if (strstr(text, ": ") || strstr(text, " #")) return PETSC_TRUE;
  if (place == RHEO_SCALAR_FLOW && strpbrk(text, ",[]{}")) return PETSC_TRUE;
  if (text[strlen(text) - 1] == ':') return PETSC_TRUE;
  return HoldsEscapes(text);
}

static PetscBool LooksLikeNumber(const char *text)
{
  char *end;
  strtod(text, &end);
  if (!strcasecmp(text, ".nan") || !strcasecmp(text, ".inf") || !strcasecmp(text, "-.inf")) return PETSC_TRUE;
  return end != text && !*end;
}

static void Escape(FILE *file, uint32_t character)
{
  static const struct {
    uint32_t character;
    char letter;
  } named[] = {{'\n', 'n'}, {'\t', 't'}, {0x85, 'N'}, {0x2028, 'L'}, {0x2029, 'P'}};
  for (size_t i = 0; i < sizeof named / sizeof *named; ++i) {
    if (character != named[i].character) continue;
    fprintf(file, "\\%c", named[i].letter);
    return;
  }
  fprintf(file, character < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)character);
}

void RheoYamlScalar(FILE *file, const char *text, RheoScalarPlace place)
{
  if (place != RHEO_SCALAR_QUOTED && !NeedsQuotes(text, place)) {
    fputs(text, file);
    return;
  }
  fputc('"', file);
  while (*text) {
    uint32_t character;
    const size_t n = Character(text, &character);
    if (!n) /* a name of a file from elsewhere: as if it were Latin-1 */
      fprintf(file, "\\x%02x", (unsigned char)*text);
    else if (character == '"' || character == '\\')
      fprintf(file, "\\%c", *text);
    else if (NeedsEscape(character))
      Escape(file, character);
    else
      fwrite(text, 1, n, file);
    text += n ? n : 1;
  }
  fputc('"', file);
}

RheoYaml RheoYamlStdout(MPI_Comm comm)
{
  return (RheoYaml){comm, stdout, 0};
}

static PetscBool Silent(const RheoYaml *yaml)
{
  int rank;
  MPI_Comm_rank(yaml->comm, &rank);
  return rank != 0 || !yaml->file;
}

static void Name(const RheoYaml *yaml, const char *name)
{
  fprintf(yaml->file, "%*s", 2 * yaml->depth, "");
  RheoYamlScalar(yaml->file, name, RHEO_SCALAR_BLOCK);
  fputc(':', yaml->file);
}

/* YAML 1.1 readers take 1e+06 for a string; 1.0e+06 is a number to all of them. */
static void Real(FILE *file, double value)
{
  char text[40];
  if (isnan(value))
    fputs(".nan", file);
  else if (isinf(value))
    fputs(value > 0 ? ".inf" : "-.inf", file);
  else {
    snprintf(text, sizeof text, "%.6g", value);
    char *e = strchr(text, 'e');
    if (e && !strchr(text, '.'))
      fprintf(file, "%.*s.0%s", (int)(e - text), text, e);
    else
      fputs(text, file);
  }
}

void RheoYamlOpen(RheoYaml *yaml, const char *name)
{
  if (!Silent(yaml)) {
    Name(yaml, name);
    fputc('\n', yaml->file);
  }
  ++yaml->depth;
}

void RheoYamlClose(RheoYaml *yaml)
{
  --yaml->depth;
  if (!yaml->depth && !Silent(yaml)) fflush(yaml->file);
}

void RheoYamlReal(RheoYaml *yaml, const char *name, double value)
{
  if (Silent(yaml)) return;
  Name(yaml, name);
  fputc(' ', yaml->file);
  Real(yaml->file, value);
  fputc('\n', yaml->file);
}

void RheoYamlInt(RheoYaml *yaml, const char *name, long long value)
{
  if (Silent(yaml)) return;
  Name(yaml, name);
  fprintf(yaml->file, " %lld\n", value);
}

void RheoYamlText(RheoYaml *yaml, const char *name, const char *value)
{
  if (Silent(yaml)) return;
  Name(yaml, name);
  fputc(' ', yaml->file);
  if (value)
    RheoYamlScalar(yaml->file, value, LooksLikeNumber(value) ? RHEO_SCALAR_QUOTED : RHEO_SCALAR_BLOCK);
  else
    fputs("null", yaml->file);
  fputc('\n', yaml->file);
}

void RheoYamlReals(RheoYaml *yaml, const char *name, int n, const double *values)
{
  if (Silent(yaml)) return;
  Name(yaml, name);
  fputs(" [", yaml->file);
  for (int i = 0; i < n; ++i) {
    if (i) fputs(", ", yaml->file);
    Real(yaml->file, values[i]);
  }
  fputs("]\n", yaml->file);
}

void RheoYamlItem(RheoYaml *yaml, int n, const char *const *names, const double *values)
{
  if (Silent(yaml)) return;
  fprintf(yaml->file, "%*s- {", 2 * yaml->depth, "");
  for (int i = 0; i < n; ++i) {
    if (i) fputs(", ", yaml->file);
    RheoYamlScalar(yaml->file, names[i], RHEO_SCALAR_FLOW);
    fputs(": ", yaml->file);
    Real(yaml->file, values[i]);
  }
  fputs("}\n", yaml->file);
}

void RheoYamlBlock(RheoYaml *yaml, const char *name, const char *text)
{
  if (Silent(yaml)) return;
  Name(yaml, name);
  fputs(" |\n", yaml->file);
  while (*text) {
    const size_t n = strcspn(text, "\n");
    fprintf(yaml->file, "%*s%.*s\n", 2 * yaml->depth + 2, "", (int)n, text);
    text += n + (text[n] == '\n');
  }
}
