/* The S of scikit-learn's make_s_curve seen from the side (its first and third coordinate). SF2M's table 2 takes noise 0.05
 * and scale 1.5. */
#include "../toy_impl.h"
#include <math.h>

typedef struct {
  double noise;
} Config;

static const RheoKey keys[] = {{"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.05", "(0, inf)",
                                "standard deviation around a curve, or extent of the jitter"},
                               {0}};

static void curve(const void *config, int label, double u, double *x)
{
  const double t = 3 * M_PI * (u - 0.5);
  (void)config;
  (void)label;
  x[0] = sin(t);
  x[1] = copysign(1, t) * (cos(t) - 1);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  RheoToyCurveSample(curve, config, ((const Config *)config)->noise, place, stream, x);
}

static double log_prob(const void *config, const double *x)
{
  return RheoToyCurveLogProb(curve, config, ((const Config *)config)->noise, 1, x);
}

const RheoToyType RheoToyType_SCurve = {.name = "scurve",
                                        .summary = "an S",
                                        .reference = "Pedregosa et al., JMLR 2011",
                                        .keys = keys,
                                        .size = sizeof(Config),
                                        .classes = 1,
                                        .sample = sample,
                                        .log_prob = log_prob};
