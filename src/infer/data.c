/* Data as the network sees them: transformed column by column, in single precision. */
#include "posterior_impl.h"
#include <math.h>
#include <string.h>

typedef struct {
  RheoStrings transform; /* names; one for all or one a column */
  int stream;            /* RheoStreaming */
} RheoDataConfig;

const RheoKey RheoDataKeys[] = {
    {"transform", RHEO_KEY_STRINGS, offsetof(RheoDataConfig, transform), "none", NULL,
     "of the data before standardisation, one for all columns or one each: " RHEO_DATA_TRANSFORM_RULE},
    {"stream", RHEO_KEY_CHOICE, offsetof(RheoDataConfig, stream), "auto", RHEO_STREAMING_RULE,
     "read rows of the file as training needs them, instead of keeping them in memory; auto: where they are "
     "more than a "
     "train.window. The model is the same"},
    {0}};

static const char *const TransformNames[] = {"none", "log1p", "sqrt", "log", "asinh", NULL};

static double TransformOne(int transform, double x)
{
  switch (transform) {
  case 1:
    return log1p(x);
  case 2:
    return sqrt(x);
  case 3:
    return log(x);
  case 4:
    return asinh(x);
  default:
    return x;
  }
}

void RheoPosteriorTransformData(RheoPosterior posterior, int64_t n, const double *x, float *y)
{
  const int c = posterior->c;
  for (int64_t i = 0; i < n; i++)
    for (int k = 0; k < c; k++) y[i * c + k] = (float)TransformOne(posterior->transform[k], x[i * c + k]);
}

PetscErrorCode RheoPosteriorObserve(RheoPosterior p, const double *x, float *context)
{
  PetscFunctionBeginUser;
  RheoPosteriorTransformData(p, 1, x, context);
  for (int k = 0; k < p->c; k++)
    RheoInputCheck(isfinite(context[k]), PETSC_COMM_SELF,
                   "value %d of the observation, %g, is not finite after data.transform", k + 1, x[k]);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataTransformRead(RheoDeck deck, int n_data, int **transform)
{
  RheoDataConfig config = {0};

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "data", RheoDataKeys, &config));
  if (config.transform.n != 1 && config.transform.n != n_data)
    PetscCall(RheoDeckReject(deck, "data.transform",
                             "needs one name, or one for each of the %d columns of the data", n_data));
  PetscCall(PetscMalloc1(n_data, transform));
  for (int k = 0; k < n_data; k++) {
    const char *name = config.transform.v[config.transform.n == 1 ? 0 : k];
    int found = -1;
    for (int t = 0; TransformNames[t]; t++)
      if (!strcmp(name, TransformNames[t])) found = t;
    if (found < 0)
      PetscCall(RheoDeckReject(deck, "data.transform", "'%s' is none of %s", name, RHEO_DATA_TRANSFORM_RULE));
    (*transform)[k] = found;
  }
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoDataStreamRead(RheoDeck deck, int *stream)
{
  RheoDataConfig config = {0};

  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, "data", RheoDataKeys, &config));
  *stream = config.stream;
  PetscFunctionReturn(RHEO_OK);
}
