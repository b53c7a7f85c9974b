#include "deck_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Life ---- */
PetscErrorCode RheoDeckCreate(MPI_Comm comm, RheoDeck *deck)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(deck));
  (*deck)->comm = comm;
  (*deck)->name = "deck";
  (*deck)->root = (DeckNode){.name = "", .path = "", .option = "", .source = "deck"};
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckDestroy(RheoDeck *deck)
{
  PetscFunctionBeginUser;
  if (!*deck) PetscFunctionReturn(RHEO_OK);
  DeckFreeChildren(&(*deck)->root);
  free((*deck)->arguments);
  free((*deck)->text);
  PetscCall(PetscFree(*deck));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckGetName(RheoDeck deck, const char **name)
{
  PetscFunctionBeginUser;
  *name = deck->name;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckGetComm(RheoDeck deck, MPI_Comm *comm)
{
  PetscFunctionBeginUser;
  *comm = deck->comm;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckHas(RheoDeck deck, const char *key, PetscBool *has)
{
  PetscFunctionBeginUser;
  *has = DeckNodeFind(&deck->root, key) ? PETSC_TRUE : PETSC_FALSE;
  for (int i = 0; i < deck->n_arguments && !*has; ++i) {
    if (!deck->arguments[i].merged && !strcmp(deck->arguments[i].name, DeckOption(key))) *has = PETSC_TRUE;
  }
  PetscCall(RheoInternCheck());
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckIsFromCommandLine(RheoDeck deck, const char *key, PetscBool *yes)
{
  PetscFunctionBeginUser;
  const DeckNode *node = DeckNodeFind(&deck->root, key);
  if (node && node->kind != DECK_MAP)
    *yes = node->source ? PETSC_FALSE : PETSC_TRUE;
  else
    PetscCall(RheoDeckHas(deck, key, yes));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckRemove(RheoDeck deck, const char *key)
{
  PetscFunctionBeginUser;
  DeckNode *node = DeckNodeFind(&deck->root, key);
  if (!node || !node->parent) PetscFunctionReturn(RHEO_OK);
  DeckNode **link = &node->parent->child;
  while (*link != node) link = &(*link)->next;
  *link = node->next;
  DeckNodeSet(node, DECK_VALUE, 0, NULL); /* frees its children */
  free(node);
  DeckChanged(deck);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckGetChildren(RheoDeck deck, const char *key, int *n, const char ***names)
{
  PetscFunctionBeginUser;
  const DeckNode *node = DeckNodeFind(&deck->root, key);
  *n = 0;
  *names = NULL;
  for (const DeckNode *child = node ? node->child : NULL; child; child = child->next) ++*n;
  if (!*n) PetscFunctionReturn(RHEO_OK);
  PetscCall(PetscMalloc1((size_t)*n, names));
  int i = 0;
  for (const DeckNode *child = node->child; child; child = child->next) (*names)[i++] = child->name;
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Options of PETSc ---- */
static PetscBool Among(const char *text, const char *const *words, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    if (!strcasecmp(text, words[i])) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* A switch is set without a value, since PETSc takes the value of -ts_monitor and the like for a viewer. */
static PetscErrorCode SetPetscOption(const char *name, int n, const char *const *values)
{
  static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
  char option[256], text[1024] = "";
  PetscFunctionBeginUser;
  snprintf(option, sizeof option, "-%s", name);
  for (int i = 0; i < n; ++i) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", values[i]);
  }
  if (Among(text, no, 3)) {
    PetscCall(PetscOptionsClearValue(NULL, option));
    PetscFunctionReturn(RHEO_OK);
  }
  const PetscBool plain = (PetscBool)(!*text || Among(text, yes, 3));
  PetscCall(PetscOptionsSetValue(NULL, option, plain ? NULL : text));
  if (!strcmp(name, "log_view"))
    PetscCall(PetscLogDefaultBegin()); /* PETSc starts its log itself only at start-up */
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode PassPetscOptions(RheoDeck deck)
{
  PetscFunctionBeginUser;
  for (const DeckNode *node = DeckNodeNext(&deck->root); node; node = DeckNodeNext(node)) {
    if (node->kind == DECK_MAP || !node->source || !RheoPetscOptionIs(node->option)) continue;
    const DeckNode *first = DeckNodeFindOption(&deck->root, node->option);
    if (first != node)
      PetscCall(RheoDeckReject(deck, node->path,
                               "%s in line %d is the same option of PETSc: take one of them", first->path,
                               first->line));
    if (!RheoPetscOptionGiven(node->option)) PetscCall(SetPetscOption(node->option, node->n, node->values));
  }
  PetscFunctionReturn(RHEO_OK);
}

/* Options that print or trace change no result and do not belong into the deck of one. */
static PetscBool ChangesResults(const char *name)
{
  static const char *const families[] = {"ts_",  "tao_", "snes_",    "ksp_",   "pc_",
                                         "mat_", "vec_", "sub_ksp_", "sub_pc_"};
  if (strstr(name, "_monitor") || strstr(name, "_view")) return PETSC_FALSE;
  for (size_t i = 0; i < sizeof families / sizeof *families; ++i) {
    if (!strncmp(name, families[i], strlen(families[i]))) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* ---- The command line ---- */
void DeckSplit(const char *text, int *n, const char *const **values)
{
  size_t length = strlen(text);
  *n = 0;
  if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
    ++text;
    length -= 2;
  }
  char *copy = strndup(text, length), *rest = copy, *part;
  const char **list = RheoInternMemory((length / 2 + 2) * sizeof *list);
  if (!copy) RheoInternFails();
  while (list && copy && copy[strspn(copy, " ")] && (part = strsep(&rest, ","))) {
    part += strspn(part, " ");
    size_t end = strlen(part);
    while (end && part[end - 1] == ' ') part[--end] = 0;
    list[(*n)++] = RheoIntern(part);
  }
  free(copy);
  *values = list;
}

/* Gives the node at a path the value of an argument. Where there is no memory RheoInternCheck tells. */
static void SetText(RheoDeck deck, const char *path, const char *value, PetscBool list)
{
  DeckNode *node = &deck->root;
  char *copy = strdup(path), *rest = copy, *part;
  if (!copy) node = NULL;
  while (node && (part = strsep(&rest, "."))) {
    if (node->kind != DECK_MAP) DeckNodeSet(node, DECK_MAP, 0, NULL);
    node = DeckNodeAdd(node, part);
  }
  free(copy);
  if (!node) {
    RheoInternFails();
    return;
  }
  size_t n = strlen(value);
  if (list || (n >= 2 && value[0] == '[' && value[n - 1] == ']')) {
    int n_values;
    const char *const *values;
    DeckSplit(value, &n_values, &values);
    DeckNodeSet(node, DECK_LIST, n_values, values);
  } else {
    const char **values = RheoInternMemory(sizeof *values);
    if (values) values[0] = RheoIntern(value);
    DeckNodeSet(node, DECK_VALUE, values ? 1 : 0, values);
  }
  node->source = NULL;
  node->line = 0;
  DeckChanged(deck);
}

void DeckMerge(RheoDeck deck, DeckArgument *argument, const char *path, PetscBool list)
{
  SetText(deck, path, argument->value, list);
  argument->merged = PETSC_TRUE;
}

static void MergeWhatTheDeckNames(RheoDeck deck)
{
  for (int i = 0; i < deck->n_arguments; ++i) {
    DeckNode *node =
        deck->arguments[i].merged ? NULL : DeckNodeFindOption(&deck->root, deck->arguments[i].name);
    if (node)
      DeckMerge(deck, &deck->arguments[i], node->path, node->kind == DECK_LIST ? PETSC_TRUE : PETSC_FALSE);
  }
}

/* Calls itself for every '*' of the prefix with the names that the deck has in its place: an argument changes
 * a member of a family but does not make one, since that would turn a misspelt name into a new member. */
void DeckMergeKeys(RheoDeck deck, const char *prefix, const RheoKey *keys)
{
  const char *star = strchr(prefix, '*');
  if (star) {
    char before[256], path[512];
    snprintf(before, sizeof before, "%.*s", star > prefix ? (int)(star - prefix - 1) : 0, prefix);
    const DeckNode *family = DeckNodeFind(&deck->root, before);
    for (const DeckNode *member = family ? family->child : NULL; member; member = member->next) {
      snprintf(path, sizeof path, "%s%s", member->path, star + 1);
      DeckMergeKeys(deck, path, keys);
    }
    return;
  }
  for (const RheoKey *key = keys; key->name; ++key) {
    const char *path = DeckJoin(prefix, key->name), *option = DeckOption(path);
    PetscBool list = key->type == RHEO_KEY_REALS || key->type == RHEO_KEY_STRINGS ? PETSC_TRUE : PETSC_FALSE;
    for (int i = 0; i < deck->n_arguments; ++i) {
      DeckArgument *argument = &deck->arguments[i];
      if (!argument->merged && !strcmp(argument->name, option)) DeckMerge(deck, argument, path, list);
    }
    DeckNode *node = key->help && *key->help == *RHEO_OF_RUN ? DeckNodeFind(&deck->root, path) : NULL;
    if (node && !node->of_run) {
      node->of_run = PETSC_TRUE;
      DeckChanged(deck);
    }
  }
}

static void AddArgument(RheoDeck deck, const char *name, const char *value)
{
  if (deck->n_arguments == deck->arguments_size) {
    const int size = 2 * deck->arguments_size + 16;
    DeckArgument *more = realloc(deck->arguments, (size_t)size * sizeof *more);
    if (!more) {
      RheoInternFails();
      return;
    }
    deck->arguments = more;
    deck->arguments_size = size;
  }
  deck->arguments[deck->n_arguments++] = (DeckArgument){RheoIntern(name), RheoIntern(value), PETSC_FALSE};
  DeckChanged(deck);
}

/* The deck's text has to hold what is given, and YAML is UTF-8. */
static PetscErrorCode CheckUtf8(RheoDeck deck, const char *name, const char *text)
{
  const size_t n = RheoUtf8Length(text);
  PetscFunctionBeginUser;
  RheoInputCheck(!text[n], deck->comm, "command line: %s%s'%.*s' is followed by a byte that is not UTF-8",
                 name, *name ? ": " : "", (int)n, text);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckSetArguments(RheoDeck deck, int argc, const char *const *argv)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < argc; ++i) {
    PetscCall(CheckUtf8(deck, "", argv[i]));
    RheoInputCheck(RheoArgumentIsKey(argv[i]), deck->comm,
                   "command line: '%s' is not an option; options are -key value", argv[i]);
    const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
    RheoInputCheck(!strchr(name, '='), deck->comm, "command line: %s: write -key value, without '='",
                   argv[i]);
    PetscBool alone = i + 1 == argc || RheoArgumentIsKey(argv[i + 1]);
    const char *key = argv[i], *value = alone ? "true" : argv[++i];
    if (!DeckConcernsThisRunOnly(name)) PetscCall(CheckUtf8(deck, key, value));
    if (RheoPetscOptionIs(name)) {
      PetscCall(SetPetscOption(name, alone ? 0 : 1, &value));
      if (!ChangesResults(name)) continue;
      DeckNode *node = DeckNodeFindOption(&deck->root, name);
      SetText(deck, node ? node->path : name, value, PETSC_FALSE);
    } else
      AddArgument(deck, name, value);
  }
  MergeWhatTheDeckNames(deck);
  PetscCall(RheoInternCheck());
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDeckSet(RheoDeck deck, const char *key, const char *value)
{
  PetscFunctionBeginUser;
  SetText(deck, key, value, PETSC_FALSE);
  const char *option = DeckOption(key);
  PetscCall(RheoInternCheck());
  if (RheoPetscOptionIs(option)) PetscCall(SetPetscOption(option, 1, &value));
  PetscFunctionReturn(RHEO_OK);
}

/* ---- Loading ---- */
PetscErrorCode RheoDeckLoadText(RheoDeck deck, const char *name, const char *text)
{
  char why[1024];
  PetscFunctionBeginUser;
  deck->name = RheoIntern(name);
  DeckChanged(deck);
  const PetscBool parsed = DeckParse(deck, deck->name, text, strlen(text), why, sizeof why);
  PetscCall(RheoInternCheck());
  RheoInputCheck(parsed, deck->comm, "%s", why);
  MergeWhatTheDeckNames(deck);
  PetscCall(RheoInternCheck());
  PetscCall(PassPetscOptions(deck));
  PetscFunctionReturn(RHEO_OK);
}

enum { DECK_BYTES = 1 << 24 }; /* larger files are no decks */

/* The text of a file, or NULL and why. */
static char *ReadText(const char *path, char *why, size_t size)
{
  FILE *file = fopen(path, "rb");
  char *text = file ? malloc(DECK_BYTES + 1) : NULL;
  size_t n = text ? fread(text, 1, DECK_BYTES + 1, file) : 0;
  const char *reason = NULL;
  if (!file || (text && ferror(file)))
    reason = strerror(errno);
  else if (!text)
    reason = "out of memory";
  else if (n > DECK_BYTES)
    reason = "too large for a deck";
  else if (memchr(text, 0, n))
    reason = "not a text file; a deck is YAML";
  if (file) fclose(file);
  if (reason) {
    snprintf(why, size, "%s: cannot read the deck: %s", path, reason);
    free(text);
    return NULL;
  }
  text[n] = 0;
  return text;
}

PetscErrorCode RheoDeckLoadFile(RheoDeck deck, const char *path)
{
  char why[1024] = "", *text = NULL;
  int rank, n = -1;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(deck->comm, &rank));
  if (!rank && (text = ReadText(path, why, sizeof why))) n = (int)strlen(text);
  PetscCallMPI(MPI_Bcast(&n, 1, MPI_INT, 0, deck->comm));
  PetscCallMPI(MPI_Bcast(why, sizeof why, MPI_CHAR, 0, deck->comm));
  RheoInputCheck(n >= 0, deck->comm, "%s", why);
  if (rank) text = calloc((size_t)n + 1, 1);
  PetscCheck(text, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for a deck of %d bytes", n);
  PetscCallMPI(MPI_Bcast(text, n, MPI_CHAR, 0, deck->comm));
  PetscErrorCode code = RheoDeckLoadText(deck, path, text);
  free(text);
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}
