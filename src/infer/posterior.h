/* The posterior of an estimator: train it, save it, load it, ask it.
 *
 * An estimator is one file under impls/ and one line in estimator_types.def. Those there are:
 *   npe   neural posterior estimation: a conditional flow q(theta | x), trained by maximum likelihood on (theta, x)
 *         drawn from prior and simulator (Papamakarios & Murray 2016; Greenberg et al. 2019, without rounds).
 *   fmpe  flow matching posterior estimation: a continuous flow, trained on the same by regression on its velocity, or as
 *         cnf.objective says (Wildberger et al. 2023).
 *
 * The network sees each parameter as its normal score z = Phi^-1(F(theta)), F its prior's distribution function. So no
 * sample can lie outside the prior, the network's far tails cannot throw one further than the prior itself would, and
 * before the data say anything z is standard normal: log q(theta) = log q(z) + log p(theta) - log phi(z).
 */
#pragma once
#include "../sim/simulator.h"
#include "../train/checkpoint.h"
#include "../train/model_file.h"
#include "../train/train.h"

typedef struct RheoPosterior_ *RheoPosterior;

/* Life cycle. The deck says prior, estimator, flow or cnf, train, data.transform and seed; n_data is C. Collective on the
 * deck's comm. */
PetscErrorCode RheoPosteriorCreate(RheoDeck deck, int n_data, RheoPosterior *posterior);
PetscErrorCode RheoPosteriorDestroy(RheoPosterior *posterior);

/* theta (n, D), x (n, C), weight (n) or NULL: all rows on every rank. Rows with values that are not finite
 * (after data.transform), that lie outside the prior or have a weight below 0 are left out, with a warning that counts
 * them. Collective. */
PetscErrorCode RheoPosteriorTrain(RheoPosterior posterior, int64_t n, const double *theta, const double *x,
                                  const double *weight);
/* The same from rows that are converted, and the good ones put in order and cut as RheoRows says, already: value[0] is z, value[1]
 * the context; names and widths are filled in here. n counts the rows that were left out too. Borrowed. Collective. */
PetscErrorCode RheoPosteriorTrainRows(RheoPosterior posterior, int64_t n, const RheoRows *rows);
/* A row as it is trained on: theta (D), x (C) to z (D), context (C). PETSC_FALSE: it is to be left out. Not collective. */
PetscBool RheoPosteriorConvert(RheoPosterior posterior, const double *theta, const double *x, float *z,
                               float *context);
/* The same from blocks `parameters` and `data`, and `weights` where there are any, of files: rows stay there or are spread over
 * the ranks, as data.stream says; the model is the same. Blocks that are missing or of other widths are RHEO_ERR_INPUT.
 * Collective. */
PetscErrorCode RheoPosteriorTrainFiles(RheoPosterior posterior, RheoReader reader);
/* Checkpoints of the training to come, and what may stop it (train/checkpoint.h). guard is copied. Not collective. */
PetscErrorCode RheoPosteriorSetSafeguard(RheoPosterior posterior, const RheoSafeguard *guard);
/* The file that tells how it goes (train/series.h), unless the deck says train.series: no; NULL, the default: none. Not
 * collective. */
PetscErrorCode RheoPosteriorSetSeries(RheoPosterior posterior, const char *path);
PetscErrorCode RheoPosteriorSave(RheoPosterior posterior, const char *path);                 /* collective */
PetscErrorCode RheoPosteriorLoad(MPI_Comm comm, const char *path, RheoPosterior *posterior); /* collective */

/* What may be changed after training: how a continuous flow is followed, section cnf.solve of deck, and cnf.guidance. Collective. */
PetscErrorCode RheoPosteriorSetSolver(RheoPosterior posterior, RheoDeck deck);

