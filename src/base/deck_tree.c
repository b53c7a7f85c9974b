/* The tree of a deck: names and nodes. */
#include "deck_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *DeckJoin(const char *prefix, const char *name)
{
  if (!*prefix) return RheoIntern(name);
  const size_t size = strlen(prefix) + strlen(name) + 2;
  char *text = calloc(size, 1);
  if (!text) return RheoInternFails();
  snprintf(text, size, "%s.%s", prefix, name);
  const char *path = RheoIntern(text);
  free(text);
  return path;
}

const char *DeckOption(const char *path)
{
  char *text = strdup(path);
  if (!text) return RheoInternFails();
  for (char *c = text; *c; ++c) {
    if (*c == '.') *c = '_';
  }
  const char *option = RheoIntern(text);
  free(text);
  return option;
}

const char *DeckHelp(const RheoKey *key)
{
  return key->help ? key->help + (*key->help == *RHEO_OF_RUN) : "";
}

DeckNode *DeckNodeChild(const DeckNode *parent, const char *name)
{
  DeckNode *child = parent->child;
  while (child && strcmp(child->name, name)) child = child->next;
  return child;
}

DeckNode *DeckNodeAdd(DeckNode *parent, const char *name)
{
  DeckNode *node = DeckNodeChild(parent, name), **end = &parent->child;
  if (node) return node;
  node = calloc(1, sizeof *node);
  if (!node) {
    RheoInternFails();
    return NULL;
  }
  node->name = RheoIntern(name);
  node->path = DeckJoin(parent->path, name);
  node->option = DeckOption(node->path);
  node->parent = parent;
  while (*end) end = &(*end)->next;
  *end = node;
  return node;
}

void DeckFreeChildren(DeckNode *node)
{
  for (DeckNode *child = node->child, *next; child; child = next) {
    next = child->next;
    DeckFreeChildren(child);
    free(child);
  }
  node->child = NULL;
}

void DeckNodeSet(DeckNode *node, DeckKind kind, int n, const char *const *values)
{
  if (kind != DECK_MAP) DeckFreeChildren(node);
  node->kind = kind;
  node->n = n;
  node->values = values;
  node->quoted = PETSC_FALSE;
}

DeckNode *DeckNodeFind(DeckNode *root, const char *path)
{
  while (root && *path) {
    size_t n = strcspn(path, ".");
    DeckNode *child = root->child;
    while (child && (strncmp(child->name, path, n) || child->name[n])) child = child->next;
    root = child;
    path += n + (path[n] == '.');
  }
  return root;
}

DeckNode *DeckNodeNext(const DeckNode *node)
{
  if (node->child) return node->child;
  while (node && !node->next) node = node->parent;
  return node ? node->next : NULL;
}

DeckNode *DeckNodeFindOption(DeckNode *root, const char *option)
{
  for (DeckNode *node = DeckNodeNext(root); node; node = DeckNodeNext(node)) {
    if (node->kind != DECK_MAP && !strcmp(node->option, option)) return node;
  }
  return NULL;
}

void DeckWhere(const DeckNode *node, char *text, size_t size)
{
  if (node->source)
    snprintf(text, size, "%s:%d: %s", node->source, node->line, node->path);
  else
    snprintf(text, size, "command line: -%s", node->option);
}

void DeckChanged(RheoDeck deck)
{
  free(deck->text);
  deck->text = NULL;
}
