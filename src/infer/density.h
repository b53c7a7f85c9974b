/* A conditional density q(z | context) that is learned: what estimators and transport stand on.
 *
 * It may be a stack of transforms (`flow`) or a continuous flow (`cnf`). The deck's section of that name says what it is,
 * and the same name is the scope of its parameters. z (n, D) is double outside; a `flow` works in single precision.
 *
 * A sample is a pure function of (seed, its number, its context), whatever else is asked for in the same call, and so is a
 * density. Exceptions, of a `cnf` with adaptive steps only, whose rows share steps in groups: densities, and samples that are
 * numbered by an index or have contexts of their own, depend on their call's other rows, and samples on whether their density is
 * asked for too; all within the solver's tolerance. A `cnf` holds its solver's workspace: one thread at a time.
 */
#pragma once
#include "../objective/objective.h"

typedef struct RheoDensity_ *RheoDensity;

typedef struct RheoDensityType RheoDensityType; /* a kind of density */
extern const RheoDensityType RheoDensityType_Flow, RheoDensityType_Cnf;
extern const RheoKey RheoDensityCnfKeys[]; /* of section cnf, beside its own */

/* Named, initialised from seed and compiled. objective: what training minimises; NULL: what the deck's section says. n_context
 * may be 0. The deck is read, not kept. Collective on its communicator. */
PetscErrorCode RheoDensityCreate(RheoDeck deck, const RheoDensityType *type, const char *objective,
                                 int n_features, int n_context, uint64_t seed, RheoDensity *density);
PetscErrorCode RheoDensityDestroy(RheoDensity *density);

/* Standardisation and the like, from rows z (n, D), context (n, C) or NULL, before training. Not collective. */
PetscErrorCode RheoDensityFit(RheoDensity density, int64_t n, const float *z, const float *context);

/* What may be changed after training: how a cnf is followed, section cnf.solve, and cnf.guidance. Collective on the deck's
 * communicator. */
PetscErrorCode RheoDensitySetSolver(RheoDensity density, RheoDeck deck);

/* From how many places a search for the density's maximum should start. */
int RheoDensityHills(RheoDensity density);

/* What a trainer and a file need; all borrowed. Values may be changed in place. */
const RheoObjectiveType *RheoDensityObjective(RheoDensity density);
RheoObjectiveModel *RheoDensityModel(RheoDensity density);
const char *RheoDensityScope(RheoDensity density);
RheoParams RheoDensityParams(RheoDensity density);
float *RheoDensityValues(RheoDensity density); /* (P) */

typedef struct {
  int64_t n;
  const float *context;  /* (n, C), or (C) where shared; NULL where C is 0 */
  PetscBool shared;      /* one context for all rows */
  uint64_t seed;         /* of noise */
  uint64_t first;        /* number of the first row */
  const uint64_t *index; /* (n) numbers of the rows; NULL: first, first + 1, ... */
} RheoDensityRows;

/* z (n, D), log_q (n) or NULL. Rows with a context that is not finite become NaN. Not collective. */
PetscErrorCode RheoDensitySample(RheoDensity density, const RheoDensityRows *rows, double *z, double *log_q);
/* log_q (n) of finite z (n, D); variance (n) or NULL: of log_q over the noise of its estimate, 0 where it is not estimated, NaN
 * where a single probe does not tell. A context that is not finite gives NaN. Not collective. */
PetscErrorCode RheoDensityLogProb(RheoDensity density, const RheoDensityRows *rows, const double *z,
                                  double *log_q, double *variance);

/* One row at a time, as soon as can be: for those inside a simulation. A workspace belongs to one thread; the density, whose
 * values may not change meanwhile, to all. Sample and LogProb allocate nothing, take no locks, call neither PETSc nor MPI and
 * give what RheoDensitySample and RheoDensityLogProb give, to the bit. A `cnf` has no such way. */
typedef struct RheoDensityOne_ *RheoDensityOne;
PetscBool RheoDensityHasOne(RheoDensity density);
/* One thread at a time: the first one compiles. */
PetscErrorCode RheoDensityOneCreate(RheoDensity density, RheoDensityOne *one);
PetscErrorCode RheoDensityOneDestroy(RheoDensityOne *one);
/* context (C), z (D), log_q (1) or NULL. */
void RheoDensityOneSample(RheoDensityOne one, const float *context, uint64_t seed, uint64_t number, double *z,
                          double *log_q);
void RheoDensityOneLogProb(RheoDensityOne one, const float *context, const double *z, double *log_q);

/* The density for one context (C) in double precision, point by point, with its gradient: for optimisers. */
typedef struct RheoDensityPoint_ *RheoDensityPoint;
PetscErrorCode RheoDensityPointCreate(RheoDensity density, const float *context, RheoDensityPoint *point);
PetscErrorCode RheoDensityPointDestroy(RheoDensityPoint *point);
/* z (D) -> log q(z | context) and its gradient (D). */
PetscErrorCode RheoDensityPointEvaluate(RheoDensityPoint point, const double *z, double *log_q,
                                        double *gradient);
