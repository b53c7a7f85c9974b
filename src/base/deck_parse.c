/* YAML to the tree, through libyaml's documents, which keep lines, order and duplicates and resolve aliases.
 */
#include "deck_impl.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { DEPTH = 16, NODES = 100000 }; /* guards against aliases that hold themselves or multiply */

typedef struct {
  RheoDeck deck;
  const char *source, *text;
  size_t n_bytes;
  yaml_document_t *document;
  int n_nodes;
  size_t n_items; /* of lists */
  char *why;
  size_t size;
} Reader;

static PetscBool Fail(Reader *reader, const yaml_node_t *at, const char *path, const char *text)
{
  snprintf(reader->why, reader->size, "%s:%d: %s%s%s", reader->source, (int)at->start_mark.line + 1, path,
           *path ? ": " : "", text);
  return PETSC_FALSE;
}

static PetscBool IsNull(const yaml_node_t *node)
{
  const char *text = (const char *)node->data.scalar.value;
  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return PETSC_FALSE;
  return !*text || !strcmp(text, "~") || !strcasecmp(text, "null") ? PETSC_TRUE : PETSC_FALSE;
}

static PetscBool HoldsZero(const yaml_node_t *scalar)
{
  return (PetscBool)(strlen((const char *)scalar->data.scalar.value) != scalar->data.scalar.length);
}

static PetscBool ReadScalar(Reader *reader, const yaml_node_t *from, DeckNode *to)
{
  const char **values = RheoInternMemory(sizeof *values);
  if (!values) return Fail(reader, from, to->path, "finds no memory");
  if (HoldsZero(from)) return Fail(reader, from, to->path, "holds a zero byte");
  values[0] = RheoIntern((const char *)from->data.scalar.value);
  DeckNodeSet(to, DECK_VALUE, IsNull(from) ? 0 : 1, values);
  to->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ? PETSC_TRUE : PETSC_FALSE;
  return PETSC_TRUE;
}

