/* The main job against the exact answer: `rheo infer inputs/flu/flu.yaml` on two ranks, its samples held to quadrature.
 * timeout: 1500 */
#include "flu_exact.h"
#include "infer/c2st.h"
#include "io/table.h"
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void RunInfer(void)
{
  char program[2048], deck[2048], *err;
  const char *argv[] = {getenv("RHEO_MPIEXEC"),
                        "--oversubscribe",
                        "-n",
                        "2",
                        program,
                        "infer",
                        deck,
                        "-output",
                        "flu",
                        "-check_run",
                        "none",
                        "-plot_figures",
                        "no",
                        NULL};
  snprintf(program, sizeof program, "%s/rheo", getenv("RHEO_BIN"));
  snprintf(deck, sizeof deck, "%s/inputs/flu/flu.yaml", getenv("RHEO_SOURCE"));
  FreshFolder("flu");
  const int status = RunProgram(argv, 1200, &err);
  if (status) fail_msg("rheo infer ended with status %d: %s", status, err);
  free(err);
}

/* n samples of beta, gamma, inv_phi, spread evenly over the file. */
static void ReadSamples(int n, double *theta)
{
  RheoTable *table;
  OK(RheoTableRead(PETSC_COMM_WORLD, "flu/samples.h5", "samples", PETSC_TRUE, &table));
  const RheoBlock *block = RheoTableBlock(table, "parameters");
  assert_non_null(block);
  assert_int_equal(block->width, FLU_EXACT_PARAMETERS);
  assert_true(table->n >= n);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < block->width; ++j) {
      theta[block->width * i + j] = block->value[(i * table->n / n) * block->width + j];
    }
  }
  OK(RheoTableDestroy(&table));
}

static double Quantity(int q, const double *t)
{
  const double all[FLU_EXACT_QUANTITIES] = {t[0], t[1], t[2], 1 / t[2], t[0] / t[1], 1 / t[1]};
  return all[q];
}

static void InferAgreesWithQuadrature(void **state)
{
  enum { N = 10000 };
  static double ours[3 * N], exact_draws[3 * N];
  double c2st;
  int n_wrong = 0;
  (void)state;
  if (!getenv("RHEO_BIN") || !getenv("RHEO_SOURCE") || !getenv("RHEO_MPIEXEC"))
    fail_msg("run me through ctest");
  RunInfer();
  ReadSamples(N, ours);
  FluExact exact = FluExactCreate(192);
  FluExactDraw(exact, 3, N, exact_draws);
  print_message("%-14s %9s %9s %9s %9s %9s\n", "quantity", "mean", "exact", "off, sd", "sd", "ratio");
  for (int q = 0; q < FLU_EXACT_QUANTITIES; ++q) {
    const FluExactSummary truth = FluExactSummarize(exact, q);
    double mean = 0, variance = 0;
    for (int i = 0; i < N; ++i) mean += Quantity(q, ours + 3 * i) / N;
    for (int i = 0; i < N; ++i) variance += pow(Quantity(q, ours + 3 * i) - mean, 2) / N;
    const double off = (mean - truth.mean) / truth.sd, ratio = sqrt(variance) / truth.sd;
    const int right = fabs(off) < 0.15 && fabs(ratio - 1) < 0.1;
    print_message("%-14s %9.5g %9.5g %9.3f %9.4g %9.3f%s\n", FluExactNames[q], mean, truth.mean, off,
                  sqrt(variance), ratio, right ? "" : "  outside the band");
    n_wrong += !right;
  }
  OK(RheoC2st(PETSC_COMM_WORLD, FLU_EXACT_PARAMETERS, N, exact_draws, N, ours, 1, &c2st));
  print_message("C2ST against exact draws: %.4f\n", c2st);
  assert_true(c2st <= 0.55);
  assert_int_equal(n_wrong, 0);
  FluExactDestroy(&exact);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(InferAgreesWithQuadrature)};
  return RUN_TESTS(argc, argv, tests);
}
