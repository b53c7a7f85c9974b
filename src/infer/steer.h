/* Steered samples: end points of a continuous flow that fulfil what one asks of them, found by moving the points they start from
 * (D-Flow, Ben-Hamu et al. 2024; cnf/dflow.h). Deck, read by `rheo sample`:
 *   dflow: {fix: [x1 = 0.8, 2 a - b = 1], sd: 0.01, prior: 1}
 *
 * Every row is a search of its own, from its own start s0: the minimum over the source s of
 *   sum over fix of ((expression - value)/sd)^2/2 + prior |s - s0|^2/2.
 * That alone would leave out by how much each value may be missed, so the value itself is drawn, with its sd. This is randomised
 * maximum likelihood (Kitanidis 1995; Oliver, He & Reynolds 1996): where the flow is affine and the prior's weight is 1, rows are
 * samples of the model's distribution given what is fixed, exactly; elsewhere they are near it. With `around: zero` the prior is
 * |s|^2/2 and nothing is drawn, so that all rows look for the most probable source; with weight 0 nothing holds the source back
 * and nothing is drawn either. A source that is uniform has its box in place of the prior.
 *
 * Rows do not depend on each other, nor on the number of ranks.
 */
#pragma once
#include "posterior.h"
#include "transport.h"

typedef enum { RHEO_STEER_START, RHEO_STEER_ZERO } RheoSteerAround;

typedef struct {
  RheoStrings fix; /* "x1 = 0.8": linear in the features */
  RheoReals sd;    /* of these values */
  double prior;    /* weight */
  int around;      /* RheoSteerAround: where the prior is centred */
  double bound;    /* of the source, each coordinate; 0: none */
  int64_t iterations;
  double
      tolerance; /* of the gradient's norm, with a prior of weight 1 at least the source's distance from the best */
} RheoSteerConfig;
extern const RheoKey RheoDFlowKeys[]; /* section `dflow` */

/* A cost of one's own: cost of the end point x (D), in the user's coordinates, of row number `row`, and dx (D), its derivative. */
typedef PetscErrorCode (*RheoSteerCost)(void *data, int64_t row, const double *x, double *cost, double *dx);

typedef struct {
  int64_t n; /* rows */
  int64_t
      n_failed; /* rows whose flow could not be solved, or whose cost is no number; the source stays where it was */
  int64_t n_unconverged; /* rows that are not known to have come to a minimum; what was found is delivered */
  double before, after;  /* mean cost without the prior, of the others */
  int64_t iterations, n_solves; /* over all rows */
} RheoSteerReport;

/* source (n, D): where samples start that fulfil cost, or with cost NULL what config->fix says; in place of rows->source, too. x
 * (n, D): what RheoTransportSample makes of it, NaN where that failed or nothing was found; cost_after
 * (n), likewise; each may be NULL. A discrete flow, a source that is data with a prior, names that there are not, values that are
 * no numbers are RHEO_ERR_INPUT. Collective; cost is called by the rank that has the row. */
PetscErrorCode RheoTransportSteer(RheoTransport transport, const RheoTransportRows *rows,
                                  const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *source, double *x, double *cost_after, RheoSteerReport *report);

/* The same for samples 0 .. n - 1 of the posterior of observation obs (C), by a continuous estimator. deck: cnf.solve, and where
 * a mistake in `dflow` is. theta (n, D) on every rank. Starts are those of RheoPosteriorSample. Collective. */
PetscErrorCode RheoPosteriorSteer(RheoPosterior posterior, RheoDeck deck, const double *obs, uint64_t seed,
                                  int64_t n, const RheoSteerConfig *config, RheoSteerCost cost, void *data,
                                  double *theta, double *cost_after, RheoSteerReport *report);
