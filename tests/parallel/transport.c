/* A transport that many ranks ask gives the bits that one rank is given: samples, densities, paths, metrics.
 * ranks: 1 2 3
 * timeout: 120 */
#include "infer/transport.h"
#include "base/checksum.h"
#include "base/random.h"
#include "base/reduce.h"
#include "check.h"
#include "io/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 700, TIMES = 3 };
static const char text[] = "seed: 2\ntarget: {toy: moons, n: 600}\n"
                           "cnf: {net: {type: mlp, hidden: 12, layers: 2}, time: raw, solve: {group: 64}}\n"
                           "train: {batch: 60, steps: 20, shards: 4, patience: 0}\ncheck: {n: 300}\n";

typedef struct {
  double x[2 * N], log_prob[N], path[TIMES * 2 * N];
  RheoSolveReport report;
  RheoTransportMetrics metrics;
} Answer;

static void ask(MPI_Comm comm, Answer *a)
{
  double source[2 * N];
  RheoTransportTest test;
  RheoTransport t;
  RheoDeck deck;
  memset(a, 0, sizeof *a);
  OK(RheoDeckCreate(comm, &deck));
  OK(RheoDeckLoadText(deck, "test.yaml", text));
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  OK(RheoTransportSource(t, 1, 0, N, source));
  const RheoTransportRows rows = {N, source, NULL, 1, 0};
  OK(RheoTransportSample(t, &rows, NULL, a->x, a->log_prob, &a->report));
  OK(RheoTransportPath(t, &rows, NULL, TIMES, (const double[]){0, 0.5, 1}, a->path, NULL));
  OK(RheoTransportTestCreate(t, 300, &test));
  OK(RheoTransportMeasure(t, &test, NULL, &a->metrics));
  OK(RheoTransportTestFree(&test));
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
}

static void same_bits(void **state)
{
  (void)state;
  static Answer one, many;
  ask(PETSC_COMM_SELF, &one);
  ask(PETSC_COMM_WORLD, &many);
  assert_memory_equal(one.x, many.x, sizeof one.x);
  assert_memory_equal(one.log_prob, many.log_prob, sizeof one.log_prob);
  assert_memory_equal(one.path, many.path, sizeof one.path);
  assert_true(one.report.evaluations == many.report.evaluations && one.report.steps == many.report.steps);
  assert_true(one.metrics.w2 == many.metrics.w2 && one.metrics.path_energy == many.metrics.path_energy);
  assert_true(one.metrics.mmd == many.metrics.mmd &&
              one.metrics.energy_distance == many.metrics.energy_distance);
}

/* ---- Targets of files ---- */
enum { ROWS = 3000 };

/* Two coordinates and a class in two blocks, and as text. */
static void WriteFiles(void)
{
  static const char *const first[] = {"unused", "a"}, *const second[] = {"label", "b"};
  RheoTable table = {.kind = "dataset", .verb = "test", .n = ROWS, .n_blocks = 2};
  double *x = malloc(2 * ROWS * sizeof *x), *y = malloc(2 * ROWS * sizeof *y);
  FILE *file = NULL;
  int rank;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  RheoRange(PETSC_COMM_WORLD, ROWS, &table.begin, &table.end);
  if (!rank) {
    file = fopen("rows.csv", "w");
    assert_non_null(file);
    fputs("a,b,label\n", file);
  }
  for (int64_t i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(4, RHEO_STREAM_TEST, 0, (uint64_t)i);
    const double label = (double)(i % 3), a = label + RheoStreamNormal(&stream),
                 b = RheoStreamNormal(&stream);
    const int64_t k = i - table.begin;
    if (file) fprintf(file, "%.17g,%.17g,%g\n", a, b, label);
    if (k < 0 || i >= table.end) continue;
    x[2 * k] = 0;
    x[2 * k + 1] = a;
    y[2 * k] = label;
    y[2 * k + 1] = b;
  }
  if (file) fclose(file);
  table.block[0] = (RheoBlock){"one", 2, RHEO_STORE_DOUBLE, first, NULL, x};
  table.block[1] = (RheoBlock){"two", 2, RHEO_STORE_DOUBLE, second, NULL, y};
  OK(RheoTableWrite(PETSC_COMM_WORLD, "rows.h5", &table));
  free(x);
  free(y);
}

static uint64_t TrainOn(MPI_Comm comm, const char *where)
{
  char deck_text[640];
  RheoTransport t;
  RheoDeck deck;
  const RheoHistory *h;
  snprintf(deck_text, sizeof deck_text,
           "seed: 2\ntarget: {%s, columns: [a, b], condition_columns: [label], classes: 3, test: 0.2}\n"
           "source: {toy: moons, n: 500}\n"
           "cnf: {net: {type: mlp, hidden: 12, layers: 2}, time: raw, coupling: c2ot}\n"
           "train: {batch: 60, epochs: 2, shards: 4, patience: 0, window: 700}\n",
           where);
  OK(RheoDeckCreate(comm, &deck));
  OK(RheoDeckLoadText(deck, "test.yaml", deck_text));
  OK(RheoTransportCreate(deck, &t));
  OK(RheoTransportTrain(t));
  h = RheoTransportHistory(t);
  assert_int_equal(h->n, 2);
  uint64_t sum = RheoChecksum(RHEO_CHECKSUM_START, h->train_loss, 2 * sizeof(double));
  sum = RheoChecksum(sum, h->validation_loss, 2 * sizeof(double));
  OK(RheoTransportDestroy(&t));
  OK(RheoDeckDestroy(&deck));
  return sum;
}

/* Text, HDF5 in memory, HDF5 read as it is needed: the same training, on any number of ranks. */
static void files(void **state)
{
  char folder[64];
  int size;
  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  snprintf(folder, sizeof folder, "parallel_transport_%d", size);
  (void)mkdir(folder, 0777);
  OK(chdir(folder));
  WriteFiles();
  MPI_Barrier(PETSC_COMM_WORLD);
  const uint64_t csv = TrainOn(PETSC_COMM_WORLD, "file: rows.csv");
  assert_true(TrainOn(PETSC_COMM_WORLD, "file: rows.h5, stream: no") == csv);
  assert_true(TrainOn(PETSC_COMM_WORLD, "file: rows.h5, stream: yes") == csv);
  assert_true(TrainOn(PETSC_COMM_SELF, "file: rows.h5") == csv);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(files)};
  return RUN_TESTS(argc, argv, tests);
}
