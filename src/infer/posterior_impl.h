/* Private to src/infer: what a posterior holds and what an estimator type provides. */
#pragma once
#include "../program/plan.h"
#include "posterior.h"

typedef struct {
  const char *name, *summary, *reference;
  const char *objective; /* REQUIRED: what training minimises, of columns theta and x */
  /* REQUIRED. noise (B, D), x (B, C) -> theta (B, D); *log_prob (B) */
  RheoVal (*sample)(RheoPosterior posterior, RheoScope scope, RheoVal noise, RheoVal x, RheoVal *log_prob);
  /* REQUIRED. theta (B, D), x (B, C) -> (B) */
  RheoVal (*log_prob)(RheoPosterior posterior, RheoScope scope, RheoVal theta, RheoVal x);
} RheoEstimatorType;
extern const RheoEstimatorType *const RheoEstimatorTypes[]; /* NULL at the end */

typedef struct {
  RheoStrings transform; /* names; one for all or one a column */
} RheoDataConfig;

struct RheoPosterior_ {
  MPI_Comm comm;
  RheoDeck deck;
  PetscBool owns_deck;
  RheoRunConfig run;
  const RheoEstimatorType *type;
  RheoPrior prior;
  RheoFlow flow;
  int d, c;
  int *transform; /* (c) place in RHEO_DATA_TRANSFORM_RULE */
  RheoParams params;
  float *values; /* (P) */
  RheoPlan sample_plan, log_prob_plan;
  /* of the training */
  RheoHistory history;
  float *m, *v;
  int64_t step;
  RheoTrainReason reason;
  double rows_per_second, communication;
};

/* x (n, C) as the network sees it. */
void RheoPosteriorTransformData(RheoPosterior posterior, int64_t n, const double *x, float *y);
