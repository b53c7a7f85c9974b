/* The series of a training: how it goes, and on this machine, row by row while it goes.
 *
 * A model file holds the history of its training (RheoHistory), which is the same on any number of ranks and however often it
 * was stopped. What depends on machine and run (speed, communication, memory, time left) must not stand there; it goes, along
 * with the losses, to a file of its own beside the model, as run.yaml does.
 *
 * The file is CSV: a first line with the names of series.def, then a row a line, numbers as printf writes them. An empty field is not
 * known in that row, nan is a number that was not finite. It is only ever appended to, a whole line at a time, so that it can be
 * followed (`tail -f`), plotted and read while the training runs, and whatever ends the program leaves whole lines; of one
 * that a full disk cut in two, readers see that fields are missing. Each start of a training is a turn: its first row says at
 * which step it begins and has no losses; a turn that begins at step 0 is a training of its own, any other one continues from
 * the checkpoint of that step, and the rows after it that an earlier turn wrote stay as they happened.
 */
#pragma once
#include "train.h"

typedef enum {
#define RHEO_SERIES(symbol, name, format, meaning) RHEO_SERIES_##symbol,
#include "series.def"
#undef RHEO_SERIES
  RHEO_SERIES_COLUMNS
} RheoSeriesColumn;

const char *RheoSeriesName(RheoSeriesColumn column);
const char *RheoSeriesMeaning(RheoSeriesColumn column);

/* Section `train`, beside RheoTrainKeys; none of it changes a result, or stands in a model file. */
typedef struct {
  PetscBool series; /* whether programs write one */
  double every;     /* seconds between rows within an epoch */
} RheoSeriesConfig;
extern const RheoKey RheoSeriesKeys[];

/* Run appends rows to the file at path: one where it begins and where it ends, at the ends of epochs those that come no sooner
 * after the row before than 1/500 of the time so far, and one at the first step that ends `every` seconds after the row before.
 * path NULL, the default: there is no file. One that cannot be written is a warning, and training goes on; the parameters are
 * the same bits with and without. Costs a few small messages a row. Collective. */
PetscErrorCode RheoTrainerSetSeries(RheoTrainer trainer, const char *path, double every);

/* A series as it was read. */
typedef struct {
  int64_t n;
  double *column[RHEO_SERIES_COLUMNS]; /* (n) each; NaN where a field is empty */
} RheoSeries;

/* Reads the whole lines of a series, on every rank; wrong: NULL, or why there is none (then n is 0). Memory is freed by
 * RheoSeriesFree. Collective. */
PetscErrorCode RheoSeriesRead(MPI_Comm comm, const char *path, RheoSeries *series, const char **wrong);
PetscErrorCode RheoSeriesFree(RheoSeries *series);
/* The first row of the latest training, its earlier turns included; 0 where there is none. Not collective. */
int64_t RheoSeriesLatest(const RheoSeries *series);
