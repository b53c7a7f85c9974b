/* Private to src/train: the parts of a trainer.
 *
 * Everything that a restart needs is in RheoTrainState; the rest follows from configuration, rows and
 * parameters.
 */
#pragma once
#include "../base/log.h"
#include "../program/plan.h"
#include "checkpoint.h"
#include "series.h"
#include "source_impl.h"
#include "train.h"

/* ---- sampler.c: which rows go where ----
 * An epoch's training rows come in windows: its chunks are put in a random order, every `window` training rows that follow
 * each other there are a window, and the rows of a window are put in a random order of their own. Where all fit into one
 * window there is one chunk, and the order is any permutation with the same probability. */
typedef struct {
  uint64_t seed;
  double fraction;
  int64_t n, n_train, n_validation;
  uint64_t *validation;      /* rows, ascending */
  int64_t window, n_windows; /* training rows; the last window may have fewer */
  int64_t chunk, n_chunks;   /* rows of either kind; the last chunk may have fewer */
  int64_t *train_in;         /* (n_chunks) training rows */
} RheoSampler;

enum { RHEO_WINDOWS_MOST = (1 << 24) - 1 };

/* Row i is for validation where a uniform number keyed by (seed, i) is below fraction: rows that are added
 * later do not move those that were there. All training rows are one window. Not collective, as is all here. */
PetscErrorCode RheoSamplerCreate(uint64_t seed, int64_t n, double fraction, RheoSampler *sampler);
PetscErrorCode RheoSamplerDestroy(RheoSampler *sampler);
PetscErrorCode RheoSamplerCut(RheoSampler *sampler, int64_t chunk, int64_t window);

/* place (n): which of the validation rows stand at [first, first + n) of their random order, for groups of them. */
void RheoSamplerValidationPlaces(const RheoSampler *sampler, int64_t first, int64_t n, uint64_t *place);

/* The piece [begin, end) of 0..n-1 that is shard's, or that of the shards [first, last): sizes of shards differ by one at most. */
void RheoShardRange(int64_t n, int n_shards, int shard, int64_t *begin, int64_t *end);
void RheoShardsRange(int64_t n, int n_shards, int64_t first, int64_t last, int64_t *begin, int64_t *end);

/* row (size of the window): its training rows as they stand in the chunks; place (n): which of them are at [first, first + n)
 * of the window's order. */
int64_t RheoSamplerWindowSize(const RheoSampler *sampler, int64_t window);
void RheoSamplerWindow(const RheoSampler *sampler, int64_t epoch, int64_t window, uint64_t *row);
void RheoSamplerPlaces(const RheoSampler *sampler, int64_t epoch, int64_t window, int64_t first, int64_t n,
                       uint64_t *place);

/* ---- feed.c: a program's inputs, filled from rows ---- */
typedef enum { RHEO_FEED_COLUMN, RHEO_FEED_WEIGHT, RHEO_FEED_GIVEN, RHEO_FEED_NOISE } RheoFeedKind;

typedef struct {
  RheoFeedKind kind;
  int column;          /* COLUMN */
  RheoInputKind noise; /* NOISE */
  uint32_t purpose;    /* NOISE: of the stream */
  int width;
  float *value; /* (capacity, width) */
} RheoFeedInput;

typedef struct {
  int n;
  int64_t capacity;
  RheoFeedInput *input; /* one for each input of the program, in its order */
} RheoFeed;

/* Buffers for capacity rows of every input of a program; an input that is neither a column of rows, nor the
 * weight, nor noise is PETSC_ERR_ARG_WRONG. Not collective. */
PetscErrorCode RheoFeedCreate(RheoProgram program, const RheoRowLayout *layout, int64_t capacity,
                              RheoFeed *feed);
PetscErrorCode RheoFeedDestroy(RheoFeed *feed);

/* Where rows of a feed, or of a gathering, come from: record and index (n_real >= 1); what fills up n copies the last one and
 * gets weight 0. given (n_real, width) or NULL. The first row stands at `place` of its batch of `batch` rows. */
typedef struct {
  const RheoRowLayout *layout;
  uint64_t seed;
  int64_t step, n, n_real, place, batch;
  const float *record;   /* (n_real, size of the layout) */
  const uint64_t *index; /* (n_real) */
  const float *given;
} RheoFeedSource;

