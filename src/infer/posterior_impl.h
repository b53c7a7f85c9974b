/* Private to src/infer: what a posterior holds and what an estimator type provides. */
#pragma once
#include "posterior.h"
#include "training.h"

typedef struct {
  const char *name, *summary, *reference;
  const RheoDensityType *density; /* REQUIRED: of scores of parameters given data */
  const char
      *objective; /* what training minimises, of columns theta and x; NULL: as the density's deck says */
} RheoEstimatorType;
extern const RheoEstimatorType *const RheoEstimatorTypes[]; /* NULL at the end */

struct RheoPosterior_ {
  MPI_Comm comm;
  RheoDeck deck;
  PetscBool owns_deck;
  RheoRunConfig run;
  const RheoEstimatorType *type;
  RheoPrior prior;
  int d, c;
  int *transform; /* (c) place in RHEO_DATA_TRANSFORM_RULE */
  RheoDensity density;
  RheoTraining training;
  PetscBool guarded;
  RheoSafeguard guard;
  const char *series; /* path; NULL: none */
};

/* ---- data.c: the data as the network sees them ---- */
/* Reads data.transform: transform (n_data), freed with PetscFree. */
PetscErrorCode RheoDataTransformRead(RheoDeck deck, int n_data, int **transform);
PetscErrorCode RheoDataStreamRead(RheoDeck deck, int *stream); /* data.stream */
/* x (n, C) -> y (n, C). */
void RheoPosteriorTransformData(RheoPosterior posterior, int64_t n, const double *x, float *y);
/* One observation: context (C); one that is not finite is RHEO_ERR_INPUT. */
PetscErrorCode RheoPosteriorObserve(RheoPosterior posterior, const double *x, float *context);

/* ---- scores.c: parameters as the network sees them ---- */
/* score (D) and its log density -> theta (D), in place too; returns log q(theta). */
double RheoPosteriorFromScores(RheoPosterior posterior, const double *score, double log_q, double *theta);
/* theta (D) -> score (D), 0 where there is none; returns log q(theta) - log q(score), -infinity outside the prior. */
double RheoPosteriorToScores(RheoPosterior posterior, const double *theta, double *score);
/* What log q(theta) has beyond log q(score) for parameter k, as a function of its score z. */
double RheoPosteriorBeyond(RheoPosterior posterior, int k, double z);
