/* What a training leaves behind beside the parameters: history, optimiser state, speed. It goes into the model file, so that
 * a loaded model tells how it was made and its training can go on. */
#pragma once
#include "../train/checkpoint.h"
#include "../train/model_file.h"
#include "density.h"

typedef struct {
  RheoHistory history;
  float *m, *v; /* (P) or NULL */
  int64_t step;
  RheoTrainReason reason;
  double rows_per_second, communication; /* as RheoTrainerGetSpeed */
} RheoTraining;

/* Fits density to a sample of the rows (RheoRowSourceSample), columns x and context, and trains it on all of them, by section
 * `train` of the deck; origin NULL: no second data set
 * (RheoTrainerSetOrigin); guard NULL: without checkpoints; series NULL: without a file of how it goes (train/series.h). Frees what
 * training held before. RHEO_STOPPED as RheoTrainerRun. Collective. */
PetscErrorCode RheoTrainingRun(RheoDeck deck, uint64_t seed, RheoRowSource source, const RheoRows *origin,
                               RheoDensity density, const RheoSafeguard *guard, const char *series,
                               RheoTraining *training);
/* Whether n rows of files are to be read as they are needed: by choice (RheoStreaming), auto where they are more than train.window.
 * Collective on the deck. */
PetscErrorCode RheoTrainingStreams(RheoDeck deck, int choice, int64_t n, const RheoRowLayout *layout,
                                   PetscBool *streams);
PetscErrorCode RheoTrainingFree(RheoTraining *training);

/* To a file, which borrows, and from one, which is copied, values included. A file whose layout is another is RHEO_ERR_INPUT
 * on comm; path is for that message. */
void RheoTrainingPut(const RheoTraining *training, RheoDensity density, RheoModelFile *file);
PetscErrorCode RheoTrainingTake(MPI_Comm comm, const char *path, const RheoModelFile *file,
                                RheoDensity density, RheoTraining *training);
