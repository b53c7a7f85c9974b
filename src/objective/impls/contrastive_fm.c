/* Contrastive flow matching: |v - u|^2 - lambda |v - u'|^2, means over features, with u' the target of another row, so that
 * fields of different contexts keep apart (Stoica et al. 2025, eq. 8; lambda = cnf.contrast). The other row is the one before
 * in the shard, whose rows are in random order; a row that fills up a shard may be a copy of it. Rows whose context is
 * forgotten have no opposite.
 *
 * What is learned is (u - lambda m)/(1 - lambda), with m (D) the mean of all rows' targets: the "interference" that the authors
 * take out again, (1 - lambda) v + lambda m, where they sample with classifier-free guidance. That is not built: m is a figure
 * of the training's rows, which a field does not hold. With cnf.guidance other than 1 the field is guided as it was trained. */
#include "../match_impl.h"
#include <stdio.h>

static const char *const columns[] = {"x", "context", NULL};

static RheoVal roll(RheoVal x)
{
  const int n = rx_dim(x, 0);
  return n > 1 ? rx_concat2(0, rx_slice(x, 0, n - 1, n), rx_slice(x, 0, 0, n - 1)) : x;
}

static RheoVal loss(RheoScope scope, const RheoObjectiveModel *model, const RheoVal *column)
{
  RheoMatching m;
  if (!rx_matching(scope, model, "contrastive_fm", column, &m)) return RHEO_NONE;
  RheoVal error = rx_sum(rx_square(rx_sub(m.velocity, m.match.target)), 1);
  RheoVal other = rx_sum(rx_square(rx_sub(m.velocity, roll(m.match.target))), 1);
  if (rx_exists(m.forget))
    other = rx_mul(other, rx_reshape(rx_sub(rx_const(scope.program, 1), m.forget), RX_SHAPE(-1)));
  error = rx_sub(error, rx_scale(other, RheoCnfGetConfig(model->cnf)->contrast));
  error = rx_scale(error, 1. / RheoCnfFeatures(model->cnf));
  return rx_exists(m.weight) ? rx_mul(error, m.weight) : error;
}

static PetscBool mistake(const RheoObjectiveModel *model, RheoMistake *m)
{
  if (RheoCnfContext(model->cnf)) return RheoMatchMistake(model, m);
  m->key = "cnf.objective";
  snprintf(m->text, sizeof m->text, "contrasts conditions, and there are none: take cfm");
  return PETSC_TRUE;
}

const RheoObjectiveType RheoObjectiveType_ContrastiveFm = {
    .name = "contrastive_fm",
    .summary = "flow matching that keeps conditions apart, further than the data are: for pictures, not for "
               "densities",
    .reference = "Stoica et al. 2025",
    .trains = "cnf",
    .columns = columns,
    .loss = loss,
    .mistake = mistake,
    .check = RheoMatchCheck,
    .stage = &RheoMatchStage,
};
