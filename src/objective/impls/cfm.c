/* Conditional flow matching: E |v(t, z_t) - u|^2 / D over pairs (z0, z1) of the coupling and random times, with place z_t and
 * target u of the path. Its gradient is that of the distance to the marginal field (Lipman et al. 2023, theorem 2; Tong et al.
 * 2024). The mean over features, as torchcfm takes it, keeps losses of different D alike. */
#include "../match_impl.h"

static const char *const columns[] = {"x", "context", NULL};

static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  RheoMatching m;
  if (!rx_matching(scope, model, "cfm", column, &m)) return RHEO_NONE;
  RheoVal error = rx_sum(rx_square(rx_sub(m.velocity, m.match.target)), 1);
  error = rx_scale(error, 1. / RheoCnfFeatures(model->cnf));
  return rx_exists(m.weight) ? rx_mul(error, m.weight) : error;
}

const RheoObjectiveType RheoObjectiveType_Cfm = {
    .name = "cfm",
    .summary = "flow matching: squared error of a velocity field on a path from source to data",
    .reference = "Lipman et al. 2023; Tong et al. 2024",
    .trains = "cnf",
    .columns = columns,
    .loss = loss,
    .mistake = RheoMatchMistake,
    .check = RheoMatchCheck,
    .stage = &RheoMatchStage,
};
