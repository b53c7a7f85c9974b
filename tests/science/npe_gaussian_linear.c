/* NPE against an exact posterior: gaussian_linear's is N(x / 2, 0.05 I), for every x. The bands are met with margin by a short
 * training and by none that leaves out the data, the prior or the width. ranks: 2
 * timeout: 200 */
#include "base/log.h"
#include "infer/c2st.h"
#include "infer/calibration.h"
#include "infer/summary.h"
#include "npe.h"
#include <math.h>

enum { D = 10, M = 4000, OBSERVATIONS = 2 };
static const double Sd = 0.22360679774997896964; /* sqrt(0.05) */
static const double Observed[OBSERVATIONS][D] = {{0.4, -0.2, 0.1, 0.6, -0.5, 0, 0.3, -0.1, -0.7, 0.2},
                                                 {-0.6, 0.5, 0.4, -0.3, 0.2, 0.7, -0.4, 0, 0.1, -0.2}};
static NpeStudy study;

static int Train(void **state)
{
  static const char *const set[] = {
      "train.epochs", "20", "train.schedule", "cosine", "train.patience", "0", NULL};
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

static void Moments(void **state)
{
  static double theta[M * D];
  double mean_error = 0, worst_mean = 0, sd_error = 0, worst_sd = 0;
  (void)state;
  for (int o = 0; o < OBSERVATIONS; o++) {
    OK(RheoPosteriorSample(study.posterior, Observed[o], 1, 0, M, theta, NULL));
    for (int k = 0; k < D; k++) {
      const RheoSummary s = RheoSummarize(M, D, theta, k);
      const double mean = fabs(s.mean - Observed[o][k] / 2) / Sd, sd = fabs(s.sd / Sd - 1);
      mean_error += mean / (D * OBSERVATIONS);
      sd_error += sd / (D * OBSERVATIONS);
      worst_mean = fmax(worst_mean, mean);
      worst_sd = fmax(worst_sd, sd);
    }
  }
  print_message("means off by %.3f sd (worst %.3f), sds by %.3f (worst %.3f)\n", mean_error, worst_mean,
                sd_error, worst_sd);
  assert_true(mean_error < 0.15 && worst_mean < 0.4 && sd_error < 0.1 && worst_sd < 0.25);
}

static void Classifier(void **state)
{
  enum { ROWS = 1000 };
  static double theta[ROWS * D], exact[ROWS * D];
  double c2st, wide;
  (void)state;
  for (int i = 0; i < ROWS; i++) {
    RheoStream stream = RheoStreamMake(2, RHEO_STREAM_TEST, 0, (uint64_t)i);
    for (int k = 0; k < D; k++) exact[i * D + k] = Observed[0][k] / 2 + Sd * RheoStreamNormal(&stream);
  }
  OK(RheoPosteriorSample(study.posterior, Observed[0], 1, 0, ROWS, theta, NULL));
  OK(RheoC2st(PETSC_COMM_WORLD, D, ROWS, exact, ROWS, theta, 1, &c2st));
  /* What a posterior of the prior's width around the right mean would score: the test sees what it must see. */
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < D; k++)
      theta[i * D + k] = Observed[0][k] / 2 + sqrt(2) * (theta[i * D + k] - Observed[0][k] / 2);
  OK(RheoC2st(PETSC_COMM_WORLD, D, ROWS, exact, ROWS, theta, 1, &wide));
  print_message("c2st %.3f; of the prior's width %.3f\n", c2st, wide);
  assert_true(c2st < 0.6 && wide > 0.65);
}

static void Maximum(void **state)
{
  double theta[D], log_q, error = 0;
  (void)state;
  OK(RheoPosteriorMap(study.posterior, Observed[0], 1, theta, &log_q));
  for (int k = 0; k < D; k++) error += fabs(theta[k] - Observed[0][k] / 2) / Sd / D;
  const double exact = -D * (log(Sd) + 0.91893853320467274178);
  print_message("maximum off by %.3f sd, its log density %.3f, exactly %.3f\n", error, log_q, exact);
  assert_true(error < 0.4 && fabs(log_q - exact) < 1);
}

static void Calibrated(void **state)
{
  const RheoCalibrationConfig config = {400, 99, 10};
  RheoCalibration c;
  (void)state;
  OK(RheoCalibrate(PETSC_COMM_WORLD, study.posterior, study.simulator, 1, &config, &c));
  print_message("coverage error %.3f\n", c.coverage_error);
  assert_true(c.coverage_error < 0.08);
  OK(RheoCalibrationFree(&c));
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(Moments), cmocka_unit_test(Classifier),
                                     cmocka_unit_test(Maximum), cmocka_unit_test(Calibrated)};
  int any = 0;
  if (RheoInitialize(&argc, &argv)) return 1;
  RheoLogSetLevel(RHEO_LOG_WARNING);
  const int failed = cmocka_run_group_tests(tests, Train, Free);
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD);
  return RheoFinalize() || any;
}
