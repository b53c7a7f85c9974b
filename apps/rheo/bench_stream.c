/* Training on rows that are read as they are needed, also from a compressed file, as a fraction of the speed from memory, and what
 * each keeps in memory. */
#include "bench.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = 10, C = 10, WINDOW = 50000 };
enum { STREAMED, COMPRESSED, HELD, KINDS };
static const char *const names[KINDS] = {"streamed", "compressed", "memory"};

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
  /* Data are parameters with noise; whole multiples of 1/1024, as digitised values are, can be compressed. */
  for (int64_t i = 0; i < n; i++) {
    RheoStream theta = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)(first + i)),
               noise = RheoStreamMake(1, RHEO_STREAM_TEST, 1, (uint64_t)(first + i));
    for (int k = 0; k < D; k++)
      value[i * D + k] =
          rint(1024 * (RheoStreamNormal(&theta) + (block ? 0.5 * RheoStreamNormal(&noise) : 0))) / 1024;
  }
  return 0;
}

static PetscErrorCode WriteRows(MPI_Comm comm, const char *path, int64_t n)
{
  static const char *const columns[] = {"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10"};
  RheoTable table = {.kind = "dataset", .verb = "bench", .n = n, .n_blocks = 2, .pull = PullRows};

  PetscFunctionBeginUser;
  RheoRange(comm, n, &table.begin, &table.end);
  table.context = &table.begin;
  table.block[0] = (RheoBlock){.name = "parameters", .width = D, .columns = columns};
  table.block[1] = (RheoBlock){.name = "data", .width = C, .columns = columns};
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

/* By HDF5's own program, as users do it. */
static PetscErrorCode Compress(MPI_Comm comm, const char *path, const char *packed, PetscBool *done)
{
  char command[2 * PETSC_MAX_PATH_LEN + 128];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    snprintf(command, sizeof command, "h5repack -f SHUF -f GZIP=4 -l CHUNK=4096x10 '%s' '%s' 1>&2", path,
             packed);
    *done = (PetscBool)(system(command) == 0);
  }
  PetscCall(BenchWait(comm));
  PetscCallMPI(MPI_Bcast(done, 1, MPIU_BOOL, 0, comm));
  if (!*done) RheoLog(comm, RHEO_LOG_WARNING, "bench stream: h5repack does not run, so no compressed rows");
  PetscFunctionReturn(RHEO_OK);
}

typedef struct {
  PetscBool used;
  double rate, memory;
  uint64_t checksum;
} Kind;

static PetscErrorCode Print(RheoYaml *yaml, int64_t n, const Kind *kind)
{
  char name[64];

  PetscFunctionBeginUser;
  RheoYamlOpen(yaml, "stream");
  RheoYamlInt(yaml, "rows", n);
  for (int k = 0; k < KINDS; k++) {
    if (!kind[k].used) continue;
    snprintf(name, sizeof name, "%s_rows_per_s", names[k]);
    RheoYamlReal(yaml, name, kind[k].rate);
    snprintf(name, sizeof name, "%s_over_memory", names[k]);
    if (k != HELD) RheoYamlReal(yaml, name, kind[k].rate / kind[HELD].rate);
    snprintf(name, sizeof name, "%s_peak_mb", names[k]);
    RheoYamlReal(yaml, name, kind[k].memory * 1e-6);
  }
  RheoYamlClose(yaml);
  PetscFunctionReturn(RHEO_OK);
}

/* The kinds take turns, streaming first: what memory is at its peak then is its own. The best of each counts, as whatever
 * disturbs a training makes it slower. */
PetscErrorCode BenchStream(MPI_Comm comm, const BenchConfig *config, RheoYaml *yaml)
{
  const int64_t n =
      config->stream_rows ? config->stream_rows : (int64_t)PetscMax(4 * WINDOW, 60000 * config->seconds);
  char folder[PETSC_MAX_PATH_LEN], path[PETSC_MAX_PATH_LEN + 16], packed[PETSC_MAX_PATH_LEN + 16];
  Kind kind[KINDS] = {[STREAMED] = {.used = PETSC_TRUE}, [HELD] = {.used = PETSC_TRUE}};
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCall(BenchFolder(comm, folder));
  snprintf(path, sizeof path, "%s/rows.h5", folder);
  snprintf(packed, sizeof packed, "%s/packed.h5", folder);
  PetscCall(WriteRows(comm, path, n));
  PetscCall(Compress(comm, path, packed, &kind[COMPRESSED].used));
  for (int turn = 0; turn < (config->stream_rows ? 1 : 2); turn++)
    for (int k = 0; k < KINDS; k++) {
      double rate;
      if (!kind[k].used) continue;
      PetscCall(TrainOnce(comm, k == COMPRESSED ? packed : path, k == HELD ? "no" : "yes", &rate,
                          &kind[k].checksum));
      kind[k].rate = PetscMax(kind[k].rate, rate);
      if (turn == 0) kind[k].memory = RheoPeakMemory();
    }
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) (void)remove(packed);
  PetscCall(BenchFolderRemove(comm, folder, "rows.h5"));
  for (int k = 0; k < KINDS; k++)
    PetscCheck(!kind[k].used || kind[k].checksum == kind[HELD].checksum, comm, PETSC_ERR_PLIB,
               "rows that are %s give another model", names[k]);
  PetscCall(Print(yaml, n, kind));
  PetscFunctionReturn(RHEO_OK);
}
