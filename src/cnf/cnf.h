/* Continuous normalizing flows (CNFs): a velocity field v(t, z | context) whose flow carries a source at t = 0 to the data
 * at t = 1 (Chen et al. 2018; Lipman et al. 2023).
 *
 * The noun RheoCnf is what the deck says of the field and of how it is learned; it holds no parameters. Deck:
 *   cnf: {velocity: net, net: {type: resmlp, hidden: 64, layers: 2, activation: silu, context: film},
 *         time: fourier, frequencies: 8, path: linear, sigma: 0.1, source: normal, coupling: exact,
 *         solve: {scheme: tsit5, rtol: 1e-5, atol: 1e-5}}
 * A velocity type, a time embedding, a path and a coupling are one file under impls/ and one line in a .def each.
 *
 * Two coordinates. Data coordinates x are the user's; field coordinates z are where the field lives: standardised
 * (cnf.standardize) and, with cnf.shift, moved by what the context says (CAR-Flow, Chen et al. 2025). rx_cnf_start and
 * rx_cnf_finish lead from the source to z(0) and from z(1) to the data; their inverses lead back. All are affine with
 * slopes that are the same for all rows: 1/sd and sd, and the path's width of the source, which is 1 for all but `ve`.
 * A source that is data is standardised with the moments of the data, so that its sd cancel in densities.
 */
#pragma once
#include "../nn/nn.h"
#include "coupling.h"
#include "likelihood.h"

typedef struct RheoCnf_ *RheoCnf;

/* normal: standard normal; uniform: on (-1, 1) in each feature; data: rows the user gives */
typedef enum { RHEO_SOURCE_NORMAL, RHEO_SOURCE_UNIFORM, RHEO_SOURCE_DATA } RheoSource;
typedef enum { RHEO_TIMES_UNIFORM, RHEO_TIMES_POWER, RHEO_TIMES_LOGIT_NORMAL } RheoTimes;
typedef enum { RHEO_TIMES_INDEPENDENT, RHEO_TIMES_STRATIFIED, RHEO_TIMES_ANTITHETIC } RheoTimesDraw;
typedef enum { RHEO_SHIFT_NONE, RHEO_SHIFT_SOURCE, RHEO_SHIFT_DATA, RHEO_SHIFT_BOTH } RheoShift;

typedef struct {
  int velocity;                /* place in RheoVelocityTypes */
  int time;                    /* place in RheoEmbeddingTypes */
  int frequencies;             /* of the embedding */
  int path;                    /* place in RheoPathTypes */
  double sigma;                /* of the path */
  int source;                  /* RheoSource: what stands at t = 0 */
  int coupling;                /* place in RheoCouplingTypes, coupling.h */
  int64_t coupling_batch;      /* rows coupled at once; a multiple of train.batch; 0: train.batch */
  int times, times_draw;       /* RheoTimes, RheoTimesDraw: at which t the loss looks */
  double times_power;          /* of power: a density of t in proportion to t^power */
  double times_mean, times_sd; /* of logit_normal: log t/(1 - t) is normal */
  PetscBool standardize;
  int shift;       /* RheoShift; excludes dropout */
  double dropout;  /* probability that training forgets the context (classifier-free guidance) */
  double guidance; /* weight of the context in sampling; 1: as trained (Zheng et al. 2023, Guided Flows) */
  double contrast; /* weight of the opposite pairs of the objective contrastive_fm */
} RheoCnfConfig;
extern const RheoKey RheoCnfKeys[];

/* Which of its keys mean something with which others. Not collective. */
PetscErrorCode RheoCnfGetDependencies(int *n, const RheoDependency **dependencies);

/* Life cycle. Create, SetFromDeck (section prefix, usually "cnf"), SetSizes, SetUp. Collective on the deck's communicator. */
PetscErrorCode RheoCnfCreate(RheoCnf *cnf);
PetscErrorCode RheoCnfDestroy(RheoCnf *cnf);
PetscErrorCode RheoCnfSetFromDeck(RheoCnf cnf, RheoDeck deck, const char *prefix);
/* The key `guidance` alone, which may change after training, for programs that are built from now on. */
PetscErrorCode RheoCnfSetGuidance(RheoCnf cnf, RheoDeck deck, const char *prefix);
PetscErrorCode RheoCnfSetSizes(RheoCnf cnf, int n_features, int n_context);
PetscErrorCode RheoCnfSetUp(RheoCnf cnf);
PetscErrorCode RheoCnfView(RheoCnf cnf, FILE *file);
PetscErrorCode RheoCnfGetSections(int *n, const RheoSection **sections); /* the schema */
const RheoCnfConfig *RheoCnfGetConfig(RheoCnf cnf);                      /* borrowed */
const RheoNetConfig *RheoCnfGetNet(RheoCnf cnf);                         /* borrowed */
const RheoLikelihoodConfig *RheoCnfGetLikelihood(RheoCnf cnf);           /* borrowed */
const void *RheoCnfCouplingConfig(RheoCnf cnf);                          /* of its type; borrowed */
int RheoCnfFeatures(RheoCnf cnf);                                        /* D */
int RheoCnfContext(RheoCnf cnf);                                         /* C */

