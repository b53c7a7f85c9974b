#include "toy_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RHEO_TOY_TYPE(symbol, name) extern const RheoToyType RheoToyType_##symbol;
#include "toy_types.def"
#undef RHEO_TOY_TYPE

static const RheoToyType *const types[] = {
#define RHEO_TOY_TYPE(symbol, name) &RheoToyType_##symbol,
#include "toy_types.def"
#undef RHEO_TOY_TYPE
};
enum { TYPES = sizeof types / sizeof *types, MAX_KEYS = 64 };

/* "|normal|eight_gaussians...": the rule of `toy` after its first character. */
static const char type_rule[] =
#define RHEO_TOY_TYPE(symbol, name) "|" #name
#include "toy_types.def"
#undef RHEO_TOY_TYPE
    ;

typedef struct {
  int type;
  int64_t n, of;
  int condition;
  double scale;
  RheoReals shift;
} Config;

struct RheoToy_ {
  const RheoToyType *type;
  void *own; /* the type's configuration */
  Config config;
  uint32_t set;
  int d;
  double *shift; /* (d) */
};

static const RheoKey common[] = {
    {"toy", RHEO_KEY_CHOICE, offsetof(Config, type), NULL, type_rule + 1, "a distribution to draw from"},
    {"n", RHEO_KEY_COUNT, offsetof(Config, n), "10k", "[2, inf)", "rows to draw"},
    {"of", RHEO_KEY_COUNT, offsetof(Config, of), "0", "[0, inf)",
     "rows of the even set that is drawn from without replacement; 0: independent draws"},
    {"condition", RHEO_KEY_CHOICE, offsetof(Config, condition), "none", "none|class|x1|x2",
     "what the model is conditional on: the class, or a coordinate"},
    {"scale", RHEO_KEY_REAL, offsetof(Config, scale), "1", "(0, inf)", "multiplies all coordinates"},
    {"shift", RHEO_KEY_REALS, offsetof(Config, shift), NULL, NULL, "is added to the scaled coordinates"},
};
enum { N_COMMON = sizeof common / sizeof *common };

static PetscBool HasKey(const RheoKey *keys, int n, const char *name)
{
  for (int i = 0; i < n && keys[i].name; i++)
    if (!strcmp(keys[i].name, name)) return PETSC_TRUE;
  return PETSC_FALSE;
}

