#include "cnf_unrolled.h"
#include <string.h>

typedef struct {
  int stages;
  double a[4][4], b[4], c[4];
} Tableau;

static const Tableau euler = {1, {{0}}, {1}, {0}};
static const Tableau heun = {2, {{0}, {1}}, {0.5, 0.5}, {0, 1}};
static const Tableau rk4 = {
    4, {{0}, {0.5}, {0, 0.5}, {0, 0, 1}}, {1. / 6, 1. / 3, 1. / 3, 1. / 6}, {0, 0.5, 0.5, 1}};

static RheoVal squares(RheoVal x)
{
  return rx_sum(rx_square(x), 1);
}

/* Columns of the Jacobian, or its products with the probes from the left. */
static RheoVal jacobian(RheoVal v, RheoVal z, RheoVal noise, int probes)
{
  const int d = rx_dim(z, 1), n = rx_exists(noise) ? probes : d;
  RheoVal sum = rx_const(z.program, 0), part;
  for (int k = 0; k < n; k++) {
    if (rx_exists(noise)) {
      rx_vjp(v, rx_slice(noise, 1, k * d, (k + 1) * d), 1, &z, &part);
    } else {
      double unit[16] = {0};
      unit[k] = 1;
      part = rx_jvp(v, z, rx_broadcast(rx_literal(z.program, RX_SHAPE(1, d), unit), rx_shape(z)));
    }
    sum = rx_add(sum, squares(part));
  }
  return rx_exists(noise) ? rx_scale(sum, 1. / probes) : sum;
}

static RheoVal divergence(RheoVal v, RheoVal z, RheoVal noise, int probes)
{
  const int d = rx_dim(z, 1);
  RheoVal sum = rx_const(z.program, 0);
  if (!rx_exists(noise)) return rx_cnf_divergence(v, z);
  for (int k = 0; k < probes; k++)
    sum = rx_add(sum, rx_cnf_divergence_estimate(v, z, rx_slice(noise, 1, k * d, (k + 1) * d)));
  return rx_scale(sum, 1. / probes);
}

/* Squares of the entries of dv/dz, all at hand: row by row, on the diagonal or off it. */
static RheoVal entries(RheoVal v, RheoVal z, int diagonal)
{
  const int d = rx_dim(z, 1);
  RheoVal sum = rx_const(z.program, 0), row;
  for (int i = 0; i < d; i++) {
    rx_vjp(rx_slice(v, 1, i, i + 1), rx_fill(z.program, RX_SHAPE(rx_dim(z, 0), 1), 1), 1, &z, &row);
    for (int j = 0; j < d; j++)
      if ((i == j) == diagonal) sum = rx_add(sum, squares(rx_slice(row, 1, j, j + 1)));
  }
  return sum;
}

/* Rates of z, log_det and penalty at time t. */
static Unrolled rates(RheoCnf cnf, RheoScope scope, const RheoAdjointConfig *config, double time, RheoVal z,
                      RheoVal context, RheoVal noise)
{
  RheoVal t = rx_fill(z.program, RX_SHAPE(rx_dim(z, 0), 1), time), one = rx_fill(z.program, rx_shape(t), 1);
  Unrolled r = {.z = rx_cnf_velocity(cnf, scope, t, z, context, RHEO_NONE)};
  r.log_det = config->log_det ? divergence(r.z, z, noise, config->solve.probes)
                              : rx_fill(z.program, RX_SHAPE(rx_dim(z, 0)), 0);
  r.penalty = rx_scale(squares(r.z), config->kinetic);
  if (config->jacobian > 0)
    r.penalty = rx_add(r.penalty, rx_scale(jacobian(r.z, z, noise, config->solve.probes), config->jacobian));
  if (config->l1 > 0) r.penalty = rx_add(r.penalty, rx_scale(rx_sum(rx_abs(r.z), 1), config->l1));
  if (config->jacobian_diagonal > 0)
    r.penalty = rx_add(r.penalty, rx_scale(entries(r.z, z, 1), config->jacobian_diagonal));
  if (config->jacobian_off_diagonal > 0)
    r.penalty = rx_add(r.penalty, rx_scale(entries(r.z, z, 0), config->jacobian_off_diagonal));
  if (config->hjb > 0) {
    RheoVal phi = rx_cnf_potential(cnf, scope, t, z, context), grad = rx_grad(rx_sum_all(phi), z);
    RheoVal rate = rx_jvp(phi, t, one), rest = rx_sub(rate, rx_scale(squares(grad), 0.5));
    r.penalty = rx_add(r.penalty, rx_scale(rx_max(rest, rx_neg(rest)), config->hjb));
  }
  if (config->acceleration > 0) {
    RheoVal felt = rx_add(rx_jvp(r.z, t, one), rx_jvp(r.z, z, r.z));
    r.penalty = rx_add(r.penalty, rx_scale(squares(felt), config->acceleration));
  }
  return r;
}

Unrolled rx_unrolled(RheoCnf cnf, RheoScope scope, const RheoAdjointConfig *config, double t0, double t1,
                     RheoVal z, RheoVal context, RheoVal noise)
{
  const char *name = config->solve.scheme;
  const Tableau *s = !strcmp(name, "euler") ? &euler : !strcmp(name, "heun") ? &heun : &rk4;
  const double h = (t1 - t0) / (double)config->solve.steps, length = h > 0 ? h : -h;
  Unrolled at = {z, rx_fill(z.program, RX_SHAPE(rx_dim(z, 0)), 0),
                 rx_fill(z.program, RX_SHAPE(rx_dim(z, 0)), 0)};
  for (int64_t n = 0; n < config->solve.steps; n++) {
    Unrolled k[4], next = at;
    for (int i = 0; i < s->stages; i++) {
      RheoVal place = at.z;
      for (int j = 0; j < i; j++)
        if (s->a[i][j] != 0) place = rx_add(place, rx_scale(k[j].z, h * s->a[i][j]));
      k[i] = rates(cnf, scope, config, t0 + h * ((double)n + s->c[i]), place, context, noise);
      next.z = rx_add(next.z, rx_scale(k[i].z, h * s->b[i]));
      next.log_det = rx_add(next.log_det, rx_scale(k[i].log_det, h * s->b[i]));
      next.penalty = rx_add(next.penalty, rx_scale(k[i].penalty, length * s->b[i]));
    }
    at = next;
  }
  return at;
}
