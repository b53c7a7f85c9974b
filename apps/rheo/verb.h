/* What the verbs of `rheo` share. Programs parse, compose, print and write; mathematics is in the library. */
#pragma once
#include <rheo.h>

/* Keys of the driver itself. */
typedef struct {
  const char *output; /* DIR */
  const char *title;
  int log; /* RheoLogLevel */
} RunConfig;

typedef struct {
  int64_t n; /* posterior samples */
} CountConfig;

typedef struct {
  RheoStrings file;
} DataFileConfig;

typedef struct {
  RheoStrings parameters, data, weights; /* names of columns or arrays */
  RheoStrings names[2], units[2];        /* of parameters and data */
  const char *to;
} ConvertConfig;

typedef struct {
  PetscBool figures;
  RheoStrings corner; /* names of the quantities of the corner plot */
  const char *x_label, *y_label;
} PlotConfig;

typedef struct {
  RheoReals truth;
} TruthConfig;

typedef struct {
  RheoStrings run;       /* which checks `infer` and `check` make */
  const char *reference; /* samples to compare with by C2ST */
  int64_t predictive;    /* simulations of the predictive check */
} CheckConfig;

typedef struct {
  const char *file;
  RheoReals values;
} PointsConfig;

typedef struct {
  RheoReals condition;
  PetscBool log_prob;
} TransportSampleConfig;

typedef struct {
  int paths, grid;
} TransportPlotConfig;

extern const RheoKey RunKeys[], BenchKeys[], SampleKeys[], DataFileKeys[], ConvertKeys[], PlotKeys[],
    TruthKeys[], CheckKeys[], PointsKeys[], TransportSampleKeys[], TransportPlotKeys[];

typedef struct Verb Verb;

typedef struct {
  MPI_Comm comm;
  const Verb *verb;
  const char *target; /* deck or file */
  int argc;           /* `-key value ...` */
  const char *const *argv;
  RheoDeck deck;     /* the target's: the YAML file, or what the HDF5 file carries */
  PetscBool is_file; /* the target is one of Rheo's HDF5 files */
  const char *kind;  /* of it */
  RunConfig config;
  RheoSafeguard guard; /* of trainings, see SafeguardOpen */
  PetscBool resumed;   /* an earlier run with this output folder did not come to its end */
} Run;

struct Verb {
  const char *name, *summary;
  const char *usage; /* "DECK [-key value ...]" */
  const char *text;  /* a paragraph for a newcomer, with an example */
  /* Prefixes of the schema, and keys ("cnf.guidance"), that -help shows and the command line may change of a model; NULL at the end */
  const char *const *sections;
  PetscBool needs_target;
  /* What is none of Rheo's HDF5 files is left to the verb: kind is NULL, there is no deck. */
  PetscBool opens_anything;
  PetscErrorCode (*run)(Run *run);
};
extern const Verb *const Verbs[]; /* NULL at the end */

/* Every section of the library and of the driver. */
PetscErrorCode Schema(int *n, const RheoSection **sections);

/* Opens the target: a deck (.yaml, .yml) or a file of Rheo's, whose deck it takes; applies the command line,
 * checks all keys, makes the output folder. Collective. */
PetscErrorCode RunOpen(Run *run);
PetscErrorCode RunClose(Run *run);
/* Whether an entry of Verb.sections ("cnf", or "cnf." for all within) means this section. */
PetscBool SectionIs(const char *shown, const char *prefix);
/* Whether a section of the schema, or a key ("cnf.guidance"), is one of the verb's. */
PetscBool VerbShows(const Verb *verb, const char *prefix);
const char *RunPath(const Run *run, const char *name); /* DIR/name, interned */
PetscBool EndsWith(const char *text, const char *end);
/* Whether access() lets rank 0 have it so: mode F_OK, R_OK, ... Collective. */
PetscErrorCode PathIs(MPI_Comm comm, const char *path, int mode, PetscBool *is);

