/* From the text of a value to the field of a configuration, with the checks of type and rule. */
#include "deck_impl.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
  const RheoKey *key;
  char *why;
  size_t size;
} Conversion;

static PetscBool Fail(Conversion *c, const char *must, const char *got)
{
  snprintf(c->why, c->size, "must be %s, got %.80s%s%s%s", must, *got ? got : "''", c->key->help ? " (" : "",
           DeckHelp(c->key), c->key->help ? ")" : "");
  return PETSC_FALSE;
}

/* "[2, 128)": brackets say whether the ends belong to it. */
static PetscBool InInterval(double x, const char *rule)
{
  char *end;
  double lower = strtod(rule + 1, &end);
  double upper = strtod(end + strspn(end, ", "), &end);
  end += strspn(end, " ");
  PetscBool above = rule[0] == '[' ? x >= lower : x > lower, below = *end == ']' ? x <= upper : x < upper;
  return above && below;
}

static PetscBool CheckInterval(Conversion *c, double x, const char *text)
{
  char must[128];
  if (!c->key->rule || InInterval(x, c->key->rule)) return PETSC_TRUE;
  snprintf(must, sizeof must, "in %s", c->key->rule);
  return Fail(c, must, text);
}

static PetscBool ToReal(Conversion *c, const char *text, double *x)
{
  char *end;
  PetscBool infinite = !strcasecmp(text, ".inf") || !strcasecmp(text, "+.inf") || !strcasecmp(text, "-.inf");
  *x = infinite ? (*text == '-' ? -INFINITY : INFINITY) : strtod(text, &end);
  if (!infinite && (end == text || *end || isnan(*x))) return Fail(c, "a number", text);
  return CheckInterval(c, *x, text);
}

/* Digits, or a number with an exponent or one of the suffixes k, M, G that comes out whole. */
static PetscBool ToCount(Conversion *c, const char *text, int64_t *count)
{
  static const char suffixes[] = "kMG";
  char *end;
  errno = 0;
  long long whole = strtoll(text, &end, 10);
  if (end != text && !*end && !errno) {
    *count = whole;
    return CheckInterval(c, (double)whole, text);
  }
  double x = strtod(text, &end), factor = 1;
  const char *suffix = end != text && *end && !end[1] ? strchr(suffixes, *end) : NULL;
  if (suffix) factor = pow(1000, (double)(suffix - suffixes + 1));
  if (end == text || (*end && !suffix)) return Fail(c, "an integer", text);
  x = suffix ? nearbyint(x * factor * 1e6) / 1e6 : x; /* 1.1k is 1100 though 1.1 is not exact in binary */
  if (!(fabs(x) <= 0x1p53) || x != floor(x)) return Fail(c, "an integer", text);
  *count = (int64_t)x;
  return CheckInterval(c, x, text);
}

static PetscBool ToInt(Conversion *c, const char *text, int *value)
{
  int64_t count = 0;
  if (!ToCount(c, text, &count)) return PETSC_FALSE;
  if (count < INT_MIN || count > INT_MAX) return Fail(c, "an integer below 2^31", text);
  *value = (int)count;
  return PETSC_TRUE;
}

static PetscBool ToBool(Conversion *c, const char *text, PetscBool *value)
{
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  for (int i = 0; i < 8; ++i) {
    if (strcasecmp(text, words[i])) continue;
    *value = i % 2 ? PETSC_TRUE : PETSC_FALSE;
    return PETSC_TRUE;
  }
  return Fail(c, "yes or no", text);
}

static PetscBool ToChoice(Conversion *c, const char *text, int *place)
{
  const char *rule = c->key->rule ? c->key->rule : "";
  size_t length = strlen(text);
  for (*place = 0; *rule; ++*place) {
    size_t n = strcspn(rule, "|");
    if (n == length && !strncmp(rule, text, n)) return PETSC_TRUE;
    rule += n + (rule[n] == '|');
  }
  char must[512] = "one of ";
  size_t used = strlen(must);
  for (rule = c->key->rule; rule && *rule && used + 3 < sizeof must; ++rule) {
    used += (size_t)snprintf(must + used, sizeof must - used, *rule == '|' ? ", " : "%c", *rule);
  }
  return Fail(c, must, text);
}

static PetscBool ToString(Conversion *c, const char *text)
{
  int place;
  return !c->key->rule || ToChoice(c, text, &place);
}

/* config NULL: a field of its own to throw away. */
static PetscBool ToReals(Conversion *c, int n, const char *const *values, RheoReals *reals)
{
  double *v = RheoInternMemory(((size_t)n + 1) * sizeof *v);
  if (!v) return Fail(c, "kept", "no memory");
  for (int i = 0; i < n; ++i) {
    if (!ToReal(c, values[i], &v[i])) return PETSC_FALSE;
  }
  *reals = (RheoReals){n, v};
  return PETSC_TRUE;
}