void RheoFeedFill(RheoFeed *feed, const RheoFeedSource *source);
/* Pointers to row `first` of every input. in (n of the feed). */
void RheoFeedGet(const RheoFeed *feed, int64_t first, const void **in);

#define RHEO_FEED_WEIGHT_NAME "train.weight"
#define RHEO_FEED_GIVEN_NAME "given"

/* ---- gather.c: rows as stages and runners get them ---- */
typedef struct {
  int n_columns, width[RHEO_TRAIN_COLUMNS + 1]; /* the objective's, and what a stage gives */
  int from[RHEO_TRAIN_COLUMNS + 1];             /* column of the layout; -1: given */
  int64_t capacity;
  float *value[RHEO_TRAIN_COLUMNS + 1], *weight; /* (capacity, width), (capacity) */
  uint64_t *index;
  const float *view[RHEO_TRAIN_COLUMNS + 1];
} RheoGathering;

/* given: width of a last column, 0 for none. Not collective. */
PetscErrorCode RheoGatheringCreate(const char *const *columns, const RheoRowLayout *layout, int given,
                                   int64_t capacity, RheoGathering *gathering);
PetscErrorCode RheoGatheringDestroy(RheoGathering *gathering);
void RheoGatheringFill(RheoGathering *gathering, const RheoFeedSource *source);
/* n rows from `first` on; valid until the next Get or Fill. */
RheoBatch RheoGatheringGet(RheoGathering *gathering, const RheoFeedSource *source, int64_t first, int64_t n);

/* ---- model.c: the two programs, or the objective's runner in their place ---- */
typedef struct {
  int rows; /* of a block */
  RheoPlan plan;
  RheoWork work;
  RheoFeed feed;
  const void **in;
  void *runner; /* NULL: a program */
  RheoGathering gathering;
  float *row_loss;       /* (rows), of a runner in training */
  RheoFeedSource source; /* of the rows last filled in; its arrays may be gone */
} RheoTrainProgram;

/* training: out = sum over rows of weight loss (scalar), gradient (P). Otherwise: the loss of each row (B).
 */
PetscErrorCode RheoTrainProgramCreate(RheoTrainer trainer, int training, int rows, int64_t capacity,
                                      RheoTrainProgram *program);
PetscErrorCode RheoTrainProgramDestroy(RheoTrainer trainer, RheoTrainProgram *program);
void RheoTrainProgramFill(RheoTrainProgram *program, const RheoFeedSource *source);

/* Of the rows last filled in: returns the sum of weight times loss and sets its gradient (P). An error of a runner is noted
 * (failure.c). */
double RheoTrainProgramGradient(RheoTrainer trainer, RheoTrainProgram *program, const float *values,
                                float *gradient);
/* The losses of n of the rows last filled in, from `first` on. */
void RheoTrainProgramLosses(RheoTrainer trainer, RheoTrainProgram *program, const float *values,
                            int64_t first, int64_t n, float *row_loss);

/* ---- window.c: the rows of the steps to come ----
 * This rank's rows of the window's steps, in the order of steps and places; and those of the groups that it couples, the r-th,
 * (r + size)-th ... of the window for rank r. */
typedef struct {
  int64_t epoch, number;   /* number -1: none yet */
  int64_t first, end;      /* steps of the epoch */
  int64_t steps;           /* of a window */
  int64_t begin_row, rows; /* of this rank in a step */
  float *record, *coupled;
  float *
      origin; /* rows of a second data set: for those of the groups that it couples, else for its own; NULL: none */
  uint64_t *index, *coupled_index;
  uint64_t *row; /* of the window that was last looked up: */
  int64_t row_epoch, row_number;
  PetscBool fetching; /* its rows */
} RheoWindow;

/* Cuts the sampler into windows; after the stage, whose groups no window divides. Collective, as is all here. */
PetscErrorCode RheoWindowCreate(RheoTrainer trainer);
PetscErrorCode RheoWindowDestroy(RheoTrainer trainer);
/* Makes the next step's rows (state.epoch, state.batch) be here, wherever it stood before; with their weights. */
PetscErrorCode RheoWindowReach(RheoTrainer trainer);
/* The same in the middle of an epoch, of whose earlier steps the weights are wanted too. */
PetscErrorCode RheoWindowResume(RheoTrainer trainer);
/* Of the epoch's step, from `place` of its batch on. Not collective. */
const float *RheoWindowRecord(const RheoTrainer trainer, int64_t step, int64_t place);
const uint64_t *RheoWindowIndex(const RheoTrainer trainer, int64_t step, int64_t place);
/* Rows as the batch stage gets them. */
typedef struct {
  int64_t n;
  const float *record; /* (n, size of the layout) */
  const uint64_t *index;
  const float *origin; /* (n, width), or NULL */
} RheoStageRows;
/* This rank's of one step, and those of the first steps of a group that this rank couples; until the next Reach. Not collective. */
RheoStageRows RheoWindowStep(const RheoTrainer trainer, int64_t step);
RheoStageRows RheoWindowGroup(const RheoTrainer trainer, int64_t group, int64_t steps);

