/* Normalizing flows: a base distribution and a stack of invertible transforms, conditional on a context or not.
 *
 * forward goes from data x to base z, inverse from z to x. A transform type is one file under impls/ and one line in
 * transform_types.def; a base is one file and one line in base_types.def. Deck:
 *   flow: {base: normal, stack: [lu, rqs_coupling], repeat: 5, net: {type: resmlp, hidden: 50, layers: 2},
 *          rqs_coupling: {bins: 10, bound: 3}}
 * Between the data and the stack stand `bounded`, where there are bounds, and `standardize`, unless flow.standardize is no;
 * with it the context is standardised too. Both are fixed by RheoFlowFit and kept with the parameters.
 */
#pragma once
#include "../nn/nn.h"

typedef struct RheoFlow_ *RheoFlow;

/* What a transform knows of itself. */
typedef struct RheoTransformType RheoTransformType;
typedef struct {
  const RheoTransformType *type;
  int place;      /* among the layers of the stack that alternate masks or orders */
  int n_features; /* D */
  uint64_t seed;  /* for fixed permutations */
  const RheoNetConfig *net;
  const double *lower, *upper; /* (D), for `bounded`; infinite where open */
  void *config;                /* the type's own struct, filled from its keys */
} RheoTransform;

struct RheoTransformType {
  const char *name, *summary, *reference;
  const RheoKey *keys; /* section flow.<name>; NULL for none */
  size_t size;         /* of config */
  int alternates;      /* 1 where masks or orders follow place; place counts these layers only */
  /* REQUIRED. x (B, D), context (B, C) or none -> y (B, D), log_det (B) = log |det dy/dx| */
  void (*forward)(RheoScope scope, const RheoTransform *t, RheoVal x, RheoVal context, RheoVal *y,
                  RheoVal *log_det);
  /* REQUIRED. log_det is of the inverse, log |det dx/dy| */
  void (*inverse)(RheoScope scope, const RheoTransform *t, RheoVal y, RheoVal context, RheoVal *x,
                  RheoVal *log_det);
  /* OPTIONAL: sets parameters from the mean and standard deviation (D) of what reaches it (standardize, actnorm).
   * values (P) is the flat parameter array, prefix the scope's name. */
  PetscErrorCode (*fit)(const RheoTransform *t, RheoParams params, const char *prefix, const double *mean,
                        const double *sd, float *values);
};
extern const RheoTransformType *const RheoTransformTypes[]; /* NULL at the end */

typedef struct {
  const char *name, *summary, *reference;
  RheoInputKind noise; /* what sampling starts from */
  /* REQUIRED. z (B, D) -> (B) */
  RheoVal (*log_prob)(RheoScope scope, RheoVal z, RheoVal context);
  /* REQUIRED. noise (B, D) -> z (B, D) */
  RheoVal (*sample)(RheoScope scope, RheoVal noise, RheoVal context);
} RheoBaseType;
extern const RheoBaseType *const RheoBaseTypes[]; /* NULL at the end */

/* Life cycle. Create, SetFromDeck (section prefix, usually "flow"), SetSizes, optionally SetBounds, SetUp. Bounds put a
 * `bounded` transform in front, so that no sample can fall outside. Collective on the deck's communicator. */
PetscErrorCode RheoFlowCreate(RheoFlow *flow);
PetscErrorCode RheoFlowDestroy(RheoFlow *flow);
PetscErrorCode RheoFlowSetFromDeck(RheoFlow flow, RheoDeck deck, const char *prefix);
PetscErrorCode RheoFlowSetSizes(RheoFlow flow, int n_features, int n_context);
PetscErrorCode RheoFlowSetBounds(RheoFlow flow, const double *lower, const double *upper); /* (D), copied */
PetscErrorCode RheoFlowSetUp(RheoFlow flow);
PetscErrorCode RheoFlowView(RheoFlow flow, FILE *file);

/* The schema: the section `flow`, `flow.net` and one for each transform type that has keys; array owned by the library. */
PetscErrorCode RheoFlowGetSections(int *n, const RheoSection **sections);

/* log p(x | context) (B). */
RheoVal rx_flow_log_prob(RheoFlow flow, RheoScope scope, RheoVal x, RheoVal context);
/* x (B, D) from noise (B, D) of RheoFlowNoise's kind; *log_prob (B) of the sample, where asked for (may be NULL). */
RheoVal rx_flow_sample(RheoFlow flow, RheoScope scope, RheoVal noise, RheoVal context, RheoVal *log_prob);
RheoInputKind RheoFlowNoise(RheoFlow flow);
/* x -> z and back, for tests and for methods that work in base space; log_det (B) may be NULL. */
RheoVal rx_flow_forward(RheoFlow flow, RheoScope scope, RheoVal x, RheoVal context, RheoVal *log_det);
RheoVal rx_flow_inverse(RheoFlow flow, RheoScope scope, RheoVal z, RheoVal context, RheoVal *log_det);

/* Data-dependent start: sends rows x (n, D), context (n, C) or NULL through the stack and lets standardisation (also of the
 * context) and actnorm take their mean and sd. The parameters must have been named (by building a program once) and
 * initialised. scope_name as used for building. Deterministic in the rows. Not collective. */
PetscErrorCode RheoFlowFit(RheoFlow flow, RheoParams params, const char *scope_name, int64_t n,
                           const float *x, const float *context, float *values);