static PetscBool ToStrings(Conversion *c, int n, const char *const *values, RheoStrings *strings)
{
  for (int i = 0; i < n; ++i) {
    if (!ToString(c, values[i])) return PETSC_FALSE;
  }
  *strings = (RheoStrings){n, values};
  return PETSC_TRUE;
}

static PetscBool ToField(Conversion *c, int n, const char *const *values, void *field)
{
  const char *text = n ? values[0] : NULL;
  switch (c->key->type) {
  case RHEO_KEY_INT:
    return ToInt(c, text, field);
  case RHEO_KEY_COUNT:
    return ToCount(c, text, field);
  case RHEO_KEY_REAL:
    return ToReal(c, text, field);
  case RHEO_KEY_BOOL:
    return ToBool(c, text, field);
  case RHEO_KEY_CHOICE:
    return ToChoice(c, text, field);
  case RHEO_KEY_REALS:
    return ToReals(c, n, values, field);
  case RHEO_KEY_STRINGS:
    return ToStrings(c, n, values, field);
  case RHEO_KEY_STRING:
    break;
  }
  if (text && !ToString(c, text)) return PETSC_FALSE;
  *(const char **)field = text;
  return PETSC_TRUE;
}

static void Clear(RheoKeyType type, void *field)
{
  static const size_t size[] = {
      [RHEO_KEY_INT] = sizeof(int),         [RHEO_KEY_COUNT] = sizeof(int64_t),
      [RHEO_KEY_REAL] = sizeof(double),     [RHEO_KEY_BOOL] = sizeof(PetscBool),
      [RHEO_KEY_STRING] = sizeof(char *),   [RHEO_KEY_CHOICE] = sizeof(int),
      [RHEO_KEY_REALS] = sizeof(RheoReals), [RHEO_KEY_STRINGS] = sizeof(RheoStrings)};
  memset(field, 0, size[type]);
}

PetscBool DeckConvert(const RheoKey *key, const DeckNode *node, void *config, char *why, size_t size)
{
  Conversion c = {key, why, size};
  union {
    RheoReals reals;
    RheoStrings strings;
    int64_t count;
    double real;
  } thrown;
  void *field = config ? (char *)config + key->offset : (void *)&thrown;
  PetscBool is_list = key->type == RHEO_KEY_REALS || key->type == RHEO_KEY_STRINGS;
  PetscBool is_string = key->type == RHEO_KEY_STRING;
  int n = node ? node->n : 1;
  const char *const *values = node ? node->values : &key->fallback;
  Clear(key->type, field);
  if (!node && !key->fallback) return PETSC_TRUE;
  if (node && node->kind == DECK_MAP) return Fail(&c, is_list ? "a list" : "a value", "a section");
  if (!is_list && node && node->kind == DECK_LIST) return Fail(&c, "one value", "a list");
  if (!is_list && !is_string && n == 0) return Fail(&c, "given", "no value");
  if (is_list && !(node && (node->kind == DECK_LIST || node->quoted)) && n == 1)
    DeckSplit(values[0], &n, &values);
  else if (!node) {
    const char **own = RheoInternMemory(sizeof *own); /* a table's strings may go away with a plug-in */
    if (!own) return Fail(&c, "kept", "no memory");
    own[0] = RheoIntern(key->fallback);
    values = own;
  }
  return ToField(&c, n, values, field);
}

PetscErrorCode RheoDeckRead(RheoDeck deck, const char *prefix, const RheoKey *keys, void *config)
{
  char where[512], why[1024];
  PetscFunctionBeginUser;
  DeckMergeKeys(deck, prefix, keys);
  PetscCall(RheoInternCheck());
  for (const RheoKey *key = keys; key->name; ++key) {
    const char *path = DeckJoin(prefix, key->name);
    const DeckNode *node = DeckNodeFind(&deck->root, path);
    if (!node) {
      PetscBool required = key->fallback && !strcmp(key->fallback, RHEO_REQUIRED);
      RheoInputCheck(!required, deck->comm, "%s: %s: is required%s%s%s", deck->name, path,
                     key->help ? " (" : "", DeckHelp(key), key->help ? ")" : "");
      PetscCheck(DeckConvert(key, NULL, config, why, sizeof why), deck->comm, PETSC_ERR_PLIB,
                 "the default of %s breaks its own rule: %s", path, why);
      continue;
    }
    if (DeckConvert(key, node, config, why, sizeof why)) continue;
    DeckWhere(node, where, sizeof where);
    PetscCall(RheoInternCheck());
    RheoInputError(deck->comm, "%s: %s", where, why);
  }
  PetscCall(RheoInternCheck());
  PetscFunctionReturn(RHEO_OK);
}
