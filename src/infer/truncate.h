/* Truncation of the prior to where one observation's posterior lies, so that the next round of simulations and the
 * network's attention go there (truncated marginals: Miller, Cole, Forre, Louppe & Weniger, NeurIPS 2021; truncated proposals:
 * Deistler, Goncalves & Macke, NeurIPS 2022). The prior is only cut, never reweighted, so the posterior inside the box is that
 * of the whole prior up to the mass that was cut off, and calibration by simulation stays valid within the box.
 */
#pragma once
#include "posterior.h"

typedef struct {
  int rounds;     /* of truncation before the last training; 0: none */
  int64_t n;      /* simulations of such a round */
  int64_t epochs; /* of its training */
  int64_t batch;
  double mass;           /* of each marginal that the box holds before it is widened */
  double margin;         /* by which it is widened on either side, in units of its width in normal scores */
  RheoReals observation; /* for which the prior has been cut already; n = 0: it has not */
} RheoTruncateConfig;
extern const RheoKey RheoTruncateKeys[]; /* section `truncate` */

/* Sets `lower` and `upper` of each parameter in the deck's prior to the box of the samples theta (n, D). A side whose end
 * lies beyond 4 standard deviations of the prior's normal scores stays as it is. Collective; the same on every rank. */
PetscErrorCode RheoTruncatePrior(RheoDeck deck, RheoPrior prior, const RheoTruncateConfig *config, int64_t n,
                                 const double *theta);

/* After the last round: the deck, and so every file that carries it, says that there are no more and for which observation x (C)
 * the prior has been cut. Collective. */
PetscErrorCode RheoTruncateDone(RheoDeck deck, int n_data, const double *x);
/* Warns, in one line, where the deck says so and x (C) is another observation. Collective. */
PetscErrorCode RheoTruncateWarn(RheoDeck deck, int n_data, const double *x);
