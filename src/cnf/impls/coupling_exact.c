/* Minibatch optimal transport (Tong et al., TMLR 2024; Pooladian et al., ICML 2023): the assignment of least total squared
 * distance. The papers draw pairs from the plan with replacement; taking each row once has the same law of a pair and less
 * variance. */
#include "../assignment.h"
#include "../coupling_impl.h"

static PetscErrorCode Pair(const void *config, RheoStream *stream, const RheoPairs *pairs, int32_t *source,
                           float *weight)
{
  double *cost;

  PetscFunctionBeginUser;
  (void)config;
  (void)stream;
  (void)weight;
  PetscCall(PetscMalloc1(pairs->n * pairs->n, &cost));
  RheoSquaredDistances(pairs->n, pairs->n, pairs->d, pairs->x1, pairs->x0, cost);
  PetscCall(RheoAssign(pairs->n, cost, source, NULL));
  PetscCall(PetscFree(cost));
  PetscFunctionReturn(RHEO_OK);
}

const RheoCouplingType RheoCouplingType_Exact = {
    .name = "exact",
    .summary = "optimal assignment within the batch, squared distance",
    .reference = "Tong et al., TMLR 2024 (OT-CFM)",
    .couples = 1,
    .pair = Pair,
};
