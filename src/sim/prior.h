/* Priors: an ordered list of named, independent parameters.
 *
 *   prior:
 *     beta:  {family: normal, mean: 2, sd: 1, lower: 0}
 *     gamma: {family: normal, mean: 0.4, sd: 0.5, lower: 0, label: "{/Symbol g}", unit: 1/day}
 * Families are in prior_types.def; any of them is truncated where lower or upper lies inside its support.
 */
#pragma once
#include "../base/deck.h"
#include "../base/random.h"

typedef struct RheoPrior_ *RheoPrior;

typedef struct {
  const char *name, *summary;
  const char *parameter[3]; /* names of its shape parameters: "mean", "sd"; NULL at the end */
  /* REQUIRED. NULL, or the rule that the parameters break ("sd must be above 0") */
  const char *(*check)(const double *a);
  void (*support)(const double *a, double *lower, double *upper);
  double (*sample)(const gsl_rng *rng, const double *a);
  double (*log_pdf)(double x, const double *a);
  double (*cdf)(double x, const double *a);       /* P */
  double (*upper_cdf)(double x, const double *a); /* Q = 1 - P without cancellation */
  double (*quantile)(double p, const double *a);
  double (*upper_quantile)(double q, const double *a);
} RheoPriorType;
extern const RheoPriorType *const RheoPriorTypes[]; /* NULL at the end */

PetscErrorCode RheoPriorCreate(RheoPrior *prior);
PetscErrorCode RheoPriorDestroy(RheoPrior *prior);

/* section: "prior". A deck without it has the prior that its simulator's type brings along. Unknown families, missing or
 * foreign keys, sd <= 0, swapped bounds and bounds that leave no probability are RHEO_ERR_INPUT. Collective. */
PetscErrorCode RheoPriorSetFromDeck(RheoPrior prior, RheoDeck deck, const char *section);
int RheoPriorSize(RheoPrior prior);                 /* D */
const char *RheoPriorName(RheoPrior prior, int i);  /* key in the deck and name of the column */
const char *RheoPriorLabel(RheoPrior prior, int i); /* for figures; the name where the deck gives none */
const char *RheoPriorUnit(RheoPrior prior, int i);  /* "" where the deck gives none */

/* The support after truncation: lower, upper (D), infinite where open. For the `bounded` transform, which makes
 * leakage outside impossible. */
PetscErrorCode RheoPriorGetBounds(RheoPrior prior, double *lower, double *upper);

/* One draw, theta (D). Not collective; thread-safe. */
void RheoPriorSample(RheoPrior prior, RheoStream *stream, double *theta);
double RheoPriorLogDensity(RheoPrior prior, const double *theta); /* normalised; -infinity outside */
double RheoPriorMarginalCdf(RheoPrior prior, int i, double x);
double RheoPriorMarginalLogDensity(RheoPrior prior, int i, double x);

/* The normal score z = Phi^-1(F_i(x)) of a parameter, F_i its marginal distribution function, and back. Accurate in both
 * tails; infinite at and beyond the ends of the support. FromNormal gives values strictly inside. */
double RheoPriorToNormal(RheoPrior prior, int i, double x);
double RheoPriorFromNormal(RheoPrior prior, int i, double z);

PetscErrorCode RheoPriorGetSections(int *n, const RheoSection **sections); /* the schema of `prior.*` */
