/* What a deck says about a continuous flow. */
#include "cnf_impl.h"
#include "scheme.h"
#include "solve.h"
#include <stdio.h>
#include <string.h>

/* "|linear|lipman...": rules after their first character. */
static const char velocity_rule[] =
#define RHEO_VELOCITY_TYPE(symbol, name) "|" #name
#include "velocity_types.def"
#undef RHEO_VELOCITY_TYPE
    ;
static const char embedding_rule[] =
#define RHEO_EMBEDDING_TYPE(symbol, name) "|" #name
#include "embedding_types.def"
#undef RHEO_EMBEDDING_TYPE
    ;
static const char path_rule[] =
#define RHEO_PATH_TYPE(symbol, name) "|" #name
#include "path_types.def"
#undef RHEO_PATH_TYPE
    ;
static const char coupling_rule[] =
#define RHEO_COUPLING_TYPE(symbol, name) "|" #name
#include "coupling_types.def"
#undef RHEO_COUPLING_TYPE
    ;

#define FIELD(name) offsetof(RheoCnfConfig, name)
const RheoKey RheoCnfKeys[] = {
    {"velocity", RHEO_KEY_CHOICE, FIELD(velocity), "net", velocity_rule + 1, "kind of velocity field"},
    {"time", RHEO_KEY_CHOICE, FIELD(time), "fourier", embedding_rule + 1, "how the field sees time"},
    {"frequencies", RHEO_KEY_INT, FIELD(frequencies), "8", "[1, 1000]", "of the embedding of time"},
    {"path", RHEO_KEY_CHOICE, FIELD(path), "linear", path_rule + 1, "from source to data in training"},
    {"sigma", RHEO_KEY_REAL, FIELD(sigma), "0", "[0, inf)", "width of the path"},
    {"source", RHEO_KEY_CHOICE, FIELD(source), "normal", "normal|uniform|data", "what stands at t = 0"},
    {"coupling", RHEO_KEY_CHOICE, FIELD(coupling), "independent", coupling_rule + 1,
     "which source sample goes with which data sample"},
    {"coupling_batch", RHEO_KEY_COUNT, FIELD(coupling_batch), "0", "[0, inf)",
     "rows coupled at once, a multiple of train.batch; 0: train.batch"},
    {"times", RHEO_KEY_CHOICE, FIELD(times), "uniform", "uniform|power|logit_normal",
     "distribution of the times that training looks at"},
    {"times_draw", RHEO_KEY_CHOICE, FIELD(times_draw), "independent", "independent|stratified|antithetic",
     "how the times of a batch are drawn together"},
    {"times_power", RHEO_KEY_REAL, FIELD(times_power), "1", "(-1, inf)",
     "times: power has a density in proportion to t to this power"},
    {"times_mean", RHEO_KEY_REAL, FIELD(times_mean), "0", "(-inf, inf)",
     "of log t/(1 - t), for logit_normal"},
    {"times_sd", RHEO_KEY_REAL, FIELD(times_sd), "1", "(0, inf)", "of log t/(1 - t), for logit_normal"},
    {"standardize", RHEO_KEY_BOOL, FIELD(standardize), "yes", NULL,
     "take mean and standard deviation of the training data out of features and context"},
    {"shift", RHEO_KEY_CHOICE, FIELD(shift), "none", "none|source|data|both",
     "ends of the path that the context moves (CAR-Flow)"},
    {"dropout", RHEO_KEY_REAL, FIELD(dropout), "0", "[0, 1)",
     "probability that training forgets the context, for guidance"},
    {"guidance", RHEO_KEY_REAL, FIELD(guidance), "1", "(-inf, inf)",
     "weight of the context in sampling; 1: as trained; needs dropout"},
    {"contrast", RHEO_KEY_REAL, FIELD(contrast), "0.05", "[0, 1)",
     "weight of the opposite pairs of the objective contrastive_fm: draws conditions apart, and samples with "
     "them"},
    {0}};

/* A relu's field has kinks, which cost a solver steps and leave a potential's field without a slope. */
const RheoKey *RheoCnfNetKeys(void)
{
  static RheoKey keys[32];
  for (int i = 0; RheoNetKeys[i].name && i < 31; i++) {
    keys[i] = RheoNetKeys[i];
    if (!strcmp(keys[i].name, "activation")) keys[i].fallback = "silu";
    if (!strcmp(keys[i].name, "hidden")) keys[i].fallback = "64";
  }
  return keys;
}

static const char *join(const char *prefix, const char *name)
{
  char path[256];
  snprintf(path, sizeof path, "%s.%s", prefix, name);
  return RheoIntern(path);
}

