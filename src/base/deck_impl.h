/* The deck in memory: a tree in the order of the file, and the arguments of the command line. An argument
 * `-a_b_c` names no path by itself, since names hold '_' too; it is merged into the tree as soon as a key of
 * the deck or of the schema is found that joins to the same name. */
#pragma once
#include "base_impl.h"
#include "deck.h"

typedef enum { DECK_MAP, DECK_VALUE, DECK_LIST } DeckKind;

typedef struct DeckNode {
  const char *name, *path, *option; /* "bins", "flow.spline.bins", "flow_spline_bins"; interned */
  struct DeckNode *parent, *child, *next;
  DeckKind kind;
  int n; /* values: 1, the length of the list, or 0 for null */
  const char *const *values;
  PetscBool quoted;
  PetscBool of_run;   /* as RHEO_OF_RUN */
  const char *source; /* file; NULL for the command line */
  int line;
} DeckNode;

typedef struct {
  const char *name, *value;
  PetscBool merged;
} DeckArgument;

struct RheoDeck_ {
  MPI_Comm comm;
  const char *name;
  DeckNode root;
  int n_arguments, arguments_size;
  DeckArgument *arguments;
  char *text; /* what RheoDeckGetText gave last */
};

/* ---- deck.c: the tree ---- */
/* The child of that name, made as an empty map at the end where there is none. NULL where there is no memory, of which
 * RheoInternCheck tells. */
DeckNode *DeckNodeAdd(DeckNode *parent, const char *name);
DeckNode *DeckNodeChild(const DeckNode *parent, const char *name);
DeckNode *DeckNodeFind(DeckNode *root, const char *path);         /* NULL where absent; "" is the root */
DeckNode *DeckNodeFindOption(DeckNode *root, const char *option); /* a leaf */
DeckNode *DeckNodeNext(const DeckNode *node);                     /* depth first; NULL at the end */
void DeckNodeSet(DeckNode *node, DeckKind kind, int n, const char *const *values); /* forgets children */
void DeckFreeChildren(DeckNode *node);

const char *DeckHelp(const RheoKey *key); /* without marks; "" where there is none */

/* "train.batch" + "x" = "train.batch.x"; interned, and "" where there is no memory, as by RheoIntern. */
const char *DeckJoin(const char *prefix, const char *name);
const char *DeckOption(const char *path); /* '.' to '_' */

/* Where a node came from: "flu.yaml:12: train.batch" or "command line: -train_batch". */
void DeckWhere(const DeckNode *node, char *text, size_t size);

void DeckMerge(RheoDeck deck, DeckArgument *argument, const char *path, PetscBool list);
void DeckMergeKeys(RheoDeck deck, const char *prefix, const RheoKey *keys); /* prefix may hold '*' */
void DeckChanged(RheoDeck deck);

/* -output and -log say where and how, not what: two runs into two folders are to give the same files. */
PetscBool DeckConcernsThisRunOnly(const char *option);

/* "a, b" or "[a, b]" to a list. */
void DeckSplit(const char *text, int *n, const char *const **values);

/* ---- deck_parse.c ---- */
/* Reads YAML into the tree; leaves of the command line stay. Not collective: every rank parses the same text.
 * On a mistake why is "flu.yaml:3: ...". */
PetscBool DeckParse(RheoDeck deck, const char *source, const char *text, size_t n_bytes, char *why,
                    size_t size);

/* ---- deck_read.c ---- */
/* The value of a node (NULL: the key's fallback) into the field of config; config may be NULL to check only.
 */
PetscBool DeckConvert(const RheoKey *key, const DeckNode *node, void *config, char *why, size_t size);
