/* Steered samples of a model of a data set. */
#include "steer_impl.h"
#include "transport_impl.h"

static PetscErrorCode Names(RheoTransport t, const char **name)
{
  PetscFunctionBeginUser;
  for (int k = 0; k < RheoTransportSize(t); k++) name[k] = RheoDataSetName(t->target, k);
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSteer(RheoTransport t, const RheoTransportRows *rows,
                                  const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *source, double *x, double *cost_after, RheoSteerReport *report)
{
  const int d = RheoTransportSize(t), c = RheoDataSetContextSize(t->target);
  RheoDFlow dflow;
  SteerFix fix = {0};
  const char **name;
  double *context, *scale;

  PetscFunctionBeginUser;
  if (!t->continuous)
    PetscCall(RheoDeckReject(t->deck, "dflow", "steers continuous flows (`cnf`), this is a discrete one"));
  RheoInputCheck(!RheoDataSetConditions(t->target) || rows->condition, t->comm,
                 "the model is conditional: conditions for each row needed");
  PetscCall(SteerCreate(t->deck, t->density, &t->solve, config, &dflow));
  PetscCall(PetscMalloc3(rows->n * c, &context, d, &name, d, &scale));
  if (c) RheoDataSetContext(t->target, rows->n, rows->condition, context);
  if (!cost) {
    PetscCall(Names(t, name));
    PetscCall(RheoDFlowScale(dflow, scale));
    PetscCall(SteerFixCreate(t->deck, config, d, name, scale, &fix));
    fix.seed = rows->seed;
    fix.first = rows->first;
  }
  if (source != rows->source) PetscCall(PetscArraycpy(source, rows->source, rows->n * d));
  const SteerProblem problem = {.n = rows->n,
                                .d = d,
                                .c = c,
                                .context = context,
                                .around = config->around,
                                .cost = cost ? cost : SteerFixCost,
                                .data = cost ? data : &fix};
  PetscCall(SteerRun(t->comm, dflow, &problem, source, x, cost_after, report));
  PetscCall(SteerFixDestroy(&fix));
  PetscCall(PetscFree3(context, name, scale));
  PetscCall(RheoDFlowDestroy(&dflow));
  PetscFunctionReturn(RHEO_OK);
}
