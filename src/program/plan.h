/* From a program to steps: compile once, run often.
 *
 * Compiling removes dead and repeated work, folds constants, groups element-wise operations so that a group
 * runs tile by tile in cache, plans one arena by liveness and emits a flat list of steps. A plan is const
 * after it was made and may be used by many threads, each with its own workspace. Running allocates nothing,
 * takes no locks, prints nothing.
 */
#pragma once
#include "program.h"

typedef enum { RHEO_SINGLE, RHEO_DOUBLE } RheoPrecision;

typedef struct RheoPlan_ *RheoPlan;
typedef struct RheoWork_ *RheoWork;

/* Compiles what out[0..n-1] need. The program may be destroyed afterwards. The first mistake made while
 * building is reported here (PETSC_ERR_ARG_WRONG). Not collective. */
PetscErrorCode RheoPlanCreate(RheoProgram program, RheoPrecision precision, int n_out, const RheoVal *out,
                              RheoPlan *plan);
/* The same for parameters that stay as they are over many runs, a trained model's: what depends on them alone is computed by
 * RheoPlanPrepare, once for each workspace. The results are the same bits. */
PetscErrorCode RheoPlanCreateFixed(RheoProgram program, RheoPrecision precision, int n_out,
                                   const RheoVal *out, RheoPlan *plan);
PetscErrorCode RheoPlanDestroy(RheoPlan *plan);
PetscErrorCode RheoWorkCreate(RheoPlan plan, RheoWork *work); /* the arena; 64-byte aligned */
PetscErrorCode RheoWorkDestroy(RheoWork *work);

/* params (P), in[i] the i-th input of the program, out[i] as given to RheoPlanCreate; all of the plan's
 * precision, row-major, owned by the caller, not overlapping. An input that nothing needs may be NULL. Never
 * fails: what is not finite comes out as such. */
void RheoPlanRun(RheoPlan plan, RheoWork work, const void *params, const void *const *in, void *const *out);

/* RheoPlanRun in two parts, for plans made by RheoPlanCreateFixed: Prepare, then RunPrepared as often as params (P) stay as they
 * are and the workspace is used for nothing else. */
void RheoPlanPrepare(RheoPlan plan, RheoWork work, const void *params);
void RheoPlanRunPrepared(RheoPlan plan, RheoWork work, const void *params, const void *const *in,
                         void *const *out);

/* Any number of rows: row-wise inputs are (n_rows, width), the others as for Run; every output must have
 * first dimension B and becomes (n_rows, ...). Runs block by block; the last one is padded with copies of the
 * last row. */
void RheoPlanRunRows(RheoPlan plan, RheoWork work, const void *params, int64_t n_rows, const void *const *in,
                     void *const *out);

/* For reports and tests. */
typedef struct {
  int n_steps, n_groups, n_nodes, n_removed;
  size_t arena_bytes, arena_bytes_without_reuse;
  double flops; /* of matrix products in one run */
} RheoPlanInfo;
RheoPlanInfo RheoPlanGetInfo(RheoPlan plan);
PetscErrorCode RheoPlanView(RheoPlan plan, FILE *file); /* the list of steps, for reading */
