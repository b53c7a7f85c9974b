/* Flow matching's pairs of place and velocity, at random times. */
#include "cnf_impl.h"
#include <math.h>

static RheoVal polynomial(int n, const double *c, RheoVal x)
{
  RheoVal y = rx_const(x.program, c[0]);
  for (int i = 1; i < n; i++) y = rx_offset(rx_mul(y, x), c[i]);
  return y;
}

/* Giles 2010 ("Approximating the erfinv function", GPU Computing Gems), the version for single precision: a polynomial of
 * w = -log(4 u (1 - u)) in the middle and one of its root in the tails. */
RheoVal rx_normal_quantile(RheoVal u)
{
  static const double middle[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                                  -4.39150654e-06, 0.00021858087,  -0.00125372503,
                                  -0.00417768164,  0.246640727,    1.50140941};
  static const double tail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                                -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
  RheoProgram p = u.program;
  RheoVal w = rx_neg(rx_log(rx_scale(rx_mul(u, rx_sub(rx_const(p, 1), u)), 4)));
  RheoVal near = polynomial(9, middle, rx_offset(w, -2.5));
  RheoVal far = polynomial(9, tail, rx_offset(rx_sqrt(rx_max(w, rx_const(p, 5))), -3));
  RheoVal ratio = rx_select(rx_less(w, rx_const(p, 5)), near, far);
  return rx_mul(rx_scale(rx_offset(rx_scale(u, 2), -1), sqrt(2)), ratio);
}

static RheoVal draw_times(RheoCnf cnf, RheoScope scope)
{
  static const RheoInputKind kinds[] = {RHEO_INPUT_NOISE_UNIFORM, RHEO_INPUT_NOISE_STRATIFIED,
                                        RHEO_INPUT_NOISE_ANTITHETIC};
  const RheoCnfConfig *c = &cnf->config;
  RheoVal u = rx_noise(scope.program, kinds[c->times_draw], rx_enter(scope, "times").name, 1);
  switch ((RheoTimes)c->times) {
  case RHEO_TIMES_UNIFORM:
    break;
  case RHEO_TIMES_POWER:
    return rx_exp(rx_scale(rx_log(u), 1 / (1 + c->times_power)));
  case RHEO_TIMES_LOGIT_NORMAL:
    return rx_sigmoid(rx_offset(rx_scale(rx_normal_quantile(u), c->times_sd), c->times_mean));
  }
  return u;
}

RheoMatch rx_cnf_match(RheoCnf cnf, RheoScope scope, RheoVal z0, RheoVal z1)
{
  RheoMatch m = {RHEO_NONE, RHEO_NONE, RHEO_NONE};
  if (!cnf->ready || !RheoShapeSame(rx_shape(z0), rx_shape(z1)) || rx_dim(z1, 1) != cnf->n_features) {
    rx_fail(scope.program, "cnf of %d features: z0 and z1 must be a pair of them", cnf->n_features);
    return m;
  }
  m.t = draw_times(cnf, scope);
  const RheoPathType *path = RheoPathTypes[cnf->config.path];
  const double sigma = cnf->config.sigma;
  RheoVal e = RHEO_NONE;
  if (path->noise && sigma > 0)
    e = rx_noise(scope.program, RHEO_INPUT_NOISE_NORMAL, rx_enter(scope, "path").name, cnf->n_features);
  path->place(sigma, z0, z1, e, m.t, &m.z, &m.target);
  return m;
}