/* ---- validation.c: rows held out ---- */
typedef struct {
  int64_t n;
  float *record; /* as in RheoStageRows */
  uint64_t *index;
  float *origin;
} RheoValidationRows;
/* Of places [first, end) for each rank, or, with rows > 0, every size-th run of that many for it. Collective. */
PetscErrorCode RheoValidationRowsCreate(RheoTrainer trainer, int64_t rows, RheoValidationRows *held);
void RheoValidationRowsFree(RheoValidationRows *held);

/* ---- origin.c: a second data set ---- */
/* record gets the rows that are given with this rank's of the list, whose place 0 is the first of the run's step; in its order.
 * Collective. */
PetscErrorCode RheoOriginExchange(RheoTrainer trainer, const RheoRowList *list, int64_t first_step,
                                  float *record);

/* ---- stage.c: what the objective needs of groups of rows ---- */
typedef struct {
  int width;               /* 0: there is no stage */
  int64_t group;           /* steps whose rows belong together */
  int64_t epoch;           /* of which ... */
  int64_t first, end;      /* ... these steps are in `given` */
  int64_t begin_row, rows; /* of this rank in each step */
  float *given;            /* (end - first, rows, width) */
  float *whole, *sent;     /* a group, in the order of its rows and in that of the ranks they go to */
  RheoGathering gathering;
  MPI_Datatype row;
} RheoStage;

PetscErrorCode RheoStageCreate(RheoTrainer trainer);
PetscErrorCode RheoStageDestroy(RheoTrainer trainer);
/* Whether rows of several steps, or of a batch, are coupled. */
int RheoStageCouples(const RheoTrainer trainer);
/* Computes what the step to come is given, and the steps of the same round with it. Collective. */
PetscErrorCode RheoStageStep(RheoTrainer trainer);
/* What the rows of a shard are given in the step to come; NULL where there is no stage. */
const float *RheoStageGiven(const RheoTrainer trainer, int64_t place);
/* given (n, width): of this rank's validation rows, which begin at place `begin`. Collective. */
PetscErrorCode RheoStageValidation(RheoTrainer trainer, int64_t begin, const RheoValidationRows *held,
                                   float *given);
/* The places [begin, end) of a rank's rows in a batch. */
void RheoTrainerPlaces(const RheoTrainer trainer, int size, int rank, int64_t *begin, int64_t *end);

/* ---- failure.c: an objective that fails on some ranks ----
 * A rank alone may not leave: the others would wait. It makes a note and sees to it that a number that all ranks learn of
 * is not finite; whoever meets such a number asks. */
void RheoTrainerNote(RheoTrainer trainer, PetscErrorCode code);
PetscErrorCode
RheoTrainerAgree(RheoTrainer trainer); /* fails on all ranks where one made a note. Collective */

/* ---- optimiser.c ---- */
typedef struct {
  size_t begin, end; /* within one block of reduce.h */
  int decay;
} RheoPiece;

/* The trained pieces of the slice [begin, end): cut at views and at blocks of reduce.h, so that an element
 * meets the same instructions whatever the slice. */
typedef struct {
  size_t begin, end;
  int n_pieces;
  RheoPiece *piece;
  double *partial; /* one for each block of the slice */
} RheoOptimiser;

PetscErrorCode RheoOptimiserCreate(RheoParams params, int with_decay, size_t begin, size_t end,
                                   RheoOptimiser *optimiser);
PetscErrorCode RheoOptimiserDestroy(RheoOptimiser *optimiser);
/* Blockwise sums of squares of g (end - begin) into partial. */
void RheoOptimiserNorms(RheoOptimiser *optimiser, const float *g);
/* The update-th step (from 1) of AdamW; all arrays (end - begin). */
void RheoOptimiserStep(const RheoOptimiser *optimiser, const RheoTrainConfig *config, int64_t update,
                       double lr, double scale, const float *g, float *p, float *m, float *v);
