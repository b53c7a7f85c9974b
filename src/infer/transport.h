/* Models of a data set without a prior: from noise, or from a second data set, to a target data set, with conditions or without.
 * A continuous flow (section `cnf`) goes from either; a discrete one (section `flow`) from noise only. Deck:
 *   target: {toy: moons, n: 10k, condition: class}
 *   source: {file: before.csv}        # or {model: before/model.h5}; absent: noise
 *   cnf: {coupling: exact, sigma: 0.1}
 *   train: {batch: 256, steps: 20k}
 *
 * Points are double and in the user's coordinates. All functions are collective; ranks share the work, and every rank passes all
 * rows and is given all results, which do not depend on the number of ranks. Rows of an adaptive solve share their steps in
 * groups of cnf.solve.group, in the order they are passed in.
 */
#pragma once
#include "../cnf/solve.h"
#include "../sim/dataset.h"
#include "../train/checkpoint.h"
#include "../train/model_file.h"

typedef struct RheoTransport_ *RheoTransport;

/* Whether a deck is of this kind: it has a section `target`. Not collective. */
PetscErrorCode RheoTransportIsDeck(RheoDeck deck, PetscBool *yes);
/* Sections `target` and `source`, and what checks read of `check`. Array owned by the library. Not collective. */
PetscErrorCode RheoTransportGetSections(int *n, const RheoSection **sections);

/* The deck must stay. Data sets of different dimension, a flow from a second data set, an OT batch that is no multiple of
 * train.batch are RHEO_ERR_INPUT. */
PetscErrorCode RheoTransportCreate(RheoDeck deck, RheoTransport *transport);
PetscErrorCode RheoTransportDestroy(RheoTransport *transport);
/* Checkpoints of the training to come, and what may stop it (train/checkpoint.h). guard is copied. Not collective. */
PetscErrorCode RheoTransportSetSafeguard(RheoTransport transport, const RheoSafeguard *guard);
/* As RheoPosteriorSetSeries. Not collective. */
PetscErrorCode RheoTransportSetSeries(RheoTransport transport, const char *path);
PetscErrorCode RheoTransportTrain(RheoTransport transport);
PetscErrorCode RheoTransportSave(RheoTransport transport, const char *path);
/* A model does not need the data it was trained on, unless these are where samples start or what checks compare with. */
PetscErrorCode RheoTransportLoad(MPI_Comm comm, const char *path, RheoTransport *transport);
/* The same with a deck that the file carries and that was changed since (other tolerances, say); the deck must stay. */
PetscErrorCode RheoTransportLoadWith(RheoDeck deck, const char *path, RheoTransport *transport);

int RheoTransportSize(RheoTransport transport);           /* D */
RheoDataSet RheoTransportTarget(RheoTransport transport); /* borrowed */
RheoDataSet
RheoTransportSourceSet(RheoTransport transport); /* borrowed; NULL where the source is noise or a model */
/* How many rows of a file samples can start from before they begin again; known after RheoTransportSource. INT64_MAX where there
 * is no file. */
int64_t RheoTransportSourceCount(RheoTransport transport);
PetscBool RheoTransportIsContinuous(RheoTransport transport);
PetscBool RheoTransportHasLogProb(RheoTransport transport); /* the source is noise, or a model that has one */
const RheoHistory *RheoTransportHistory(RheoTransport transport);
PetscErrorCode RheoTransportGetTrainer(RheoTransport transport, RheoTrainReason *reason,
                                       double *rows_per_second, double *communication);
PetscErrorCode RheoTransportGetChecksum(RheoTransport transport, uint64_t *checksum);
const RheoSolveConfig *RheoTransportSolve(RheoTransport transport); /* the deck's; borrowed */

/* Rows to send from source to data. */
typedef struct {
  int64_t n;
  const double *source;    /* (n, D); NULL for a flow, which makes its own of seed and first */
  const double *condition; /* (n, conditions); NULL where there are none */
  uint64_t seed, first;    /* of a flow's noise, and of Hutchinson's */
} RheoTransportRows;

/* Rows first .. first + n - 1 of what samples start from: noise of seed, samples of the source's model, or rows of the source
 * that were held back. (n, D) */
