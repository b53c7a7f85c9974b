/* A transport that many ranks ask gives the bits that one rank is given: samples, densities, paths, metrics.
 * ranks: 1 2 3
 * timeout: 120 */
#include "infer/transport.h"
#include "check.h"
#include <string.h>

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

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
  return RUN_TESTS(argc, argv, tests);
}
