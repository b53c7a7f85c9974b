/* Cross-entropy of a classifier of x. y is 0 or 1 (n_out = 1, a logit), the number of the class (width 1, n_out logits), or
 * the probabilities of the classes (width n_out). */
#include "../objective_impl.h"

static const char *const columns[] = {"x", "y", NULL};

static RheoVal one_hot(RheoVal y, int n)
{
  RheoVal class = rx_offset(rx_cumsum(rx_fill(y.program, RX_SHAPE(n), 1), 0, 0), -1);
  return rx_equal(y, class);
}

static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  const int n = model->n_out, width = rx_dim(column[1], 1);
  if (!model->net) return rx_fail(scope.program, "cross_entropy: needs a network");
  if (width != 1 && width != n)
    return rx_fail(scope.program, "cross_entropy: y is %d wide; it must be 1 or %d, as many as classes",
                   width, n);
  RheoVal logit = rx_net(scope, model->net, column[0], RHEO_NONE, n, 1);
  if (n == 1) return rx_reshape(rx_sub(rx_softplus(logit), rx_mul(column[1], logit)), RX_SHAPE(-1));
  RheoVal probability = width == n ? column[1] : one_hot(column[1], n);
  return rx_neg(rx_sum(rx_mul(probability, rx_log_softmax(logit)), 1));
}

const RheoObjectiveType RheoObjectiveType_CrossEntropy = {
    .name = "cross_entropy",
    .summary = "cross-entropy of a classification of x",
    .reference = "-",
    .trains = "net",
    .columns = columns,
    .loss = loss,
};
