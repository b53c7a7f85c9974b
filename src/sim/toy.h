/* Distributions to try methods on: eight Gaussians, moons, spirals, ... and the normal distribution in any dimension.
 *
 * Sample i is a pure function of (seed, set, i). Deck, in a section of a data set:
 *   target: {toy: moons, n: 10k, noise: 0.05, scale: 2, shift: [-1, 0], condition: class}
 * The keys that all toys have are n, of, condition, scale and shift; the others (noise, radius, ...) are the type's own, with
 * defaults of its own. scale multiplies everything, noise too; shift is added last.
 *
 * of: 0 makes independent draws. Otherwise samples are the rows of a set of that many, in an order that the seed gives, such
 * as scikit-learn and torchdyn make them: classes of equal size, and angles at even steps where these libraries have them so.
 * Row `of` begins the next such set, of another order and noise. So training rows 0..n-1 and test rows from n on are what a
 * random split of one set is, where `of` is larger than n.
 */
#pragma once
#include "../base/deck.h"
#include "../base/random.h"

typedef struct RheoToy_ *RheoToy;

typedef enum {
  RHEO_CONDITION_NONE,
  RHEO_CONDITION_CLASS,
  RHEO_CONDITION_X1,
  RHEO_CONDITION_X2
} RheoCondition;

/* Keys of a section that may hold any toy: common ones and the union of the types'. Not collective. */
PetscErrorCode RheoToyGetKeys(const RheoKey **keys);
/* For -help: a line for each type with its own keys and their defaults. Collective on comm; prints to stdout. */
PetscErrorCode RheoToyViewTypes(MPI_Comm comm);

/* Reads the section at prefix; a key that the type does not have is RHEO_ERR_INPUT. set tells apart data sets of one seed.
 * Collective on the deck. */
PetscErrorCode RheoToyCreate(RheoDeck deck, const char *prefix, uint32_t set, RheoToy *toy);
PetscErrorCode RheoToyDestroy(RheoToy *toy);

const char *RheoToyName(RheoToy toy);
int RheoToySize(RheoToy toy);          /* D */
int RheoToyConditionSize(RheoToy toy); /* 0, or 1: the class from 0, or one of the coordinates as they are */
PetscBool RheoToyConditionIsClass(RheoToy toy);
int RheoToyClasses(RheoToy toy);   /* 1 where there are none */
int64_t RheoToyCount(RheoToy toy); /* key n */

/* Samples first .. first + n - 1: x (n, D), condition (n) or NULL. Not collective. */
void RheoToySample(RheoToy toy, uint64_t seed, uint64_t first, int64_t n, double *x, double *condition);

/* Whether the coordinates are normal, independent and alike, and how. */
PetscBool RheoToyIsNormal(RheoToy toy, double *mean, double *sd);

/* log p(x) (n), exactly or by quadrature to 1e-9; NaN where it is not known. Not collective. */
PetscBool RheoToyHasLogProb(RheoToy toy);
void RheoToyLogProb(RheoToy toy, int64_t n, const double *x, double *log_prob);
