/* Weighted conditional flow matching (W-CFM, Calvo-Ordonez et al. 2025): pairs stay as they were drawn, and a pair counts
 * with the Gibbs weight exp(-cost / epsilon), which is what an entropic plan has before its marginals are put right. Weights
 * are relative to their mean in the batch. Linear in the batch. */
#include "../coupling_impl.h"
#include <math.h>

enum { SQUARED, NORM };

typedef struct {
  int cost;
  double epsilon;
} Config;

static const RheoKey Keys[] = {
    {"cost", RHEO_KEY_CHOICE, offsetof(Config, cost), "squared", "squared|norm",
     "of a pair: squared distance, or distance"},
    {"epsilon", RHEO_KEY_REAL, offsetof(Config, epsilon), "10", "(0, inf)",
     "scale of the cost; large is independent, small keeps near pairs only and changes the marginals"},
    {0}};

static PetscErrorCode Pair(const void *config, RheoStream *stream, const RheoPairs *pairs, int32_t *source,
                           float *weight)
{
  const Config *c = config;
  double *cost, least = INFINITY, sum = 0;

  PetscFunctionBeginUser;
  (void)stream;
  PetscCall(PetscMalloc1(pairs->n, &cost));
  for (int64_t i = 0; i < pairs->n; i++) {
    const float *x0 = pairs->x0 + i * pairs->d, *x1 = pairs->x1 + i * pairs->d;
    double square = 0;
    for (int k = 0; k < pairs->d; k++) square += ((double)x1[k] - x0[k]) * ((double)x1[k] - x0[k]);
    cost[i] = c->cost == NORM ? sqrt(square) : square;
    if (cost[i] < least) least = cost[i];
    if (source) source[i] = (int32_t)i;
  }
  /* Against the nearest pair of the batch, so that not all of them underflow. */
  for (int64_t i = 0; i < pairs->n; i++) sum += cost[i] = exp((least - cost[i]) / c->epsilon);
  for (int64_t i = 0; i < pairs->n; i++) weight[i] = (float)(cost[i] * (double)pairs->n / sum);
  PetscCall(PetscFree(cost));
  PetscFunctionReturn(RHEO_OK);
}

const RheoCouplingType RheoCouplingType_Weighted = {
    .name = "weighted",
    .summary = "pairs as they were drawn, weighted by exp(-cost / epsilon)",
    .reference = "Calvo-Ordonez et al. 2025 (W-CFM)",
    .keys = Keys,
    .size = sizeof(Config),
    .n_weights = 1,
    .pair = Pair,
};
