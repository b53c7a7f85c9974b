/* Private to plan*.c, run*.c and their tests: how a plan is made and what it consists of.
 *
 *   program -> graph      plan_graph.c, plan_simplify.c, plan_rules.c   live nodes only, equal nodes once, algebra,
 * constants folded graph   -> units      plan_group.c                    a unit is one node, or a group of
 * element-wise nodes units   -> steps      plan_place.c, plan_steps.c      where each value lies (views,
 * outputs, concatenations in place) steps   -> arena      plan_arena.c                    life times, offsets
 *   run     steps         run*.c                          one function per kind of step, behind a table
 */
#pragma once
#include "program_impl.h"
#include <stdint.h>

/* ---- The graph: nodes as in a program, simplified, in topological order ---- */
typedef struct {
  int n, capacity;
  RheoNode *node;
  int n_slot, *slot; /* hash table of node ids, -1 where empty */
} PlanGraph;

PetscErrorCode PlanGraphDestroy(PlanGraph *graph);
/* Appends a copy of the node, or finds an equal one. */
PetscErrorCode PlanGraphAdd(PlanGraph *graph, const RheoNode *node, int *id);
/* The live part of a program, simplified; out[i] becomes id[i]. */
PetscErrorCode PlanSimplify(RheoProgram program, int without, int n_out, const RheoVal *out, PlanGraph *graph,
                            int *id);
/* Evaluates a node of constant arguments; leaves id as it is where that cannot be done or is not worth it. */
PetscErrorCode PlanFold(PlanGraph *graph, const RheoNode *node, int *id);
/* Applies the rules of algebra to a node whose arguments are in the graph already and adds what is left of
 * it. */
PetscErrorCode PlanSimplifyNode(PlanGraph *graph, const RheoNode *node, int *id);
/* plan_rules_product.c: the same for a product; id stays where no rule applies. */
PetscErrorCode PlanSimplifyMatmul(PlanGraph *graph, const RheoNode *node, int *id);

/* ---- Where a value lies: element (i, j, ..) at offset + i stride[0] + j stride[1] + .. of a buffer ---- */
typedef enum { PLAN_ARENA, PLAN_PARAMS, PLAN_CONSTANTS, PLAN_IN, PLAN_OUT } PlanBufferKind;

typedef struct {
  PlanBufferKind kind;
  int index;       /* of the input or output */
  size_t size;     /* elements */
  int first, last; /* steps that write and read it first and last */
  size_t offset;   /* in the arena, bytes */
} PlanBuffer;

typedef struct {
  int buffer; /* -1: nowhere yet */
  int64_t offset;
  int64_t stride[RHEO_MAX_DIM];
} PlanPlace;

/* ---- Steps ---- */
typedef enum {
  PLAN_STEP_GROUP,
  PLAN_STEP_COPY,
  PLAN_STEP_GEMM,
  PLAN_STEP_SUM,
  PLAN_STEP_AMAX,
  PLAN_STEP_CUMSUM,
  PLAN_STEP_GATHER,
  PLAN_STEP_SCATTER_ADD,
  PLAN_STEP_FUSED,
  PLAN_STEP_COUNT
} PlanStepKind;

/* How a group or a copy walks over a tensor: element e of the iteration, in row-major order over d[0..n-1].
 */
typedef enum {
  PLAN_WALK_DENSE,    /* one behind the other */
  PLAN_WALK_SCALAR,   /* always the same */
  PLAN_WALK_PERIODIC, /* the first `period` elements again and again: a row over many rows */
  PLAN_WALK_GENERAL,  /* by d and stride */
} PlanWalkKind;

typedef struct {
  PlanWalkKind kind;
  int n;
  int64_t period;
  int64_t d[RHEO_MAX_DIM], stride[RHEO_MAX_DIM];
} PlanWalk;

typedef struct {
  int buffer;
  int64_t offset; /* elements, in the buffer */
  int base;       /* index into the table of base addresses of a run */
  size_t bytes;   /* from there */
} PlanOperand;

/* One instruction of a group; registers are tiles. Registers 0..n_in-1 are the operands read, then come n_out
 * written ones, then temporaries. */
typedef struct {
  const RheoNode *node;
  int out, arg[4];
} PlanInstruction;

typedef struct {
  size_t size; /* elements of the iteration */
  int n_in, n_out, n_temporary, n_instruction;
  PlanWalk *walk; /* of operands read, then written */
  PlanInstruction *instruction;
  size_t scratch; /* elements */
} PlanGroup;

/* GROUP: group. COPY: walk[0] read, walk[1] written. GEMM: i = transposed A, B; d = batch, m, n, k; ld = A,
 * B, C; batch_stride likewise. SUM AMAX CUMSUM: d = outer, length, inner; i[0] reverse. GATHER: d = outer,
 * length of x, inner, number of indices. SCATTER_ADD: d = outer, size, inner, number of indices. FUSED: node,
 * shape. */
