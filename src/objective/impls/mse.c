/* Mean squared error of a network's prediction of y from x, averaged over the outputs. */
#include "../objective_impl.h"

static const char *const columns[] = {"x", "y", NULL};

static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  if (!model->net) return rx_fail(scope.program, "mse: needs a network");
  if (rx_dim(column[1], 1) != model->n_out)
    return rx_fail(scope.program, "mse: y is %d wide, the network gives %d", rx_dim(column[1], 1),
                   model->n_out);
  RheoVal y = rx_net(scope, model->net, column[0], RHEO_NONE, model->n_out, 1);
  return rx_scale(rx_sum(rx_square(rx_sub(y, column[1])), 1), 1. / model->n_out);
}

const RheoObjectiveType RheoObjectiveType_Mse = {
    .name = "mse",
    .summary = "mean squared error of a regression of y on x",
    .reference = "-",
    .trains = "net",
    .columns = columns,
    .loss = loss,
};
