/* Cosine: Loshchilov and Hutter, SGDR, ICLR 2017, eq. 5, without restarts, after a linear warm-up. */
#include "train_impl.h"
#include <math.h>

double RheoScheduleRate(const RheoTrainConfig *config, int64_t step, int64_t total, double factor)
{
  if (step < config->warmup) return factor * config->lr * (double)(step + 1) / (double)config->warmup;
  if (config->schedule != RHEO_SCHEDULE_COSINE) return factor * config->lr;
  double span = (double)(total - config->warmup),
         done = span > 0 ? (double)(step - config->warmup) / span : 0;
  return config->lr * (config->lr_final + (1 - config->lr_final) * (1 + cos(M_PI * fmin(done, 1))) / 2);
}