/* The average's decay starts small, so that it forgets the initial parameters: min(ema, (1 + t)/(10 + t)). */
void RheoOptimiserAverage(const RheoOptimiser *optimiser, double ema, int64_t update, const float *p,
                          float *average);

/* ---- schedule.c ---- */
/* The learning rate of a step, from 0, out of total; factor is what plateaus have brought it to. */
double RheoScheduleRate(const RheoTrainConfig *config, int64_t step, int64_t total, double factor);

/* ---- history.c ---- */
enum { RHEO_HISTORY_COLUMNS = 6 };
typedef struct {
  RheoHistory view;
  int64_t capacity;
} RheoHistoryStore;
void RheoHistoryColumns(RheoHistory *history, double **column[RHEO_HISTORY_COLUMNS]);
PetscErrorCode RheoHistoryAppend(RheoHistoryStore *store, const double entry[RHEO_HISTORY_COLUMNS]);
PetscErrorCode RheoHistoryClear(RheoHistoryStore *store);

/* ---- The trainer ---- */
typedef struct {
  int64_t step;                 /* done, also those that were skipped */
  int64_t update;               /* of the optimiser: those that were not */
  int64_t epoch, batch;         /* the next step's place */
  int64_t skipped, skipped_row; /* steps skipped: in all, and the last ones without a good one between */
  double lr_factor;             /* of plateaus */
  double best_loss;
  int64_t best_epoch;            /* from 1; 0: none so far */
  int64_t stale, stale_plateau;  /* epochs without improvement, and since the last cut of lr */
  int64_t unfit;                 /* validations in a row that were not finite */
  float *p;                      /* of the slice, within the trainer's */
  float *m, *v, *average, *best; /* of the slice; average only with ema */
  double *loss, *weight, *norm;  /* of the epoch: (shards of this rank, steps), (steps), (steps); norm is not
                                    finite where the step was skipped */
} RheoTrainState;

typedef struct {
  int64_t rows;
  double steps, communication, stage; /* seconds; the first includes the others */
} RheoTrainClock;

/* ---- safeguard.c: when to save, and when to stop ---- */
typedef struct {
  PetscBool on, ended, stopped; /* ended: already in the checkpoint */
  RheoSafeguard given;
  const char *identity;
  uint64_t fingerprint;
  double most;             /* of what the ranks wished in the last step */
  double begun, longest;   /* when that step was taken, and what a step took at most */
  double written, writing; /* when the last checkpoint was, and what one took at most */
  double deadline;         /* seconds of RheoSeconds */
  int64_t last;            /* step of the latest checkpoint; -1: none */
  int error;               /* errno of the last attempt */
  double *loss; /* (shards of this rank, batch): restored, until the epoch's beginning is made again */
} RheoGuard;

/* From a checkpoint or not; ends where that was the end. After it, RheoGuardResume makes the rest of a begun epoch. */
PetscErrorCode RheoGuardStart(RheoTrainer trainer, PetscBool *ends);
void RheoGuardResume(RheoTrainer trainer);
/* What a rank may wish to be done after a step; the largest of all ranks' wishes is, and row too at an epoch's end. */
enum { RHEO_WISH_NOTHING, RHEO_WISH_ROW, RHEO_WISH_CHECKPOINT, RHEO_WISH_TIME, RHEO_WISH_SIGNAL };
/* Of this rank, in the step that it is in. Not collective. */
double RheoGuardWish(RheoTrainer trainer);
/* After a step, and the epoch's end: does what was wished. ends: training does, and will where it is stopped. Collective. */
PetscErrorCode RheoGuardStep(RheoTrainer trainer, PetscBool *ends);
/* RHEO_STOPPED where it was stopped. Collective. */
PetscErrorCode RheoGuardReport(RheoTrainer trainer);

/* ---- series_file.c: the file of a series, on one rank ---- */
typedef struct {
  int descriptor;    /* -1: it could not be opened */
  int error;         /* errno of the latest attempt */
  const char *wrong; /* what is there instead of a series, which stays as it is; NULL */
  PetscBool torn;    /* the last line is not whole */
  int64_t turn;      /* the one to come */
} RheoSeriesFile;
void RheoSeriesFileOpen(const char *path, RheoSeriesFile *file);
/* Fields that are not known stay empty. */
void RheoSeriesFilePut(RheoSeriesFile *file, const double value[RHEO_SERIES_COLUMNS],
                       const PetscBool known[RHEO_SERIES_COLUMNS]);
