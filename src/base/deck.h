/* The deck: one YAML file that is the experiment.
 *
 * Nested keys join with '_' into the option of the same name (`train: {batch: 200}` is `-train_batch 200`) and the
 * command line wins. What may stand in a deck is declared once, as tables of RheoKey; from these come reading,
 * defaults, checks of type and range, the nearest known key for an unknown one, `-help` and the tables of the README.
 *
 * A deck is parsed by libyaml, which keeps line numbers, the order of keys and duplicates; PETSc's own YAML reader
 * loses all three. Keys of PETSc itself (`ts`, `tao`, `log_view`, ...) are passed to PETSc's options data base.
 */
#pragma once
#include "error.h"
#include <stddef.h>
#include <stdint.h>

typedef struct RheoDeck_ *RheoDeck;

/* Strings that live until RheoFinalize, so that configurations can be copied freely. Where there is no memory for one it is empty
 * (NULL only for NULL), so that nobody has to look at once, and RheoInternCheck fails from then on: reading a deck looks, and so
 * does whoever lets a host in or ends a program. Not collective. */
const char *RheoIntern(const char *text);
PetscErrorCode RheoInternCheck(void);
/* Whether it would have failed; it does not any more. */
PetscBool RheoInternWasShort(void);

typedef struct {
  int n;
  const double *v;
} RheoReals; /* memory as RheoIntern */

typedef struct {
  int n;
  const char *const *v;
} RheoStrings; /* memory as RheoIntern */

typedef enum {
  RHEO_KEY_INT,     /* int */
  RHEO_KEY_COUNT,   /* int64_t; 1e6 and 100k are accepted */
  RHEO_KEY_REAL,    /* double */
  RHEO_KEY_BOOL,    /* PetscBool; yes/no, true/false, on/off, 1/0 */
  RHEO_KEY_STRING,  /* const char *, interned; NULL where the default is NULL */
  RHEO_KEY_CHOICE,  /* int, the place of the value in the rule "a|b|c" */
  RHEO_KEY_REALS,   /* RheoReals */
  RHEO_KEY_STRINGS, /* RheoStrings */
} RheoKeyType;

typedef struct {
  const char *name; /* the key's last part: "bins" */
  RheoKeyType type;
  size_t offset; /* of the field in the configuration */
  const char
      *fallback;    /* the default as it would stand in a deck; RHEO_REQUIRED; NULL for none (zero, empty) */
  const char *rule; /* numbers: an interval, "[2, 128]", "(0, inf)"; choices: "a|b|c"; NULL for any */
  const char *help; /* one line, with the unit */
} RheoKey;          /* a table ends with {0} */

/* Before the help of a key that says how a run goes (how often it saves), not what comes out: whoever sets it, it is no part
 * of the deck's text. */
#define RHEO_OF_RUN "\002"

#define RHEO_REQUIRED "\001required"

/* A section of the schema. In prefix "*" stands for any one name: "prior.*" */
typedef struct {
  const char *prefix; /* with dots, "" for the top level */
  const RheoKey *keys;
  const char *summary;
} RheoSection;

/* A key, or a section, that means something with some values of another key only. */
typedef struct {
  const char *key;    /* "cnf.times_power" or "cnf.sinkhorn" */
  const char *of;     /* "cnf.times" */
  const char *values; /* those: "power"; "a|b"; "!a|b": all but those */
} RheoDependency;

/* Collective on comm; the deck is the same on all ranks. */
PetscErrorCode RheoDeckCreate(MPI_Comm comm, RheoDeck *deck);
PetscErrorCode RheoDeckDestroy(RheoDeck *deck);

/* Reads a file (rank 0 reads, all get it) or a text that a file carried (name is used in messages). Unreadable files,
 * YAML errors and duplicate keys are RHEO_ERR_INPUT with the line. Collective. */