PetscErrorCode RheoTransportSource(RheoTransport transport, uint64_t seed, uint64_t first, int64_t n,
                                   double *source);
/* x (n, D), log_prob (n) or NULL. solve NULL: the deck's. Rows that fail are NaN, see solve.h; report may be NULL. */
PetscErrorCode RheoTransportSample(RheoTransport transport, const RheoTransportRows *rows,
                                   const RheoSolveConfig *solve, double *x, double *log_prob,
                                   RheoSolveReport *report);
/* log_prob (n) of x (n, D); RHEO_ERR_INPUT where the source is data. report may be NULL. */
PetscErrorCode RheoTransportLogProb(RheoTransport transport, const RheoTransportRows *rows, const double *x,
                                    double *log_prob, RheoSolveReport *report);
/* The same with the variance (n) of log_prob over Hutchinson's probes, which rows->seed and first number: 0 where nothing is
 * estimated, NaN where there is one probe. */
PetscErrorCode RheoTransportEstimateLogProb(RheoTransport transport, const RheoTransportRows *rows,
                                            const double *x, double *log_prob, double *variance,
                                            RheoSolveReport *report);
/* path (n_times, n, D) at times ascending in [0, 1]; of a cnf only. */
PetscErrorCode RheoTransportPath(RheoTransport transport, const RheoTransportRows *rows,
                                 const RheoSolveConfig *solve, int n_times, const double *times, double *path,
                                 RheoSolveReport *report);

/* ---- How good is it? ---- */
typedef struct {
  int64_t n;          /* test points */
  RheoReals steps;    /* whole numbers of fixed steps to check beside the deck's own solve */
  const char *scheme; /* of these */
} RheoTransportCheckConfig;
/* Reads the section; steps that are no whole numbers or stand there twice, and an unknown scheme, are RHEO_ERR_INPUT. Collective on the deck. */
PetscErrorCode RheoTransportCheckRead(RheoDeck deck, RheoTransportCheckConfig *config);
extern const RheoKey RheoTransportCheckKeys[];  /* section `check` */
extern const RheoKey RheoTransportSourceKeys[]; /* section `source`, beside those of a data set */

/* Test points: what samples start from, what they are compared with, and their conditions. Standardised fields carry noise of
 * the data's mean and sd to the data: with them distance and path energy are those from there. */
typedef struct {
  int64_t n;
  double *source, *target, *condition; /* (n, D), (n, D), (n, conditions) */
  double *
      start; /* (n, D): where paths begin, the source in the data's coordinates; equals source without cnf.standardize */
  double w2_source; /* W2 between start and target; NaN for a flow */
  double
      w2_floor; /* W2 between the test points and as many others: what samples cannot fall below; NaN for files */
} RheoTransportTest;
PetscErrorCode RheoTransportTestCreate(RheoTransport transport, int64_t n, RheoTransportTest *test);
/* Without the distances. */
PetscErrorCode RheoTransportTestPoints(RheoTransport transport, int64_t n, RheoTransportTest *test);
PetscErrorCode RheoTransportTestFree(RheoTransportTest *test);

typedef struct {
  int64_t n;                                  /* samples that arrived and are compared */
  double w2, sliced_w2, mmd, energy_distance; /* distance.h, of samples from test points; mmd is squared */
  double path_energy; /* distance.h; over the steps of the solve, or the curve of an adaptive one */
  double normal_kl;   /* of the normal with the samples' moments from a target that is the toy `normal` */
  double evaluations; /* of the field, for a sample */
  RheoSolveReport report;
} RheoTransportMetrics; /* NaN where something does not exist */
PetscErrorCode RheoTransportMeasure(RheoTransport transport, const RheoTransportTest *test,
                                    const RheoSolveConfig *solve, RheoTransportMetrics *metrics);
/* Mean log-density under the model of the test points that can be followed back (their number is arrived), its standard error,
 * and their mean under the toy they come from (NaN where that has none). */
PetscErrorCode RheoTransportMeasureDensity(RheoTransport transport, const RheoTransportTest *test,
                                           double *mean, double *error, double *exact, int64_t *arrived);