void RheoSeriesFileClose(RheoSeriesFile *file);

/* ---- series.c: rows, while a training goes ---- */
typedef struct {
  const char *path; /* NULL: no file; the rows are for the progress line then */
  double every;     /* seconds */
  PetscBool on, warned;
  RheoSeriesFile file;
  double begun, last;              /* when the turn began, and its latest row was; RheoSeconds */
  int64_t begun_step, last_step;   /* the same in steps */
  int64_t epoch, batch;            /* up to which step of which epoch rows have told of losses */
  RheoTrainClock clock;            /* at the latest row */
  double row[RHEO_SERIES_COLUMNS]; /* the latest one, on rank 0 */
} RheoSeriesWriter;

/* Start after the state is there, End after the last step. Collective but for Due, of rank 0. */
PetscErrorCode RheoSeriesStart(RheoTrainer trainer);
PetscBool RheoSeriesDue(RheoTrainer trainer); /* whether the step that is being taken should have a row */
PetscErrorCode RheoSeriesRow(RheoTrainer trainer, PetscBool ended);
PetscErrorCode RheoSeriesEnd(RheoTrainer trainer);
/* Means over the steps [first, state.batch) of the epoch that were not skipped. Collective. */
PetscErrorCode RheoTrainerMeans(RheoTrainer trainer, int64_t first, double *loss, double *norm,
                                int64_t *n_skipped);
double RheoTrainerRate(const RheoTrainer trainer, int64_t step); /* the learning rate of a step */

/* ---- report.c: what a training says on stderr ---- */
/* Start before the first step, Step after each one, End after the last. */
PetscErrorCode RheoReportStart(RheoTrainer trainer);
PetscErrorCode RheoReportStep(RheoTrainer trainer);
PetscErrorCode RheoReportEnd(RheoTrainer trainer);
PetscErrorCode RheoReportOutcome(RheoTrainer trainer);

enum { RHEO_SUM_STEPS = 4096 }; /* whose losses travel together */

struct RheoTrainer_ {
  MPI_Comm comm;
  RheoTrainConfig config;
  uint64_t seed;
  RheoRowSource source;
  PetscBool owns_source;
  RheoRowLayout layout; /* of its rows */
  RheoRowSource origin; /* NULL: none */
  const RheoObjectiveType *objective;
  RheoObjectiveModel model;
  const char *scope;
  RheoParams params;
  float *values; /* the caller's: the start, and in the end the result */
  PetscBool quiet;
  /* Made by set-up. */
  PetscBool ready;
  RheoReduce reduce;
  RheoSampler sampler;
  RheoTrainProgram training, validating;
  RheoStage stage;
  RheoWindow window;
  RheoOptimiser optimiser;
  int first, end;               /* shards of this rank */
  int64_t batch, steps, total;  /* rows of a step, steps of an epoch, steps at most */
  double *sums;                 /* (steps) */
  double *piece;                /* (shards of this rank, at most RHEO_SUM_STEPS) */
  float *averaged;              /* (P), with ema: what is validated */
  float *p;                     /* (P): the parameters in training */
  float *gradient;              /* of the slice, borrowed of reduce in a step */
  float *row_loss, *row_weight; /* of validation */
  double validation_weight;
  /* Changed by the run. */
  RheoTrainState state;
  RheoHistoryStore history;
  RheoTrainReason reason;
  RheoTrainClock clock;
  RheoGuard guard;
  RheoSeriesWriter series;
  RheoProgress progress;  /* NULL: quiet */
  PetscErrorCode failure; /* noted on this rank */
};

PetscErrorCode RheoTrainerSetUp(RheoTrainer trainer);
PetscErrorCode RheoTrainerReset(RheoTrainer trainer); /* frees what set-up made */

/* of_shards(trainer, shard, step) of the steps [first, end) of the epoch -> sums (end - first), in the order of the tree.
 * Collective. */
typedef double (*RheoOfShard)(const RheoTrainer trainer, int shard, int64_t step);
PetscErrorCode RheoTrainerSumOverShards(RheoTrainer trainer, int64_t first, int64_t end, RheoOfShard of_shard,
                                        double *sums);

/* n floats, 64-byte aligned, zero; freed with free. */
PetscErrorCode RheoTrainAllocate(size_t n, float **array);
