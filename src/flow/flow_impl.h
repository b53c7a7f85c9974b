/* Private to src/flow: the stack, and what couplings and autoregressive transforms share. */
#pragma once
#include "../nn/moments.h"
#include "flow.h"

enum { RHEO_MAX_FEATURES = 4096 };

#define RHEO_TRANSFORM_TYPE(Name) extern const RheoTransformType RheoTransformType_##Name;
#include "transform_types.def"
#undef RHEO_TRANSFORM_TYPE
#define RHEO_BASE_TYPE(symbol, name) extern const RheoBaseType RheoBaseType_##symbol;
#include "base_types.def"
#undef RHEO_BASE_TYPE

typedef struct {
  int base;          /* place in RheoBaseTypes */
  RheoStrings stack; /* names, from data to base */
  int repeat;        /* times the stack is repeated */
  PetscBool standardize;
  int64_t seed; /* of fixed permutations */
} RheoFlowConfig;
extern const RheoKey RheoFlowKeys[];

typedef struct {
  RheoTransform transform;
  const char *name; /* of its scope below the flow's: "bounded", "standardize", "0", "1", ... */
} RheoFlowLayer;

struct RheoFlow_ {
  PetscBool configured, ready;
  RheoFlowConfig config;
  RheoNetConfig net;
  void **type_config; /* one struct for each of RheoTransformTypes; NULL where it has no keys */
  int n_features, n_context;
  double *lower, *upper; /* (D) or NULL */
  int n_layers;
  RheoFlowLayer *layer; /* from data to base */
};

/* Defaults, from an empty deck. */
PetscErrorCode RheoFlowSetDefaults(RheoFlow flow);
int RheoTransformTypeCount(void);

/* The first n layers: x (B, D) -> (B, D), and the sum of the log-determinants (B), which does not exist for n
 * = 0. The context as given to the flow's functions. */
RheoVal rx_flow_layers(RheoFlow flow, RheoScope scope, int n, RheoVal x, RheoVal context, RheoVal *log_det);

/* ---- Element-wise maps whose parameters a network gives ---- */

typedef struct {
  int n_raw;       /* parameters of one element */
  double out_gain; /* of the network's last layer: how far from the identity it starts */
  const void *config;
  /* x (B, d), raw (B, d, n_raw) -> (B, d); raw = 0 is the identity. log_det (B, d), of the direction taken.
   */
  RheoVal (*map)(const void *config, RheoVal x, RheoVal raw, int inverse, RheoVal *log_det);
} RheoElementMap;

typedef struct {
  double limit; /* log-scales stay within (-limit, limit) */
} RheoAffineConfig;
extern const RheoKey RheoAffineKeys[];
RheoElementMap rheo_affine_map(const RheoAffineConfig *config);

typedef struct {
  int bins;
  double bound;
} RheoSplineConfig;
extern const RheoKey RheoSplineKeys[];
RheoElementMap rheo_spline_map(const RheoSplineConfig *config);

/* Half of the features pass through and, with the context, say how the others are mapped. y and log_det (B).
 */
void rx_coupling(RheoScope scope, const RheoTransform *t, const RheoElementMap *map, int inverse, RheoVal x,
                 RheoVal context, RheoVal *y, RheoVal *log_det);

/* Feature d is mapped as the features before it and the context say. from_input: the network sees the x that
 * is given (one pass); otherwise what it gives back (D passes): the two are each other's inverse when
 * `inverse` differs too. */
void rx_autoregressive(RheoScope scope, const RheoTransform *t, const RheoElementMap *map, int inverse,
                       int from_input, RheoVal x, RheoVal context, RheoVal *y, RheoVal *log_det);

/* The sum over features of log-derivatives (D) that are the same for all rows, as (B). */
RheoVal rx_same_for_rows(RheoProgram program, RheoVal log_derivative);
