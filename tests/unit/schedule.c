/* The learning rate's schedules at points where it is known. */
#include "check.h"
#include "train/train_impl.h"
#include <math.h>

static void Near(double x, double y)
{
  assert_true(fabs(x - y) <= 1e-14 * fabs(y));
}

static void TestConstant(void **state)
{
  RheoTrainConfig config = {.lr = 0.1, .schedule = RHEO_SCHEDULE_CONSTANT};
  (void)state;
  Near(RheoScheduleRate(&config, 0, 100, 1), 0.1);
  Near(RheoScheduleRate(&config, 99, 100, 1), 0.1);
}

static void TestWarmUp(void **state)
{
  RheoTrainConfig config = {.lr = 0.1, .warmup = 10};
  (void)state;
  for (int schedule = RHEO_SCHEDULE_CONSTANT; schedule <= RHEO_SCHEDULE_PLATEAU; schedule++) {
    config.schedule = schedule;
    for (int64_t t = 0; t < 10; t++) Near(RheoScheduleRate(&config, t, 100, 1), 0.01 * (double)(t + 1));
    Near(RheoScheduleRate(&config, 10, 100, 1), 0.1);
  }
}

static void TestCosine(void **state)
{
  RheoTrainConfig config = {.lr = 0.2, .schedule = RHEO_SCHEDULE_COSINE, .warmup = 20, .lr_final = 0.1};
  double last = 1;
  (void)state;
  Near(RheoScheduleRate(&config, 20, 220, 1), 0.2);
  assert_float_equal(RheoScheduleRate(&config, 120, 220, 1), 0.2 * 0.55,
                     1e-15); /* half way: the mean of both ends */
  Near(RheoScheduleRate(&config, 220, 220, 1), 0.02);
  Near(RheoScheduleRate(&config, 500, 220, 1), 0.02);
  for (int64_t t = 20; t <= 220; t++) {
    double rate = RheoScheduleRate(&config, t, 220, 1);
    assert_true(rate < last);
    last = rate;
  }
  config.warmup = 300; /* longer than the run */
  Near(RheoScheduleRate(&config, 219, 220, 1), 0.2 * 220 / 300);
}

static void TestPlateau(void **state)
{
  RheoTrainConfig config = {.lr = 0.1, .schedule = RHEO_SCHEDULE_PLATEAU};
  (void)state;
  Near(RheoScheduleRate(&config, 5, 100, 0.25), 0.025);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(TestConstant), cmocka_unit_test(TestWarmUp),
                                     cmocka_unit_test(TestCosine), cmocka_unit_test(TestPlateau)};
  return RUN_TESTS(argc, argv, tests);
}
