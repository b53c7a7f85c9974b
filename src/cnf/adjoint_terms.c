/* Divergence and regularisers (adjoint.h has their formulas). All are per row, so that a row's loss knows no mates. */
#include "adjoint_impl.h"
#include <stdlib.h>

static RheoVal SumSquares(RheoVal x)
{
  return rx_sum(rx_square(x), 1);
}

/* The squared Frobenius norm of dv/dz, or its estimate |e^T dv/dz|^2 averaged over the probes. */
static RheoVal Frobenius(const RheoAdjointRates *r, int probes)
{
  const int d = rx_dim(r->z, 1), n = rx_exists(r->noise) ? probes : d;
  RheoVal sum = RHEO_NONE, row;
  for (int k = 0; k < n; k++) {
    RheoVal direction;
    if (rx_exists(r->noise)) {
      direction = rx_slice(r->noise, 1, k * d, (k + 1) * d);
    } else {
      double *unit = calloc((size_t)d, sizeof *unit);
      if (!unit) return rx_fail(r->v.program, "no memory");
      unit[k] = 1;
      direction = rx_broadcast(rx_literal(r->v.program, RX_SHAPE(1, d), unit), rx_shape(r->v));
      free(unit);
    }
    rx_vjp(r->v, direction, 1, &r->z, &row);
    row = SumSquares(row);
    sum = k ? rx_add(sum, row) : row;
  }
  return rx_exists(r->noise) ? rx_scale(sum, 1. / probes) : sum;
}

RheoVal rx_adjoint_divergence(const RheoAdjointRates *r, int probes)
{
  const int d = rx_dim(r->z, 1);
  RheoVal sum = RHEO_NONE;
  if (!rx_exists(r->noise)) return rx_cnf_divergence(r->v, r->z);
  for (int k = 0; k < probes; k++) {
    RheoVal part = rx_cnf_divergence_estimate(r->v, r->z, rx_slice(r->noise, 1, k * d, (k + 1) * d));
    sum = k ? rx_add(sum, part) : part;
  }
  return rx_scale(sum, 1. / probes);
}

/* |dv/dt + (dv/dz) v|^2: what a sample on its way feels. */
static RheoVal Acceleration(const RheoAdjointRates *r)
{
  RheoVal one = rx_fill(r->t.program, rx_shape(r->t), 1);
  return SumSquares(rx_add(rx_jvp(r->v, r->t, one), rx_jvp(r->v, r->z, r->v)));
}

/* Squares of the entries of dv/dz that are on its diagonal, or off it. The columns are the ones that the exact divergence
 * takes, so that the compiler keeps one copy of both. */
static RheoVal Entries(const RheoAdjointRates *r, PetscBool diagonal)
{
  const int d = rx_dim(r->z, 1);
  RheoVal sum = RHEO_NONE;
  double *unit = calloc((size_t)d, sizeof *unit), *others = calloc((size_t)d, sizeof *others);
  if (!unit || !others) sum = rx_fail(r->v.program, "no memory");
  for (int k = 0; unit && others && k < d; k++) others[k] = 1;
  for (int k = 0; unit && others && k < d; k++) {
    unit[k] = 1;
    others[k] = 0;
    RheoVal column =
        rx_jvp(r->v, r->z, rx_broadcast(rx_literal(r->v.program, RX_SHAPE(d), unit), rx_shape(r->v)));
    RheoVal kept = diagonal ? rx_slice(column, 1, k, k + 1)
                            : rx_mul(column, rx_literal(r->v.program, RX_SHAPE(d), others));
    sum = k ? rx_add(sum, SumSquares(kept)) : SumSquares(kept);
    unit[k] = 0;
    others[k] = 1;
  }
  free(unit);
  free(others);
  return sum;
}

/* |dPhi/dt - |grad Phi|^2 / 2| of v = -grad Phi: zero where paths are straight and Phi is that of optimal transport. */
static RheoVal HamiltonJacobi(const RheoAdjointRates *r, RheoVal potential)
{
  RheoVal rate = rx_reshape(rx_grad(rx_sum_all(potential), r->t), RX_SHAPE(-1));
  return rx_abs(rx_sub(rate, rx_scale(SumSquares(r->v), 0.5)));
}

PetscBool RheoAdjointHasPenalty(const RheoAdjointConfig *c)
{
  return (PetscBool)(c->kinetic > 0 || c->l1 > 0 || c->jacobian > 0 || c->jacobian_diagonal > 0 ||
                     c->jacobian_off_diagonal > 0 || c->acceleration > 0 || c->hjb > 0);
}

static void AddTerm(RheoVal *sum, double weight, RheoVal term)
{
  term = rx_scale(term, weight);
  *sum = rx_exists(*sum) ? rx_add(*sum, term) : term;
}

RheoVal rx_adjoint_penalty(RheoCnf cnf, RheoScope scope, const RheoAdjointConfig *c,
                           const RheoAdjointRates *r)
{
  RheoVal sum = RHEO_NONE;
  if (c->kinetic > 0) AddTerm(&sum, c->kinetic, SumSquares(r->v));
  if (c->l1 > 0) AddTerm(&sum, c->l1, rx_sum(rx_abs(r->v), 1));
  if (c->jacobian > 0) AddTerm(&sum, c->jacobian, Frobenius(r, c->solve.probes));
  if (c->jacobian_diagonal > 0) AddTerm(&sum, c->jacobian_diagonal, Entries(r, PETSC_TRUE));
  if (c->jacobian_off_diagonal > 0) AddTerm(&sum, c->jacobian_off_diagonal, Entries(r, PETSC_FALSE));
  if (c->acceleration > 0) AddTerm(&sum, c->acceleration, Acceleration(r));
  if (c->hjb > 0)
    AddTerm(&sum, c->hjb, HamiltonJacobi(r, rx_cnf_potential(cnf, scope, r->t, r->z, r->context)));
  return sum;
}