/* ---- pieces that several verbs are made of ---- */

/* Before the first work of a verb that trains: reads how trainings are saved and makes the folders; that of checkpoints, where it is
 * there already, says that a run did not come to its end. */
PetscErrorCode SafeguardOpen(Run *run);
/* Of a training whose checkpoints go to DIR/checkpoint. From Catch on SIGTERM, SIGINT and SIGUSR1 ask it to stop, a second one
 * a while later ends the program; Release, when the result is written to path, stops a run that was asked to after its
 * training's last step. */
PetscErrorCode SafeguardCatch(Run *run, RheoSafeguard *guard);
PetscErrorCode SafeguardRelease(Run *run, const char *path);
/* When all is done: takes away the checkpoints in DIR/NAME; NAME "" for DIR itself. */
PetscErrorCode SafeguardClose(Run *run, const char *name);

/* From Catch on SIGTERM, SIGINT and SIGUSR1 end what asks (base/stop.h) with RHEO_STOPPED and a line that ends with rest, which says what
 * is kept and how to go on and must stay, as run must; trainings and simulations within say it themselves. Not collective. */
void StopCatch(Run *run, const char *rest);
void StopRelease(void);
/* RheoPosteriorSample of rows begin .. end - 1, this rank's share, which may be stopped so. Collective. */
PetscErrorCode StopSample(Run *run, RheoPosterior posterior, const double *x, uint64_t seed, int64_t begin,
                          int64_t end, double *theta, double *log_prob);

/* Prior, simulator and derived quantities of a deck. A study of a model that only answers has no simulator (NULL; c is
 * the model's), so that a model can be asked where its simulator is not. */
typedef struct {
  RheoPrior prior;
  RheoSimulator simulator;
  RheoDerived derived;
  int d, c, q; /* parameters, data, derived */
} Study;
PetscErrorCode StudyCreate(RheoDeck deck, Study *study);
PetscErrorCode StudyCreateOfModel(RheoDeck deck, RheoPosterior posterior, Study *study);
PetscErrorCode StudyDestroy(Study *study);
/* What figures call parameter k, or derived quantity k - d: its label, or its name as it is. */
const char *StudyLabel(const Study *study, int k);

/* The data set of the deck, at path, from what an earlier run kept in path.parts on. A signal ends it with RHEO_ERR_STOPPED. */
PetscErrorCode SimulateToFile(Run *run, const Study *study, const char *path);
/* Whether that file is whole and of n simulations of the run's very deck and of this build, and nothing kept in folder is of a later
 * run. Collective. */
PetscErrorCode SimulationsAreThere(const Run *run, const char *path, const char *folder, int64_t n,
                                   PetscBool *there);

/* The posterior trained on a data set, DIR/data.h5 where there are no files; saved at path. Created from the deck where
 * *posterior is NULL. */
PetscErrorCode TrainFromFiles(Run *run, const RheoStrings *files, const char *path, RheoPosterior *posterior);
PetscErrorCode PrintTraining(RheoYaml *yaml, RheoPosterior posterior);
/* `train:`, of any training. */
void PrintHistory(RheoYaml *yaml, const RheoHistory *history, RheoTrainReason reason, double rate,
                  uint64_t checksum);

/* Posterior samples of an observation (c), on every rank: theta (n, d), derived (n, q), log_prob (n); written
 * to samples.h5. Those that were lost on the way are left out and counted; that none arrives is RHEO_ERR_NOTHING. */
typedef struct {
  int64_t n, failed;
  int d, q;
  double *theta, *derived, *log_prob, *observation;
  double *misfit; /* (n) of steered samples; NULL otherwise */
  RheoSteerReport steer;
} Samples;
PetscErrorCode SamplesDraw(Run *run, const Study *study, RheoPosterior posterior, Samples *samples);
PetscErrorCode SamplesWrite(Run *run, const Study *study, const Samples *samples, const char *path);
PetscErrorCode SamplesRead(Run *run, const char *path, RheoTable **table);
PetscErrorCode SamplesFree(Samples *samples);
PetscErrorCode PrintPosterior(RheoYaml *yaml, const Study *study, const Samples *samples); /* `posterior:` */
PetscErrorCode PrintMap(RheoYaml *yaml, Run *run, const Study *study, RheoPosterior posterior,
                        const double *observation);

