/* Negative log-likelihood: -log p(x | context). With x a parameter and context a simulation this is neural posterior
 * estimation (Papamakarios and Murray 2016), with the two exchanged neural likelihood estimation. */
#include "../objective_impl.h"

static const char *const columns[] = {"x", "context", NULL};

static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  if (!model->flow) return rx_fail(scope.program, "nll: needs a flow");
  return rx_neg(rx_flow_log_prob(model->flow, scope, column[0], column[1]));
}

const RheoObjectiveType RheoObjectiveType_Nll = {
    .name = "nll",
    .summary = "negative log-density of x given the context",
    .reference = "Papamakarios and Murray 2016",
    .trains = "flow",
    .columns = columns,
    .loss = loss,
};
