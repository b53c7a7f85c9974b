/* Parameters live in one flat array; this is the layout of that array: named views, in the order of first use.
 *
 * The layout holds no values. All programs of a model (loss, log_prob, sampling) are built with the same layout, and a
 * name that is asked for again gives the same place. Values are float (P) for training, 64-byte aligned; gradients and
 * optimiser state mirror them.
 */
#pragma once
#include "../base/error.h"
#include "shape.h"
#include <stdint.h>

typedef struct RheoParams_ *RheoParams;

typedef enum {
  RHEO_INIT_ZERO,
  RHEO_INIT_FILL,     /* every element `a` */
  RHEO_INIT_UNIFORM,  /* uniform on (-a, a) */
  RHEO_INIT_NORMAL,   /* normal with standard deviation a */
  RHEO_INIT_IDENTITY, /* a times the identity matrix */
  RHEO_INIT_VALUES,   /* the values given, row-major */
} RheoInitKind;

typedef struct {
  RheoInitKind kind;
  double a;
  const double *values; /* RHEO_INIT_VALUES: copied when the parameter is first named */
  int frozen;           /* not trained: constants such as standardisation, kept with the model */
  int no_decay;         /* weight decay leaves it alone (biases, scales) */
} RheoInit;

typedef struct {
  const char *name; /* "flow.3.net.0.weight" */
  RheoShape shape;
  size_t offset, size;
  RheoInit init;
} RheoParamView;

PetscErrorCode RheoParamsCreate(RheoParams *params);
PetscErrorCode RheoParamsDestroy(RheoParams *params);
size_t RheoParamsSize(RheoParams params); /* P */
int RheoParamsCount(RheoParams params);
const RheoParamView *RheoParamsView(RheoParams params, int i);
const RheoParamView *RheoParamsFind(RheoParams params, const char *name); /* NULL where absent */

/* Whether both lay the same names out in the same places. */
int RheoParamsSame(RheoParams a, RheoParams b);

/* values (P): zeros; freed with free. */
PetscErrorCode RheoParamsAllocate(RheoParams params, float **values);

/* values (P): initial values, a pure function of (seed, place). Not collective. */
PetscErrorCode RheoParamsInit(RheoParams params, uint64_t seed, float *values);

/* Where the n values of the parameter prefix.name stand in values (P); a name that no program has named yet, or another
 * number of elements, is ours. Not collective. */
PetscErrorCode RheoParamsFindValues(RheoParams params, const char *prefix, const char *name, int n,
                                    float *values, float **found);
