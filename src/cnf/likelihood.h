/* How a continuous flow is trained by maximum likelihood: section cnf.likelihood of a deck, read with the flow.
 *
 * FFJORD (Grathwohl et al. 2019) with the regularisers of RNODE (Finlay et al. 2020), of FFJORD's published code and of
 * OT-Flow (Onken et al. 2021). They are integrals of squares summed over features (l1: of absolute values), where FFJORD's
 * code has root mean squares over features and batch; a row's penalty then does not depend on its mates. `acceleration`
 * stands in for FFJORD's dl2int: that is the norm of (dv/dz)^T v, whose Jacobian is transposed (for a potential it is the
 * same) and which leaves out dv/dt; what a sample on its way feels is dv/dt + (dv/dz) v, zero if and only if its path is
 * straight and its speed constant. With end_time learned, the field runs
 * for a time T that is a parameter (TO-FLOW, Du et al. 2022): in unit time it is T v(T t, z), so that sampling and
 * densities need not know of it.
 *
 * Steps are adaptive unless a deck says otherwise. Fixed ones are cheaper and safe for fields that are smooth in time; a
 * field that can turn between two of them learns to: with time: fourier and 8 steps of rk4 two moons reached a validation
 * loss of -1.8 where the entropy is 1.0, and a true one of 2.1.
 */
#pragma once
#include "../base/deck.h"

typedef enum { RHEO_END_TIME_FIXED, RHEO_END_TIME_LEARNED } RheoEndTime;

typedef struct {
  const char *scheme; /* scheme.h */
  int64_t steps;      /* fixed steps; 0: adaptive */
  double rtol, atol;
  int64_t most;   /* adaptive steps at most */
  int divergence; /* RheoDivergence, solve.h */
  int probes;
  int precision;       /* RheoSolvePrecision */
  int64_t checkpoints; /* adjoint.h */
  double kinetic, l1, jacobian, jacobian_diagonal, jacobian_off_diagonal, acceleration,
      hjb;                           /* weights, adjoint.h */
  int end_time;                      /* RheoEndTime */
  double end_time_min, end_time_max; /* T stays between; it starts at their geometric mean */
  double end_time_weight;            /* of T in the loss */
  int64_t end_time_every;            /* every so many steps one moves T, and T only */
} RheoLikelihoodConfig;
extern const RheoKey RheoLikelihoodKeys[];
