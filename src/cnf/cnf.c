#include "cnf_impl.h"
#include <string.h>

const RheoVelocityType *const RheoVelocityTypes[] = {
#define RHEO_VELOCITY_TYPE(symbol, name) &RheoVelocityType_##symbol,
#include "velocity_types.def"
#undef RHEO_VELOCITY_TYPE
    NULL};

const RheoEmbeddingType *const RheoEmbeddingTypes[] = {
#define RHEO_EMBEDDING_TYPE(symbol, name) &RheoEmbeddingType_##symbol,
#include "embedding_types.def"
#undef RHEO_EMBEDDING_TYPE
    NULL};

const RheoPathType *const RheoPathTypes[] = {
#define RHEO_PATH_TYPE(symbol, name) &RheoPathType_##symbol,
#include "path_types.def"
#undef RHEO_PATH_TYPE
    NULL};

PetscErrorCode RheoCnfCreate(RheoCnf *cnf)
{
  int n = 0;
  PetscFunctionBeginUser;
  while (RheoCouplingTypes[n]) n++;
  PetscCall(PetscNew(cnf));
  PetscCall(PetscCalloc1(n, &(*cnf)->coupling_config));
  for (int i = 0; i < n; i++)
    if (RheoCouplingTypes[i]->size)
      PetscCall(PetscCalloc(RheoCouplingTypes[i]->size, &(*cnf)->coupling_config[i]));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfDestroy(RheoCnf *cnf)
{
  PetscFunctionBeginUser;
  if (!*cnf) PetscFunctionReturn(RHEO_OK);
  for (int i = 0; RheoCouplingTypes[i]; i++) PetscCall(PetscFree((*cnf)->coupling_config[i]));
  PetscCall(PetscFree((*cnf)->coupling_config));
  PetscCall(PetscFree((*cnf)->moments.mean));
  PetscCall(PetscFree(*cnf));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfSetSizes(RheoCnf cnf, int n_features, int n_context)
{
  RheoCnfMoments *m = &cnf->moments;
  const int n = n_features + n_context;
  PetscFunctionBeginUser;
  RheoInputCheck(n_features >= 1 && n_features <= RHEO_CNF_MAX_FEATURES, PETSC_COMM_SELF,
                 "cnf: the number of features must be in [1, %d], got %d", RHEO_CNF_MAX_FEATURES, n_features);
  RheoInputCheck(n_context >= 0, PETSC_COMM_SELF,
                 "cnf: the width of the context must not be negative, got %d", n_context);
  cnf->n_features = n_features;
  cnf->n_context = n_context;
  PetscCall(PetscFree(m->mean));
  PetscCall(PetscCalloc1(2 * (size_t)n, &m->mean));
  m->context_mean = m->mean + n_features;
  m->sd = m->mean + n;
  m->context_sd = m->sd + n_features;
  for (int k = 0; k < n; k++) m->sd[k] = 1;
  cnf->ready = PETSC_FALSE;
  PetscFunctionReturn(RHEO_OK);
}

static int mlp(void)
{
  for (int i = 0; RheoNetTypes[i]; i++)
    if (!strcmp(RheoNetTypes[i]->name, "mlp")) return i;
  return 0;
}

PetscErrorCode RheoCnfSetUp(RheoCnf cnf)
{
  PetscFunctionBeginUser;
  if (cnf->ready) PetscFunctionReturn(RHEO_OK);
  PetscCheck(cnf->n_features > 0, PETSC_COMM_SELF, PETSC_ERR_ORDER,
             "a cnf needs its sizes before it is set up");
  if (!cnf->configured) PetscCall(RheoCnfSetDefaults(cnf));
  RheoInputCheck(cnf->n_context || cnf->config.dropout == 0, PETSC_COMM_SELF,
                 "cnf.dropout is %g, but there is no context to forget", cnf->config.dropout);
  RheoInputCheck(cnf->n_context || cnf->config.shift == RHEO_SHIFT_NONE, PETSC_COMM_SELF,
                 "cnf.shift needs a context, and there is none");
  cnf->shift_net = cnf->net;
  cnf->shift_net.type = mlp();
  cnf->shift_net.layers = 1;
  cnf->ready = PETSC_TRUE;
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfView(RheoCnf cnf, FILE *file)
{
  static const char *const sources[] = {"standard normal", "uniform on (-1, 1)", "data"};
  const RheoCnfConfig *c = &cnf->config;
  PetscFunctionBeginUser;
  PetscCheck(cnf->ready, PETSC_COMM_SELF, PETSC_ERR_ORDER, "a cnf must be set up before it is viewed");
  fprintf(file, "cnf: %d features, context of width %d%s\n", cnf->n_features, cnf->n_context,
          c->standardize ? ", standardized" : "");
  fprintf(file, "  %-12s %-20s %s\n", "velocity", RheoVelocityTypes[c->velocity]->name,
          RheoVelocityTypes[c->velocity]->summary);
  fprintf(file, "  %-12s %-20s %d hidden layers of %d\n", "network", RheoNetTypes[cnf->net.type]->name,
          cnf->net.layers, cnf->net.hidden);
  fprintf(file, "  %-12s %-20s %s\n", "time", RheoEmbeddingTypes[c->time]->name,
          RheoEmbeddingTypes[c->time]->summary);
  fprintf(file, "  %-12s %-20s %s; sigma %g\n", "path", RheoPathTypes[c->path]->name,
          RheoPathTypes[c->path]->summary, c->sigma);
  fprintf(file, "  %-12s %s\n", "source", sources[c->source]);
  fprintf(file, "  %-12s %-20s %s\n", "coupling", RheoCouplingTypes[c->coupling]->name,
          RheoCouplingTypes[c->coupling]->summary);
  PetscFunctionReturn(RHEO_OK);
}

PetscBool RheoCnfHasPotential(RheoCnf cnf)
{
  return (PetscBool)(RheoVelocityTypes[cnf->config.velocity]->potential != NULL);
}

const RheoNetConfig *RheoCnfGetNet(RheoCnf cnf)
{
  return &cnf->net;
}
const RheoLikelihoodConfig *RheoCnfGetLikelihood(RheoCnf cnf)
{
  return &cnf->likelihood;
}

const RheoCnfConfig *RheoCnfGetConfig(RheoCnf cnf)
{
  return &cnf->config;
}

const void *RheoCnfCouplingConfig(RheoCnf cnf)
{
  return cnf->coupling_config[cnf->config.coupling];
}

int RheoCnfFeatures(RheoCnf cnf)
{
  return cnf->n_features;
}

int RheoCnfContext(RheoCnf cnf)
{
  return cnf->n_context;
}

/* ---- Moments ---- */

static const char *below(const char *scope_name, const char *name)
{
  char full[256];
  snprintf(full, sizeof full, "%s%s%s", scope_name, scope_name[0] ? "." : "", name);
  return RheoIntern(full);
}

static PetscErrorCode fit_rows(RheoParams params, const char *prefix, int64_t n, int width, const float *x,
                               float *values, double *mean, double *sd)
{
  RheoMomentSums sums;
  PetscFunctionBeginUser;
  PetscCall(RheoMomentSumsCreate(width, &sums));
  RheoMomentSumsAdd(&sums, n, x);
  RheoMomentSumsFinish(&sums);
  PetscCall(RheoMomentsSet(params, prefix, width, sums.mean, sums.sd, values));
  PetscCall(PetscArraycpy(mean, sums.mean, width));
  PetscCall(PetscArraycpy(sd, sums.sd, width));
  PetscCall(RheoMomentSumsDestroy(&sums));
  PetscFunctionReturn(RHEO_OK);
}

PetscErrorCode RheoCnfFit(RheoCnf cnf, RheoParams params, const char *scope_name, int64_t n, const float *x,
                          const float *context, float *values)
{
  const RheoCnfMoments *m = &cnf->moments;
  PetscFunctionBeginUser;
  PetscCheck(cnf->ready, PETSC_COMM_SELF, PETSC_ERR_ORDER, "a cnf must be set up before it is fitted");
  PetscCheck(!cnf->n_context || context, PETSC_COMM_SELF, PETSC_ERR_ARG_NULL, "this cnf needs a context");
  if (n < 2 || !cnf->config.standardize) PetscFunctionReturn(RHEO_OK);
  PetscCall(fit_rows(params, below(scope_name, "data"), n, cnf->n_features, x, values, m->mean, m->sd));
  if (cnf->n_context)
    PetscCall(fit_rows(params, below(scope_name, "context"), n, cnf->n_context, context, values,
                       m->context_mean, m->context_sd));
  PetscFunctionReturn(RHEO_OK);
}

const RheoCnfMoments *RheoCnfGetMoments(RheoCnf cnf)
{
  return &cnf->moments;
}
