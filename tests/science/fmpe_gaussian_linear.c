/* FMPE against an exact posterior: gaussian_linear's is N(x / 2, 0.05 I), for every x. A short training meets bands that none
 * meets which leaves out the data, the prior or the width. ranks: 2
 * timeout: 300 */
#include "base/log.h"
#include "infer/c2st.h"
#include "infer/calibration.h"
#include "infer/summary.h"
#include "npe.h"
#include <math.h>

enum { D = 10, ROWS = 2000 };
static const double Sd = 0.22360679774997896964; /* sqrt(0.05) */
static const double Observed[D] = {0.4, -0.2, 0.1, 0.6, -0.5, 0, 0.3, -0.1, -0.7, 0.2};
static NpeStudy study;

static int Train(void **state)
{
  static const char *const set[] = {"estimator",
                                    "fmpe",
                                    "cnf.net.type",
                                    "resmlp",
                                    "cnf.net.hidden",
                                    "64",
                                    "cnf.net.activation",
                                    "silu",
                                    "cnf.solve.scheme",
                                    "rk4",
                                    "cnf.solve.steps",
                                    "12",
                                    "train.epochs",
                                    "50",
                                    "train.schedule",
                                    "cosine",
                                    "train.lr",
                                    "2e-3",
                                    "train.patience",
                                    "0",
                                    "train.ema",
                                    "0.99",
                                    NULL};
  (void)state;
  NpeStudyTrain("gaussian_linear/gaussian_linear.yaml", set, 10000, &study);
  return 0;
}

static int Free(void **state)
{
  (void)state;
  NpeStudyDestroy(&study);
  return 0;
}

static void Samples(void **state)
{
  static double theta[ROWS * D], exact[ROWS * D];
  double mean_error = 0, sd_error = 0, c2st, wide;
  (void)state;
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(1, RHEO_STREAM_TEST, 0, (uint64_t)i);
    for (int k = 0; k < D; k++) exact[i * D + k] = Observed[k] / 2 + Sd * RheoStreamNormal(&stream);
  }
  OK(RheoPosteriorSample(study.posterior, Observed, 1, 0, ROWS, theta, NULL));
  for (int k = 0; k < D; k++) {
    const RheoSummary s = RheoSummarize(ROWS, D, theta, k);
    mean_error += fabs(s.mean - Observed[k] / 2) / Sd / D;
    sd_error += fabs(s.sd / Sd - 1) / D;
  }
  OK(RheoC2st(PETSC_COMM_WORLD, D, ROWS, exact, ROWS, theta, 1, &c2st));
  /* What the prior's width around the right mean would score: the test sees what it must see. */
  for (int i = 0; i < ROWS * D; i++)
    theta[i] = Observed[i % D] / 2 + sqrt(2) * (theta[i] - Observed[i % D] / 2);
  OK(RheoC2st(PETSC_COMM_WORLD, D, ROWS, exact, ROWS, theta, 1, &wide));
  print_message("means off by %.3f sd, sds by %.3f; c2st %.3f, of the prior's width %.3f\n", mean_error,
                sd_error, c2st, wide);
  assert_true(mean_error < 0.15 && sd_error < 0.1 && c2st < 0.6 && wide > 0.65);
}

static void Maximum(void **state)
{
  double theta[D], log_q, error = 0;
  (void)state;
  OK(RheoPosteriorMap(study.posterior, Observed, 1, theta, &log_q));
  for (int k = 0; k < D; k++) error += fabs(theta[k] - Observed[k] / 2) / Sd / D;
  const double exact = -D * (log(Sd) + 0.91893853320467274178);
  print_message("maximum off by %.3f sd, its log density %.3f, exactly %.3f\n", error, log_q, exact);
  assert_true(error < 0.4 && fabs(log_q - exact) < 1);
}

static void Calibrated(void **state)
{
  const RheoCalibrationConfig config = {200, 39, 8};
  RheoCalibration c;
  double least = 1;
  (void)state;
  OK(RheoCalibrate(PETSC_COMM_WORLD, study.posterior, study.simulator, 1, &config, &c));
  for (int k = 0; k < D; k++) least = fmin(least, c.ks_p[k]);
  print_message("coverage error %.3f, least p of %d parameters %.3g\n", c.coverage_error, D, least);
  assert_true(c.coverage_error < 0.08 && least > 1e-4);
  OK(RheoCalibrationFree(&c));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Samples), cmocka_unit_test(Maximum),
                                     cmocka_unit_test(Calibrated)};
  int any = 0;
  if (RheoInitialize(&argc, &argv)) return 1;
  RheoLogSetLevel(RHEO_LOG_WARNING);
  const int failed = cmocka_run_group_tests(tests, Train, Free);
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return RheoFinalize() || any;
}