/* Rows that hold no NaN in the first array go to the front of all of them, row[a] (n, width[a]); their number. */
int64_t DropLost(int64_t n, int n_arrays, const int *width, double *const *row);
/* RHEO_ERR_NOTHING where none of n arrived. Collective. */
PetscErrorCode CheckArrived(const Run *run, const char *what, int64_t n, int64_t arrived);

/* Whether this run steers its samples: it is `rheo sample`, with a section `dflow`, which is read. */
PetscErrorCode SteerRead(Run *run, RheoSteerConfig *config, PetscBool *steers);
void PrintSteer(RheoYaml *yaml, const RheoSteerReport *report); /* `dflow:` */

/* Figures. */
PetscErrorCode PlotSamples(Run *run, const Study *study, const Samples *samples);
/* Losses over epochs, and the series beside the model where there is one. */
PetscErrorCode PlotTraining(Run *run, const RheoHistory *history, const char *series);
PetscErrorCode PlotSeries(Run *run, const RheoSeries *series); /* the figure `training`; two rows or more */
const char *SeriesPath(const char *file);                      /* series.csv in the folder of a file */

/* The checks of a posterior: prints `sbc:`, `coverage:`, `predictive:` and draws their figures. samples may
 * be NULL (no observation: the predictive check is left out). */
PetscErrorCode CheckPosterior(Run *run, const Study *study, RheoPosterior posterior, const Samples *samples,
                              RheoYaml *yaml);
/* C2ST of the first columns of two sample sets: prints `c2st:`. */
PetscErrorCode CheckAgainst(Run *run, int d, int64_t n, const double *theta, const char *reference,
                            RheoYaml *yaml);

/* Points (n, d) from the command line, a CSV file or the parameters of an HDF5 file, whose columns are those of the names (d) in
 * any order; the caller frees them. */
PetscErrorCode ReadPoints(Run *run, int d, const char *const *name, int64_t *n, double **points);
/* In: variances of log_prob (n). Out: standard errors, and whether there are any; a warning where nobody knows them. */
PetscErrorCode LogprobErrors(Run *run, int64_t n, const double *log_prob, double *error, PetscBool *any);
void PrintLogprob(RheoYaml *yaml, int64_t n, const double *log_prob,
                  const double *error); /* error (n) or NULL */
/* A section `name:` with mean, sd and quantiles. */
void PrintSummary(RheoYaml *yaml, const char *name, RheoSummary summary);

/* ---- pieces of rheo info ---- */
PetscErrorCode InfoTable(Run *run, RheoYaml *yaml); /* a data set, samples */
PetscErrorCode InfoModel(Run *run, RheoYaml *yaml);
/* A series, run.yaml, a checkpoint, a folder or a deck. */
PetscErrorCode InfoOther(Run *run, RheoYaml *yaml);
/* file, kind, what that is; of an HDF5 file title and what made it. */
PetscErrorCode InfoHead(Run *run, RheoYaml *yaml, const char *kind, const char *is);
/* `name: rheo ...`, an entry of `next`. */
void InfoNext(RheoYaml *yaml, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void InfoChecksum(RheoYaml *yaml, uint64_t checksum);

/* ---- what the verbs do with a study of a data set (a section `target`) ---- */
PetscErrorCode TransportInfer(Run *run);
PetscErrorCode TransportTrain(Run *run);
PetscErrorCode TransportSample(Run *run);
PetscErrorCode TransportLogprob(Run *run);
PetscErrorCode TransportCheck(Run *run);
PetscErrorCode TransportPlot(Run *run);
