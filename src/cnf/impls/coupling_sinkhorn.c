/* Entropic optimal transport within the batch: each row of the data draws its partner from its row of the plan. With
 * squared distances and regularisation 2 sigma^2 the plan is the static Schroedinger bridge of a Brownian motion of
 * diffusion sigma (Tong et al., TMLR 2024, SB-CFM; De Bortoli et al., NeurIPS 2021). */
#include "../assignment.h"
#include "../coupling_impl.h"
#include <math.h>
#include <stdio.h>

typedef struct {
  double regularisation, tolerance;
  int most;
} Config;

static const RheoKey Keys[] = {
    {"regularisation", RHEO_KEY_REAL, offsetof(Config, regularisation), "0", "[0, inf)",
     "epsilon, in squared field coordinates; 0: 2 cnf.sigma^2 on the path sb, 2 on others"},
    {"tolerance", RHEO_KEY_REAL, offsetof(Config, tolerance), "1e-3", "(0, 1]",
     "on the marginals of the plan: sum of what is wrongly placed, of 1"},
    {"most", RHEO_KEY_INT, offsetof(Config, most), "2000", "[1, 1e9]", "iterations at most"},
    {0}};

/* Short of its tolerance a plan still serves; this far from its marginals it does not. */
static const double Useless = 0.1;

static double Regularisation(const Config *c, double sigma)
{
  if (c->regularisation > 0) return c->regularisation;
  return sigma > 0 ? 2 * sigma * sigma : 2;
}

static void Advise(const void *config, const RheoPairs *pairs, char text[RHEO_ADVICE])
{
  const Config *c = config;
  const double given = c->regularisation, bridge = 2 * pairs->sigma * pairs->sigma;

  text[0] = 0;
  if (given > 0 && bridge > 0 && fabs(given - bridge) > 1e-6 * bridge)
    snprintf(
        text, RHEO_ADVICE,
        "cnf.sinkhorn.regularisation is %g, but a Schroedinger bridge has 2 cnf.sigma^2 = %g: the pairs are "
        "those of another bridge (0 takes the latter)",
        given, bridge);
}

static int32_t Draw(int64_t n, const double *row, double u)
{
  double sum = 0;
  int64_t j = 0;
  for (; j < n - 1; j++) {
    sum += (double)n * row[j];
    if (sum > u) break;
  }
  return (int32_t)j;
}

static PetscErrorCode Pair(const void *config, RheoStream *stream, const RheoPairs *pairs, int32_t *source,
                           float *weight)
{
  const Config *c = config;
  const RheoSinkhornConfig how = {Regularisation(c, pairs->sigma), c->tolerance, c->most};
  const int64_t n = pairs->n;
  double *cost, *plan, error;
  int iterations;

  PetscFunctionBeginUser;
  (void)weight;
  PetscCall(PetscMalloc2(n * n, &cost, n * n, &plan));
  RheoSquaredDistances(n, n, pairs->d, pairs->x1, pairs->x0, cost);
  PetscCall(RheoSinkhorn(n, cost, &how, plan, &iterations, &error));
  if (!(error <= PetscMax(Useless, c->tolerance)))
    RheoInputError(PETSC_COMM_SELF,
                   "cnf.sinkhorn: after %d iterations the marginals of the plan are off by %.2g of 1; raise "
                   "cnf.sinkhorn.regularisation (now %g) or cnf.sinkhorn.most, or take the coupling exact",
                   iterations, error, how.regularisation);
  for (int64_t i = 0; i < n; i++) source[i] = Draw(n, plan + i * n, RheoStreamUniform(stream));
  PetscCall(PetscFree2(cost, plan));
  PetscFunctionReturn(RHEO_OK);
}

const RheoCouplingType RheoCouplingType_Sinkhorn = {
    .name = "sinkhorn",
    .summary = "partners drawn from the entropic transport plan of the batch, squared distance",
    .reference = "Cuturi, NIPS 2013; Tong et al., TMLR 2024 (SB-CFM)",
    .keys = Keys,
    .size = sizeof(Config),
    .couples = 1,
    .pair = Pair,
    .advise = Advise,
};
