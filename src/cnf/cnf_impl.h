/* Private to src/cnf: what a RheoCnf holds. */
#pragma once
#include "../nn/moments.h"
#include "cnf.h"

enum { RHEO_CNF_MAX_FEATURES = 4096 };

#define RHEO_VELOCITY_TYPE(symbol, name) extern const RheoVelocityType RheoVelocityType_##symbol;
#include "velocity_types.def"
#undef RHEO_VELOCITY_TYPE
#define RHEO_EMBEDDING_TYPE(symbol, name) extern const RheoEmbeddingType RheoEmbeddingType_##symbol;
#include "embedding_types.def"
#undef RHEO_EMBEDDING_TYPE
#define RHEO_PATH_TYPE(symbol, name) extern const RheoPathType RheoPathType_##symbol;
#include "path_types.def"
#undef RHEO_PATH_TYPE

struct RheoCnf_ {
  PetscBool configured, ready;
  RheoCnfConfig config;
  RheoLikelihoodConfig likelihood;
  RheoNetConfig net;
  RheoNetConfig shift_net; /* of cnf.shift: one hidden layer */
  void **coupling_config;  /* one struct for each of RheoCouplingTypes; NULL where it has no keys */
  int n_features, n_context;
  RheoCnfMoments moments;
};

PetscErrorCode RheoCnfSetDefaults(RheoCnf cnf); /* from an empty deck */

/* RheoNetKeys with the defaults of a velocity field, which must be smooth. */
const RheoKey *RheoCnfNetKeys(void);

/* NULL, or what is wrong with a call that hands z (B, D) and the context to the field. */
const char *rheo_cnf_mistake(RheoCnf cnf, RheoVal z, RheoVal context);

/* The context as the networks see it: standardised. */
RheoVal rx_cnf_context(RheoCnf cnf, RheoScope scope, RheoVal context);

/* The normal quantile of u in (0, 1), to single precision. */
RheoVal rx_normal_quantile(RheoVal u);