int RheoPosteriorSize(RheoPosterior posterior);        /* D */
int RheoPosteriorDataSize(RheoPosterior posterior);    /* C */
RheoPrior RheoPosteriorPrior(RheoPosterior posterior); /* borrowed */
RheoDeck RheoPosteriorDeck(RheoPosterior posterior);   /* borrowed */
const RheoHistory *RheoPosteriorHistory(RheoPosterior posterior);
PetscErrorCode RheoPosteriorGetTrainer(RheoPosterior posterior, RheoTrainReason *reason,
                                       double *rows_per_second, double *communication);
PetscErrorCode RheoPosteriorGetChecksum(RheoPosterior posterior,
                                        uint64_t *checksum); /* as RheoModelChecksum */

/* Samples first .. first + n - 1 of observation x (C): theta (n, D), log_prob (n) or NULL. Sample i is a pure
 * function of (seed, i). An observation that is not finite after data.transform is RHEO_ERR_INPUT. Not
 * collective. */
PetscErrorCode RheoPosteriorSample(RheoPosterior posterior, const double *x, uint64_t seed, uint64_t first,
                                   int64_t n, double *theta, double *log_prob);
/* One sample for each row of x (n, C), row i with the stream of index[i]; NaN for rows of x that are not finite after
 * data.transform. Not collective. */
PetscErrorCode RheoPosteriorSampleRows(RheoPosterior posterior, int64_t n, const double *x, uint64_t seed,
                                       const uint64_t *index, double *theta, double *log_prob);
/* log q(theta_i | x_i): theta (n, D), x (n, C), or one x for all where shared. -infinity outside the prior.
 * What is not finite in x: as for sampling. A rank that is asked to stop (base/stop.h) leaves the rest: RheoStopCheck has to follow
 * where there is a hook. Not collective. */
PetscErrorCode RheoPosteriorLogProb(RheoPosterior posterior, int64_t n, const double *theta, const double *x,
                                    PetscBool shared, double *log_prob);
/* The same where a continuous flow's divergence is estimated (cnf.solve.divergence): seed of the probes, and variance (n) of
 * log_prob over them, or NULL; 0 where nothing is estimated, NaN where there is one probe. Row i draws with number i. */
PetscErrorCode RheoPosteriorEstimateLogProb(RheoPosterior posterior, int64_t n, const double *theta,
                                            const double *x, PetscBool shared, uint64_t seed,
                                            double *log_prob, double *variance);
/* One sample or density at a time, with a workspace for each thread: see RheoDensityOne. x (C), theta (D), log_prob (1) or NULL.
 * Both return 0, or the place, from 1, of a value of x that is not finite after data.transform; then theta and log_prob are left
 * alone. Not collective. */
typedef struct RheoPosteriorOne_ *RheoPosteriorOne;
PetscBool
RheoPosteriorHasOne(RheoPosterior posterior); /* not where the estimator follows a continuous flow */
PetscErrorCode RheoPosteriorOneCreate(RheoPosterior posterior, RheoPosteriorOne *one);
PetscErrorCode RheoPosteriorOneDestroy(RheoPosteriorOne *one);
int RheoPosteriorOneSample(RheoPosteriorOne one, const double *x, uint64_t seed, uint64_t number,
                           double *theta, double *log_prob);
int RheoPosteriorOneLogProb(RheoPosteriorOne one, const double *x, const double *theta, double *log_prob);

/* The maximum of q(theta | x), by TAO's BLMVM over normal scores in double precision, from the best of
 * 1000 samples (as many as RheoDensityHills says). Scores stay among those of the samples. Options -tao_*. Not collective; the same on
 * every rank. */
PetscErrorCode RheoPosteriorMap(RheoPosterior posterior, const double *x, uint64_t seed, double *theta,
                                double *log_prob);

/* Keys at the top level of a deck that belong to the run as a whole. */
typedef struct {
  int64_t seed;
  int estimator; /* place in RheoEstimatorTypes */
} RheoRunConfig;
extern const RheoKey RheoRunKeys[];

/* Transforms of the data before standardisation, deck `data: {transform: log1p}`, one for all columns or one
 * each. */
#define RHEO_DATA_TRANSFORM_RULE "none|log1p|sqrt|log|asinh"
extern const RheoKey RheoDataKeys[];
