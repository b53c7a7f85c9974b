#include "flow_impl.h"
#include <math.h>
#include <string.h>

const RheoTransformType *const RheoTransformTypes[] = {
#define RHEO_TRANSFORM_TYPE(Name) &RheoTransformType_##Name,
#include "transform_types.def"
#undef RHEO_TRANSFORM_TYPE
    NULL};

const RheoBaseType *const RheoBaseTypes[] = {
#define RHEO_BASE_TYPE(symbol, name) &RheoBaseType_##symbol,
#include "base_types.def"
#undef RHEO_BASE_TYPE
    NULL};

int RheoTransformTypeCount(void)
{
  return (int)(sizeof RheoTransformTypes / sizeof *RheoTransformTypes) - 1;
}

PetscErrorCode RheoFlowCreate(RheoFlow *flow)
{
  PetscFunctionBeginUser;
  PetscCall(PetscNew(flow));
  PetscCall(PetscCalloc1(RheoTransformTypeCount(), &(*flow)->type_config));
  for (int i = 0; RheoTransformTypes[i]; i++)
    if (RheoTransformTypes[i]->size)
      PetscCall(PetscCalloc(RheoTransformTypes[i]->size, &(*flow)->type_config[i]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowDestroy(RheoFlow *flow)
{
  PetscFunctionBeginUser;
  if (!*flow) PetscFunctionReturn(RHEO_OK);
  for (int i = 0; RheoTransformTypes[i]; i++) PetscCall(PetscFree((*flow)->type_config[i]));
  PetscCall(PetscFree((*flow)->type_config));
  PetscCall(PetscFree((*flow)->lower));
  PetscCall(PetscFree((*flow)->upper));
  PetscCall(PetscFree((*flow)->layer));
  PetscCall(PetscFree(*flow));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowSetSizes(RheoFlow flow, int n_features, int n_context)
{
  PetscFunctionBeginUser;
  RheoInputCheck(n_features >= 1 && n_features <= RHEO_MAX_FEATURES, PETSC_COMM_SELF,
                 "flow: the number of features must be in [1, %d], got %d", RHEO_MAX_FEATURES, n_features);
  RheoInputCheck(n_context >= 0, PETSC_COMM_SELF,
                 "flow: the width of the context must not be negative, got %d", n_context);
  PetscCheck(!flow->lower, PETSC_COMM_SELF, PETSC_ERR_ORDER, "sizes come before bounds");
  flow->n_features = n_features;
  flow->n_context = n_context;
  flow->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowSetBounds(RheoFlow flow, const double *lower, const double *upper)
{
  const int n = flow->n_features;
  PetscFunctionBeginUser;
  PetscCheck(n > 0, PETSC_COMM_SELF, PETSC_ERR_ORDER, "sizes come before bounds");
  for (int d = 0; d < n; d++)
    RheoInputCheck(lower[d] < upper[d], PETSC_COMM_SELF,
                   "flow: the lower bound of feature %d must be below the upper one, got %g and %g", d,
                   lower[d], upper[d]);
  PetscCall(PetscFree(flow->lower));
  PetscCall(PetscFree(flow->upper));
  PetscCall(PetscMalloc1(n, &flow->lower));
  PetscCall(PetscMalloc1(n, &flow->upper));
  PetscCall(PetscArraycpy(flow->lower, lower, n));
  PetscCall(PetscArraycpy(flow->upper, upper, n));
  flow->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

static int type_number(const char *name)
{
  for (int i = 0; RheoTransformTypes[i]; i++)
    if (strcmp(RheoTransformTypes[i]->name, name) == 0) return i;
  return -1;
}

static void add_layer(RheoFlow flow, const char *type, const char *name, int *n_alternating)
{
  const int i = type_number(type), n = flow->n_layers++;
  flow->layer[n] = (RheoFlowLayer){
      .transform = {.type = RheoTransformTypes[i],
                    .place = *n_alternating,
                    .n_features = flow->n_features,
                    .seed = (uint64_t)flow->config.seed + 1000003u * (uint64_t)n,
                    .net = &flow->net,
                    .lower = flow->lower,
                    .upper = flow->upper,
                    .config = flow->type_config[i]},
      .name = name,
  };
  *n_alternating += RheoTransformTypes[i]->alternates;
}

static PetscBool any_finite(int n, const double *lower, const double *upper)
{
  for (int d = 0; lower && d < n; d++)
    if (isfinite(lower[d]) || isfinite(upper[d])) return PETSC_TRUE;
  return PETSC_FALSE;
}

PetscErrorCode RheoFlowSetUp(RheoFlow flow)
{
  int n_alternating = 0;
  char name[16];
  PetscFunctionBeginUser;
  if (flow->ready) PetscFunctionReturn(RHEO_OK);
  PetscCheck(flow->n_features > 0, PETSC_COMM_SELF, PETSC_ERR_ORDER,
             "a flow needs its sizes before it is set up");
  if (!flow->configured) PetscCall(RheoFlowSetDefaults(flow));
  const int n_stack = flow->config.stack.n * flow->config.repeat;
  PetscCall(PetscFree(flow->layer));
  PetscCall(PetscCalloc1(n_stack + 2, &flow->layer));
  flow->n_layers = 0;
  if (any_finite(flow->n_features, flow->lower, flow->upper))
    add_layer(flow, "bounded", "bounded", &n_alternating);
  if (flow->config.standardize) add_layer(flow, "standardize", "standardize", &n_alternating);
  for (int i = 0; i < n_stack; i++) {
    snprintf(name, sizeof name, "%d", i);
    add_layer(flow, flow->config.stack.v[i % flow->config.stack.n], RheoIntern(name), &n_alternating);
  }
  flow->ready = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoFlowView(RheoFlow flow, FILE *file)
{
  PetscFunctionBeginUser;
  PetscCheck(flow->ready, PETSC_COMM_SELF, PETSC_ERR_ORDER, "a flow must be set up before it is viewed");
  fprintf(file, "flow: %d features, context of width %d%s\n", flow->n_features, flow->n_context,
          flow->config.standardize && flow->n_context ? ", standardized" : "");
  for (int i = 0; i < flow->n_layers; i++)
    fprintf(file, "  %-12s %-20s %s\n", flow->layer[i].name, flow->layer[i].transform.type->name,
            flow->layer[i].transform.type->summary);
  fprintf(file, "  %-12s %-20s %s\n", "base", RheoBaseTypes[flow->config.base]->name,
          RheoBaseTypes[flow->config.base]->summary);
  fprintf(file, "  %-12s %-20s %d hidden layers of %d\n", "network", RheoNetTypes[flow->net.type]->name,
          flow->net.layers, flow->net.hidden);
  PetscFunctionReturn(RHEO_OK);
}
