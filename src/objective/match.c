#include "match_impl.h"

/* Noise of the cnf's source (B, D). */
static RheoVal draw_source(RheoScope scope, RheoCnf cnf)
{
  const char *name = rx_enter(scope, "source").name;
  const int n = RheoCnfFeatures(cnf);
  if (RheoCnfGetConfig(cnf)->source == RHEO_SOURCE_NORMAL)
    return rx_noise(scope.program, RHEO_INPUT_NOISE_NORMAL, name, n);
  return rx_offset(rx_scale(rx_noise(scope.program, RHEO_INPUT_NOISE_UNIFORM, name, n), 2), -1);
}

/* 1 with probability cnf.dropout, (B, 1); none where that is 0. */
static RheoVal draw_forget(RheoScope scope, RheoCnf cnf)
{
  const double rate = RheoCnfGetConfig(cnf)->dropout;
  if (!(rate > 0)) return RHEO_NONE;
  RheoVal u = rx_noise(scope.program, RHEO_INPUT_NOISE_UNIFORM, rx_enter(scope, "forget").name, 1);
  return rx_less(u, rx_const(scope.program, rate));
}

int rx_matching(RheoScope scope, const RheoObjectiveModel *model, const char *objective,
                const RheoVal *columns, RheoMatching *m)
{
  RheoVal x = columns[0], context = columns[1], source;
  *m = (RheoMatching){{RHEO_NONE, RHEO_NONE, RHEO_NONE}, RHEO_NONE, RHEO_NONE, RHEO_NONE};
  if (!model->cnf) {
    rx_fail(scope.program, "%s: needs a continuous flow", objective);
    return 0;
  }
  const int width = RheoMatchStage.width(model), d = RheoCnfFeatures(model->cnf);
  if (width > 0) {
    source = rx_slice(columns[2], 1, 0, d);
    if (width > d) m->weight = rx_reshape(rx_slice(columns[2], 1, d, d + 1), RX_SHAPE(-1));
  } else
    source = draw_source(scope, model->cnf);
  m->forget = draw_forget(scope, model->cnf);
  RheoVal z0 = rx_cnf_start(model->cnf, scope, source, context);
  m->match = rx_cnf_match(model->cnf, scope, z0, rx_cnf_enter(model->cnf, scope, x, context));
  m->velocity = rx_cnf_velocity(model->cnf, scope, m->match.t, m->match.z, context, m->forget);
  return rx_exists(m->velocity);
}
