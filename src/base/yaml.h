/* Results on stdout as YAML, from rank 0. Nesting is by indentation; each call writes whole lines. Not collective. */
#pragma once
#include "error.h"

typedef struct {
  MPI_Comm comm;
  FILE *file; /* stdout, or a file such as run.yaml */
  int depth;
} RheoYaml;

RheoYaml RheoYamlStdout(MPI_Comm comm);
void RheoYamlOpen(RheoYaml *yaml, const char *name); /* `name:` and one level deeper */
void RheoYamlClose(RheoYaml *yaml);
void RheoYamlReal(RheoYaml *yaml, const char *name, double value); /* %.6g; .nan and .inf as YAML has them */
void RheoYamlInt(RheoYaml *yaml, const char *name, long long value);
void RheoYamlText(RheoYaml *yaml, const char *name, const char *value); /* quoted where YAML needs it */
void RheoYamlBlock(RheoYaml *yaml, const char *name, const char *text); /* many lines, as they are */
/* An entry of a list of maps, `- {a: 1, b: 2}`; for results, as decks have none. */
void RheoYamlItem(RheoYaml *yaml, int n, const char *const *names, const double *values);
void RheoYamlReals(RheoYaml *yaml, const char *name, int n, const double *values); /* flow sequence [a, b] */