typedef struct {
  PlanStepKind kind;
  int node;
  int n_in, n_out;
  PlanOperand *operand; /* n_in read, then n_out written */
  int i[2];
  int64_t d[4], ld[3], batch_stride[3];
  PlanWalk walk[2];
  PlanGroup *group;
  RheoShape *shape; /* FUSED: of the arguments */
  size_t scratch;   /* elements */
} PlanStep;

/* ---- Units: what becomes a step or a few ---- */
typedef struct {
  int n, *node; /* in topological order */
} PlanUnit;

/* Sorted so that arguments come first. */
PetscErrorCode PlanGroups(const PlanGraph *graph, int without, int *n_unit, PlanUnit **unit);
PetscErrorCode PlanUnitsDestroy(int n_unit, PlanUnit **unit);
int PlanIsElementWise(const RheoNode *node);

enum {
  PLAN_TILE = 512,
  PLAN_MAX_INSTRUCTIONS = 48,
  PLAN_MAX_FUSED_ARGUMENTS = 16,
  PLAN_MAX_REGISTERS = 5 * PLAN_MAX_INSTRUCTIONS
};

/* ---- Bases of a run: arena, parameters, constants, scratch, then inputs, then outputs ---- */
enum { PLAN_BASE_ARENA, PLAN_BASE_PARAMS, PLAN_BASE_CONSTANTS, PLAN_BASE_SCRATCH, PLAN_BASE_IN };

typedef void (*PlanStepFunction)(const struct RheoPlan_ *plan, const PlanStep *step, char *const *base);
/* A backend is one function for each kind of step. */
extern const PlanStepFunction PlanSteps_single[PLAN_STEP_COUNT], PlanSteps_double[PLAN_STEP_COUNT];

struct RheoPlan_ {
  RheoPrecision precision;
  size_t real; /* bytes of a number */
  int rows;
  PlanGraph graph;
  int n_in, n_out;
  int *in_is_rows;
  size_t *in_size, *out_size; /* elements */
  int *out_first;             /* first dimension of an output */
  int n_step, step_capacity;
  PlanStep *step;
  int is_fixed; /* made for parameters that stay: the first n_fixed steps depend on nothing else */
  int n_fixed;
  int n_buffer, buffer_capacity;
  PlanBuffer *buffer;
  PlanPlace *place, *dense; /* by node; dense: a copy made for a reader that needs one */
  char *constants;          /* 64-byte aligned */
  size_t constants_size;    /* elements */
  size_t *constant_offset;  /* by node, elements */
  size_t arena_bytes, scratch_bytes, padding_bytes; /* padding: the last block of RunRows */
  const PlanStepFunction *function;
  RheoPlanInfo info;
};

struct RheoWork_ {
  RheoPlan plan;
  char *memory; /* arena, scratch, padding */
  char **base;
  char **rows_in, **rows_out; /* pointers of one block of RunRows */
};

/* RheoPlanCreate with passes left out, for tests that compare, or for fixed parameters. */
enum { PLAN_WITHOUT_GROUPS = 1, PLAN_WITHOUT_RULES = 2, PLAN_FIXED = 4 };
PetscErrorCode PlanCreate(RheoProgram program, RheoPrecision precision, int without, int n_out,
                          const RheoVal *out, RheoPlan *plan);

/* plan_place.c */
PetscErrorCode PlanBufferAdd(RheoPlan plan, PlanBufferKind kind, int index, size_t size, int *id);
void PlanDenseStrides(RheoShape shape, int64_t stride[RHEO_MAX_DIM]);
int PlanPlaceIsDense(RheoShape shape, const PlanPlace *place);
/* The place of a view operation whose argument lies at `from`; 0 if that needs a dense copy of the argument
 * first. */
int PlanPlaceView(const RheoPlan plan, int node, const PlanPlace *from, PlanPlace *place);
PetscErrorCode PlanPlaceLeaves(RheoPlan plan);
/* Values that are written straight into an output or into a concatenation. */
PetscErrorCode PlanPlaceTargets(RheoPlan plan, const int *out);
PetscErrorCode PlanPlaceOwn(RheoPlan plan, int node); /* a buffer of its own, unless it has a place */

/* plan_steps.c */
PetscErrorCode PlanSteps(RheoPlan plan, int n_unit, const PlanUnit *unit, const int *out);
PetscErrorCode PlanStepAdd(RheoPlan plan, PlanStepKind kind, int node, int n_in, int n_out, PlanStep **step);
PlanOperand PlanOperandOf(const PlanPlace *place);
/* How an iteration over `shape` walks over a tensor of shape `own` at place, broadcast. */
PlanWalk PlanWalkOf(RheoShape shape, RheoShape own, const PlanPlace *place);
PetscErrorCode PlanStepGroup(RheoPlan plan, const PlanUnit *unit, const int *is_stored);

/* plan_fixed.c: steps that depend on parameters alone come first, in their order. */
PetscErrorCode PlanFixed(RheoPlan plan);

/* plan_arena.c */
PetscErrorCode PlanArena(RheoPlan plan);
