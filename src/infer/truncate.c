#include "truncate.h"
#include "../base/log.h"
#include "../sim/find_file.h"
#include "summary.h"
#include <math.h>
#include <stdio.h>

#define FIELD(name) offsetof(RheoTruncateConfig, name)
const RheoKey RheoTruncateKeys[] = {
    {"rounds", RHEO_KEY_INT, FIELD(rounds), "0", "[0, 10]",
     "how often the prior is cut to the posterior of the observation before the last training; 0: amortised "
     "over the whole prior"},
    {"n", RHEO_KEY_COUNT, FIELD(n), "50k", "[100, inf)", "simulations of such a round"},
    {"epochs", RHEO_KEY_COUNT, FIELD(epochs), "10", "[1, inf)", "of its training, at most"},
    {"batch", RHEO_KEY_COUNT, FIELD(batch), "200", "[1, inf)", "of its training"},
    {"mass", RHEO_KEY_REAL, FIELD(mass), "0.99", "(0.5, 1)",
     "of each marginal that is kept before the margin"},
    {"margin", RHEO_KEY_REAL, FIELD(margin), "0.5", "[0, 10]",
     "by which the kept interval is widened on either side, as a fraction of its width"},
    {"observation", RHEO_KEY_REALS, FIELD(observation), NULL, NULL,
     "written, not set: the data for which `rheo infer` has cut the prior of this deck; other data are "
     "warned of"},
    {0}};
#undef FIELD

/* One side of one parameter, rounded to what a person would read. */
static PetscErrorCode SetSide(RheoDeck deck, RheoPrior prior, int k, const char *side, double z)
{
  const double far = 4;
  char key[256], value[32];

  PetscFunctionBeginUser;
  if (fabs(z) > far) PetscFunctionReturn(RHEO_OK);
  snprintf(key, sizeof key, "prior.%s.%s", RheoPriorName(prior, k), side);
  snprintf(value, sizeof value, "%.6g", RheoPriorFromNormal(prior, k, z));
  PetscCall(RheoDeckSet(deck, key, value));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTruncatePrior(RheoDeck deck, RheoPrior prior, const RheoTruncateConfig *config, int64_t n,
                                 const double *theta)
{
  const int d = RheoPriorSize(prior);
  const double tail = 0.5 * (1 - config->mass);
  double *score;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(PetscMalloc1(n, &score));
  for (int k = 0; k < d; k++) {
    for (int64_t i = 0; i < n; i++) score[i] = RheoPriorToNormal(prior, k, theta[i * d + k]);
    RheoSortAscending(n, score);
    const double lower = RheoQuantile(n, score, tail), upper = RheoQuantile(n, score, 1 - tail);
    const double margin = config->margin * (upper - lower);
    PetscCall(SetSide(deck, prior, k, "lower", lower - margin));
    PetscCall(SetSide(deck, prior, k, "upper", upper + margin));
    RheoLog(comm, RHEO_LOG_INFO, "truncated: %s to [%.5g, %.5g], %.3g of its prior", RheoPriorName(prior, k),
            RheoPriorFromNormal(prior, k, lower - margin), RheoPriorFromNormal(prior, k, upper + margin),
            0.5 * (erf((upper + margin) / sqrt(2)) - erf((lower - margin) / sqrt(2))));
  }
  PetscCall(PetscFree(score));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTruncateDone(RheoDeck deck, int n_data, const double *x)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDeckSet(deck, "truncate.rounds", "0"));
  PetscCall(RheoSimPinReals(deck, "truncate.observation", n_data, x));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoTruncateWarn(RheoDeck deck, int n_data, const double *x)
{
  RheoTruncateConfig config;
  PetscBool same = PETSC_TRUE;
  MPI_Comm comm;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckGetComm(deck, &comm));
  PetscCall(RheoDeckRead(deck, "truncate", RheoTruncateKeys, &config));
  if (!config.observation.n) PetscFunctionReturn(RHEO_OK);
  same = (PetscBool)(config.observation.n == n_data);
  for (int i = 0; same && i < n_data; i++) same = (PetscBool)(x[i] == config.observation.v[i]);
  if (!same)
    RheoLog(
        comm, RHEO_LOG_WARNING,
        "this model's prior was cut for another observation (truncate.observation): what is given for this "
        "one is its posterior under the cut prior; a model for any observation needs -truncate_rounds 0 and "
        "the deck from before");
  PetscFunctionReturn(RHEO_OK);
}
