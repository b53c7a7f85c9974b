/* The deck as YAML text, and the schema as a table for -help. */
#include "deck_impl.h"
#include <stdlib.h>
#include <string.h>

/* Whether nothing below a node is part of the text, as that of a section that says only how often to save. */
static PetscBool IsLeftOut(const DeckNode *node)
{
  if (node->kind != DECK_MAP) return node->of_run;
  for (const DeckNode *child = node->child; child; child = child->next)
    if (!IsLeftOut(child)) return PETSC_FALSE;
  return node->child ? PETSC_TRUE : PETSC_FALSE;
}

static void WriteNode(FILE *file, const DeckNode *node, int depth)
{
  if (IsLeftOut(node)) return;
  fprintf(file, "%*s", 2 * depth, "");
  RheoYamlScalar(file, node->name, RHEO_SCALAR_BLOCK);
  fputc(':', file);
  if (node->kind == DECK_MAP) {
    fputs(node->child ? "\n" : " {}\n", file);
    for (const DeckNode *child = node->child; child; child = child->next) WriteNode(file, child, depth + 1);
    return;
  }
  fputs(node->kind == DECK_LIST ? " [" : " ", file);
  for (int i = 0; i < node->n; ++i) {
    if (i) fputs(", ", file);
    RheoScalarPlace place = node->kind == DECK_LIST ? RHEO_SCALAR_FLOW : RHEO_SCALAR_BLOCK;
    RheoYamlScalar(file, node->values[i], node->quoted ? RHEO_SCALAR_QUOTED : place);
  }
  if (node->kind == DECK_VALUE && !node->n) fputs("null", file);
  fputs(node->kind == DECK_LIST ? "]\n" : "\n", file);
}

PetscBool DeckConcernsThisRunOnly(const char *option)
{
  return !strcmp(option, "output") || !strcmp(option, "log");
}

PetscErrorCode RheoDeckGetText(RheoDeck deck, const char **text)
{
  size_t size = 0;
  PetscFunctionBeginUser;
  if (!deck->text) {
    FILE *file = open_memstream(&deck->text, &size);
    PetscCheck(file, deck->comm, PETSC_ERR_MEM, "open_memstream failed");
    for (const DeckNode *child = deck->root.child; child; child = child->next) {
      if (child->source || !DeckConcernsThisRunOnly(child->option)) WriteNode(file, child, 0);
    }
    for (int i = 0; i < deck->n_arguments; ++i) { /* no key of deck or schema has claimed them yet */
      if (deck->arguments[i].merged || DeckConcernsThisRunOnly(deck->arguments[i].name)) continue;
      RheoYamlScalar(file, deck->arguments[i].name, RHEO_SCALAR_BLOCK);
      fputs(": ", file);
      RheoYamlScalar(file, deck->arguments[i].value, RHEO_SCALAR_BLOCK);
      fputc('\n', file);
    }
    fclose(file);
  }
  *text = deck->text;
  PetscFunctionReturn(RHEO_OK);
}

static const char *DefaultText(const RheoKey *key)
{
  if (!key->fallback) return "-";
  return strcmp(key->fallback, RHEO_REQUIRED) ? key->fallback : "required";
}

static void Widen(int *width, const char *text, int most)
{
  int n = (int)strlen(text);
  if (n > *width && n <= most) *width = n;
}

PetscErrorCode RheoSectionView(MPI_Comm comm, const RheoSection *section)
{
  static const char *const types[] = {"int", "count", "real", "yes/no", "text", "choice", "reals", "list"};
  int rank, width[4] = {0};
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank) PetscFunctionReturn(RHEO_OK);
  printf("%s%s%s\n", section->prefix, *section->prefix ? ": " : "", section->summary ? section->summary : "");
  for (const RheoKey *key = section->keys; key->name; ++key) {
    Widen(&width[0], DeckJoin(section->prefix, key->name), 40);
    Widen(&width[1], types[key->type], 10);
    Widen(&width[2], DefaultText(key), 20);
    Widen(&width[3], key->rule ? key->rule : "", 30);
  }
  for (const RheoKey *key = section->keys; key->name; ++key) {
    printf("  %-*s  %-*s  %-*s  %-*s  %s\n", width[0], DeckJoin(section->prefix, key->name), width[1],
           types[key->type], width[2], DefaultText(key), width[3], key->rule ? key->rule : "", DeckHelp(key));
  }
  PetscFunctionReturn(RHEO_OK);
}
