/* Steered samples of a model of a data set. */
#include "steer_impl.h"
#include "transport_impl.h"

/* The fix of config for these rows; features spread as the field's coordinates say. */
static PetscErrorCode FixOf(RheoTransport t, RheoDFlow dflow, const RheoTransportRows *rows,
                            const RheoSteerConfig *config, SteerFix *fix)
{
  const int d = RheoTransportSize(t);
  const char **name;
  double *scale;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(d, &name, d, &scale));
  for (int k = 0; k < d; k++) name[k] = RheoDataSetName(t->target, k);
  PetscErrorCode code = RheoDFlowScale(dflow, scale);
  if (!code) code = SteerFixCreate(t->deck, config, d, name, scale, fix);
  fix->seed = rows->seed;
  fix->first = rows->first;
  PetscCall(PetscFree2(name, scale));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSteer(RheoTransport t, const RheoTransportRows *rows,
                                  const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *source, double *x, double *cost_after, RheoSteerReport *report)
{
  const int d = RheoTransportSize(t), c = RheoDataSetContextSize(t->target);
  RheoDFlow dflow;
  SteerFix fix = {0};
  double *context;

  PetscFunctionBeginUser;
  if (!t->continuous)
    PetscCall(RheoDeckReject(t->deck, "dflow", "steers continuous flows (`cnf`), this is a discrete one"));
  RheoInputCheck(!RheoDataSetConditions(t->target) || rows->condition, t->comm,
                 "the model is conditional: conditions for each row needed");
  PetscCall(SteerCreate(t->deck, t->density, &t->solve, config, &dflow));
  PetscCall(PetscMalloc1(rows->n * c, &context));
  if (c) RheoDataSetContext(t->target, rows->n, rows->condition, context);
  PetscErrorCode code = cost ? RHEO_OK : FixOf(t, dflow, rows, config, &fix);
  if (source != rows->source) PetscCall(PetscArraycpy(source, rows->source, rows->n * d));
  const SteerProblem problem = {.n = rows->n,
                                .d = d,
                                .c = c,
                                .context = context,
                                .around = config->around,
                                .cost = cost ? cost : SteerFixCost,
                                .data = cost ? data : &fix};
  if (!code) code = SteerRun(t->comm, dflow, &problem, source, x, cost_after, report);
  PetscCall(SteerFixDestroy(&fix));
  PetscCall(PetscFree(context));
  PetscCall(RheoDFlowDestroy(&dflow));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}
