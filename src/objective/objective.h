/* What training minimises: a loss per row, from row-wise columns. One file under impls/, one line in objective_types.def. */
#pragma once
#include "../cnf/cnf.h"
#include "../flow/flow.h"

typedef struct {
  RheoFlow flow;            /* nll: the conditional density; NULL otherwise */
  RheoCnf cnf;              /* of the objectives of continuous flows; NULL otherwise */
  const RheoNetConfig *net; /* mse, cross_entropy: the network; NULL otherwise */
  int n_out;                /* outputs of the network */
  /* What follows is the trainer's to fill in. */
  int64_t batch; /* train.batch, for objectives that couple rows */
  int origin;    /* width of the rows of a second data set (RheoTrainerSetOrigin); 0: there is none */
} RheoObjectiveModel;

/* Rows as a stage or a runner gets them. */
typedef struct {
  uint64_t seed;
  int64_t step, n;
  const uint64_t *index;      /* (n) numbers of the rows in the training set: keys of their noise */
  const float *const *column; /* in the objective's order, (n, width) each; NULL where the width is 0 */
  const float *weight;        /* (n) or NULL for ones */
  const float *origin; /* (n, width) rows of a second data set, one for each; NULL where there is none */
} RheoBatch;

/* What an objective needs of more rows than one shard sees, before the shards are run: couplings, sums over a batch.
 *
 * Groups of `steps` steps follow each other through an epoch; the last one of an epoch may be shorter. The rows of a group
 * come in the order in which the steps take them, step by step; batch.step is the group's first step, so that noise keyed by
 * (RHEO_STREAM_COUPLE, step, index of the row) is never drawn twice. The ranks take turns: each computes another group.
 * Validation rows are put into random order once and cut into groups as large as those of training, with the step
 * RHEO_VALIDATION_STEP (train.h). */
typedef struct {
  /* REQUIRED. Steps whose rows belong together; 0: each row for itself, and every rank runs its own rows. */
  int64_t (*steps)(const RheoObjectiveModel *model);
  /* REQUIRED. Width of what every row is given; the loss, and a runner, finds it as one more column, called `given`, behind
   * its own. 0: there is nothing to do, and no such column. */
  int (*width)(const RheoObjectiveModel *model);
  /* REQUIRED. given (n, width). A pure function of the batch: any rank may run it. Not collective. An error ends the training
   * on all ranks. */
  PetscErrorCode (*run)(const RheoObjectiveModel *model, const RheoBatch *batch, float *given);
} RheoBatchStage;

/* A loss that no single program gives, such as an ODE solve and its adjoint. */
typedef struct {
  /* REQUIRED. For at most `rows` rows at once; scope_name as the trainer has it. Not collective. */
  PetscErrorCode (*create)(const RheoObjectiveModel *model, RheoParams params, const char *scope_name,
                           int rows, void **runner);
  PetscErrorCode (*destroy)(void **runner);
  /* REQUIRED. row_loss (n); gradient (P), set, not added to: of the sum over rows of weight times loss, or NULL. Rows that
   * cannot be computed give a loss that is not finite; an error ends the training on all ranks. training as in RheoScope.
   * Not collective. */
  PetscErrorCode (*run)(void *runner, const RheoBatch *batch, int training, const float *values,
                        float *row_loss, float *gradient);
} RheoShardRunner;

/* What the user cannot have meant: the key of the deck that says it, and what is wrong with it. */
typedef struct {
  const char *key; /* "cnf.coupling_batch"; static */
  char text[256];  /* "must be ..." */
} RheoMistake;

typedef struct {
  const char *name, *summary, *reference;
  const char *trains; /* REQUIRED. The member of RheoObjectiveModel: "flow", "cnf" or "net" */
  /* The columns by name, NULL at the end: {"x", "context", NULL} */
  const char *const *columns;
  /* REQUIRED, also with a runner, where it only names the parameters. columns (B, width) in that order; a column may be
   * RHEO_NONE where its width is 0. Returns (B). */
  RheoVal (*loss)(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *columns);
  /* OPTIONAL. Whether the user cannot have meant this, as far as model and model->batch tell before there are rows, such as a
   * number of rows to couple that is no multiple of the batch. Not collective; may need PETSc. */
  PetscBool (*mistake)(const RheoObjectiveModel *model, RheoMistake *mistake);
  /* OPTIONAL. The same of what only the rows tell, by RheoInputError, and advice. Collective. */
  PetscErrorCode (*check)(MPI_Comm comm, const RheoObjectiveModel *model);
  const RheoBatchStage *stage;   /* OPTIONAL */
  const RheoShardRunner *runner; /* OPTIONAL: takes the place of loss and its derivative */
} RheoObjectiveType;
extern const RheoObjectiveType
    *const RheoObjectiveTypes[]; /* NULL at the end: nll, mse, cross_entropy, ... */
/* type->mistake, where there is one and the model has a continuous flow; that it has none the loss tells. */
PetscBool RheoObjectiveMistake(const RheoObjectiveType *type, const RheoObjectiveModel *model,
                               RheoMistake *mistake);
PetscErrorCode RheoObjectiveFind(const char *name, const RheoObjectiveType **type);
