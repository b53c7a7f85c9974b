/* Calibration is itself calibrated: for posteriors that are known exactly its p-values are uniform over repetitions; for
 * posteriors that are too narrow, too wide or shifted they are tiny. ranks: 1 2
 * timeout: 200 */
#include "infer/calibration.h"
#include "infer/summary.h"
#include "sim_deck.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D = 10 };

/* The posterior of gaussian_linear is N(x / 2, 0.05 I); here with its sd stretched and its mean moved by some of them. */
typedef struct {
  double stretch, shift;
} Exact;

static PetscErrorCode LogProb(void *context, int64_t n, const double *theta, const double *x,
                              double *log_prob)
{
  const Exact *e = context;
  const double sd = e->stretch * sqrt(0.05);
  for (int64_t i = 0; i < n; i++) {
    log_prob[i] = 0;
    for (int k = 0; k < D; k++) {
      const double z = (theta[i * D + k] - x[i * D + k] / 2) / sd - e->shift;
      log_prob[i] -= 0.5 * z * z + log(sd);
    }
  }
  return RHEO_OK;
}

static PetscErrorCode Sample(void *context, int64_t n, const double *x, uint64_t seed, const uint64_t *index,
                             double *theta, double *log_prob)
{
  const Exact *e = context;
  for (int64_t i = 0; i < n; i++) {
    RheoStream stream = RheoStreamMake(seed, RHEO_STREAM_SAMPLE, 0, index[i]);
    for (int k = 0; k < D; k++)
      theta[i * D + k] = x[i * D + k] / 2 + e->stretch * sqrt(0.05) * (RheoStreamNormal(&stream) + e->shift);
  }
  return LogProb(context, n, theta, x, log_prob);
}

static SimModel Model(void)
{
  char text[2048] = "simulator: {type: gaussian_linear}\nprior:\n";
  for (int k = 0; k < D; k++)
    snprintf(text + strlen(text), sizeof text - strlen(text),
             "  t%d: {family: normal, mean: 0, sd: 0.31622776601683794}\n", k);
  return SimModelOf(text);
}

static RheoCalibration Calibrate(const SimModel *model, Exact exact, int simulations, uint64_t seed)
{
  const RheoConditional q = {&exact, D, D, Sample, LogProb};
  const RheoCalibrationConfig config = {simulations, 99, 10};
  RheoCalibration c;
  OK(RheoCalibrateConditional(PETSC_COMM_WORLD, &q, model->prior, model->simulator, seed, &config, &c));
  return c;
}

/* 60 repetitions with 10 parameters each: three sets of p-values, each against the uniform at 1e-4. Parameters of one
 * repetition are independent here. */
static void TrueOnesAreUniform(void **state)
{
  enum { REPEATS = 60 };
  double ks[REPEATS * D], chi2[REPEATS * D], coverage[REPEATS];
  SimModel model = Model();
  (void)state;
  for (int r = 0; r < REPEATS; r++) {
    RheoCalibration c = Calibrate(&model, (Exact){1, 0}, 200, 100 + (uint64_t)r);
    assert_int_equal(c.n, 200);
    memcpy(ks + r * D, c.ks_p, sizeof(double[D]));
    memcpy(chi2 + r * D, c.chi2_p, sizeof(double[D]));
    coverage[r] = c.coverage_ks_p;
    OK(RheoCalibrationFree(&c));
  }
  RheoSortAscending(REPEATS * D, ks);
  RheoSortAscending(REPEATS * D, chi2);
  RheoSortAscending(REPEATS, coverage);
  const double p[3] = {RheoKolmogorovSmirnov(REPEATS * D, ks), RheoKolmogorovSmirnov(REPEATS * D, chi2),
                       RheoKolmogorovSmirnov(REPEATS, coverage)};
  print_message("uniform: ks %.3f, chi2 %.3f, coverage %.3f\n", p[0], p[1], p[2]);
  for (int k = 0; k < 3; k++) assert_true(p[k] > 1e-4);
  SimModelFree(&model);
}

typedef struct {
  const char *name;
  Exact exact;
  int above; /* observed coverage against nominal: 1 above, -1 below */
} Wrong;

static void WrongOnesAreFound(void **state)
{
  static const Wrong wrong[] = {
      {"too narrow", {0.7, 0}, -1}, {"too wide", {1.4, 0}, 1}, {"shifted", {1, 0.5}, -1}};
  SimModel model = Model();
  (void)state;
  for (int w = 0; w < 3; w++) {
    RheoCalibration c = Calibrate(&model, wrong[w].exact, 1000, 5);
    double worst = 0;
    for (int k = 0; k < D; k++) worst = fmax(worst, fmax(c.ks_p[k], c.chi2_p[k]));
    print_message("%s: largest p %.2g, coverage p %.2g, error %.3f\n", wrong[w].name, worst, c.coverage_ks_p,
                  c.coverage_error);
    assert_true(worst < 1e-4 && c.coverage_ks_p < 1e-6 && c.coverage_error > 0.05);
    for (int l = 0; l < c.n_levels; l++) assert_true(wrong[w].above * (c.observed[l] - c.nominal[l]) > -0.02);
    OK(RheoCalibrationFree(&c));
  }
  SimModelFree(&model);
}

/* To the bit the same on all ranks together as on one alone, and coverage is what it says. */
static void SameOnRanks(void **state)
{
  const RheoCalibrationConfig config = {101, 19, 4};
  Exact exact = {1, 0};
  const RheoConditional q = {&exact, D, D, Sample, LogProb};
  RheoCalibration a, b;
  SimModel model = Model();
  (void)state;
  OK(RheoCalibrateConditional(PETSC_COMM_WORLD, &q, model.prior, model.simulator, 3, &config, &a));
  OK(RheoCalibrateConditional(PETSC_COMM_SELF, &q, model.prior, model.simulator, 3, &config, &b));
  assert_int_equal(a.n, b.n);
  assert_memory_equal(a.rank, b.rank, (size_t)(a.n * a.d) * sizeof(double));
  assert_memory_equal(a.density, b.density, (size_t)a.n * sizeof(double));
  assert_memory_equal(a.ks_p, b.ks_p, sizeof(double[D]));
  assert_true(a.coverage_ks_p == b.coverage_ks_p);
  for (int64_t i = 0; i < a.n * a.d; i++) assert_true(a.rank[i] >= 0 && a.rank[i] <= 19);
  OK(RheoCalibrationFree(&a));
  OK(RheoCalibrationFree(&b));
  SimModelFree(&model);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TrueOnesAreUniform),
                                     cmocka_unit_test(WrongOnesAreFound), cmocka_unit_test(SameOnRanks)};
  return RUN_TESTS(argc, argv, tests);
}
