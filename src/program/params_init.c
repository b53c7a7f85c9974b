#include "../base/random.h"
#include "params.h"

/* One stream a parameter, keyed by its place: adding a parameter behind it
 * changes nothing. */
static void fill_view(const RheoParamView *view, RheoStream stream, float *values)
{
  double a = view->init.a;
  for (size_t j = 0; j < view->size; j++) {
    switch (view->init.kind) {
    case RHEO_INIT_ZERO:
      values[j] = 0.f;
      break;
    case RHEO_INIT_FILL:
      values[j] = (float)a;
      break;
    case RHEO_INIT_UNIFORM:
      values[j] = (float)(a * (2. * RheoStreamUniform(&stream) - 1.));
      break;
    case RHEO_INIT_NORMAL:
      values[j] = (float)(a * RheoStreamNormal(&stream));
      break;
    case RHEO_INIT_IDENTITY:
      values[j] = j % ((size_t)view->shape.d[1] + 1) == 0 ? (float)a : 0.f;
      break;
    case RHEO_INIT_VALUES:
      values[j] = (float)view->init.values[j];
      break;
    }
  }
}

PetscErrorCode RheoParamsInit(RheoParams params, uint64_t seed, float *values)
{
  PetscFunctionBeginUser;
  for (int i = 0; i < RheoParamsCount(params); i++) {
    const RheoParamView *view = RheoParamsView(params, i);
    fill_view(view, RheoStreamMake(seed, RHEO_STREAM_INIT, 0, (uint64_t)view->offset), values + view->offset);
  }
  PetscFunctionReturn(RHEO_OK);
}