PetscErrorCode RheoDeckLoadFile(RheoDeck deck, const char *path);
PetscErrorCode RheoDeckLoadText(RheoDeck deck, const char *name, const char *text);

/* `-key value` pairs, `-key` alone meaning true; they win over the deck whatever the order of calls. All are UTF-8 but
 * the value of -output. Collective. */
PetscErrorCode RheoDeckSetArguments(RheoDeck deck, int argc, const char *const *argv);

/* Sets one value with the rank of the command line, by dotted name. Collective. */
PetscErrorCode RheoDeckSet(RheoDeck deck, const char *key, const char *value);

/* Takes a key out, whoever set it. Not collective. */
PetscErrorCode RheoDeckRemove(RheoDeck deck, const char *key);

/* Whether the value of a key comes from the command line, or RheoDeckSet. Not collective. */
PetscErrorCode RheoDeckIsFromCommandLine(RheoDeck deck, const char *key, PetscBool *yes);

/* The deck as it was run: YAML text with the command line merged in; loading it again gives an equal deck. -output and
 * -log, PETSc's options that print or trace, and keys that are RHEO_OF_RUN stay out of it, since they change no result. Owned by the deck until it
 * changes. Not collective. */
PetscErrorCode RheoDeckGetText(RheoDeck deck, const char **text);
PetscErrorCode RheoDeckGetName(RheoDeck deck, const char **name); /* file name for messages */
PetscErrorCode RheoDeckGetComm(RheoDeck deck, MPI_Comm *comm);

/* The children of a dotted key in the order of the deck ("prior" -> beta, gamma, ...); strings interned, the array is
 * the caller's to free with PetscFree. n = 0 where the key is absent. Not collective. */
PetscErrorCode RheoDeckGetChildren(RheoDeck deck, const char *key, int *n, const char ***names);
PetscErrorCode RheoDeckHas(RheoDeck deck, const char *key, PetscBool *has);

/* Fills config from the section at the dotted prefix: defaults, then deck, then command line. Wrong type, a value
 * outside its rule and a missing required key are RHEO_ERR_INPUT. Collective. */
PetscErrorCode RheoDeckRead(RheoDeck deck, const char *prefix, const RheoKey *keys, void *config);

/* Checks every key of the deck and the command line against the schema before work starts: an unknown key is
 * RHEO_ERR_INPUT with the nearest known one; types and rules are checked too, also of sections that this verb does not
 * read. Collective. */
PetscErrorCode RheoDeckCheck(RheoDeck deck, int n, const RheoSection *sections);

/* The mistake in the value of a key that only the reader can see ("lower must be below upper"). Prints deck, line, key,
 * value, then the text. Returns RHEO_ERR_INPUT; use as `PetscCall(RheoDeckReject(...))`. Collective. */
PetscErrorCode RheoDeckReject(RheoDeck deck, const char *key, const char *format, ...);
/* Warns of keys that the deck or the command line gives and that have no effect, by m dependencies; n sections as in
 * RheoDeckCheck, for defaults. Collective. */
PetscErrorCode RheoDeckAdvise(RheoDeck deck, int n, const RheoSection *sections, int m,
                              const RheoDependency *dependencies);

/* The key ("train.batch") of the i-th argument of the command line, from 0; NULL past the last, and "" of an option of PETSc. Not
 * collective. */
const char *RheoDeckArgumentKey(RheoDeck deck, int i);
/* The same of an option of PETSc ("ts_rtol"), wherever its key stands: `ts: {rtol: 0}` or the command line. Collective. */
PetscErrorCode RheoDeckRejectOption(RheoDeck deck, const char *option, const char *format, ...);

/* Of n known names the one that text may be a misspelling of; NULL where none is near. Not collective. */
const char *RheoNearest(const char *text, int n, const char *const *known);

/* Prints the schema for -help: key, type, default, rule, help, in columns. To stdout, from rank 0. */
PetscErrorCode RheoSectionView(MPI_Comm comm, const RheoSection *section);
