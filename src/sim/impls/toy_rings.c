/* Four circles of radius 1, 3/4, 1/2 and 1/4, with as many points each; four classes (Grathwohl et al., ICLR 2019: noise 0.08/3,
 * scale 3). */
#include "../toy_impl.h"
#include <math.h>

enum { RINGS = 4 };

typedef struct {
  double noise;
} Config;

static const RheoKey keys[] = {{"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.03", "(0, inf)",
                                "standard deviation around a curve, or extent of the jitter"},
                               {0}};

static double radius(int label)
{
  return 1 - (double)label / RINGS;
}

static void curve(const void *config, int label, double u, double *x)
{
  (void)config;
  x[0] = radius(label) * cos(2 * M_PI * u);
  x[1] = radius(label) * sin(2 * M_PI * u);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  RheoToyCurveSample(curve, config, ((const Config *)config)->noise, place, stream, x);
}

static double log_prob(const void *config, const double *x)
{
  double terms[RINGS];
  for (int i = 0; i < RINGS; i++)
    terms[i] = RheoToyCircleLogProb(radius(i), ((const Config *)config)->noise, x);
  return RheoToyLogMeanExp(RINGS, terms);
}

const RheoToyType RheoToyType_Rings = {.name = "rings",
                                       .summary = "four circles; 4 classes",
                                       .reference = "Grathwohl et al., ICLR 2019",
                                       .keys = keys,
                                       .size = sizeof(Config),
                                       .classes = RINGS,
                                       .spread = RHEO_TOY_EVEN_OPEN,
                                       .sample = sample,
                                       .log_prob = log_prob};
