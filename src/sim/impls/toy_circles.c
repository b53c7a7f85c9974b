/* Two circles, one inside the other (scikit-learn's make_circles); two classes, the outer first. Grathwohl et al. (2019): factor
 * 0.5, noise 0.08, scale 3. */
#include "../toy_impl.h"
#include <math.h>

typedef struct {
  double factor, noise;
} Config;

static const RheoKey keys[] = {{"factor", RHEO_KEY_REAL, offsetof(Config, factor), "0.5", "(0, 1)",
                                "radius of the inner circle (circles)"},
                               {"noise", RHEO_KEY_REAL, offsetof(Config, noise), "0.08", "(0, inf)",
                                "standard deviation around a curve, or extent of the jitter"},
                               {0}};

static void curve(const void *config, int label, double u, double *x)
{
  const double radius = label ? ((const Config *)config)->factor : 1;
  x[0] = radius * cos(2 * M_PI * u);
  x[1] = radius * sin(2 * M_PI * u);
}

static void sample(const void *config, const RheoToyPlace *place, RheoStream *stream, double *x)
{
  RheoToyCurveSample(curve, config, ((const Config *)config)->noise, place, stream, x);
}

static double log_prob(const void *config, const double *x)
{
  const Config *c = config;
  const double terms[2] = {RheoToyCircleLogProb(1, c->noise, x),
                           RheoToyCircleLogProb(c->factor, c->noise, x)};
  return RheoToyLogMeanExp(2, terms);
}

const RheoToyType RheoToyType_Circles = {.name = "circles",
                                         .summary = "two circles, one inside the other; 2 classes",
                                         .reference = "Pedregosa et al., JMLR 2011",
                                         .keys = keys,
                                         .size = sizeof(Config),
                                         .classes = 2,
                                         .spread = RHEO_TOY_EVEN_OPEN,
                                         .sample = sample,
                                         .log_prob = log_prob};
