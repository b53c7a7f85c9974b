/* Private to src/infer: what a kind of density provides. */
#pragma once
#include "../program/plan.h"
#include "density.h"

struct RheoDensityType {
  const char *name; /* of the deck's section, and of the scope */
  int hills;        /* from how many places a search for the maximum should start */
  /* REQUIRED where not said otherwise. create reads the deck, names every parameter in q->params and fills in q->data, q->model and, where it is
   * NULL, q->objective. */
  PetscErrorCode (*create)(RheoDensity q, RheoDeck deck);
  PetscErrorCode (*destroy)(RheoDensity q);
  PetscErrorCode (*fit)(RheoDensity q, int64_t n, const float *z, const float *context);
  PetscErrorCode (*sample)(RheoDensity q, const RheoDensityRows *rows, double *z, double *log_q);
  PetscErrorCode (*log_prob)(RheoDensity q, const RheoDensityRows *rows, const double *z, double *log_q,
                             double *variance);               /* variance is zeros, or NULL */
  PetscErrorCode (*set_solver)(RheoDensity q, RheoDeck deck); /* OPTIONAL: there is nothing to set */
  /* OPTIONAL, all or none: one row at a time. compile makes q->one, the plans (const), the first time. */
  PetscErrorCode (*one_compile)(RheoDensity q);
  RheoInputKind (*noise)(RheoDensity q);
  PetscErrorCode (*point_create)(RheoDensityPoint point);
  PetscErrorCode (*point_destroy)(RheoDensityPoint point);
  PetscErrorCode (*point_evaluate)(RheoDensityPoint point, const double *z, double *log_q, double *gradient);
};

struct RheoDensity_ {
  const RheoDensityType *type;
  int d, c;
  const RheoObjectiveType *objective;
  RheoObjectiveModel model;
  RheoParams params;
  float *values;                     /* (P) */
  void *data;                        /* the kind's own */
  RheoPlan one_sample, one_log_prob; /* of one row, for values that stay; NULL until asked for */
};

struct RheoDensityPoint_ {
  RheoDensity q;
  double *context; /* (C) */
  void *data;
};

/* context (n, C) of rows first .. first + n - 1 of rows. */
void RheoDensityContext(RheoDensity q, const RheoDensityRows *rows, int64_t first, int64_t n, float *context);
/* noise (n, D) of the same rows, of a kind that flows and sources start from. */
void RheoDensityNoise(const RheoDensityRows *rows, RheoInputKind kind, int d, int64_t first, int64_t n,
                      float *noise);
/* start (n, D): where the same rows start from in a continuous flow with a source of this kind (cnf.h), normal or uniform; noise
 * (n, D) is for it to work in. */
void RheoDensityStarts(const RheoDensityRows *rows, int source, int d, int64_t first, int64_t n, float *noise,
                       double *start);
