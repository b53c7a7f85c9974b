/* Steered samples of the posterior of a continuous estimator. The flow ends at scores of parameters, costs are of parameters. */
#include "posterior_impl.h"
#include "steer_impl.h"
#include <math.h>

typedef struct {
  RheoPosterior p;
  RheoSteerCost cost;
  void *data;
  double *theta; /* (D) */
} OfTheta;

/* d theta/dz = phi(z)/p(theta). */
static PetscErrorCode CostOfScores(void *data, int64_t row, const double *z, double *cost, double *dz)
{
  const OfTheta *of = data;

  PetscFunctionBeginUser;
  for (int k = 0; k < of->p->d; k++) of->theta[k] = RheoPriorFromNormal(of->p->prior, k, z[k]);
  PetscCall(of->cost(of->data, row, of->theta, cost, dz));
  for (int k = 0; k < of->p->d; k++) {
    dz[k] *= exp(-RheoPosteriorBeyond(of->p, k, z[k]));
    if (!isfinite(dz[k])) dz[k] = 0; /* where a tail of the prior has no digits left */
  }
  PetscFunctionReturn(RHEO_OK);
}

/* The fix of config; features spread as their prior does. */
static PetscErrorCode FixOf(RheoPosterior p, RheoDeck deck, const RheoSteerConfig *config, uint64_t seed,
                            SteerFix *fix)
{
  const char **name;
  double *spread;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(p->d, &name, p->d, &spread));
  for (int k = 0; k < p->d; k++) {
    name[k] = RheoPriorName(p->prior, k);
    spread[k] = 0.5 * (RheoPriorFromNormal(p->prior, k, 1) - RheoPriorFromNormal(p->prior, k, -1));
  }
  const PetscErrorCode code = SteerFixCreate(deck, config, p->d, name, spread, fix);
  fix->seed = seed;
  PetscCall(PetscFree2(name, spread));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

/* Where RheoPosteriorSample starts. source (n, D) */
static PetscErrorCode Starts(RheoPosterior p, uint64_t seed, int64_t n, double *source)
{
  const int kind = RheoCnfGetConfig(RheoDensityModel(p->density)->cnf)->source;
  const RheoDensityRows rows = {.n = n, .seed = seed};
  float *noise;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n * p->d, &noise));
  RheoDensityStarts(&rows, kind, p->d, 0, n, noise, source);
  PetscCall(PetscFree(noise));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoPosteriorSteer(RheoPosterior p, RheoDeck deck, const double *obs, uint64_t seed, int64_t n,
                                  const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *theta, double *cost_after, RheoSteerReport *report)
{
  const int d = p->d, c = p->c;
  OfTheta of = {.p = p, .cost = cost ? cost : SteerFixCost, .data = data};
  RheoSolveConfig solve;
  SteerFix fix = {0};
  RheoDFlow dflow = NULL;
  float *seen;
  double *context, *source, *own_cost;

  PetscFunctionBeginUser;
  if (p->type->density != &RheoDensityType_Cnf)
    PetscCall(RheoDeckReject(deck, "dflow", "steers continuous estimators, %s is none", p->type->name));
  PetscCall(RheoDeckRead(deck, "cnf.solve", RheoSolveKeys, &solve));
  PetscCall(PetscMalloc5(c, &seen, c, &context, n * d, &source, d, &of.theta, n, &own_cost));
  PetscCall(RheoPosteriorObserve(p, obs, seen));
  for (int k = 0; k < c; k++) context[k] = seen[k];
  PetscErrorCode code = cost ? RHEO_OK : FixOf(p, deck, config, seed, &fix);
  if (!cost) of.data = &fix;
  if (!cost_after) cost_after = own_cost;
  if (!code) code = SteerCreate(deck, p->density, &solve, config, &dflow);
  if (!code) code = Starts(p, seed, n, source);
  const SteerProblem problem = {.n = n,
                                .d = d,
                                .c = c,
                                .context = context,
                                .shared = PETSC_TRUE,
                                .around = config->around,
                                .cost = CostOfScores,
                                .data = &of};
  if (!code) code = SteerRun(p->comm, dflow, &problem, source, theta, cost_after, report);
  if (!code && !cost) SteerFixWarn(p->comm, &fix, n, cost_after);
  for (int64_t i = 0; !code && i < n; i++)
    for (int k = 0; k < d; k++)
      if (isfinite(theta[i * d + k])) theta[i * d + k] = RheoPriorFromNormal(p->prior, k, theta[i * d + k]);
  PetscCall(SteerFixDestroy(&fix));
  PetscCall(RheoDFlowDestroy(&dflow));
  PetscCall(PetscFree5(seen, context, source, of.theta, own_cost));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}
