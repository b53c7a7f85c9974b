/* What training minimises: a loss per row, from row-wise columns. One file under impls/, one line in objective_types.def. */
#pragma once
#include "../flow/flow.h"

typedef struct {
  RheoFlow flow;            /* nll: the conditional density; NULL otherwise */
  const RheoNetConfig *net; /* mse, cross_entropy: the network; NULL otherwise */
  int n_out;                /* outputs of the network */
} RheoObjectiveModel;

typedef struct {
  const char *name, *summary, *reference;
  /* The columns by name, NULL at the end: {"x", "context", NULL} */
  const char *const *columns;
  /* REQUIRED. columns (B, width) in that order; a column may be RHEO_NONE where its width is 0. Returns (B). */
  RheoVal (*loss)(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *columns);
} RheoObjectiveType;
extern const RheoObjectiveType *const RheoObjectiveTypes[]; /* NULL at the end: nll, mse, cross_entropy */
PetscErrorCode RheoObjectiveFind(const char *name, const RheoObjectiveType **type);
