/* A spiral of one and a half turns: scikit-learn's make_swiss_roll from the side, a fifth as large, as Grathwohl et al. (FFJORD,
 * ICLR 2019) use it. */
#include "../toy_impl.h"
#include <math.h>

typedef struct {
  double noise;
} Config;

static const RheoKey keys[] = {{"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.2", "(0, inf)",
                                "standard deviation around a curve, or extent of the jitter"},
                               {0}};

static void curve(const void *config, int label, double u, double *x)
{
  const double t = 1.5 * M_PI * (1 + 2 * u);
  (void)config;
  (void)label;
  x[0] = 0.2 * t * cos(t);
  x[1] = 0.2 * t * sin(t);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  RheoToyCurveSample(curve, config, ((const Config *)config)->noise, place, stream, x);
}

static double log_prob(const void *config, const double *x)
{
  return RheoToyCurveLogProb(curve, config, ((const Config *)config)->noise, 1, x);
}

const RheoToyType RheoToyType_SwissRoll = {.name = "swissroll",
                                           .summary = "a spiral",
                                           .reference = "Grathwohl et al., ICLR 2019",
                                           .keys = keys,
                                           .size = sizeof(Config),
                                           .classes = 1,
                                           .sample = sample,
                                           .log_prob = log_prob};