static PetscBool ReadList(Reader *reader, const yaml_node_t *from, DeckNode *to)
{
  size_t n = (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
  reader->n_items += n;
  if (reader->n_items > reader->n_bytes + NODES) /* more than the text can hold */
    return Fail(reader, from, to->path, "aliases ('*name') make lists of too many items");
  const char **values = RheoInternMemory((n + 1) * sizeof *values);
  if (!values) return Fail(reader, from, to->path, "finds no memory");
  for (size_t i = 0; i < n; ++i) {
    const yaml_node_t *item = yaml_document_get_node(reader->document, from->data.sequence.items.start[i]);
    if (item->type == YAML_MAPPING_NODE)
      return Fail(reader, item, to->path,
                  "a list of sections is not possible; give each section a name ('name: {...}')");
    if (item->type != YAML_SCALAR_NODE)
      return Fail(reader, item, to->path, "a list inside a list is not possible");
    if (HoldsZero(item)) return Fail(reader, item, to->path, "holds a zero byte");
    values[i] = RheoIntern((const char *)item->data.scalar.value);
  }
  DeckNodeSet(to, DECK_LIST, (int)n, values);
  return PETSC_TRUE;
}

static PetscBool ReadNode(Reader *reader, const yaml_node_t *from, DeckNode *to, int depth);

static PetscBool CheckName(Reader *reader, const yaml_node_t *name, const char *path)
{
  if (name->type != YAML_SCALAR_NODE) return Fail(reader, name, path, "a key must be a word");
  const char *text = (const char *)name->data.scalar.value;
  char message[256];
  if (HoldsZero(name)) return Fail(reader, name, path, "a key holds a zero byte");
  if (!*text || strpbrk(text, ". \t\n*")) {
    snprintf(message, sizeof message, "'%.100s' cannot be a key: keys hold no dots, blanks or stars", text);
    return Fail(reader, name, path, message);
  }
  return PETSC_TRUE;
}

static PetscBool CheckDuplicate(Reader *reader, const yaml_node_t *map, const yaml_node_pair_t *pair,
                                const char *path)
{
  const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
  for (const yaml_node_pair_t *before = map->data.mapping.pairs.start; before < pair; ++before) {
    const yaml_node_t *other = yaml_document_get_node(reader->document, before->key);
    if (strcmp((const char *)other->data.scalar.value, (const char *)name->data.scalar.value)) continue;
    char message[80];
    snprintf(message, sizeof message, "duplicate key, first given in line %d",
             (int)other->start_mark.line + 1);
    return Fail(reader, name, DeckJoin(path, (const char *)name->data.scalar.value), message);
  }
  return PETSC_TRUE;
}

static PetscBool ReadMap(Reader *reader, const yaml_node_t *from, DeckNode *to, int depth)
{
  if (to->kind != DECK_MAP) DeckNodeSet(to, DECK_MAP, 0, NULL);
  for (yaml_node_pair_t *pair = from->data.mapping.pairs.start; pair < from->data.mapping.pairs.top; ++pair) {
    const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
    if (!CheckName(reader, name, to->path) || !CheckDuplicate(reader, from, pair, to->path))
      return PETSC_FALSE;
    DeckNode *node = DeckNodeAdd(to, (const char *)name->data.scalar.value);
    if (!node) return Fail(reader, name, to->path, "finds no memory");
    if (!node->source && node->kind != DECK_MAP) continue; /* the command line wins */
    node->source = reader->source;
    node->line = (int)name->start_mark.line + 1;
    if (!ReadNode(reader, value, node, depth + 1)) return PETSC_FALSE;
  }
  return PETSC_TRUE;
}

static PetscBool ReadNode(Reader *reader, const yaml_node_t *from, DeckNode *to, int depth)
{
  if (depth > DEPTH || ++reader->n_nodes > NODES) return Fail(reader, from, to->path, "nested too deeply");
  if (from->type == YAML_SCALAR_NODE) return ReadScalar(reader, from, to);
  if (from->type == YAML_SEQUENCE_NODE) return ReadList(reader, from, to);
  return ReadMap(reader, from, to, depth);
}

static PetscBool FailParser(Reader *reader, const yaml_parser_t *parser)
{
  const char *hint = "";
  size_t line = parser->problem_mark.line;
  if (!parser->problem) RheoInternFails(); /* libyaml names all other problems */
  if (parser->problem && strstr(parser->problem, "cannot start any token"))
    hint = " (a tab? YAML wants blanks)";
  if (parser->problem && strstr(parser->problem, "mapping values are not allowed"))
    hint = " (wrong indentation, or a value with ': ' that needs quotes)";
  if (parser->error == YAML_READER_ERROR) { /* tells the byte, not the line */
    hint = " (a deck is a YAML text)";
    line = 0;
    for (size_t i = 0; i < reader->n_bytes && i < parser->problem_offset; ++i)
      line += reader->text[i] == '\n';
  }
  snprintf(reader->why, reader->size, "%s:%d: not valid YAML: %s%s", reader->source, (int)line + 1,
           parser->problem ? parser->problem : "no memory", hint);
  return PETSC_FALSE;
}

static PetscBool ReadDocument(Reader *reader, yaml_parser_t *parser)
{
  yaml_document_t document, second;
  if (!yaml_parser_load(parser, &document)) return FailParser(reader, parser);
  reader->document = &document;
  yaml_node_t *root = yaml_document_get_root_node(&document);
  PetscBool good = PETSC_TRUE;
  if (root && root->type == YAML_MAPPING_NODE)
    good = ReadMap(reader, root, &reader->deck->root, 0);
  else if (root && !(root->type == YAML_SCALAR_NODE && IsNull(root)))
    good = Fail(reader, root, "", "a deck is made of 'key: value' lines");
  if (good && root) {
    if (!yaml_parser_load(parser, &second))
      good = FailParser(reader, parser);
    else {
      root = yaml_document_get_root_node(&second);
      if (root) good = Fail(reader, root, "", "a second YAML document; a deck is one");
      yaml_document_delete(&second);
    }
  }
  yaml_document_delete(&document);
  return good;
}

PetscBool DeckParse(RheoDeck deck, const char *source, const char *text, size_t n_bytes, char *why,
                    size_t size)
{
  yaml_parser_t parser;
  Reader reader = {
      .deck = deck, .source = source, .text = text, .n_bytes = n_bytes, .why = why, .size = size};
  if (!yaml_parser_initialize(&parser)) {
    RheoInternFails();
    snprintf(why, size, "%s: out of memory", source);
    return PETSC_FALSE;
  }
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
  PetscBool good = ReadDocument(&reader, &parser);
  yaml_parser_delete(&parser);
  return good;
}