/* The field in field coordinates: t (B, 1), z (B, D), context (B, C) as the user has it, or none -> v (B, D). forget (B, 1)
 * is 1 where the context is to be forgotten, or does not exist. Without forget, and with cnf.guidance other than 1, the
 * velocity is guided: (1 - w) v(. | forgotten) + w v(. | context). */
RheoVal rx_cnf_velocity(RheoCnf cnf, RheoScope scope, RheoVal t, RheoVal z, RheoVal context, RheoVal forget);

/* Phi (B) of a field v = -grad_z Phi, where its type has one: guided and in unit time as v is. */
RheoVal rx_cnf_potential(RheoCnf cnf, RheoScope scope, RheoVal t, RheoVal z, RheoVal context);
PetscBool RheoCnfHasPotential(RheoCnf cnf);

/* T, how long the field runs (a scalar), where cnf.likelihood.end_time says that it is learned; none otherwise. */
RheoVal rx_cnf_end_time(RheoCnf cnf, RheoScope scope);

/* The trace of dv/dz (B), exactly, by D Jacobian-vector products. v must be rx_cnf_velocity of z. */
RheoVal rx_cnf_divergence(RheoVal v, RheoVal z);
/* Its unbiased estimate e . (dv/dz) e (B); e (B, D) with mean 0 and unit covariance (Hutchinson 1989). */
RheoVal rx_cnf_divergence_estimate(RheoVal v, RheoVal z, RheoVal e);

/* Between coordinates; all (B, D). start: source -> z(0); finish: z(1) -> x; enter: x -> z(1); leave: z(0) -> source. */
RheoVal rx_cnf_start(RheoCnf cnf, RheoScope scope, RheoVal source, RheoVal context);
RheoVal rx_cnf_finish(RheoCnf cnf, RheoScope scope, RheoVal z, RheoVal context);
RheoVal rx_cnf_enter(RheoCnf cnf, RheoScope scope, RheoVal x, RheoVal context);
RheoVal rx_cnf_leave(RheoCnf cnf, RheoScope scope, RheoVal z, RheoVal context);
/* log |det dz(1)/dx| + log |det d source/dz(0)|, the same for all rows: a scalar. */
RheoVal rx_cnf_log_scale(RheoCnf cnf, RheoScope scope);
/* log density of the source (B), -infinity outside; fails where the source is data, whose density nobody knows. */
RheoVal rx_cnf_source_log_prob(RheoCnf cnf, RheoVal source);

/* What the loss compares at time t (B, 1): the place z_t and the target velocity (B, D) of a pair (z0, z1). Times and noise
 * are inputs of the program that training fills. */
typedef struct {
  RheoVal t, z, target;
} RheoMatch;
RheoMatch rx_cnf_match(RheoCnf cnf, RheoScope scope, RheoVal z0, RheoVal z1);

/* Means and standard deviations for standardisation, of data x (n, D) and context (n, C) or NULL, as RheoFlowFit. They are
 * also kept in the cnf, for couplings; until then, and without cnf.standardize, they are 0 and 1. Not collective. */
PetscErrorCode RheoCnfFit(RheoCnf cnf, RheoParams params, const char *scope_name, int64_t n, const float *x,
                          const float *context, float *values);
typedef struct {
  double *mean, *sd;                 /* (D) */
  double *context_mean, *context_sd; /* (C) */
} RheoCnfMoments;
const RheoCnfMoments *RheoCnfGetMoments(RheoCnf cnf); /* borrowed */

/* ---- One file and one line each ---- */
typedef struct {
  const char *name, *summary, *reference;
  /* REQUIRED. time (B, E) is embedded, z (B, D), context (B, C') or none -> (B, D) */
  RheoVal (*apply)(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context);
  /* OPTIONAL: Phi (B) of which apply is -grad_z; absent: the field has none. */
  RheoVal (*potential)(RheoScope scope, const RheoNetConfig *net, RheoVal time, RheoVal z, RheoVal context);
} RheoVelocityType;
extern const RheoVelocityType *const RheoVelocityTypes[]; /* NULL at the end */

typedef struct {
  const char *name, *summary, *reference;
  /* REQUIRED. t (B, 1) -> (B, E) */
  RheoVal (*embed)(RheoVal t, int frequencies);
} RheoEmbeddingType;
extern const RheoEmbeddingType *const RheoEmbeddingTypes[];

typedef struct {
  const char *name, *summary, *reference;
  const char *rule; /* REQUIRED. What sigma may be, for messages: "(0, inf)" */
  /* REQUIRED. Whether sigma is such. */
  int (*allows)(double sigma);
  int noise;  /* 1: needs e where sigma is above 0; otherwise there is none */
  int bridge; /* 1: sigma is the diffusion of a Brownian motion that is tied to both ends */
  /* REQUIRED. z0, z1, e (B, D) with e standard normal, t (B, 1) -> place z and target velocity (B, D) */
  void (*place)(double sigma, RheoVal z0, RheoVal z1, RheoVal e, RheoVal t, RheoVal *z, RheoVal *target);
  /* OPTIONAL: z(0) is this many times the source, which must not be data then; 1 where absent. */
  double (*width)(double sigma);
} RheoPathType;
extern const RheoPathType *const RheoPathTypes[];