/* What one key cannot see alone. */
static PetscErrorCode check(RheoDeck deck, const char *prefix, const RheoCnfConfig *c)
{
  const RheoPathType *path = RheoPathTypes[c->path];
  PetscFunctionBeginUser;
  if (!path->allows(c->sigma))
    PetscCall(RheoDeckReject(deck, join(prefix, "sigma"), "must be in %s for the path %s, got %g", path->rule,
                             path->name, c->sigma));
  if (path->width && c->source == RHEO_SOURCE_DATA)
    PetscCall(RheoDeckReject(deck, join(prefix, "path"),
                             "%s widens the source, which cannot be data; take linear, vp or sb",
                             path->name));
  if (c->guidance != 1 && c->dropout == 0)
    PetscCall(RheoDeckReject(deck, join(prefix, "guidance"),
                             "needs a field that knows what no context is: set %s.dropout, 0.1 to 0.2",
                             prefix));
  if (c->shift != RHEO_SHIFT_NONE && c->dropout > 0)
    PetscCall(RheoDeckReject(deck, join(prefix, "shift"),
                             "follows the context, which %s.dropout forgets: only one of them can be",
                             prefix));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode check_likelihood(RheoDeck deck, const char *prefix, const RheoLikelihoodConfig *c)
{
  char text[512];
  PetscFunctionBeginUser;
  if (!RheoSchemeIsKnown(c->scheme, sizeof text, text))
    PetscCall(RheoDeckReject(deck, join(prefix, "likelihood.scheme"), "%s", text));
  if (c->end_time_min > c->end_time_max)
    PetscCall(RheoDeckReject(deck, join(prefix, "likelihood.end_time_min"),
                             "must not be above end_time_max, %g", c->end_time_max));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfSetFromDeck(RheoCnf cnf, RheoDeck deck, const char *prefix)
{
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, prefix, RheoCnfKeys, &cnf->config));
  PetscCall(check(deck, prefix, &cnf->config));
  PetscCall(RheoDeckRead(deck, join(prefix, "net"), RheoCnfNetKeys(), &cnf->net));
  PetscCall(RheoDeckRead(deck, join(prefix, "likelihood"), RheoLikelihoodKeys, &cnf->likelihood));
  PetscCall(check_likelihood(deck, prefix, &cnf->likelihood));
  if (cnf->likelihood.hjb > 0 && !RheoCnfHasPotential(cnf))
    PetscCall(RheoDeckReject(deck, join(prefix, "likelihood.hjb"),
                             "is of fields that have a potential: set %s.velocity: potential", prefix));
  for (int i = 0; RheoCouplingTypes[i]; i++)
    if (RheoCouplingTypes[i]->keys)
      PetscCall(RheoDeckRead(deck, join(prefix, RheoCouplingTypes[i]->name), RheoCouplingTypes[i]->keys,
                             cnf->coupling_config[i]));
  cnf->configured = PETSC_TRUE;
  cnf->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfSetGuidance(RheoCnf cnf, RheoDeck deck, const char *prefix)
{
  RheoCnfConfig given;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckRead(deck, prefix, RheoCnfKeys, &given));
  PetscCall(check(deck, prefix, &given));
  cnf->config.guidance = given.guidance;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfSetDefaults(RheoCnf cnf)
{
  RheoDeck deck;
  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(PETSC_COMM_SELF, &deck));
  PetscCall(RheoCnfSetFromDeck(cnf, deck, "cnf"));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfGetSections(int *n, const RheoSection **sections)
{
  static RheoSection all[64];
  PetscFunctionBeginUser;
  *n = 0;
  all[(*n)++] = (RheoSection){"cnf", RheoCnfKeys, "the continuous flow"};
  all[(*n)++] = (RheoSection){"cnf.net", RheoCnfNetKeys(), "the network of its velocity field"};
  all[(*n)++] = (RheoSection){"cnf.solve", RheoSolveKeys, "how samples follow the field"};
  all[(*n)++] = (RheoSection){"cnf.likelihood", RheoLikelihoodKeys, "its training by maximum likelihood"};
  for (int i = 0; RheoCouplingTypes[i]; i++)
    if (RheoCouplingTypes[i]->keys)
      all[(*n)++] = (RheoSection){join("cnf", RheoCouplingTypes[i]->name), RheoCouplingTypes[i]->keys,
                                  RheoCouplingTypes[i]->summary};
  *sections = all;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfGetDependencies(int *n, const RheoDependency **dependencies)
{
  static const RheoDependency fixed[] = {
      {"cnf.net", "cnf.velocity", "!affine"},
      {"cnf.frequencies", "cnf.time", "!raw"},
      {"cnf.likelihood", "cnf.objective", "cnf_nll"},
      {"cnf.path", "cnf.objective", "!cnf_nll"},
      {"cnf.sigma", "cnf.objective", "!cnf_nll"},
      {"cnf.coupling", "cnf.objective", "!cnf_nll"},
      {"cnf.coupling_batch", "cnf.coupling", "!independent"},
      {"cnf.times", "cnf.objective", "!cnf_nll"},
      {"cnf.times_draw", "cnf.objective", "!cnf_nll"},
      {"cnf.times_power", "cnf.times", "power"},
      {"cnf.times_mean", "cnf.times", "logit_normal"},
      {"cnf.times_sd", "cnf.times", "logit_normal"},
      {"cnf.contrast", "cnf.objective", "contrastive_fm"},
      {"cnf.likelihood.probes", "cnf.likelihood.divergence", "!exact"},
      {"cnf.likelihood.end_time_min", "cnf.likelihood.end_time", "learned"},
      {"cnf.likelihood.end_time_max", "cnf.likelihood.end_time", "learned"},
      {"cnf.likelihood.end_time_weight", "cnf.likelihood.end_time", "learned"},
      {"cnf.likelihood.end_time_every", "cnf.likelihood.end_time", "learned"}};
  enum { FIXED = sizeof fixed / sizeof *fixed };
  static RheoDependency all[FIXED + 64];
  PetscFunctionBeginUser;
  memcpy(all, fixed, sizeof fixed);
  *n = FIXED;
  for (int i = 0; RheoCouplingTypes[i]; i++)
    if (RheoCouplingTypes[i]->keys)
      all[(*n)++] = (RheoDependency){join("cnf", RheoCouplingTypes[i]->name), "cnf.coupling",
                                     RheoCouplingTypes[i]->name};
  *dependencies = all;
  PetscFunctionReturn(RHEO_OK);
}
