/* The whole deck against the schema, and what to say to a key that is not in it. */
#include "deck_impl.h"
#include "log.h"
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Whether path is a name of the pattern, '*' standing for one part. With partial, whether it is the beginning
 * of one. */
static PetscBool Matches(const char *pattern, const char *path, PetscBool partial)
{
  while (*pattern && *path) {
    size_t n = strcspn(pattern, "."), m = strcspn(path, ".");
    PetscBool any = n == 1 && *pattern == '*';
    if (!any && (n != m || strncmp(pattern, path, n))) return PETSC_FALSE;
    pattern += n + (pattern[n] == '.');
    path += m + (path[m] == '.');
  }
  return !*path && (partial || !*pattern) ? PETSC_TRUE : PETSC_FALSE;
}

static const RheoKey *FindKey(int n, const RheoSection *sections, const char *path)
{
  for (int i = 0; i < n; ++i) {
    for (const RheoKey *key = sections[i].keys; key->name; ++key) {
      if (Matches(DeckJoin(sections[i].prefix, key->name), path, PETSC_FALSE)) return key;
    }
  }
  return NULL;
}

static PetscBool IsSection(int n, const RheoSection *sections, const char *path)
{
  for (int i = 0; i < n; ++i) {
    if (Matches(sections[i].prefix, path, PETSC_TRUE)) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

static int Min(int a, int b)
{
  return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b (Damerau and Levenshtein,
 * restricted). */
static int EditDistance(const char *a, const char *b)
{
  enum { LONGEST = 96 };
  int d[LONGEST + 1][LONGEST + 1];
  int n = (int)strlen(a), m = (int)strlen(b);
  if (n > LONGEST || m > LONGEST) return INT_MAX;
  for (int i = 0; i <= n; ++i) d[i][0] = i;
  for (int j = 0; j <= m; ++j) d[0][j] = j;
  for (int i = 1; i <= n; ++i) {
    for (int j = 1; j <= m; ++j) {
      d[i][j] = Min(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]), 1 + Min(d[i - 1][j], d[i][j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = Min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[n][m];
}

typedef struct {
  RheoDeck deck;
  const char *unknown; /* joined with '_' */
  const char *best;    /* dotted */
  int distance;
} Search;

static void Consider(Search *search, const char *path)
{
  const char *last = strrchr(path, '.');
  int distance = EditDistance(search->unknown, DeckOption(path));
  /* the right key in the wrong section is a good guess too */
  if (last && !strcmp(last + 1, search->unknown)) distance = Min(distance, 1);
  if (distance >= search->distance) return;
  search->distance = distance;
  search->best = path;
}

/* Every key of a section, '*' replaced by the names that the deck has there. */
static void ConsiderSection(Search *search, const char *prefix, const RheoKey *keys)
{
  const char *star = strchr(prefix, '*');
  if (star) {
    char before[256], path[512];
    snprintf(before, sizeof before, "%.*s", star > prefix ? (int)(star - prefix - 1) : 0, prefix);
    const DeckNode *family = DeckNodeFind(&search->deck->root, before);
    for (const DeckNode *member = family ? family->child : NULL; member; member = member->next) {
      snprintf(path, sizeof path, "%s%s", member->path, star + 1);
      ConsiderSection(search, path, keys);
    }
    return;
  }
  for (const RheoKey *key = keys; key->name; ++key) Consider(search, DeckJoin(prefix, key->name));
}

/* How many mistakes are still a misspelling: by the length of what stands behind the parts that agree. */
static int Tolerance(const char *a, const char *b)
{
  int agree = 0;
  for (int i = 0; a[i] && a[i] == b[i]; ++i) {
    if (a[i] == '_') agree = i + 1;
  }
  int n = (int)strlen(a) - agree;
  return n > 9 ? n / 3 : (n > 3 ? 2 : 1);
}

const char *RheoNearest(const char *text, int n, const char *const *known)
{
  const char *best = NULL;
  int least = 1 << 20;
  for (int i = 0; i < n; ++i) {
    const int distance = EditDistance(text, known[i]);
    if (distance >= least || distance > Tolerance(text, known[i])) continue;
    least = distance;
    best = known[i];
  }
  return best;
}

/* "; did you mean train.batch?", or the keys of the section, or nothing. */
static void Suggest(RheoDeck deck, int n, const RheoSection *sections, const char *path, PetscBool argument,
                    char *text, size_t size)
{
  Search search = {.deck = deck, .unknown = DeckOption(path), .distance = 1 << 20};
  char parent[512];
  *text = 0;
  for (int i = 0; i < n; ++i) ConsiderSection(&search, sections[i].prefix, sections[i].keys);
  if (search.best && search.distance <= Tolerance(search.unknown, DeckOption(search.best))) {
    snprintf(text, size, "; did you mean %s%s?", argument ? "-" : "",
             argument ? DeckOption(search.best) : search.best);
    return;
  }
  const char *dot = strrchr(path, '.');
  snprintf(parent, sizeof parent, "%.*s", dot ? (int)(dot - path) : 0, path);
  for (int i = 0; dot && i < n; ++i) {
    if (!Matches(sections[i].prefix, parent, PETSC_FALSE)) continue;
    for (const RheoKey *key = sections[i].keys; key->name; ++key) {
      size_t used = strlen(text);
      snprintf(text + used, size - used, "%s%s", used ? ", " : "; known here: ", key->name);
    }
  }
}

static PetscErrorCode CheckNode(RheoDeck deck, int n, const RheoSection *sections, const DeckNode *node)
{
  char where[512], text[1024];
  PetscFunctionBeginUser;
  const RheoKey *key = FindKey(n, sections, node->path);
  PetscCall(RheoInternCheck());
  DeckWhere(node, where, sizeof where);
  if (key) {
    if (DeckConvert(key, node, NULL, text, sizeof text)) PetscFunctionReturn(RHEO_OK);
    RheoInputError(deck->comm, "%s: %s", where, text);
  }
  if (IsSection(n, sections, node->path)) {
    PetscBool empty = node->kind == DECK_MAP || (node->kind == DECK_VALUE && node->n == 0);
    RheoInputCheck(empty, deck->comm, "%s: is a section; give its keys below it, indented", where);
    PetscFunctionReturn(RHEO_OK);
  }
  if (node->kind == DECK_MAP && node->child) PetscFunctionReturn(RHEO_OK); /* its first key is reported */
  Suggest(deck, n, sections, node->path, !node->source, text, sizeof text);
  if (node->source)
    RheoInputError(deck->comm, "%s:%d: unknown key %s%s", node->source, node->line, node->path, text);
  RheoInputError(deck->comm, "command line: -%s: unknown key%s", node->option, text);
}

PetscErrorCode RheoDeckCheck(RheoDeck deck, int n, const RheoSection *sections)
{
  char text[1024];
  PetscFunctionBeginUser;
  for (int i = 0; i < n; ++i) DeckMergeKeys(deck, sections[i].prefix, sections[i].keys);
  PetscCall(RheoInternCheck());
  for (const DeckNode *node = DeckNodeNext(&deck->root), *next; node; node = next) {
    next = DeckNodeNext(node);
    if (node->kind != DECK_MAP && RheoPetscOptionIs(node->option)) continue;
    PetscCall(CheckNode(deck, n, sections, node));
  }
  for (int i = 0; i < deck->n_arguments; ++i) {
    if (deck->arguments[i].merged) continue;
    Suggest(deck, n, sections, deck->arguments[i].name, PETSC_TRUE, text, sizeof text);
    RheoInputError(deck->comm, "command line: -%s: unknown key%s", deck->arguments[i].name, text);
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Whether value is in "a|b". */
static PetscBool IsOneOf(const char *value, const char *values)
{
  const size_t n = strlen(value);
  for (;; values++) {
    if (!strncmp(values, value, n) && (values[n] == '|' || !values[n])) return PETSC_TRUE;
    values = strchr(values, '|');
    if (!values) return PETSC_FALSE;
  }
}

static const char *ValueOf(RheoDeck deck, int n, const RheoSection *sections, const char *path)
{
  const DeckNode *node = DeckNodeFind(&deck->root, path);
  const RheoKey *key = FindKey(n, sections, path);
  if (node && node->n == 1) return node->values[0];
  return key && key->fallback ? key->fallback : "";
}

static PetscBool IsOrIsBelow(const char *path, const char *key)
{
  const size_t n = strlen(key);
  return (PetscBool)(!strncmp(path, key, n) && (!path[n] || path[n] == '.'));
}

PetscErrorCode RheoDeckAdvise(RheoDeck deck, int n, const RheoSection *sections, int m,
                              const RheoDependency *dependencies)
{
  char where[512];
  PetscFunctionBeginUser;
  for (const DeckNode *node = DeckNodeNext(&deck->root); node; node = DeckNodeNext(node)) {
    for (int i = 0; i < m && node->kind != DECK_MAP; ++i) {
      const RheoDependency *c = &dependencies[i];
      const char *value = ValueOf(deck, n, sections, c->of);
      if (!IsOrIsBelow(node->path, c->key) ||
          IsOneOf(value, c->values + (*c->values == '!')) != (*c->values == '!'))
        continue;
      DeckWhere(node, where, sizeof where);
      RheoLog(deck->comm, RHEO_LOG_WARNING, "%s: has no effect with %s = %s", where, c->of, value);
      break;
    }
  }
  PetscFunctionReturn(RHEO_OK);
}

const char *RheoDeckArgumentKey(RheoDeck deck, int i)
{
  if (i >= deck->n_arguments) return NULL;
  const DeckNode *node = DeckNodeFindOption(&deck->root, deck->arguments[i].name);
  return node && !RheoPetscOptionIs(node->option) ? node->path : "";
}

static PetscErrorCode RejectNode(RheoDeck deck, const DeckNode *node, const char *key, const char *format,
                                 va_list arguments)
{
  char text[1024], where[512], value[128] = "";
  PetscFunctionBeginUser;
  vsnprintf(text, sizeof text, format, arguments);
  if (node)
    DeckWhere(node, where, sizeof where);
  else
    snprintf(where, sizeof where, "%s: %s", deck->name, key);
  if (node && node->kind == DECK_VALUE && node->n)
    snprintf(value, sizeof value, " = %.100s", node->values[0]);
  RheoInputError(deck->comm, "%s%s: %s", where, value, text);
}

PetscErrorCode RheoDeckReject(RheoDeck deck, const char *key, const char *format, ...)
{
  va_list arguments;
  PetscFunctionBeginUser;
  va_start(arguments, format);
  const PetscErrorCode code = RejectNode(deck, DeckNodeFind(&deck->root, key), key, format, arguments);
  va_end(arguments);
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckRejectOption(RheoDeck deck, const char *option, const char *format, ...)
{
  va_list arguments;
  PetscFunctionBeginUser;
  va_start(arguments, format);
  const PetscErrorCode code =
      RejectNode(deck, DeckNodeFindOption(&deck->root, option), option, format, arguments);
  va_end(arguments);
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}
