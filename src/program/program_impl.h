/* Private to src/program and the tests' interpreter: the representation. */
#pragma once
#include "fused.h"
#include "plan.h"

typedef enum {
#define RHEO_OP(symbol, name, class, arguments, summary) RHEO_OP_##symbol,
#include "ops.def"
#undef RHEO_OP
  RHEO_OP_COUNT
} RheoOp;

typedef enum {
  RHEO_CLASS_LEAF,
  RHEO_CLASS_UNARY,
  RHEO_CLASS_BINARY,
  RHEO_CLASS_COMPARE,
  RHEO_CLASS_SELECT,
  RHEO_CLASS_CONTRACT,
  RHEO_CLASS_REDUCE,
  RHEO_CLASS_SCAN,
  RHEO_CLASS_SHAPE,
  RHEO_CLASS_INDEX,
  RHEO_CLASS_FUSED,
  RHEO_CLASS_PART,
} RheoOpClass;

typedef struct {
  const char *name;
  RheoOpClass class;
  int arguments;
  const char *summary;
} RheoOpInfo;
extern const RheoOpInfo RheoOps[RHEO_OP_COUNT]; /* ops.c */

enum { RHEO_MAX_PARTS = 4 };
typedef struct RheoFusedType RheoFusedType;

/* Attributes by operation:
 *   INPUT      i[0] its number                PARAM    offset in the flat array
 *   LITERAL    data, double[size]             FILL     r[0] the value
 *   MATMUL     i[0], i[1] transposed          SUM AMAX i[0..3] 1 where the axis is reduced; the node keeps the axes with
 *   CUMSUM     i[0] axis, i[1] reverse                 length one (rx_sum adds a RESHAPE)
 *   PERMUTE    i[0..3] axes                   SLICE    i[0] axis, i[1] begin, i[2] end
 *   PAD        i[0] axis, i[1] before, i[2] after      CONCAT i[0] axis
 *   BROADCAST  axes align at the right as in NumPy: the argument may have fewer
 *   GATHER     i[0] axis                      SCATTER_ADD i[0] axis, i[1] size
 *   FUSED      fused, i and r as the type says         PART   i[0] which                                            */
typedef struct {
  RheoOp op;
  RheoShape shape; /* of a FUSED node: of part 0 */
  int n_arg;
  int *arg; /* ids of earlier nodes, owned */
  int i[8];
  double r[4];
  size_t offset;
  double *data; /* owned */
  const RheoFusedType *fused;
  int n_part; /* FUSED */
  RheoShape part[RHEO_MAX_PARTS];
} RheoNode;

typedef struct {
  const char *name; /* interned */
  RheoInputKind kind;
  int is_rows;
  int node;
} RheoInputInfo;

typedef struct {
  const char *name; /* interned */
  int node;
} RheoParamNode;

struct RheoProgram_ {
  int rows;
  int n, capacity;
  RheoNode *node; /* in topological order: arguments come before */
  int n_input, input_capacity;
  RheoInputInfo *input;
  RheoParams params; /* the layout, borrowed; NULL before the first parameter */
  int n_param, param_capacity;
  RheoParamNode *param; /* one for each name */
  char error[512];      /* "" while all is well */
  int error_line;       /* 0 until rx_here fills it in */
};

/* Appends a node; arg and data are copied. The builders check shapes and call this. */
RheoVal rx_append(RheoProgram p, const RheoNode *node);
RheoVal rx_part(RheoVal fused, int k);

/* params.c: the view of that name, made where it is new; NULL and a message where it cannot be. */
const RheoParamView *RheoParamsAdd(RheoParams params, const char *name, RheoShape shape, RheoInit init,
                                   char message[256]);

/* For builders. The program of x[0..n-1], or NULL (and the mistake noted) where one does not exist, programs are mixed
 * or a mistake was made before; x[0..n-1] must not all lack a program. */
RheoProgram rx_program_of(const char *op, int n, const RheoVal *x);
RheoVal rx_failed(int n, const RheoVal *x);                                /* what a builder returns then */
RheoVal rx_append_op(RheoOp op, RheoShape shape, int n, const RheoVal *x); /* without attributes */
int rx_broadcast_shape(RheoShape a, RheoShape b, RheoShape *shape);        /* 0 where they do not broadcast */
int rx_axis(RheoShape shape, int axis);                                    /* from 0, or -1 */
RheoVal rx_reduce(RheoOp op, RheoVal x, const int reduced[RHEO_MAX_DIM]);  /* SUM or AMAX, axes kept */

/* A fused type. Kernels get pointers to whole tensors; scratch is theirs for the call. */
struct RheoFusedType {
  const char *name, *summary, *reference;
  /* REQUIRED. Sets n_part and part[] from the arguments' shapes and i, r; returns NULL, or what is wrong. */
  const char *(*shape)(const RheoShape *arg, int n_arg, RheoNode *node);
  /* REQUIRED. Appends the same mathematics in primitives (or in simpler fused operations): part[0..n_part-1]. */
  void (*expand)(RheoProgram p, const RheoNode *node, const RheoVal *arg, RheoVal *part);
  /* OPTIONAL (default: differentiate the expansion). Appends the VJP: darg[0..n_arg-1], RHEO_NONE for zero. dpart[k]
   * always exists. Usually another fused type whose own derivative is left to its expansion. */
  void (*vjp)(RheoProgram p, const RheoNode *node, const RheoVal *arg, const RheoVal *part,
              const RheoVal *dpart, RheoVal *darg);
  /* REQUIRED. element-wise kernels of unary nature may be run on tiles: see element_wise. */
  void (*run_single)(const RheoNode *node, const RheoShape *arg_shape, const float *const *arg,
                     float *const *part, float *scratch);
  void (*run_double)(const RheoNode *node, const RheoShape *arg_shape, const double *const *arg,
                     double *const *part, double *scratch);
  /* OPTIONAL (default 0): elements of scratch. */
  size_t (*scratch)(const RheoNode *node, const RheoShape *arg_shape);
  /* OPTIONAL: where the operation is element-wise on arguments of one shape with one result, so that it can join a
   * group and run on n elements. */
  void (*tile_single)(const RheoNode *node, size_t n, const float *const *arg, float *out);
  void (*tile_double)(const RheoNode *node, size_t n, const double *const *arg, double *out);
};
#define RHEO_FUSED(name) extern const RheoFusedType RheoFusedType_##name;
#include "fused_types.def"
#undef RHEO_FUSED
extern const RheoFusedType *const RheoFusedTypes[]; /* NULL at the end; fused.c, from fused_types.def */
RheoVal rx_fused(RheoProgram p, const RheoFusedType *type, int n_arg, const RheoVal *arg, const int i[8],
                 const double r[4]);

/* differentiate_rules.c: the rule of one operation other than FUSED and PART. Fills darg[k] for arguments with need[k];
 * it stays RHEO_NONE where there is no dependence. */
void rx_vjp_rule(RheoProgram p, int id, RheoVal dy, const int *need, RheoVal *darg);
int rx_vjp_depends(RheoOp op, int k); /* whether the result varies smoothly with argument k */