PetscErrorCode RheoToyGetKeys(const RheoKey **keys)
{
  static RheoKey all[MAX_KEYS + 1];
  int n = N_COMMON;

  PetscFunctionBeginUser;
  *keys = all;
  if (all[0].name) PetscFunctionReturn(RHEO_OK);
  for (int t = 0; t < TYPES; t++)
    for (const RheoKey *key = types[t]->keys; key && key->name; key++)
      if (!HasKey(all + N_COMMON, n - N_COMMON, key->name)) {
        PetscCheck(n < MAX_KEYS, PETSC_COMM_SELF, PETSC_ERR_PLIB, "Too many keys of toys");
        all[n] = *key;
        all[n++].fallback = NULL; /* each type has its own */
      }
  memcpy(all, common, sizeof common);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoToyViewTypes(MPI_Comm comm)
{
  PetscFunctionBeginUser;
  for (int t = 0; t < TYPES; t++) {
    char keys[256] = "";
    for (const RheoKey *key = types[t]->keys; key && key->name; key++) {
      const size_t used = strlen(keys);
      snprintf(keys + used, sizeof keys - used, "%s%s: %s", used ? ", " : "", key->name, key->fallback);
    }
    PetscCall(
        PetscFPrintf(comm, stdout, "    toy: %-15s %-62s %s\n", types[t]->name, keys, types[t]->summary));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Keys of another type would be silently without effect. */
static PetscErrorCode CheckKeys(RheoDeck deck, const char *prefix, const RheoToyType *type)
{
  const RheoKey *all;
  const char **names;
  char key[128];
  int n;

  PetscFunctionBeginUser;
  PetscCall(RheoToyGetKeys(&all));
  PetscCall(RheoDeckGetChildren(deck, prefix, &n, &names));
  for (int i = 0; i < n; i++) {
    if (HasKey(common, N_COMMON, names[i]) || !HasKey(all, MAX_KEYS, names[i])) continue;
    if (type->keys && HasKey(type->keys, MAX_KEYS, names[i])) continue;
    snprintf(key, sizeof key, "%s.%s", prefix, names[i]);
    PetscCall(RheoDeckReject(deck, key, "is not a key of the toy %s", type->name));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode CheckConfig(RheoDeck deck, const char *prefix, RheoToy t)
{
  char key[128];

  PetscFunctionBeginUser;
  snprintf(key, sizeof key, "%s.condition", prefix);
  if (t->config.condition == RHEO_CONDITION_CLASS && t->type->classes < 2)
    PetscCall(RheoDeckReject(deck, key, "the toy %s has no classes", t->type->name));
  if (t->config.condition == RHEO_CONDITION_X2 && t->d < 2)
    PetscCall(RheoDeckReject(deck, key, "there is one coordinate only"));
  snprintf(key, sizeof key, "%s.n", prefix);
  if (t->config.n < t->type->classes)
    PetscCall(
        RheoDeckReject(deck, key, "must be at least %d, the classes of %s", t->type->classes, t->type->name));
  snprintf(key, sizeof key, "%s.of", prefix);
  if (t->config.of && t->config.of < 2 * t->type->classes)
    PetscCall(RheoDeckReject(deck, key, "must be 0, or at least %d: two for each class of %s",
                             2 * t->type->classes, t->type->name));
  snprintf(key, sizeof key, "%s.shift", prefix);
  if (t->config.shift.n && t->config.shift.n != t->d)
    PetscCall(RheoDeckReject(deck, key, "needs one number for each of the %d coordinates", t->d));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoToyCreate(RheoDeck deck, const char *prefix, uint32_t set, RheoToy *toy)
{
  RheoKey keys[N_COMMON + 1] = {{0}};
  RheoToy t;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&t));
  *toy = t;
  memcpy(keys, common, sizeof common);
  PetscCall(RheoDeckRead(deck, prefix, keys, &t->config));
  t->type = types[t->config.type];
  t->set = set;
  PetscCall(CheckKeys(deck, prefix, t->type));
  PetscCall(PetscCalloc1(t->type->size + 1, (char **)&t->own));
  if (t->type->keys) PetscCall(RheoDeckRead(deck, prefix, t->type->keys, t->own));
  t->d = t->type->dimension ? t->type->dimension(t->own) : 2;
  PetscCall(CheckConfig(deck, prefix, t));
  PetscCall(PetscCalloc1(t->d, &t->shift));
  for (int k = 0; k < t->config.shift.n; k++) t->shift[k] = t->config.shift.v[k];
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoToyDestroy(RheoToy *toy)
{
  PetscFunctionBeginUser;
  if (!*toy) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscFree((*toy)->own));
  PetscCall(PetscFree((*toy)->shift));
  PetscCall(PetscFree(*toy));
  PetscFunctionReturn(RHEO_OK);
}

const char *RheoToyName(RheoToy toy)
{
  return toy->type->name;
}
int RheoToySize(RheoToy toy)
{
  return toy->d;
}
int RheoToyConditionSize(RheoToy toy)
{
  return toy->config.condition != RHEO_CONDITION_NONE;
}
PetscBool RheoToyConditionIsClass(RheoToy toy)
{
  return (PetscBool)(toy->config.condition == RHEO_CONDITION_CLASS);
}
int RheoToyClasses(RheoToy toy)
{
  return toy->type->classes;
}
int64_t RheoToyCount(RheoToy toy)
{
  return toy->config.n;
}

/* Row j of the sets of `of` rows: class by class, as libraries make them, in the order of a permutation. */
static RheoToyPlace PlaceInSet(RheoToy t, uint64_t seed, uint64_t index, RheoStream *stream)
{
  const uint64_t of = (uint64_t)t->config.of, classes = (uint64_t)t->type->classes;
  const uint64_t copy = index / of;
  const uint64_t j = RheoPermute(seed, RHEO_STREAM_DATA, (uint32_t)(2 * copy) + t->set, of, index % of);
  /* Classes begin at floor(label of / classes); this is the largest label that begins at j or before. */
  const uint64_t label = ((j + 1) * classes - 1) / of;
  const uint64_t first = label * of / classes, end = (label + 1) * of / classes;
  RheoToyPlace place = {.label = (int)label};
  if (t->type->spread == RHEO_TOY_RANDOM)
    place.u = RheoStreamUniform(stream);
  else
    place.u = (double)(j - first) / (double)(end - first - (t->type->spread == RHEO_TOY_EVEN));
  return place;
}

static RheoToyPlace PlaceAtRandom(RheoToy t, RheoStream *stream)
{
  RheoToyPlace place = {0};
  if (t->type->classes > 1) place.label = (int)RheoStreamInteger(stream, (uint64_t)t->type->classes);
  place.u = RheoStreamUniform(stream);
  return place;
}

void RheoToySample(RheoToy t, uint64_t seed, uint64_t first, int64_t n, double *x, double *condition)
{
  for (int64_t i = 0; i < n; i++) {
    const uint64_t index = first + (uint64_t)i;
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_DATA, t->set, index);
    const RheoToyPlace place = t->config.of ? PlaceInSet(t, seed, index, &stream) : PlaceAtRandom(t, &stream);
    double *row = x + i * t->d;
    t->type->sample(t->own, &place, &stream, row);
    for (int k = 0; k < t->d; k++) row[k] = t->config.scale * row[k] + t->shift[k];
    if (condition && t->config.condition == RHEO_CONDITION_CLASS) condition[i] = place.label;
    if (condition && t->config.condition == RHEO_CONDITION_X1) condition[i] = row[0];
    if (condition && t->config.condition == RHEO_CONDITION_X2) condition[i] = row[1];
  }
}

PetscBool RheoToyIsNormal(RheoToy t, double *mean, double *sd)
{
  if (!t->type->normal || t->config.shift.n) return PETSC_FALSE;
  t->type->normal(t->own, mean, sd);
  *mean *= t->config.scale;
  *sd *= t->config.scale;
  return PETSC_TRUE;
}

PetscBool RheoToyHasLogProb(RheoToy t)
{
  double log_prob;
  if (!t->type->log_prob) return PETSC_FALSE;
  RheoToyLogProb(t, 1, t->shift, &log_prob);
  return (PetscBool)!isnan(log_prob);
}

void RheoToyLogProb(RheoToy t, int64_t n, const double *x, double *log_prob)
{
  enum { MOST = 1024 };
  double row[MOST];
  for (int64_t i = 0; i < n; i++) {
    log_prob[i] = NAN;
    if (!t->type->log_prob || t->d > MOST) continue;
    for (int k = 0; k < t->d; k++) row[k] = (x[i * t->d + k] - t->shift[k]) / t->config.scale;
    log_prob[i] = t->type->log_prob(t->own, row) - t->d * log(t->config.scale);
  }
}
