/* Two spirals around each other; two classes. As in Grathwohl et al. (ICLR 2019) the angle is a = 2 pi turns sqrt(u), the point
 * a (-cos a, sin a) / 3, and its mirror image; their additional uniform jitter is left out. */
#include "../toy_impl.h"
#include <math.h>

typedef struct {
  double turns, noise;
} Config;

static const RheoKey keys[] = {
    {"turns", RHEO_KEY_REAL, offsetof(Config, turns), "1.5", "(0, 100]", "of each spiral (two_spirals)"},
    {"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.1", "(0, inf)",
     "standard deviation around a curve, or extent of the jitter"},
    {0}};

static void curve(const void *config, int label, double u, double *x)
{
  const double a = 2 * M_PI * ((const Config *)config)->turns * sqrt(u), sign = label ? -1 : 1;
  x[0] = -sign * a * cos(a) / 3;
  x[1] = sign * a * sin(a) / 3;
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  RheoToyCurveSample(curve, config, ((const Config *)config)->noise, place, stream, x);
}

static double log_prob(const void *config, const double *x)
{
  return RheoToyCurveLogProb(curve, config, ((const Config *)config)->noise, 2, x);
}

const RheoToyType RheoToyType_TwoSpirals = {.name = "two_spirals",
                                            .summary = "two spirals around each other; 2 classes",
                                            .reference = "Grathwohl et al., ICLR 2019",
                                            .keys = keys,
                                            .size = sizeof(Config),
                                            .classes = 2,
                                            .sample = sample,
                                            .log_prob = log_prob};
