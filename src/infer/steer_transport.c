/* Steered samples of a model of a data set. */
#include "steer_impl.h"
#include "transport_impl.h"
#include <math.h>

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

/* The samples themselves, made as all samples are, and what they cost: a search solves more exactly, and row by row. */
static PetscErrorCode Deliver(RheoTransport t, const RheoTransportRows *rows, const double *source,
                              const SteerProblem *p, double *x, double *cost, RheoSteerReport *report)
{
  RheoTransportRows found = *rows;
  int64_t begin, end, n = 0;
  double *mine, *dx;

  PetscFunctionBeginUser;
  found.source = source;
  PetscCall(RheoTransportSample(t, &found, NULL, x, NULL, NULL));
  RheoRange(t->comm, p->n, &begin, &end);
  PetscCall(PetscMalloc2(end - begin, &mine, p->d, &dx));
  for (int64_t i = begin; i < end; i++) {
    double *own = x + i * p->d;
    mine[i - begin] = NAN;
    if (isnan(cost[i])) continue;
    PetscCall(p->cost(p->data, i, own, mine + i - begin, dx));
  }
  PetscCall(RheoGatherRows(t->comm, end - begin, 1, mine, cost));
  PetscCall(PetscFree2(mine, dx));
  report->after = 0;
  for (int64_t i = 0; i < p->n; i++) {
    for (int k = 0; k < p->d && isnan(cost[i]); k++) x[i * p->d + k] = NAN;
    if (!isnan(cost[i])) n++, report->after += cost[i];
  }
  report->after /= (double)n;
  report->n_failed = p->n - n;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTransportSteer(RheoTransport t, const RheoTransportRows *rows,
                                  const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *source, double *x, double *cost_after, RheoSteerReport *report)
{
  const int d = RheoTransportSize(t), c = RheoDataSetContextSize(t->target);
  RheoDFlow dflow;
  SteerFix fix = {0};
  double *context, *own_x, *own_cost;

  PetscFunctionBeginUser;
  if (!t->continuous)
    PetscCall(RheoDeckReject(t->deck, "dflow", "steers continuous flows (`cnf`), this is a discrete one"));
  RheoInputCheck(!RheoDataSetConditions(t->target) || rows->condition, t->comm,
                 "the model is conditional: conditions for each row needed");
  PetscCall(SteerCreate(t->deck, t->density, &t->solve, config, &dflow));
  PetscCall(PetscMalloc3(rows->n * c, &context, rows->n * d, &own_x, rows->n, &own_cost));
  if (!x) x = own_x;
  if (!cost_after) cost_after = own_cost;
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
  if (!code) code = SteerRun(t->comm, dflow, &problem, source, NULL, cost_after, report);
  if (!code) code = Deliver(t, rows, source, &problem, x, cost_after, report);
  if (!code && !cost) SteerFixWarn(t->comm, &fix, rows->n, cost_after);
  PetscCall(SteerFixDestroy(&fix));
  PetscCall(PetscFree3(context, own_x, own_cost));
  PetscCall(RheoDFlowDestroy(&dflow));
  PetscCall(code);
  PetscFunctionReturn(RHEO_OK);
}
