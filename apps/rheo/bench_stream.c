/* Training on rows that are read as they are needed, as a fraction of the speed from memory, and what either keeps in memory. */
#include "bench.h"
#include <stdio.h>
#include <string.h>

enum { D = 10, C = 10, WINDOW = 50000 };

static const char deck_text[] =
    "prior:\n"
    "  t1: {family: normal, mean: 0, sd: 1}\n  t2: {family: normal, mean: 0, sd: 1}\n  t3: {family: normal, "
    "mean: 0, sd: 1}\n  t4: {family: normal, mean: 0, sd: 1}\n"
    "  t5: {family: normal, mean: 0, sd: 1}\n  t6: {family: normal, mean: 0, sd: 1}\n  t7: {family: normal, "
    "mean: 0, sd: 1}\n  t8: {family: normal, mean: 0, sd: 1}\n"
    "  t9: {family: normal, mean: 0, sd: 1}\n  t10: {family: normal, mean: 0, sd: 1}\n"
    "flow: {stack: [rqs_coupling, lu], repeat: 5, rqs_coupling: {bins: 10, bound: 5},\n"
    "  net: {type: resmlp, hidden: 50, layers: 2, activation: relu, context: glu}}\n"
    "train: {batch: 1000, validation: 0.01, epochs: 1, window: 50000}\n";

static int PullRows(void *context, int block, int64_t first, int64_t n, double *value)
{
  first += *(const int64_t *)context;
  for (int64_t i = 0; i < n; i++) { /* data are parameters with noise */
    RheoStream theta = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)(first + i)),
               noise = RheoStreamMake(1, RHEO_STREAM_TEST, 1, (uint64_t)(first + i));
    for (int k = 0; k < D; k++)
      value[i * D + k] = RheoStreamNormal(&theta) + (block ? 0.5 * RheoStreamNormal(&noise) : 0);
  }
  return 0;
}

static PetscErrorCode WriteRows(MPI_Comm comm, const char *path, int64_t n)
{
  static const char *const names[] = {"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10"};
  RheoTable table = {.kind = "dataset", .verb = "bench", .n = n, .n_blocks = 2, .pull = PullRows};

  PetscFunctionBeginUser;
  RheoRange(comm, n, &table.begin, &table.end);
  table.context = &table.begin;
  table.block[0] = (RheoBlock){.name = "parameters", .width = D, .columns = names};
  table.block[1] = (RheoBlock){.name = "data", .width = C, .columns = names};
  PetscCall(RheoTableWrite(comm, path, &table));
  PetscFunctionReturn(RHEO_OK);
}

static PetscErrorCode TrainOnce(MPI_Comm comm, const char *path, const char *stream, double *rate,
                                uint64_t *checksum)
{
  RheoPosterior posterior;
  RheoTrainReason reason;
  RheoReader reader;
  RheoDeck deck;
  double communication;

  PetscFunctionBeginUser;
  PetscCall(RheoDeckCreate(comm, &deck));
  PetscCall(RheoDeckLoadText(deck, "bench", deck_text));
  PetscCall(RheoDeckSet(deck, "data.stream", stream));
  PetscCall(RheoReaderOpen(comm, 1, &path, "dataset", &reader));
  PetscCall(RheoPosteriorCreate(deck, C, &posterior));
  PetscCall(RheoPosteriorTrainFiles(posterior, reader));
  PetscCall(RheoPosteriorGetTrainer(posterior, &reason, rate, &communication));
  PetscCall(RheoPosteriorGetChecksum(posterior, checksum));
  PetscCall(RheoPosteriorDestroy(&posterior));
  PetscCall(RheoReaderClose(&reader));
  PetscCall(RheoDeckDestroy(&deck));
  PetscFunctionReturn(RHEO_OK);
}

/* The two kinds take turns, streaming first: what memory is at its peak then is its own. The best of each counts, as whatever
 * disturbs a training makes it slower. */
PetscErrorCode BenchStream(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  static const char *const kinds[2] = {"yes", "no"};
  const int64_t n = (int64_t)PetscMax(4 * WINDOW, 60000 * config->seconds);
  char folder[PETSC_MAX_PATH_LEN], path[PETSC_MAX_PATH_LEN + 16];
  double best[2] = {0, 0}, memory[2] = {0, 0}, rate;
  uint64_t checksum[2] = {0, 0};

  PetscFunctionBeginUser;
  PetscCall(BenchFolder(comm, folder));
  snprintf(path, sizeof path, "%s/rows.h5", folder);
  PetscCall(WriteRows(comm, path, n));
  for (int turn = 0; turn < 2; turn++)
    for (int k = 0; k < 2; k++) {
      PetscCall(TrainOnce(comm, path, kinds[k], &rate, &checksum[k]));
      best[k] = PetscMax(best[k], rate);
      if (turn == 0) memory[k] = RheoPeakMemory();
    }
  PetscCall(BenchFolderRemove(comm, folder, "rows.h5"));
  PetscCheck(checksum[0] == checksum[1], comm, PETSC_ERR_PLIB, "rows that are streamed give another model");
  RheoYamlOpen(yaml, "stream");
  RheoYamlInt(yaml, "rows", n);
  RheoYamlReal(yaml, "streamed_rows_per_s", best[0]);
  RheoYamlReal(yaml, "memory_rows_per_s", best[1]);
  RheoYamlReal(yaml, "streamed_over_memory", best[0] / best[1]);
  RheoYamlReal(yaml, "streamed_peak_mb", memory[0] * 1e-6);
  RheoYamlReal(yaml, "memory_peak_mb", memory[1] * 1e-6);
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}
